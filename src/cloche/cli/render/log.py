"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from cloche.cli.render.words import command, metric, moment, shorten, value
from cloche.model.run_row import RunRow
from cloche.model.values import Value

STYLES = {"finished": "green", "failed": "red", "killed": "red", "interrupted": "yellow", "running": "cyan"}
METRICS_SHOWN = 6
PARAMS_SHOWN = 5


def log_table(
    rows: Sequence[RunRow], metrics: Sequence[str] = (), params: Sequence[str] = (), names: dict[str, str] | None = None
) -> Table:
    """One row a run. metrics, params: columns to show; empty: what most runs have, and what differs between them."""
    metrics = list(metrics) or metric_columns(rows)
    params = list(params) or varying_params(rows)
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


def metric_columns(rows: Sequence[RunRow]) -> list[str]:
    """The metrics that most runs have."""
    counts: dict[str, int] = {}
    for row in rows:
        for name in row.metrics:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])[:METRICS_SHOWN]


def varying_params(rows: Sequence[RunRow]) -> list[str]:
    """The params that are not the same in all runs."""
    seen: dict[str, list[Value]] = {}
    for row in rows:
        for name, one in row.params.items():
            if one not in seen.setdefault(name, []):
                seen[name].append(one)
    return [name for name, values in seen.items() if len(values) > 1][:PARAMS_SHOWN]
