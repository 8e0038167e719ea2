"""Comparing the rows and columns of two loaded tables, in SQL. Columns go by their place (c0, c1, …) there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloche.tables.dialect import MISSING
from cloche.tables.engine import Engine, literal
from cloche.tables.loading import Loaded, Side

# ruff: noqa: S608 - no name or value of a user's is ever part of the SQL, only c0, c1, … and fixed words

_INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")} | {
    "INTEGER",
    "UINTEGER",
}
_FLOATS = {"FLOAT", "DOUBLE"}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
# Whole numbers above 2^53 would be rounded by a float, and look the same where they are not.
_INTEGER_TEXT = (
    "CASE WHEN {0} BETWEEN -9007199254740992 AND 9007199254740992 THEN {0}::DOUBLE::VARCHAR ELSE {0}::VARCHAR END"
)
_FLOAT_TEXT = "({}::DOUBLE + 0.0)::VARCHAR"  # -0.0 is 0.0
DIFFERING = "differing"  # the rows that differ, once they were counted
_LIKE_ID = ("id", "uuid", "guid", "key", "rowid", "row_id")


@dataclass(frozen=True)
class Column:
    """A column that both tables have. before, after: as SQL, brought to a type in which the two can be compared."""

    name: str
    before: str
    after: str
    types: tuple[str, str]


def shared_columns(before: Loaded, after: Loaded) -> tuple[Column, ...]:
    """The columns of both, by name, in the order of `after`."""
    places = {name: at for at, name in enumerate(before.columns)}
    found = []
    for at, name in enumerate(after.columns):
        if name in places:
            types = (before.types[places[name]], after.types[at])
            one, other = _common(*types), _common(*reversed(types))
            found.append(Column(name, one.format(f"c{places[name]}"), other.format(f"c{at}"), types))
    return tuple(found)


def _common(one: str, other: str) -> str:
    """How to write a column of type `one` so that its values compare with those of type `other`: as they are, as
    numbers, or as text. Whole numbers and decimals are not rounded where that can be helped."""
    if one == other:
        return "{}"
    both = (one, other)
    if all(kind in _INTEGERS for kind in both):
        return "{}::HUGEINT"
    if any(kind in _INTEGERS for kind in both) and any(kind in _FLOATS for kind in both):
        return _FLOAT_TEXT if one in _FLOATS else _INTEGER_TEXT
    digits = [_digits(kind) for kind in both]
    if None not in digits:
        scale = max(found[1] for found in digits if found)
        fits = all(found[0] - found[1] + scale <= 38 for found in digits if found)
        return f"{{}}::DECIMAL(38, {scale})" if fits else "{}::DOUBLE"
    if all(kind in _FLOATS or _digits(kind) for kind in both):
        return "{}::DOUBLE"
    return "{}::VARCHAR"


def _digits(kind: str) -> tuple[int, int] | None:
    found = _DECIMAL.fullmatch(kind)
    if found:
        return int(found[1]), int(found[2])
    return (20, 0) if kind in _INTEGERS and "HUGE" not in kind else None


def count_differences(engine: Engine, columns: Sequence[Column]) -> tuple[int, int]:
    """Rows that only `after` has and rows that only `before` has, each counted as often as it is there more often."""
    after, before, names = (
        ", ".join(f"{column.after} AS v{at}" for at, column in enumerate(columns)),
        ", ".join(f"{column.before} AS v{at}" for at, column in enumerate(columns)),
        ", ".join(f"v{at}" for at in range(len(columns))),
    )
    engine.rows(
        f"CREATE TABLE {DIFFERING} AS SELECT {names}, sum(side) AS more FROM (SELECT {after}, 1 AS side FROM after "
        f"UNION ALL SELECT {before}, -1 AS side FROM before) GROUP BY {names} HAVING sum(side) <> 0"
    )
    added, removed = engine.row(
        f"SELECT coalesce(sum(greatest(more, 0)), 0), coalesce(sum(greatest(-more, 0)), 0) FROM {DIFFERING}"
    )
    return int(added), int(removed)


def differing_columns(engine: Engine, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns whose values, in any order, are not the same on both sides. Told by sums of 64-bit hashes."""
    if not columns:
        return ()
    before = engine.row(f"SELECT {_hashes(column.before for column in columns)} FROM before")
    after = engine.row(f"SELECT {_hashes(column.after for column in columns)} FROM after")
    return tuple(column for column, one, other in zip(columns, before, after, strict=True) if one != other)


def _hashes(expressions: Iterable[str]) -> str:
    return ", ".join(f"sum(hash({expression})::HUGEINT)" for expression in expressions)


