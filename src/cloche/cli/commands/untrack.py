"""`cloche untrack`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import print_json, say


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@dry_run_option
@json_option
def command(paths: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Stop tracking data. The files stay where they are, and runs keep the content that they used.
    Of data that lies outside of the project, the link to it goes.

    \b
    Example:
      cloche untrack data/raw
    """
    from cloche.ops.untrack import untrack

    done = untrack(project(), paths, dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    for path in done.paths:
        stay = "the files stay"
        if path in done.links:
            stay = f"the link {'would go' if dry_run else 'is gone'}, and the files stay in {done.links[path]}"
        say(f"{path} {'would be' if dry_run else 'is'} tracked no more; {stay}")
