"""`cloche undo`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import print_json, say


@click.command()
@click.argument("number", required=False, type=int)
@click.option("--force", is_flag=True, help="Even where something was changed since.")
@dry_run_option
@json_option
def command(number: int | None, force: bool, dry_run: bool, as_json: bool) -> None:
    """Reverse operation NUMBER (default: the newest that is not undone). `cloche history` lists them.

    Undoing is an operation too: `cloche undo` with its number does it again.

    \b
    Examples:
      cloche undo
      cloche undo 12 --dry-run
    """
    from cloche.cli.render.words import plural
    from cloche.ops.undo import undo

    done = undo(project(), number, force=force, dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    operation = done.operation
    files = f" ({plural(len(done.files), 'file')})" if done.files else ""
    say(f"{'would undo' if dry_run else 'undid'} {operation.number}, {operation.verb}: {operation.summary}{files}")
    if done.incomplete:
        gone = plural(len(done.incomplete), "run")
        say(f"warning: the store no longer holds all of {gone} of these; `cloche verify` names what is gone")
    if dry_run:
        for change in done.files:
            say(f"  {'delete' if change.after is None else 'write'} {change.path}")
    else:
        again = "cloche init" if operation.verb == "init" else f"cloche undo {done.number}"
        say(f"`{again}` does it again")
