"""`cloche remove`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project, run_argument
from cloche.cli.output import print_json, say


@click.command()
@run_argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--with-tags", is_flag=True, help="Remove tagged runs too, with their tags.")
@dry_run_option
@json_option
def command(runs: tuple[str, ...], with_tags: bool, dry_run: bool, as_json: bool) -> None:
    """Take runs out of the log. Their content stays in the store; `cloche undo` brings them back.

    \b
    Examples:
      cloche remove @
      cloche remove kmxqzrto lpqnwvst --dry-run
    """
    from cloche.ops.remove import remove

    done = remove(project(), runs, with_tags=with_tags, dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    would = "would be " if dry_run else ""
    for run in done.runs:
        say(f"run {run[:8]} {would}removed")
    for tag in done.tags:
        say(f"tag {tag} {would}deleted")
