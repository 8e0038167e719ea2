"""How a table changed: rows and columns added, removed and changed."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from msgspec.structs import replace as with_fields

from cloche.model.content import TableChange
from cloche.tables.dialect import Dialect, Unreadable, open_text, read_dialect, reason
from cloche.tables.engine import Engine, EngineError
from cloche.tables.examples import keyed_examples, whole_examples
from cloche.tables.json_lines import count_json_lines, load_json_lines
from cloche.tables.lines import compare_lines, count_lines, find_line
from cloche.tables.loading import (
    Loaded,
    Side,
    count_parquet,
    count_text,
    delimiter_of,
    is_json_lines,
    is_parquet,
    load_parquet,
    load_text,
    suffix,
)
from cloche.tables.rows import (
    Column,
    compare_by_key,
    count_differences,
    differing_columns,
    find_key,
    key_problem,
    retyped,
    shared_columns,
)

MAX_BYTES = 2_000_000_000  # of either file; a compressed one counts as five times its size
_PRESSED = 5
_SAME_TEXT = "the rows are the same; only their order or the way they are written differs"
_EQUAL_VALUES = (
    "the bytes differ; the rows are equal as values (0.0 and -0.0 are, and every NaN is), in whatever order they stand"
)


def is_table(path: str) -> bool:
    """Whether a file is a table by its name: CSV, TSV or JSON lines (also `.gz`), or Parquet."""
    return bool(suffix(path))


def compare_tables(before: Path | None, after: Path | None, name: str, key: Sequence[str] = ()) -> TableChange:
    """How the table `name` changed from the file `before` to the file `after`; None where it is not there.

    The format is told by `name` and by the content, not by the names of the two files. Columns are matched by name,
    and rows compared on the columns that both have. With a key (`key`, or else one column that is named like an id and
    is unique and never missing on both sides) rows are matched by it, and `columns_changed` are those in which matched
    rows differ. Without one a row counts as a whole, in any order, as often as it is there; `columns_changed` are then
    those whose values differ in any order, and told only where both sides have as many rows.

    Values of text tables are compared as the text they are, those of JSON lines as JSON, those of Parquet by type.
    `examples` are the first rows of each kind, by key or by content. Never raises for what is in a
    file: `note` says what could not be compared, and why; such rows are counted in neither `rows_added` nor
    `rows_removed`, and `compared` tells what was compared in their place.
    """
    sides: tuple[tuple[Side, Path | None], ...] = (("before", before), ("after", after))
    files = [_File(side, file, name) for side, file in sides if file is not None]
    try:
        with Engine([one.file for one in files]) as engine:
            if len(files) == 2 and max(map(_size, files)) <= MAX_BYTES:
                return _compare(engine, files[0], files[1], key)
            note = f"larger than {MAX_BYTES / 1e9:g} GB, so rows were only counted" if len(files) == 2 else ""
            return _counted(engine, name, files, note)
    except OSError as error:
        return TableChange(name, 0, 0, 0, 0, note=f"the table {reason(error)}", compared="bytes")
    except EngineError as error:
        note = f"rows could not be compared: {_first_line(error)}"
        return TableChange(name, 0, 0, 0, 0, note=note, compared="bytes")


@dataclass(frozen=True)
class _File:
    """One side of the comparison. name: of the table, the same on both sides."""

    side: Side
    file: Path
    name: str

    def path(self, engine: Engine) -> str:
        """Under what name SQL finds it."""
        return engine.paths[self.file]

    def dialect(self) -> Dialect:
        """Raises Unreadable, with the side."""
        try:
            return read_dialect(self.file, delimiter_of(self.name))
        except Unreadable as problem:
            raise self.named(problem) from None

    def named(self, problem: Unreadable) -> Unreadable:
        return Unreadable(f"{self.side} {problem}{self._where(problem)}", lines=problem.lines)

    def _where(self, problem: Unreadable) -> str:
        if problem.bad is None:
            return ""
        number, start = find_line(self.file, *problem.bad)
        return f" on line {number} ({start!r})"


def _size(one: _File) -> int:
    with open_text(one.file) as (_, compressed):
        return os.stat(one.file).st_size * (_PRESSED if compressed else 1)


def _is_compressed(one: _File) -> bool:
    with open_text(one.file) as (_, compressed):
        return compressed


def _first_line(error: EngineError) -> str:
    return str(error).splitlines()[0]


def _counted(engine: Engine, name: str, files: Sequence[_File], note: str) -> TableChange:
    """The counts of rows alone. A table that is there on one side only was added or removed with all its rows."""
    rows = {"before": 0, "after": 0}
    problems: dict[str, str] = {}
    for one in files:
        try:
            rows[one.side] = _count(engine, one)
        except Unreadable as problem:
            problems[one.side] = str(problem)
    if problems:
        note = f"{_problems(problems, len(files))}, so rows were not {'compared' if len(files) == 2 else 'counted'}"
    compared: Literal["counts", "bytes"] = "bytes" if problems else "counts"
    change = TableChange(name, rows["before"], rows["after"], 0, 0, note=note, compared=compared)
    if len(files) == 1:
        change = with_fields(change, rows_added=rows["after"], rows_removed=rows["before"])
    return change


def _problems(problems: Mapping[str, str], sides: int) -> str:
    if sides == 2 and len(problems) == 2 and len(set(problems.values())) == 1:
        return f"each side {problems['before']}"
    return "; ".join(f"{side} {problem}" for side, problem in problems.items())


def _count(engine: Engine, one: _File) -> int:
    """Raises Unreadable. Lines stand for the rows of text that cannot be cut into rows."""
    if is_parquet(one.name):
        return count_parquet(engine, one.path(engine))
    try:
        if is_json_lines(one.name):
            return count_json_lines(engine, one.path(engine), compressed=_is_compressed(one))
        return count_text(engine, one.path(engine), read_dialect(one.file, delimiter_of(one.name)))
    except Unreadable as problem:
        if problem.lines:
            return count_lines(one.file)
        raise


def _compare(engine: Engine, before: _File, after: _File, key: Sequence[str]) -> TableChange:
    try:
        tables = _load(engine, before, after)
    except Unreadable as problem:
        if not problem.lines:
            return _counted(engine, before.name, (before, after), f"{problem}; rows were not compared")
        return _line_by_line(engine, before, after, problem)
    change = _compare_loaded(engine, *tables, before.name, key)
    if not _differs(change) and not filecmp.cmp(before.file, after.file, shallow=False):
        same = _EQUAL_VALUES if is_parquet(before.name) else _SAME_TEXT
        change = with_fields(change, note="; ".join(filter(None, [same, change.note])))
    return change


def _differs(change: TableChange) -> bool:
    rows = change.rows_added or change.rows_removed or change.rows_changed
    return bool(rows or change.columns_added or change.columns_removed or change.columns_retyped)


def _load(engine: Engine, before: _File, after: _File) -> tuple[Loaded, Loaded]:
    """Both tables. Raises Unreadable, with the side."""
    if is_parquet(before.name) or is_json_lines(before.name):
        return _load_one(engine, before, None), _load_one(engine, after, None)
    one, other = before.dialect(), after.dialect()
    if one.columns and other.columns and one.header != other.header:
        if one.first != other.first:
            side = "before" if one.header else "after"
            raise Unreadable(f"only {side} seems to have a line with the names of the columns", lines=True)
        one, other = (replace(two, columns=(one if one.header else other).columns, header=True) for two in (one, other))
    return _load_one(engine, before, one), _load_one(engine, after, other)


def _load_one(engine: Engine, one: _File, dialect: Dialect | None) -> Loaded:
    try:
        if is_json_lines(one.name):
            return load_json_lines(engine, one.side, one.path(engine), compressed=_is_compressed(one))
        if dialect is None:
            return load_parquet(engine, one.side, one.path(engine))
        return load_text(engine, one.side, one.path(engine), dialect)
    except Unreadable as problem:
        raise one.named(problem) from None


def _line_by_line(engine: Engine, before: _File, after: _File, problem: Unreadable) -> TableChange:
    try:
        added, removed, examples = compare_lines(before.file, after.file)
        lines = count_lines(before.file), count_lines(after.file)
    except Unreadable as other:
        return _counted(engine, before.name, (before, after), f"{problem}, and a file {other}; rows were not compared")
    note = f"{problem}, so lines were compared in place of rows"
    return TableChange(before.name, *lines, added, removed, note=note, examples=examples, compared="lines")


def _compare_loaded(engine: Engine, before: Loaded, after: Loaded, name: str, key: Sequence[str]) -> TableChange:
    columns = shared_columns(before, after)
    change = TableChange(
        name,
        before.rows,
        after.rows,
        after.rows,
        before.rows,
        columns_added=tuple(column for column in after.columns if column not in before.columns),
        columns_removed=tuple(column for column in before.columns if column not in after.columns),
    )
    notes = [before.note, after.note]
    if columns:
        try:
            change, note = _with_rows(engine, change, columns, key)
        except EngineError as error:
            change = with_fields(change, rows_added=0, rows_removed=0)
            note = f"rows were not compared: {_first_line(error)}"
        notes.append(note)
        if change.columns_added or change.columns_removed:
            notes.append(f"rows were compared on the {len(columns)} columns that both have")
    elif before.columns and after.columns:
        notes.append("no column is on both sides")
    return with_fields(change, note="; ".join(filter(None, notes)))


def _with_rows(
    engine: Engine, change: TableChange, columns: Sequence[Column], key: Sequence[str]
) -> tuple[TableChange, str]:
    """The change with what happened to its rows, and a note."""
    differing = differing_columns(engine, columns)
    change = with_fields(change, columns_retyped=retyped(engine, columns, differing))
    by, note = _key(engine, columns, key)
    if by:
        found = compare_by_key(engine, by, columns)
        return with_fields(
            change,
            rows_added=found.added,
            rows_removed=found.removed,
            rows_changed=found.changed,
            key=tuple(column.name for column in by),
            columns_changed=found.columns,
            examples=keyed_examples(engine, by, columns),
        ), note
    added, removed = count_differences(engine, columns)
    changed = differing if change.rows_before == change.rows_after and added else ()
    names = tuple(column.name for column in changed)
    examples = whole_examples(engine, columns)
    return with_fields(change, rows_added=added, rows_removed=removed, columns_changed=names, examples=examples), note


def _key(engine: Engine, columns: Sequence[Column], wanted: Sequence[str]) -> tuple[tuple[Column, ...], str]:
    """The columns to match rows by, and why those wanted do not serve."""
    if not wanted:
        return find_key(engine, columns), ""
    known = {column.name: column for column in columns}
    missing = [name for name in wanted if name not in known]
    if missing:
        return (), f"no column {', '.join(missing)} on both sides, so rows were compared as a whole"
    key = tuple(known[name] for name in dict.fromkeys(wanted))
    problem = key_problem(engine, key)
    return ((), f"{', '.join(wanted)} {problem}, so rows were compared as a whole") if problem else (key, "")
