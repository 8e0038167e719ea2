"""`cloche init`."""

from __future__ import annotations

from pathlib import Path

import click

from cloche.cli.options import json_option
from cloche.cli.output import print_json, say


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--nested", is_flag=True, help="Allow a project inside another project.")
@json_option
def command(folder: Path, nested: bool, as_json: bool) -> None:
    """Make FOLDER (default: this one) a project; it is created where it is missing.

    Writes a commented cloche.toml and creates .cloche/, which Git ignores. Nothing needs to be configured.

    \b
    Examples:
      cloche init
      cloche init my-model
    """
    from cloche.ops.init import init

    done = init(folder, nested=nested)
    if as_json:
        print_json(done)
    elif done.existed:
        say(f"{done.root} is a project already")
    else:
        say(f"{done.root} is a project now (wrote cloche.toml)")
        say("next: `cloche add DATA` for data, then `cloche run -- COMMAND`")
