"""`cloche unlock`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import print_json, progress, say


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@dry_run_option
@json_option
def command(paths: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Make links into the store ordinary files again, so that they can be edited.

    With `checkout = "hardlink"` or `"symlink"` under [data] in cloche.toml, data lies in the work tree as links, which
    are read-only: writing through one would change what earlier versions need. `cloche add` records the edited files,
    and makes them links again.

    \b
    Example:
      cloche unlock data/prices.csv && $EDITOR data/prices.csv && cloche add
    """
    from cloche.cli.render.words import plural, size
    from cloche.ops.unlock import unlock

    with progress("copying") as told:
        done = unlock(project(), paths, dry_run=dry_run, progress=told)
    if as_json:
        print_json(done)
        return
    if not done.paths:
        say("nothing there is a link into the store")
        return
    would = "would become" if dry_run else "became"
    own = "a file of its own" if len(done.paths) == 1 else "files of their own"
    say(f"{plural(len(done.paths), 'link')} {would} {own}, {size(done.size)}")
