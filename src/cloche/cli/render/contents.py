"""What changed inside of files of data, in a few lines each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloche.cli.render.words import one_line, plural, shorten
from cloche.model.content import (
    ArrayChange,
    ArrayDifference,
    ArrayFacts,
    ImageChange,
    ImageFacts,
    RowChange,
    TableChange,
)

MARK = {"added": "+", "removed": "-", "changed": "~"}
COLUMNS_SHOWN = 6
CELL = 30
DIGITS = 12


def table_lines(table: TableChange) -> Iterator[str]:
    """What happened to the rows and columns of a table."""
    if table.compared == "bytes":
        yield f"{table.path}: {table.note}"
        return
    what = "lines" if table.compared == "lines" else "rows"
    rows = [f"{table.rows_before:,} → {table.rows_after:,} {what}"]
    rows += [f"+{table.rows_added:,}"] if table.rows_added else []
    rows += [f"-{table.rows_removed:,}"] if table.rows_removed else []
    rows += [f"~{table.rows_changed:,}"] if table.rows_changed else []
    by = f" by {_names(table.key)}" if table.key else ""
    yield f"{table.path}: {', '.join(rows)}{by}"
    columns = [f"+{one_line(name)}" for name in table.columns_added]
    columns += [f"-{one_line(name)}" for name in table.columns_removed]
    columns += [f"{one_line(name)}: {before} → {after}" for name, (before, after) in table.columns_retyped.items()]
    if columns:
        yield f"  columns {', '.join(columns)}"
    if table.columns_changed:
        yield f"  changed in {_names(table.columns_changed)}"
    if table.note:
        yield f"  note: {one_line(table.note)}"
    for row in table.examples:
        yield f"  {MARK[row.act]} {_row(row)}"


def _row(row: RowChange) -> str:
    key = ", ".join(f"{one_line(name)}={_cell(value)}" for name, value in row.key.items())
    names = list((row.before or row.after).keys())
    cells = [
        f"{one_line(name)} {_cell(row.before[name])} → {_cell(row.after[name])}"
        if row.act == "changed"
        else f"{one_line(name)}={_cell((row.after or row.before)[name])}"
        for name in names[:COLUMNS_SHOWN]
    ]
    cells += ["…"] if len(names) > COLUMNS_SHOWN else []
    return f"{key}: {', '.join(cells)}" if key and cells else key or ", ".join(cells)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(one_line, names))


def _cell(value: str | None) -> str:
    return "missing" if value is None else shorten(one_line(value.replace("\n", "⏎")), CELL) or "''"


def array_lines(change: ArrayChange) -> Iterator[str]:
    """What happened to the arrays of a file."""
    if change.note:
        yield f"{change.path}: {change.note}"
    for one in change.arrays:
        name = f"{change.path}[{one.name}]" if one.name else change.path
        yield f"{one_line(name)}: {_array(one)}"
        if one.note:
            yield f"  note: {one.note}"


def _array(one: ArrayDifference) -> str:
    before, after = one.before, one.after
    if before is None or after is None:
        there = after or before
        return f"{'added' if after else 'removed'}, {_shape(there)} {there.dtype}" if there else "could not be compared"
    what = []
    if before.shape != after.shape:
        what.append(f"{_shape(before)} → {_shape(after)}")
    if before.dtype != after.dtype:
        what.append(f"{before.dtype} → {after.dtype}")
    what = what or [f"{_shape(after)} {after.dtype}"]
    if before.fortran != after.fortran:
        what.append(" → ".join("Fortran order" if facts.fortran else "C order" for facts in (before, after)))
    if one.differing is not None:
        largest = f" by {one.largest:.6g} at most" if one.largest else ""
        what.append(f"{one.differing:,} of {plural(one.compared, 'element')} differ{largest}")
    if not one.differing and before.digest != after.digest:
        what.append(_digests(before, after))
    return ", ".join(what)


def _shape(facts: ArrayFacts) -> str:
    return "×".join(map(str, facts.shape)) or "one value"


def image_line(change: ImageChange) -> str:
    """What happened to an image."""
    before, after = change.before, change.after
    if before is None or after is None:
        there = after or before
        return f"{change.path}: {_image(there)}" if there else change.path
    one, other = _image(before), _image(after)
    return f"{change.path}: {f'{one}, {_digests(before, after)}' if one == other else f'{one} → {other}'}"


def _digests(before: ArrayFacts | ImageFacts, after: ArrayFacts | ImageFacts) -> str:
    return f"{before.digest[:DIGITS]} → {after.digest[:DIGITS]}"


def _image(facts: ImageFacts) -> str:
    if facts.note:
        return facts.note
    return " ".join(filter(None, (facts.format, f"{facts.width}×{facts.height}", facts.mode, f"{facts.depth} bit")))
