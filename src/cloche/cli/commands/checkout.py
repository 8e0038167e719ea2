"""`cloche checkout`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, partial_option, project, run_argument
from cloche.cli.output import console, print_json, say, tell_kept, tell_lost


@click.command()
@run_argument()
@click.argument("paths", nargs=-1, type=click.Path(), metavar="PATH...")
@partial_option
@dry_run_option
@json_option
def command(run: str, paths: tuple[str, ...], partial: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the files of RUN at or below PATH into the work tree; other files stay.

    What is overwritten is stored first, and `cloche undo` brings it back.

    \b
    Examples:
      cloche checkout @~1 train.py
      cloche checkout champion model.joblib data/raw
      cloche checkout @~1 src --dry-run
      cloche checkout @ data --partial      what is good, after `cloche verify --repair`
    """
    from cloche.cli.render.words import plural, target_name
    from cloche.ops.checkout import checkout

    here = project()
    plan = checkout(here, run, [here.held_text(path) for path in paths], dry_run=dry_run, partial=partial)
    if as_json:
        print_json(plan)
    elif plan.empty and plan.lost:
        say("nothing taken: all else is here")
    elif plan.empty:
        say(f"nothing to do: they are as in {target_name(plan)}")
    elif dry_run:
        from cloche.cli.render.plan import print_plan

        print_plan(console(), plan)
    elif plan.files:
        say(f"took {plural(len(plan.files), 'file')} from {target_name(plan)}; `cloche undo` takes it back")
    if not as_json and not dry_run:
        tell_kept(plan.links, ())
    if not as_json and (plan.empty or not dry_run):
        for note in plan.notes:
            say(f"not taken: {note}")
    tell_lost(plan, as_json)
