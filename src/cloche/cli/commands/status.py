"""`cloche status`."""

from __future__ import annotations

import click

from cloche.cli.options import complete_run, json_option, project
from cloche.cli.output import console, print_json, progress


@click.command()
@click.argument("run", default="", metavar="[RUN]", shell_complete=complete_run)
@click.option("--exit-code", is_flag=True, help="Exit with 1 when something changed.")
@json_option
def command(run: str, exit_code: bool, as_json: bool) -> None:
    """What changed since the last run (or RUN) in code, data, config and environment?

    What cannot be read is named, and the exit code is then 8.

    \b
    Examples:
      cloche status
      cloche status champion
      cloche status --exit-code || echo changed
    """
    from cloche.errors import InputError
    from cloche.ops.status import status

    with progress("reading") as told:
        found = status(project(), run, progress=told)
    if as_json:
        print_json(found)
    else:
        from cloche.cli.render.status import print_status

        print_status(console(), found)
    if found.unread:
        raise SystemExit(InputError.exit_status)
    if exit_code and not found.clean:
        raise SystemExit(1)
