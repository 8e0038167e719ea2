"""`cloche history`."""

from __future__ import annotations

import click

from cloche.cli.options import json_option, project
from cloche.cli.output import console, print_json, say


@click.command()
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show at most this many."
)
@json_option
def command(limit: int, as_json: bool) -> None:
    """List what changed this project, newest first. `cloche undo NUMBER` reverses an operation.

    \b
    Example:
      cloche history -n 5
    """
    from cloche.ops.history import history

    found = history(project(), limit)
    if as_json:
        print_json(found)
        return
    if not found:
        say("nothing was done yet")
        return
    from cloche.cli.render.history import history_table

    console().print(history_table(found))
