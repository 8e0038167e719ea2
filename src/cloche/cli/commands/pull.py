"""`cloche pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloche.cli.options import dry_run_option, json_option, project, remote_option
from cloche.cli.output import console, print_json, progress, say, tell_kept

if TYPE_CHECKING:
    from cloche.model.plan import Plan


@click.command()
@remote_option
@click.option("--no-data", is_flag=True, help="Of runs only the records; of content, what cloche.lock names.")
@click.option("--force", is_flag=True, help="Overwrite data that is recorded nowhere yet; it is stored first.")
@dry_run_option
@json_option
def command(remote: str, no_data: bool, force: bool, dry_run: bool, as_json: bool) -> int:
    """Fetch, then bring the tracked data to what cloche.lock names. `cloche undo` takes the latter back.

    \b
    Examples:
      git pull && cloche pull
      cloche pull --dry-run
      cloche pull --no-data
    """
    from cloche.cli.render.remote import fetched_lines
    from cloche.ops.pull import pull

    with progress("fetching", in_bytes=True) as told:
        done = pull(project(), remote=remote, data=not no_data, force=force, dry_run=dry_run, progress=told)
    if as_json:
        print_json(done)
        return 9 if done.fetched.problems else 0
    for line in fetched_lines(done.fetched):
        say(line)
    if done.to_go_on:
        say(f"no data is brought, since the clone here was cut off: `{done.to_go_on}` goes on where it stopped")
    elif done.plan is not None:
        _tell(done.plan, dry_run, tracked=done.tracked)
    return 9 if done.fetched.problems else 0


def _tell(plan: Plan, dry_run: bool, *, tracked: bool) -> None:
    from cloche.cli.render.plan import print_plan
    from cloche.cli.render.words import plural

    if dry_run and not plan.empty:
        print_plan(console(), plan)
        return
    if plan.files:
        say(f"brought {plural(plan.count, 'file')} to cloche.lock; `cloche undo` takes it back")
    elif not tracked:
        say("no data is tracked here: cloche.lock names none")
    else:
        say(f"{'all else' if plan.notes else 'the data here'} is as cloche.lock names it")
    tell_kept(plan.links, plan.notes)
