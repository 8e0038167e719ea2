"""Files of keys and values (YAML, JSON, TOML, and the constants of a Python file), read as tables."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from cloche.dvc.quick_yaml import Elaborate, quick_table
from cloche.dvc.words import Unreadable
from cloche.errors import ClocheError
from cloche.model.yaml_text import parse

MOST_BYTES = 256 * 1024 * 1024

Table = dict[Any, Any]


def read_table(path: str, data: bytes) -> Table:
    """The table in a file, of the kind that its ending says. Raises Unreadable."""
    kind = path.rpartition(".")[2].lower()
    return parsed(path, data, _PARSERS.get(kind, read_yaml))


def read_yaml(text: str) -> Any:
    """The value of a YAML 1.2 text."""
    try:
        return quick_table(text)
    except Elaborate:
        return parse(text)


def parsed(path: str, data: bytes, parse_text: Callable[[str], Any]) -> Table:
    """The table in a file. Whatever is wrong with it becomes Unreadable: the file may be anyone's work."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"it is too large ({len(data)} bytes)")
    try:
        value = parse_text(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except Unreadable:
        raise
    except ClocheError as error:
        raise Unreadable(error.message.lstrip(",: ") or "it is broken") from None
    except RecursionError:
        raise Unreadable("it is nested too deep") from None
    except Exception as error:  # parsers of YAML raise whatever a date or a number in it does
        raise Unreadable(f"it cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"it holds no table of keys and values but one {type(value).__name__}")
    return value


def _python(text: str) -> Table:
    """What a Python file assigns: constants of the module, of its classes, and `self.x = 1` in `__init__`."""
    return _assigned(ast.parse(text).body)


def _assigned(body: list[ast.stmt]) -> Table:
    found: Table = {}
    for node in body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = _assigned(node.body)
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            found |= _assigned(node.body)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = getattr(target, "id", "") or getattr(target, "attr", "")
            try:
                found[name] = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError):
                continue
    found.pop("", None)
    return found


_PARSERS: Mapping[str, Callable[[str], Any]] = {"json": json.loads, "toml": tomllib.loads, "py": _python}
