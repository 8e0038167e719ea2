"""Changing one value of a YAML text and nothing else."""

from __future__ import annotations

import datetime
import json
import math
import re
import warnings
from typing import Any

from cloche.errors import UsageError
from cloche.model.values import Value
from cloche.model.yaml_text import Node, parse, tree

__all__ = ["edit", "emit", "parse"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def edit(text: str, path: tuple[Any, ...], value: Value) -> str:
    """`text` with the value at `path` replaced. Raises UsageError where it is part of something shared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        node = tree(text)
    for depth, key in enumerate(path):
        if node is None or node.kind != "map":
            raise UsageError(
                f"{'.'.join(map(str, path))} is shared with another part of the file", hint="change it by hand"
            )
        last = depth == len(path) - 1
        found = _child(node, key)
        if found is None and last:
            return _inserted(text, node, key, value)
        if last and found is not None:
            return _replaced(text, *found, node, value)
        node = found[1] if found else None
    raise KeyError(path)


def _child(node: Node, wanted: object) -> tuple[Node, Node] | None:
    """The key and the value of an entry of a map."""
    for key, value in zip(node.children[::2], node.children[1::2], strict=True):
        if key.kind == "scalar" and _is_key(key.text, wanted):
            return key, value
    return None


def _is_key(text: str, wanted: object) -> bool:
    if wanted is None:
        return text in ("", "~", "null", "Null", "NULL")
    return text == wanted or (not isinstance(wanted, str) and text.lower() == str(wanted).lower())


def _replaced(text: str, key: Node, node: Node, table: Node, value: Value) -> str:
    new = emit(value)
    if node.kind == "scalar" and node.start == node.end:
        # Nothing stands there yet: it goes right behind the colon, if there is one.
        colon = text.startswith(":", key.end)
        at = key.end + 1 if colon else key.end
        return f"{text[:at]}{'' if colon else ':'} {new}{text[at:]}"
    if node.kind in ("map", "seq") and not node.flow and node.column <= table.column:
        new = "  " + new
    if node.anchor and node.kind != "alias":
        new = f"&{node.anchor} {new}"
    if node.block and text[node.start : node.end].endswith("\n"):
        new += "\n"
    return text[: node.start] + new + text[node.end :]


def _inserted(text: str, table: Node, key: object, value: Value) -> str:
    """The key comes from a merge (`<<`): it gets a line of its own, which goes before what is merged."""
    first = table.children[0].start
    gap = ", " if table.flow else "\n" + " " * table.column
    return f"{text[:first]}{emit(str(key))}: {emit(value)}{gap}{text[first:]}"


def emit(value: Value | datetime.date) -> str:
    """A value as YAML on one line.

    >>> emit("gbm"), emit("no"), emit([1, None])
    ('gbm', '"no"', '[1, null]')
    """
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
            return value
        return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))
    if isinstance(value, list):
        return "[" + ", ".join(map(emit, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value)
