"""`cloche show`."""

from __future__ import annotations

import sys

import click

from cloche.cli.options import json_option, project, run_argument
from cloche.cli.output import console, print_json


@click.command()
@run_argument(default="@", metavar="[RUN]")
@click.option("-l", "--log", "want_log", is_flag=True, help="What the run printed, byte for byte.")
@click.option("--series", is_flag=True, help="Every logged value, as JSON.")
@json_option
def command(run: str, want_log: bool, series: bool, as_json: bool) -> None:
    """Everything about one run (default: the last).

    \b
    Examples:
      cloche show
      cloche show champion --json
      cloche show @~1 --log
    """
    from cloche.errors import UsageError
    from cloche.ops import show

    if want_log + series + as_json > 1:
        raise UsageError("--log, --series and --json exclude each other", hint="choose one")
    if want_log:
        for piece in show.output_log(project(), run):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    elif series:
        print_json(show.series(project(), run))
    elif as_json:
        print_json(show.show(project(), run))
    else:
        from cloche.cli.render.show import print_run

        print_run(console(), show.show(project(), run))
