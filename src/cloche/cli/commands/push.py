"""`cloche push`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project, remote_option, run_argument
from cloche.cli.output import print_json, progress, say


@click.command()
@run_argument("runs", nargs=-1, metavar="[RUN]...")
@remote_option
@click.option("--data", is_flag=True, help="Only the data that cloche.lock names; no runs.")
@click.option("--repair", is_flag=True, help="Read all that the remote holds; mend or send again what is damaged.")
@dry_run_option
@json_option
def command(runs: tuple[str, ...], remote: str, data: bool, repair: bool, dry_run: bool, as_json: bool) -> int:
    """Send runs with all their content, tags and notes, and the data of cloche.lock to a remote.

    Only what it lacks is sent. Interrupted, it goes on where it stopped; what others see is always whole.

    \b
    Examples:
      cloche push
      cloche push --dry-run
      cloche push @ champion
      cloche push --data --remote lab
      cloche push --repair
    """
    from cloche.cli.render.remote import pushed_lines
    from cloche.ops.push import push

    with progress("sending", in_bytes=True) as told:
        done = push(project(), runs, remote=remote, data=data, repair=repair, dry_run=dry_run, progress=told)
    if as_json:
        print_json(done)
    else:
        for line in pushed_lines(done):
            say(line)
    return 9 if done.repair and done.problems else 0
