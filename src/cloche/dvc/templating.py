"""Filling in the templates of `dvc.yaml`: `${train.lr}`, by DVC's rules."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cloche.dvc.words import Unreadable

_TEMPLATE = re.compile(r"(?<!\\)\$\{(.*?)\}")
_KEY = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[[^.\[\]]+\])*")
LONGEST = 1_000_000

Values = dict[str, Any]
Options = Mapping[str, str]
NO_OPTIONS: Options = {}


def is_filled(text: object) -> bool:
    """Whether a text, or a list of them, holds a template."""
    if isinstance(text, list):
        return any(map(is_filled, text))
    return isinstance(text, str) and bool(_TEMPLATE.search(text))


def merge(into: Values, more: Mapping[Any, Any], source: str) -> None:
    """Add values. Tables grow together; raises Unreadable where a key stands in both, as DVC does."""
    for key, value in more.items():
        if not isinstance(key, str):  # cannot be named in a template
            continue
        if isinstance(into.get(key), dict) and isinstance(value, Mapping):
            merge(into[key], value, source)
        elif key in into:
            raise Unreadable(f"{source} defines `{key}`, which is defined already")
        else:
            into[key] = copied(value)


def copied(value: Any) -> Any:
    """A value that shares no table with the original."""
    return {key: copied(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def fill(
    value: Any, values: Values, *, command: bool = False, tables: bool = False, options: Options = NO_OPTIONS
) -> Any:
    """`value` with every template in it filled in from `values`.

    A text that is one template becomes the value itself. command: tables may be written out, as options. tables: any
    value may come back. Raises Unreadable.
    """
    if isinstance(value, Mapping):
        return {
            fill(key, values): fill(item, values, command=command, tables=tables, options=options)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [fill(item, values, command=command, tables=tables, options=options) for item in value]
    return _fill_text(value, values, command, tables, options) if isinstance(value, str) else value


def _fill_text(text: str, values: Values, command: bool, tables: bool, options: Options) -> Any:
    whole = _TEMPLATE.fullmatch(text)
    if whole and "}" not in whole[1]:
        found = select(values, whole[1])
        _check(found, command, tables)
        return found

    def replaced(match: re.Match[str]) -> str:
        found = select(values, match[1])
        _check(found, command, tables=False)
        return text_of(found, options)

    filled = _TEMPLATE.sub(replaced, text).replace("\\${", "${")
    if len(filled) > LONGEST:
        raise Unreadable("a template fills a text with more than a million characters")
    return filled


def _check(value: object, command: bool, tables: bool) -> None:
    plain = value is None or isinstance(value, (str, int, float, bool))
    if not plain and not tables and not (command and isinstance(value, dict)):
        raise Unreadable(f"a template cannot write out a {type(value).__name__}")


def select(values: Values, key: str) -> Any:
    """The value that a template names: `train.lr`, `seeds[0]`. Raises Unreadable."""
    if not _KEY.fullmatch(key):
        raise Unreadable(f"`${{{key}}}` is not a template")
    found: Any = values
    for part in (one.strip() for one in key.replace("[", ".").replace("]", "").split(".")):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (LookupError, ValueError, TypeError):
            raise Unreadable(f"`{key}` is not defined") from None
    return found


def text_of(value: Any, options: Options = NO_OPTIONS) -> str:
    """A value as DVC writes it into a text. A table becomes command line options."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return " ".join(flag for key, item in _leaves(value) for flag in _flags(key, item, options))
    return str(value)


def _leaves(table: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _flags(key: str, value: Any, options: Options) -> Iterator[str]:
    if isinstance(value, bool):
        if value:
            yield f"--{key}"
        elif options.get("bool") == "boolean_optional":
            yield f"--no-{key}"
    elif isinstance(value, str):
        yield f"--{key} {shlex.quote(value)}"
    elif isinstance(value, list):
        if any(isinstance(item, (list, dict)) for item in value):
            raise Unreadable(f"a template cannot write out the nested list `{key}`")
        words = [shlex.quote(item) if isinstance(item, str) else str(item) for item in value]
        if options.get("list") == "append":
            yield from (f"--{key} {word}" for word in words)
        elif words:
            yield f"--{key} {' '.join(words)}"
    else:
        yield f"--{key} {value}"
