"""The first few rows of those that differ, so that a person sees what kind of change it is."""

from __future__ import annotations

from collections.abc import Sequence

from cloche.model.content import Act, RowChange
from cloche.tables.engine import Engine
from cloche.tables.rows import DIFFERING, Column

# ruff: noqa: S608 - no name or value of a user's is ever part of the SQL, only c0, c1, … and fixed words

EXAMPLES = 3  # of each kind
_COLUMNS = 20
LETTERS = 80

_Row = dict[str, str | None]


def keyed_examples(engine: Engine, key: Sequence[Column], columns: Sequence[Column]) -> tuple[RowChange, ...]:
    """Rows that were added, removed and changed, in the order of their key, once `compare_by_key` has found them."""
    others = [column for column in columns if column not in key]
    names = [column.name for column in (*key, *others)]
    width = len(key)
    found: list[RowChange] = []
    kinds: tuple[tuple[Act, str, str], ...] = (
        ("added", "before IS NULL", "a"),
        ("removed", "after IS NULL", "b"),
        ("changed", "before IS NOT NULL AND after IS NOT NULL", "a"),
    )
    for act, which, side in kinds:
        order = ", ".join(f"{side}{at}" for at in range(width))
        for row in _rows(engine, [*_texts("b", names), *_texts("a", names)], which, order):
            before, after = (dict(zip(names, part, strict=True)) for part in (row[: len(names)], row[len(names) :]))
            shown = before if act == "removed" else after
            found.append(_row(act, {name: shown[name] for name in names[:width]}, before, after, names[width:]))
    return tuple(found)


def _row(act: Act, key: _Row, before: _Row, after: _Row, others: Sequence[str]) -> RowChange:
    if act == "changed":
        others = [name for name in others if before[name] != after[name]]
    some = others[:_COLUMNS]
    return RowChange(
        act,
        key,
        {name: _cut(before[name]) for name in some} if act != "added" else {},
        {name: _cut(after[name]) for name in some} if act != "removed" else {},
    )


def whole_examples(engine: Engine, columns: Sequence[Column]) -> tuple[RowChange, ...]:
    """Rows that were added and removed, in the order of their values, once `count_differences` has found them."""
    names = [column.name for column in columns][:_COLUMNS]
    order = ", ".join(f"v{at}" for at in range(len(columns)))
    found: list[RowChange] = []
    for row in _rows(engine, _texts("v", names), "more > 0", order):
        found.append(RowChange("added", after=_cut_all(names, row)))
    for row in _rows(engine, _texts("v", names), "more < 0", order):
        found.append(RowChange("removed", before=_cut_all(names, row)))
    return tuple(found)


def _texts(side: str, names: Sequence[str]) -> list[str]:
    return [f"{side}{at}::VARCHAR" for at in range(len(names))]


def _rows(engine: Engine, values: Sequence[str], which: str, order: str) -> list[tuple[str | None, ...]]:
    return engine.rows(f"SELECT {', '.join(values)} FROM {DIFFERING} WHERE {which} ORDER BY {order} LIMIT {EXAMPLES}")


def _cut_all(names: Sequence[str], row: Sequence[str | None]) -> _Row:
    return {name: _cut(value) for name, value in zip(names, row, strict=True)}


def _cut(value: str | None) -> str | None:
    return None if value is None else cut(value)


def cut(text: str, letters: int = LETTERS) -> str:
    """The beginning of a text, with a sign where that is not all."""
    return text if len(text) <= letters else text[: letters - 1] + "…"
