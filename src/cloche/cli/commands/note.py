"""`cloche note`."""

from __future__ import annotations

import sys

import click

from cloche.cli.options import complete_run, json_option, project
from cloche.cli.output import print_json, printable, say


@click.command()
@click.argument("text", default=None)
@click.option(
    "-r", "--run", default="", metavar="RUN", shell_complete=complete_run, help="The run (default: the last)."
)
@click.option("--delete", type=int, metavar="NUMBER", help="Delete the note with this number.")
@json_option
def command(text: str | None, run: str, delete: int | None, as_json: bool) -> None:
    """Attach TEXT to a run. Without TEXT: list the notes (of --run, or all).

    \b
    Examples:
      cloche note "trained before the sensor was replaced"
      cloche note --run champion "live since Monday"
      cloche note
    """
    from cloche.cli.render.words import moment
    from cloche.errors import UsageError
    from cloche.ops.note import note, notes, unnote

    if delete is not None:
        if text:
            raise UsageError("--delete takes a number and no text", hint="type `cloche note` to see the numbers")
        gone = unnote(project(), delete)
        print_json(gone) if as_json else say(f"deleted note {gone.number}")
    elif text is not None:
        made = note(project(), text, run or "@")
        print_json(made) if as_json else say(f"note {made.number} on run {made.run[:8]}")
    else:
        found = notes(project(), run)
        if as_json:
            print_json(found)
        else:
            rows = (f"{one.number:4}  {one.run[:8]}  {moment(one.created)}  {printable(one.text)}\n" for one in found)
            sys.stdout.writelines(rows)
