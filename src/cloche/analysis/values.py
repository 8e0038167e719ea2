"""Which config values differ, types included."""

from __future__ import annotations

from collections.abc import Mapping

from cloche.model.changes import ValueChange
from cloche.model.values import Value


def diff_values(before: Mapping[str, Value], after: Mapping[str, Value]) -> tuple[ValueChange, ...]:
    """The keys whose values differ or that only one side has, sorted by key.

    1, 1.0, "1" and true are four different values, in lists too; a key that is null is not one that is missing.

    >>> [change.key for change in diff_values({"a": 1, "b": 2}, {"a": 1.0, "b": 2})]
    ['a']
    """
    found: list[ValueChange] = []
    for key in sorted(before.keys() | after.keys()):
        had, has = key in before, key in after
        if had != has or not same_value(before[key], after[key]):
            found.append(ValueChange(key, before.get(key), after.get(key), had, has))
    return tuple(found)


def same_value(one: Value, other: Value) -> bool:
    """Whether two config values are equal and of the same type throughout. `nan` equals itself."""
    return repr(one) == repr(other)
