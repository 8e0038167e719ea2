"""`cloche checkout`: some files of a run, brought into the work tree."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from cloche.errors import Damaged, NotFound, UsageError
from cloche.model.changes import PathChange
from cloche.model.held import Held
from cloche.model.paths import decode_path, inside, own_among
from cloche.model.plan import Belongs, Plan
from cloche.model.run import Run
from cloche.model.tree import entry_of
from cloche.model.wording import some
from cloche.ops.ls import ls
from cloche.project.alive import refuse_while_going
from cloche.project.exchange import at_hand
from cloche.project.in_place import Links, lacking_links
from cloche.project.journal import in_the_way, parted, perform, planned
from cloche.project.kept_in_place import as_in_place
from cloche.project.partial import advising, obtainable, preview
from cloche.project.project import Project
from cloche.project.reach import Root
from cloche.project.revisions import find_run

_LATER_WINS = ("read", "data", "config", "code", "outputs")


def checkout(
    project: Project, revision: str, paths: Sequence[str], *, dry_run: bool = False, partial: bool = False
) -> Plan:
    """Bring files of a run into the work tree: those at or below `paths`. Others there stay, as in Git.

    What is overwritten is stored first, and `undo` brings it back. partial: leave what the store has lost as it is, and
    name it; without it, raises NotFound or Damaged there. Raises NotFound where the run has no such file, and Busy
    while a run is going.
    """
    if not paths:
        raise UsageError(
            "which files?", hint=f"type `cloche ls {revision}` to see them; `cloche revert` takes them all"
        )
    with project.writing(), Links(project) as made:
        run = find_run(project, revision)
        gone: list[str] = []
        held = [one for path in paths for one in ls(project, run.id, path, lost=gone)]
        links = _lacking(project, held)
        if not dry_run:
            made.make(links)
        same = as_in_place(project, held)
        unseen = links if dry_run else ()  # which the links lead to
        held = [one for one in held if one.path not in same and not any(inside(one.path, link) for link in unseen)]
        _refuse_elsewhere(project, held)
        at_hand(project, run, only=[Root(one.path, one.kind, one.digest) for one in held if one.kind != "d"])
        more = f"`cloche checkout {shlex.join(map(decode_path, (revision, *paths)))} --partial` takes all that is good"
        if not partial:
            _refuse_lost(project, run, held, gone, more)
        wanted = {one.path: one for one in sorted(held, key=lambda one: _LATER_WINS.index(one.part))}
        own = own_among(wanted)
        here = in_the_way(project, [path for path in wanted if path not in own])
        changes = [PathChange(path, here.get(path), entry_of(wanted[path])) for path in wanted]
        changes += [PathChange(path, entry, None) for path, entry in here.items() if path not in wanted]
        lost: tuple[str, ...] = ()
        if partial:
            changes, lost = obtainable(project, changes, gone)
        files, left = parted(
            planned(project, change, _part(wanted.get(change.path)))
            for change in sorted(changes, key=lambda one: one.path)
            if change.before != change.after
        )
        plan = Plan("take", run.id, files, notes=left, links=links, lost=lost)
        summary = f"checked out {some(list(paths))} of run {run.short}"
        with advising(more):
            if dry_run:
                preview(project, files)
            elif files:
                refuse_while_going(project, "the files that checkout would change")
                perform(project, "checkout", summary, [one.change for one in files])
    return plan


def _lacking(project: Project, held: Sequence[Held]) -> tuple[str, ...]:
    """The links to data elsewhere that are missing, of what is wanted."""
    return tuple(path for path in sorted(lacking_links(project)) if any(inside(one.path, path) for one in held))


def _refuse_elsewhere(project: Project, held: Sequence[Held]) -> None:
    for path, place in project.settings.data.external.items():
        changed = [one.path for one in held if inside(one.path, path)]
        if changed:
            raise NotFound(
                f"{some(changed)} is not as it was in {place}, where Cloche never writes",
                hint="bring it back there; `cloche status` tells whether it is the same",
            )


def _refuse_lost(project: Project, run: Run, held: Sequence[Held], gone: Sequence[str], more: str) -> None:
    lost = [one.path for one in held if one.kind != "d" and not project.store.has(one.digest)]
    in_place = [path for path in lost if any(inside(path, one) for one in run.snapshot.data.in_place)]
    if in_place:
        raise NotFound(
            f"{some(in_place)} was tracked in place: its content was never stored",
            hint="bring it back from where it came from; `cloche status` tells whether it is the same",
        )
    if lost := [*gone, *lost]:
        raise NotFound(f"the store here does not hold {some(lost)}", hint=f"{Damaged.advice}; {more}")


def _part(one: Held | None) -> Belongs:
    """What a file would be listed under; one that stands in the way of others is none of them."""
    if one is None:
        return "outputs"
    return "data" if one.part == "read" else one.part
