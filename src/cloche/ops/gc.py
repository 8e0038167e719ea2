"""`cloche gc`: free the space of what nothing needs any more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator

import msgspec

from cloche.errors import Busy, Damaged, DiskFull, UsageError
from cloche.project.alive import is_alive
from cloche.project.linked import linked_digests
from cloche.project.needed import needed
from cloche.project.project import Project
from cloche.store.collecting import find_garbage, rescue, set_aside, set_files_aside, sweep

DAY = 86_400
GRACE = 14.0  # days

Say = Callable[[str], None]


class Collected(msgspec.Struct, frozen=True):
    """What `gc` did, or would do. Sizes are bytes.

    packs: how many went to quarantine, rewritten: how many of them since only a part of each was needed, or since they
    were small. files: whole files that went there; no link of a work tree leads to them either. unused: what they hold
    and nothing needs. kept: what is needed. quarantine: what lies there now. deleted: what lay there for longer than
    the grace time, and is gone; without any also what is unused. missing: contents that records
    need and the store does not hold.
    """

    packs: int
    rewritten: int
    unused: int
    kept: int
    quarantine: int
    deleted: int
    missing: int
    grace: float
    dry_run: bool = False
    files: int = 0


def gc(
    project: Project, *, grace: float = GRACE, tips_only: bool = False, dry_run: bool = False, say: Say | None = None
) -> Collected:
    """Put what no record needs into quarantine, and delete what has been there for `grace` days.

    Needed is what a run, a `cloche.lock` that any branch, tag, stash or reflog of Git leads to, another work tree, or
    an operation of the last `grace` days needs. tips_only: of the versions of `cloche.lock`, only those in work trees
    count. Commands that add to the store wait meanwhile.

    Raises UsageError, Conflict, Damaged, StoreError where it cannot be known what is needed, and Busy with `grace` 0
    while a run is going.
    """
    if not 0 <= grace < 1e6:
        raise UsageError(f"{grace} is no number of days", hint="type `cloche gc --grace 14`")
    with project.storing() if dry_run else project.collecting(), _telling_who_knows():
        if not grace:
            _refuse_while_going(project)
        now = int(project.clock())
        if say is not None:
            say("looking for what is needed")
        reached = needed(project, grace * DAY, history=not tips_only)
        store = project.store
        store.see()
        aside = store.quarantine.packs() if dry_run else rescue(store, reached)
        linked = linked_digests(project)
        wanted = reached.named | reached.missing  # one that was edited is wanted, and not held as it was
        idle = {one: size for one, size in store.loose.all() if bytes.fromhex(one) not in wanted and one not in linked}
        whole = sum(size for _, size in store.loose.all()) - sum(idle.values())
        old = [one for one in aside if one.since <= now - grace * DAY]
        garbage = find_garbage(store, reached)
        unused = garbage.freed + sum(idle.values())
        if not dry_run:
            with contextlib.suppress(DiskFull):  # there is room when something is gone
                _forget_unneeded(project, wanted)
            sweep(store, old)
            if garbage.packs or garbage.rewritten:
                set_aside(store, garbage, reached, now)
            set_files_aside(store, idle, now)
            if not grace:
                sweep(store, store.quarantine.packs())
            _forget_unneeded(project, wanted)
        left = sum(one.size for one in store.quarantine.packs())
    return Collected(
        packs=len(garbage.packs) + len(garbage.rewritten),
        rewritten=len(garbage.rewritten),
        unused=unused,
        kept=garbage.kept + whole,
        quarantine=left,
        deleted=sum(one.size for one in old) + (0 if grace else unused),
        missing=len(reached.missing),
        grace=grace,
        dry_run=dry_run,
        files=len(idle),
    )


@contextlib.contextmanager
def _telling_who_knows() -> Iterator[None]:
    """Around what reads only what says what is needed: whose it is takes more than that to tell."""
    try:
        yield
    except Damaged as error:
        hint = f"`cloche verify` names the files that need it; {error.hint}, and then `cloche gc` can go on"
        raise Damaged(error.message, hint=hint) from error


def _forget_unneeded(project: Project, wanted: Collection[bytes]) -> None:
    """What goes now, having been held, is not lost. Noted before it goes: `verify` sees what is here all the same."""
    held = project.catalog.held()
    project.catalog.forget_held(one for one in held if bytes.fromhex(one) not in wanted)


def _refuse_while_going(project: Project) -> None:
    alive = [run.short for run in project.catalog.running() if is_alive(project, run.id)]
    if alive:
        raise Busy(
            f"run {alive[0]} is still going, and may yet need what nothing else does",
            hint="wait for it, or leave `--grace 0` out: what is in quarantine comes back where it is needed",
        )
