"""`cloche gc`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import print_json, say


@click.command()
@click.option(
    "--grace",
    type=float,
    default=14.0,
    show_default=True,
    metavar="DAYS",
    help="How long what nothing needs stays in quarantine, and operations can be undone.",
)
@click.option(
    "--tips-only", is_flag=True, help="Of cloche.lock, count only the work trees' versions, not Git's history."
)
@dry_run_option
@json_option
def command(grace: float, tips_only: bool, dry_run: bool, as_json: bool) -> None:
    """Free the space of what nothing needs any more.

    Kept is whatever a run, a tag, a note's run, any version of cloche.lock that Git can check out, another work tree,
    or an operation within the grace time needs. The rest goes to quarantine, and is deleted when it has been there for
    the grace time; whoever needs something of it before takes it out again by that. Other commands may go on.

    \b
    Examples:
      cloche gc --dry-run
      cloche prune --keep-last 20 && cloche gc
    """
    from cloche.cli.render.words import plural, size
    from cloche.ops.gc import gc

    done = gc(project(), grace=grace, tips_only=tips_only, dry_run=dry_run, say=None if as_json else say)
    if as_json:
        print_json(done)
        return
    would = "would be " if dry_run else ""
    say(f"{size(done.kept)} are needed, and stay")
    where = plural(done.packs, "pack") + (f" and {plural(done.files, 'file')}" if done.files else "")
    say(f"{size(done.unused)} in {where} {would}put into quarantine for {done.grace:g} days")
    if done.deleted or not done.grace:
        say(f"{size(done.deleted)} {would}deleted")
    if done.quarantine:
        say(f"{size(done.quarantine)} of packs and files lie in quarantine now")
    if done.missing:
        say(f"warning: records need {plural(done.missing, 'content')} that the store does not hold: `cloche verify`")
