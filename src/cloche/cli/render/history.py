"""The operation log."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from cloche.cli.render.words import moment
from cloche.model.operation import Operation


def history_table(operations: Sequence[Operation]) -> Table:
    """One row an operation."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", justify="right", style="bold")
    for name in ("when", "verb", "what"):
        table.add_column(name)
    for one in operations:
        what = Text(one.summary)
        if one.undone:
            what.append(f"  undone by {one.undone}", style="dim")
        elif one.state == "started":
            what.append(f"  cut off half-way: cloche undo {one.number}", style="red")
        table.add_row(str(one.number), moment(one.created), one.verb, what, style="dim" if one.undone else "")
    return table