def find_key(engine: Engine, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The column that identifies a row, by its name and because it does; empty where there is none."""
    likely = [column for column in columns if _like_id(column.name)]
    likely.sort(key=lambda column: column.name.lower() not in _LIKE_ID)
    return next(((column,) for column in likely[:5] if not key_problem(engine, (column,))), ())


def _like_id(name: str) -> bool:
    lower = name.lower()
    return (
        lower in _LIKE_ID
        or lower.endswith(("_id", "-id", " id", ".id", "_key", "_uuid"))
        or name.endswith(("Id", "ID"))
    )


def key_problem(engine: Engine, key: Sequence[Column]) -> str:
    """Why the columns do not identify a row, in words; empty where they do."""
    sides: tuple[tuple[Side, list[str]], ...] = (
        ("before", [column.before for column in key]),
        ("after", [column.after for column in key]),
    )
    for side, values in sides:
        names = ", ".join(values)
        missing = " OR ".join(f"{value} IS NULL" for value in values)
        rows, empty, different = engine.row(
            f"SELECT count(*), count(*) FILTER (WHERE {missing}), (SELECT count(*) FROM (SELECT DISTINCT {names} FROM "
            f"{side})) FROM {side}"
        )
        if empty or different < rows:
            return f"has missing values in {side}" if empty else f"is not unique in {side}"
    return ""


@dataclass(frozen=True)
class KeyedChange:
    """Rows by key: in `after` only, in `before` only, and in both with other values; and in which columns."""

    added: int
    removed: int
    changed: int
    columns: tuple[str, ...]


def compare_by_key(engine: Engine, key: Sequence[Column], columns: Sequence[Column]) -> KeyedChange:
    """Match rows by their key, which must identify them on both sides, and compare the other columns."""
    others = [column for column in columns if column not in key]
    before = _numbered([column.before for column in (*key, *others)], "before")
    after = _numbered([column.after for column in (*key, *others)], "after")
    match = " AND ".join(f"b.v{at} = a.v{at}" for at in range(len(key)))
    unequal = [f"b.v{at} IS DISTINCT FROM a.v{at}" for at in range(len(key), len(key) + len(others))]
    width = range(len(key) + len(others))
    values = ", ".join(f"b.v{at} AS b{at}, a.v{at} AS a{at}" for at in width)
    either = " OR ".join(["b.side IS NULL", "a.side IS NULL", *unequal])
    engine.rows(
        f"CREATE TABLE {DIFFERING} AS SELECT {values}, b.side AS before, a.side AS after "
        f"FROM ({before}) b FULL JOIN ({after}) a ON {match} WHERE {either}"
    )
    both = "before IS NOT NULL AND after IS NOT NULL"
    places = range(len(key), len(key) + len(others))
    counts = [f"count(*) FILTER (WHERE {both} AND b{at} IS DISTINCT FROM a{at})" for at in places]
    found = engine.row(
        "SELECT count(*) FILTER (WHERE before IS NULL), count(*) FILTER (WHERE after IS NULL), "
        f"count(*) FILTER (WHERE {both}){''.join(f', {count}' for count in counts)} FROM {DIFFERING}"
    )
    changed = tuple(column.name for column, count in zip(others, found[3:], strict=True) if count)
    return KeyedChange(int(found[0]), int(found[1]), int(found[2]), changed)


def _numbered(expressions: Sequence[str], side: Side) -> str:
    values = ", ".join(f"{expression} AS v{at}" for at, expression in enumerate(expressions))
    return f"SELECT {values}, 1 AS side FROM {side}"


def retyped(engine: Engine, columns: Sequence[Column], differing: Iterable[Column]) -> dict[str, tuple[str, str]]:
    """Columns whose type is another one, by name. Of text tables only `differing` columns are looked at, since equal
    values have equal types; their types are those that all of their values fit."""
    found = {column.name: column.types for column in columns if column.types[0] != column.types[1]}
    for column in differing:
        if column.types == ("VARCHAR", "VARCHAR"):
            types = _type_of_text(engine, column.before, "before"), _type_of_text(engine, column.after, "after")
            if types[0] != types[1]:
                found[column.name] = types
    return found


_TESTS = {
    "int": r"regexp_full_match(v, '\s*[+-]?\d+\s*')",
    "float": r"regexp_full_match(v, '\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:inf|infinity))\s*')",
    "bool": "lower(v) IN ('true', 'false')",
    "date": r"regexp_full_match(v, '\d{4}-\d\d-\d\d') AND try_cast(v AS DATE) IS NOT NULL",
    "time": r"regexp_full_match(v, '\d{4}-\d\d-\d\d[ T].*') AND try_cast(v AS TIMESTAMPTZ) IS NOT NULL",
}


def _type_of_text(engine: Engine, column: str, side: Side) -> str:
    missing = ", ".join(map(literal, MISSING))
    tests = ", ".join(f"bool_and({test})" for test in _TESTS.values())
    found = engine.row(
        f"SELECT count(*), {tests} FROM (SELECT DISTINCT {column} AS v FROM {side}) WHERE v NOT IN ({missing})"
    )
    if not found[0]:
        words = engine.row(f"SELECT count(*) FROM {side} WHERE {column} <> ''")[0]
        return "missing" if words else "empty"
    return next((name for name, fits in zip(_TESTS, found[1:], strict=True) if fits), "text")
