"""`cloche ls`."""

from __future__ import annotations

import sys

import click

from cloche.cli.options import json_option, project, run_argument
from cloche.cli.output import print_json, printable


@click.command()
@run_argument(default="@", metavar="[RUN]")
@click.argument("path", default="", metavar="[PATH]")
@json_option
def command(run: str, path: str, as_json: bool) -> None:
    """The files of a run (default: the last), or those of it at or below PATH. Of a Git revision that no run was made
    at, what Git and its cloche.lock hold.

    Each line has what the file was to the run (code, config, data, outputs, or read besides), its size, and its path.

    \b
    Examples:
      cloche ls
      cloche ls champion data/raw
      cloche ls @~1 --json
      cloche ls main~1 data
    """
    from cloche.cli.render.words import size
    from cloche.ops.ls import ls

    here = project()
    found = ls(here, run, here.held_text(path) if path else "")
    if as_json:
        print_json(found)
        return
    marks = {"x": "*", "l": "@", "d": "/"}
    lines = (f"{one.part:7}  {size(one.size):>8}  {printable(one.path)}{marks.get(one.kind, '')}\n" for one in found)
    sys.stdout.writelines(lines)
