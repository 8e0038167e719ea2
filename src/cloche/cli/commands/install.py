"""`cloche install`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import print_json, say

if TYPE_CHECKING:
    from cloche.ops.install import Installation

WORDS = {
    "new": "set",
    "joined": "set, in the hook that is there",
    "wrapped": "set; the hook that was there is called from it",
    "updated": "set anew",
    "unchanged": "is set already",
    "removed": "taken out",
    "absent": "is not set",
}


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from cloche.ops.install import DOES

    return [CompletionItem(name, help=does) for name, does in DOES.items() if name.startswith(incomplete)]


@click.command()
@click.argument("hooks", nargs=-1, metavar="[HOOK]...", shell_complete=_complete)
@click.option("--remove", is_flag=True, help="Take out what was set; hooks of others stay as they were.")
@click.option(
    "--strict/--no-strict",
    default=None,
    help="A commit that leaves changed data out is stopped, and not only named; without a word, as it was.",
)
@click.option("--global", "everywhere", is_flag=True, help="For every repository that you clone or make from now on.")
@dry_run_option
@json_option
def command(
    hooks: tuple[str, ...], remove: bool, strict: bool | None, everywhere: bool, dry_run: bool, as_json: bool
) -> None:
    """Have Git take data along: hooks that bring it to what cloche.lock names, and a merge driver for cloche.lock.

    \b
    post-checkout      git checkout, switch, clone, worktree add, bisect: data follows
    post-merge         git merge, pull: data follows
    post-rewrite       git rebase: data follows
    post-index-change  git stash, reset --hard, rebase --abort: data follows
    pre-commit         says where data changed and cloche.lock did not
    merge-driver       merges cloche.lock path by path, and folders file by file

    Without HOOK: all of them. Data with changes that are not in cloche.lock is never overwritten by a hook; it is left
    and named. No hook makes a Git command fail (but pre-commit with --strict), and CLOCHE_HOOKS=0 switches them off.

    Git runs post-checkout in a fresh clone only where it comes from Git's template folder: --global puts the hooks
    there. They do nothing in repositories that hold no project.

    \b
    Examples:
      cloche install
      cloche install --dry-run
      cloche install pre-commit --strict
      cloche install --remove
    """
    from pathlib import Path

    from cloche.errors import UsageError
    from cloche.ops.install import install, install_everywhere

    if everywhere and (hooks or strict is not None):
        raise UsageError("--global sets all hooks, and none is strict", hint="type `cloche install --global`")
    if everywhere:
        done = install_everywhere(Path(), remove=remove, dry_run=dry_run)
    else:
        done = install(project(), hooks, remove=remove, strict=strict, dry_run=dry_run)
    if as_json:
        print_json(done)
    else:
        _tell(done)


def _tell(done: Installation) -> None:
    for one in done.parts:
        word = WORDS[one.act]
        if done.dry_run and one.act not in ("unchanged", "absent"):
            word = f"would be {word}"
        say(f"{one.name}: {word}  ({one.place})")
        if not done.removed:
            say(f"  {one.does}")
    for note in done.notes:
        say(f"note: {note}")
    if done.dry_run:
        return
    if done.files:
        what = "says" if not done.removed else "no longer says"
        say(f".gitattributes {what} how cloche.lock and .gitignore are merged: `git add .gitattributes` and commit")
    if not done.removed:
        say("CLOCHE_HOOKS=0 switches hooks off for a command; `cloche install --remove` takes them out")
