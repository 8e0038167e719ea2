"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from cloche.cli.render.words import command, metric, moment, shorten, value
from cloche.model.run_row import RunRow

STYLES = {"finished": "green", "failed": "red", "killed": "red", "interrupted": "yellow", "running": "cyan"}
METRICS_SHOWN = 6
PARAMS_SHOWN = 5
# Width of run, when, status and a short command; of a number; between two columns.
ALWAYS, NUMBER, GAP = 68, 9, 3


def log_table(rows: Sequence[RunRow], width: int, metrics: Sequence[str] = (), params: Sequence[str] = ()) -> Table:
    """One row a run.

    metrics, params: columns to show. Neither: what most runs have, and what differs between them, as far as it fits
    into `width` columns of text.
    """
    if not metrics and not params:
        metrics, params = _fitting(rows, width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("run", style="bold", no_wrap=True)
    table.add_column("when", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for name in metrics:
        table.add_column(name, justify="right", no_wrap=True)
    for name in params:
        table.add_column(name, justify="right", style="cyan")
    table.add_column("what")
    for row in rows:
        table.add_row(*_cells(row, metrics, params))
    return table


def _cells(row: RunRow, metrics: Sequence[str], params: Sequence[str]) -> list[Text]:
    what = Text(row.message or shorten(command(row), 60))
    for tag in row.tags:
        what.append(f" [{tag}]", style="magenta")
    if row.findings:
        what.append(f" ! {row.findings}", style="yellow")
    if row.removed:
        what.append(" (removed)", style="dim")
    return [
        Text(row.short),
        Text(moment(row.created)),
        Text(row.status, style=STYLES[row.status]),
        *(Text(metric(row.metrics.get(name))) for name in metrics),
        *(Text(value(row.params[name]) if name in row.params else "") for name in params),
        what,
    ]


def _fitting(rows: Sequence[RunRow], width: int) -> tuple[list[str], list[str]]:
    """The columns to show, the important ones first: as many as leave room to say what was run."""
    room = width - ALWAYS
    chosen: tuple[list[str], list[str]] = ([], [])
    wanted = [*((0, name) for name in metric_columns(rows)), *((1, name) for name in varying_params(rows))]
    for kind, name in wanted:
        room -= max(len(name), NUMBER) + GAP
        if room >= 0:
            chosen[kind].append(name)
    return chosen


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
