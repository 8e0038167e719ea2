"""`cloche revert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloche.cli.options import complete_parts, dry_run_option, json_option, partial_option, project, run_argument
from cloche.cli.output import console, print_json, say, tell_kept, tell_lost

if TYPE_CHECKING:
    from cloche.model.plan import Plan


@click.command()
@run_argument(default="", metavar="[RUN]")
@click.option("--lock", is_flag=True, help="Instead of a run: the data that cloche.lock names.")
@click.option(
    "--only", default="", metavar="PARTS", shell_complete=complete_parts, help="Some of code,data,config,environment."
)
@partial_option
@dry_run_option
@json_option
def command(run: str, lock: bool, only: str, partial: bool, dry_run: bool, as_json: bool) -> None:
    """Bring back what RUN was given: code, data, config and environment, and what it wrote.

    What is overwritten is stored first; `cloche undo` returns it. Git's branch and index stay as they are.

    \b
    Examples:
      cloche revert @~1 --dry-run
      cloche revert champion
      cloche revert @ --only data
      cloche revert --lock       after `git checkout`, for instance
      cloche revert --lock --partial       what is good, after `cloche verify --repair`
    """
    from cloche.cli.parts import parse_parts
    from cloche.ops.revert import revert

    plan = revert(project(), run, only=parse_parts(only), lock=lock, partial=partial, dry_run=dry_run)
    if as_json:
        print_json(plan)
    else:
        _tell(plan, dry_run)
    tell_lost(plan, as_json)


def _tell(plan: Plan, dry_run: bool) -> None:
    from cloche.cli.render.words import plural, target_name

    if plan.empty and plan.lost:
        say("nothing was put back: all else is here")
        return
    if plan.empty and not plan.problems:
        everything = "nothing that could be put back differs from" if plan.notes else "everything is as in"
        say(f"nothing to do: {everything} {target_name(plan)}")
        tell_kept((), plan.notes)
        return
    if dry_run:
        from cloche.cli.render.plan import print_plan

        print_plan(console(), plan)
        return
    what = [plural(plan.count, "file")] if plan.files else []
    what += [plural(len(plan.packages), "package")] if plan.packages else []
    tell_kept(plan.links, ())
    if what:
        say(f"went back to {target_name(plan)}: {', '.join(what)} changed")
    tell_kept((), plan.notes)
    if plan.creates:
        say(f"made {plan.creates}: activate it before you run anything")
    if what:
        say("`cloche undo` takes it back; `cloche run` runs it again")
