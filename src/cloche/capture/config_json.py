"""Reading JSON strictly, and changing one value of a JSON text and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

from cloche.errors import SettingsError
from cloche.model.values import Value

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def parse(text: str) -> Any:
    """The value of a JSON text. Raises SettingsError for a key that stands twice, ValueError otherwise."""
    return json.loads(text, object_pairs_hook=_table)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SettingsError(f": the key {twice} stands twice in one table", hint="keep one of them")
    return table


def edit(text: str, path: tuple[Any, ...], value: Value) -> str:
    """`text` with the value at `path` replaced."""
    start = _skip(text, 0)
    for key in path:
        start = _value_of(text, start, key)
    _, end = _DECODER.raw_decode(text, start)
    return text[:start] + json.dumps(value, ensure_ascii=False) + text[end:]


def _value_of(text: str, at: int, wanted: str) -> int:
    """Where the value of a key starts in the table that starts at `at`."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if key == wanted:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    raise KeyError(wanted)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
