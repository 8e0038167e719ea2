"""Config values and metrics: nested tables flattened to dotted keys, with their types kept."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING

from cloche.errors import SettingsError, UsageError

if TYPE_CHECKING:
    Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
else:  # msgspec decodes no recursive alias; a list may hold anything there
    Value = str | int | float | bool | None | list | dict

_MOST_FLOAT = 2**1023  # the largest power of two that a float holds


def flatten(table: Mapping[str, object], prefix: str = "") -> dict[str, Value]:
    """The leaves of nested tables by dotted key, in the order in which they stand.

    Every value comes back the same from JSON (see `plain`). Raises SettingsError for tables without end.

    >>> flatten({"train": {"lr": 0.1, "layers": [8, 4]}})
    {'train.lr': 0.1, 'train.layers': [8, 4]}
    """
    try:
        return {key: plain(value) for key, value in leaves(table, prefix)}
    except RecursionError:
        raise SettingsError(
            "the parameters are nested too deep", hint="look for a table or list that holds itself"
        ) from None


def leaves(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of nested tables by dotted key, as they are; an empty table is one.

    Raises RecursionError for tables without end.
    """
    for key, value in table.items():
        name = _text(f"{prefix}{key}")
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def numbers(values: Mapping[str, object]) -> dict[str, float]:
    """Those of the values that can be metrics: numbers that a float holds, and true and false as 1 and 0.

    >>> numbers({"auc": 0.5, "rows": 3, "name": "x"})
    {'auc': 0.5, 'rows': 3.0}
    """
    return {
        key: float(value)
        for key, value in values.items()
        if isinstance(value, float) or (isinstance(value, int) and abs(value) < _MOST_FLOAT)
    }


def plain(value: object) -> Value:
    """`value` as one of the types of a config value, such that JSON gives back the same.

    Dates become their ISO text, and numbers that JSON does not know (`nan`, `inf`) their names.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        value = float(value)
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(item) for key, item in value.items()}
    return _text(str(value))


def _text(text: str) -> str:
    """A plain `str` (parsers return subclasses) that UTF-8 can hold: halves of surrogate pairs are written out."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def parse_override(text: str) -> tuple[str, Value]:
    """Key and value of an override such as `train.lr=0.1`.

    The value is read as JSON (numbers, true, false, null, lists, quoted strings); anything else is text.

    >>> parse_override("train.lr=0.1"), parse_override("model=gbm")
    (('train.lr', 0.1), ('model', 'gbm'))
    """
    key, equals, raw = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        raise UsageError(f"{text!r} is not KEY=VALUE", hint="write an override as -P train.lr=0.1")
    try:
        return key, plain(json.loads(raw, parse_constant=_no_constant, parse_float=_finite))
    except (ValueError, RecursionError):
        return key, _text(raw)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _no_constant(name: str) -> float:
    raise ValueError(name)


def type_name(value: Value) -> str:
    """The word for a value's type that a user knows.

    >>> type_name(True), type_name(1), type_name("1")
    ('bool', 'int', 'str')
    """
    return "null" if value is None else type(value).__name__


def covers(key: str, name: str) -> bool:
    """Whether the parameter `key` stands for `name`: itself, or a table that holds it."""
    return name == key or name.startswith(key + ".")
