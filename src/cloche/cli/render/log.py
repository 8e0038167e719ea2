"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from cloche.cli.render.words import command, metric, moment, short_moment, shorten, value
from cloche.model.conditions import Field
from cloche.model.run_row import RunRow

STYLES = {"finished": "green", "failed": "red", "killed": "red", "interrupted": "yellow", "running": "cyan"}
METRICS_SHOWN = 6
PARAMS_SHOWN = 5
# Width of run, when, status and a short command; of a number; between two columns. A narrow screen has short times.
ALWAYS, NUMBER, GAP = 68, 9, 3
NARROW, SAVED = 80, 8
# Names longer than this take several lines. What was run needs at least so much.
NAME, WHAT = 24, 16


def log_table(rows: Sequence[RunRow], width: int, columns: Sequence[Field] = ()) -> Table:
    """One row a run.

    columns: the metrics and params to show. None: what most runs have, and what differs between them, as far as it
    fits into `width` columns of text.
    """
    fields = columns or _fitting(rows, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("run", style="bold", no_wrap=True)
    table.add_column("when", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for field in fields:
        least = max((min(len(_cell(row, field)), NAME) for row in rows), default=0)
        style = "" if field.entity == "metrics" else "cyan"
        table.add_column(field.name, justify="right", style=style, min_width=least, overflow="fold")
    table.add_column("what", min_width=WHAT, overflow="fold")
    for row in rows:
        table.add_row(*_cells(row, fields, width < NARROW))
    return table


def _cells(row: RunRow, fields: Sequence[Field], narrow: bool) -> list[Text]:
    what = Text(row.message or shorten(command(row), 60))
    for tag in row.tags:
        what.append(f" [{tag}]", style="magenta")
    if row.findings:
        what.append(f" ! {row.findings}", style="yellow")
    if row.removed:
        what.append(" (removed)", style="dim")
    return [
        Text(row.short),
        Text(short_moment(row.created) if narrow else moment(row.created)),
        Text(row.status, style=STYLES[row.status]),
        *(Text(_cell(row, field)) for field in fields),
        what,
    ]


def _cell(row: RunRow, field: Field) -> str:
    if field.entity == "metrics":
        return metric(row.metrics.get(field.name))
    return value(row.params[field.name]) if field.name in row.params else ""


def _fitting(rows: Sequence[RunRow], width: int) -> list[Field]:
    """The columns to show, the important ones first: one, and as many more as leave room to say what was run."""
    room = width - ALWAYS + (SAVED if width < NARROW else 0)
    chosen: list[Field] = []
    wanted = [Field("metrics", name) for name in metric_columns(rows)]
    wanted += [Field("params", name) for name in varying_params(rows)]
    for field in wanted:
        needed = max(min(len(field.name), NAME), NUMBER) + GAP
        if needed <= room:
            room -= needed
            chosen.append(field)
    return chosen or wanted[:1]


def metric_columns(rows: Sequence[RunRow]) -> list[str]:
    """The metrics that most runs have."""
    counts: dict[str, int] = {}
    for row in rows:
        for name in row.metrics:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])[:METRICS_SHOWN]


def varying_params(rows: Sequence[RunRow]) -> list[str]:
    """The params that are not the same in all runs."""
    seen: dict[str, set[str]] = {}
    for row in rows:
        for name, one in row.params.items():
            seen.setdefault(name, set()).add(value(one))
    return [name for name, values in seen.items() if len(values) > 1][:PARAMS_SHOWN]
