"""`cloche cat`."""

from __future__ import annotations

import sys

import click

from cloche.cli.options import project, run_argument


@click.command()
@run_argument()
@click.argument("path")
def command(run: str, path: str) -> None:
    """Print the file PATH as RUN holds it, byte for byte. Nothing in the work tree changes.

    \b
    Examples:
      cloche cat @~1 train.py
      cloche cat champion metrics.json
      cloche cat @ data/raw.csv | head
    """
    from cloche.ops.cat import cat

    here = project()
    for piece in cat(here, run, here.held_text(path)):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
