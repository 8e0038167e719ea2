"""`cloche fetch`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project, remote_option, run_argument
from cloche.cli.output import print_json, progress, say


@click.command()
@run_argument("runs", nargs=-1, metavar="[RUN]...")
@remote_option
@click.option("--no-data", is_flag=True, help="Records of runs, and no content at all: it comes when it is needed.")
@dry_run_option
@json_option
def command(runs: tuple[str, ...], remote: str, no_data: bool, dry_run: bool, as_json: bool) -> int:
    """Take new runs, tags and notes from a remote, and the content of RUNs (without any: of all).

    Your files stay as they are. Every byte is proven before it becomes part of the store. Interrupted, it goes on
    where it stopped.

    \b
    Examples:
      cloche fetch
      cloche fetch --no-data
      cloche fetch champion --remote lab
    """
    from cloche.cli.render.remote import fetched_lines
    from cloche.ops.fetch import fetch

    with progress("fetching", in_bytes=True) as told:
        done = fetch(project(), runs, remote=remote, data=not no_data, dry_run=dry_run, progress=told)
    if as_json:
        print_json(done)
    else:
        for line in fetched_lines(done):
            say(line)
    return 9 if done.problems else 0
