"""`cloche tag`."""

from __future__ import annotations

import sys

import click

from cloche.cli.options import complete_run, complete_tag, json_option, project
from cloche.cli.output import print_json, say


@click.command()
@click.argument("name", default=None, shell_complete=complete_tag)
@click.argument("run", default="@", metavar="[RUN]", shell_complete=complete_run)
@click.option("--move", is_flag=True, help="Move a tag that names another run.")
@click.option("--delete", is_flag=True, help="Delete the tag; the run stays.")
@json_option
def command(name: str | None, run: str, move: bool, delete: bool, as_json: bool) -> None:
    """Name RUN (default: the last). Without NAME: list the tags.

    \b
    Examples:
      cloche tag champion
      cloche tag champion @~1 --move
      cloche tag --delete champion
      cloche tag
    """
    from cloche.errors import UsageError
    from cloche.ops.tag import tag, tags, untag

    if name is None:
        if delete or move:
            raise UsageError("which tag?", hint="type `cloche tag` to see the tags")
        found = tags(project())
        if as_json:
            print_json(found)
        else:
            sys.stdout.writelines(f"{one.run[:8]}  {one.name}\n" for one in found)
        return
    here = project()
    done = untag(here, name) if delete else tag(here, name, run, move=move)
    if as_json:
        print_json(done)
    else:
        say(f"deleted tag {name}" if delete else f"run {done.run[:8]} is {name} now")
        if not delete and here.git is not None and here.git.resolve(name):
            say(f"warning: {name} is a name in Git, too; as the name of a run the tag goes first")
