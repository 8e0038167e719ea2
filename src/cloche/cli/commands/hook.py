"""`cloche hook`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from cloche.cli.options import project
from cloche.cli.output import progress, say, tell_kept

if TYPE_CHECKING:
    from cloche.errors import ClocheError
    from cloche.ops.hook import Unrecorded
    from cloche.project.following import Followed

_REPAIR = "`cloche verify --repair` (what the store holds was changed through a link), then "
_COMMIT = "`git commit` (or, as it is, `git commit --no-verify`)"


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from cloche.model.hooks import HOOKS

    return [CompletionItem(hook.name, help=hook.does) for hook in HOOKS if hook.name.startswith(incomplete)]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="HOOK", shell_complete=_complete)
@click.argument("arguments", nargs=-1, metavar="[ARGUMENT]...")
@click.option("--strict", is_flag=True, help="Exit with 1 where pre-commit finds something, or cannot look.")
def command(name: str, arguments: tuple[str, ...], strict: bool) -> None:
    """What Git's hook HOOK calls; `cloche install` sets them. ARGUMENTS are Git's, and are not needed.

    Never fails, so that no command of Git's does, but with --strict.

    \b
    Example:
      cloche hook post-checkout      bring data to what cloche.lock names, but for unrecorded changes
    """
    from cloche.errors import ClocheError, SettingsError
    from cloche.ops.hook import PRE_COMMIT, Unrecorded, hook

    strict = strict and name == PRE_COMMIT
    try:
        with progress("fetching", in_bytes=True) as told:
            found = hook(project(), name, told)
    except ClocheError as error:
        if strict:  # what cannot be looked at is not known to be in order: a lock with a conflict, above all
            _stop(error)
            raise SystemExit(1) from None
        # post-index-change runs in the midst of a merge, too: Git tells of its conflict.
        if name != "post-index-change" or not isinstance(error, SettingsError):
            _nothing(error)
        return
    if isinstance(found, Unrecorded):
        _warn(found, strict)
        if strict and (found.changed or found.lock or found.deleted):
            raise SystemExit(1)
    else:
        _tell(found)


def _nothing(error: ClocheError) -> None:
    say(f"nothing was done about data: {error.message}")
    if error.hint:
        say(f"  hint: {error.hint}")


def _stop(error: ClocheError) -> None:
    say(f"not committed: {error.message}")
    say(f"  hint: {f'{error.hint}; then `git add`, then ' if error.hint else ''}{_COMMIT}")


def _warn(found: Unrecorded, strict: bool) -> None:
    first = "not committed" if strict else "warning"
    steps = ["`git add cloche.lock`"]
    if found.changed:
        say(f"{first}: {', '.join(found.changed)} changed, and cloche.lock does not say so")
        steps.insert(0, f"{_REPAIR if found.edited else ''}`cloche add {_words(found.changed)}`")
    elif found.lock:
        say(f"{first}: cloche.lock changed, and is not part of this commit")
    elif found.deleted:
        say(f"{first}: cloche.lock is gone, and with it what this commit says of data")
        steps = [f"`git checkout {'HEAD' if strict else 'HEAD~'} -- cloche.lock`"]
    else:
        return
    after = [_COMMIT if strict else "`git commit --amend`"]
    say(f"  hint: {', then '.join(steps + after)}")


def _tell(found: Followed) -> None:
    from cloche.cli.render.words import plural
    from cloche.model.wording import some

    if found.brought:
        count = plural(found.changed, "file")
        source = f", fetched from {found.remote}" if found.remote else ""
        say(f"{some(found.brought)} follows cloche.lock: {count} changed{source}; `cloche undo` takes it back")
    if found.removed:
        say(f"{some(found.removed)} is tracked no more, and was removed; `cloche undo` brings it back")
    tell_kept(found.links, found.notes)
    if found.recorded:
        say(f"left as it is: {some(found.recorded)} is a recorded version, and not the one that cloche.lock names")
        say(
            f"  hint: `cloche revert --lock` brings that one; `cloche add {_words(found.recorded)}` takes what is there"
        )
    kept = [path for path in found.kept if path not in found.recorded]
    if kept:
        say(f"left as it is: {some(kept)} has changes that are not recorded in cloche.lock")
        first = _REPAIR if found.edited else ""
        say(f"  hint: {first}`cloche add {_words(kept)}` records them; `cloche revert --lock` replaces them")
    if found.absent:
        say(f"not in the store here: {some(found.absent)} as cloche.lock names it")
        if found.problem:
            say(f"  it could not be fetched: {found.problem}")
        say("  hint: `cloche pull` where there is a remote, or copy .cloche/ from where it was added; then")
        say("        `cloche revert --lock`")


def _words(paths: Iterable[str]) -> str:
    from cloche.model.paths import decode_path

    return " ".join(shlex.quote(decode_path(path)) for path in paths)
