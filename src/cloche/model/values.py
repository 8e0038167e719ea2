"""Config values and metrics: nested tables flattened to dotted keys, with their types kept."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloche.errors import UsageError

if TYPE_CHECKING:
    Value = str | int | float | bool | None | list["Value"]
else:  # msgspec decodes no recursive alias; a list may hold anything there
    Value = str | int | float | bool | None | list


def flatten(table: Mapping[str, object], prefix: str = "") -> dict[str, Value]:
    """The leaves of nested tables by dotted key, in the order in which they stand. Dates become their ISO text.

    >>> flatten({"train": {"lr": 0.1, "layers": [8, 4]}})
    {'train.lr': 0.1, 'train.layers': [8, 4]}
    """
    found: dict[str, Value] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found.update(flatten(value, f"{name}."))
        elif not isinstance(value, Mapping):
            found[name] = plain(value)
    return found


def plain(value: object) -> Value:
    """`value` as one of the types of a config value; tables inside lists become JSON text."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, default=str)
    return str(value)


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
        return key, plain(json.loads(raw, parse_constant=_no_constant))
    except ValueError:
        return key, raw


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
