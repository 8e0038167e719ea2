"""`cloche push`: send runs and their content to a remote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cloche.errors import Busy, UsageError
from cloche.model.run import Run
from cloche.project.listing import in_words, write_inventory
from cloche.project.probing import refuse_read_only, refuse_unsafe
from cloche.project.project import Project
from cloche.project.recovery import recover
from cloche.project.related import refuse_unrelated
from cloche.project.remote_repair import INVENTORY_AGAIN, clear, clear_left_overs, mend, reopen
from cloche.project.remotes import Place, open_remote
from cloche.project.revisions import find_run
from cloche.project.sending import Sending, prepare, send

Progress = Callable[[int, int], None]


class Pushed(msgspec.Struct, frozen=True):
    """What was (or would be) sent. runs: ids. facts: changed tags, notes and removals. lock: whether the data of
    `cloche.lock` is new there. objects, size, packs: of the content. problems: what is damaged on the
    remote. in_place: data paths whose content is not sent, since only its digests are recorded. mended: what of the
    remote was put right, in words. repair: that was asked for."""

    remote: str
    url: str
    runs: tuple[str, ...] = ()
    facts: int = 0
    lock: bool = False
    objects: int = 0
    size: int = 0
    packs: int = 0
    problems: tuple[str, ...] = ()
    dry_run: bool = False
    in_place: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    repair: bool = False


def push(
    project: Project,
    revisions: Sequence[str] = (),
    *,
    remote: str = "",
    data: bool = False,
    repair: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pushed:
    """Send what the remote lacks: all finished runs, tags and notes, and the data that `cloche.lock` names.

    revisions: only these runs. data: only the data. repair: read all that the remote holds, and put right or send again
    what is damaged. Raises RemoteError, Damaged where content is lost here, and
    Conflict where the remote cannot keep two who push from harming each other.
    """
    _refuse_contradictions(revisions, data=data, repair=repair)
    recover(project)
    runs = _ended(project, revisions)
    place, done = _opened(project, remote, repair=repair, dry_run=dry_run)
    chosen = runs if revisions or data else None
    with project.storing():
        if repair:
            _refuse_unsafe(project, place)
        mended = mend(project, place, progress) if repair else None
        lost = mended.lost if mended else ()
        sending = prepare(project, place, chosen, facts=not data, apart=mended.bad if mended else None, lost=lost)
        if not sending.empty:
            refuse_unrelated(project, place, sending.found)
        size = sending.what.size + sending.cuts.size
        done += [] if mended is None else mended.done
        problems = sending.found.problems
        if not sending.empty and (repair or not dry_run):
            _refuse_unsafe(project, place)
            size = send(project, place, sending, progress)
        if dry_run and not repair:  # to make all the packs takes long, where nothing depends on them
            place.rehearse()
        if repair:
            more, problems = clear(project, place, sending.apart)
            done += more
        more, gone = _tidied(project, place, sending, cleared=repair)
        done += more
        problems += gone
    place.backend.close()
    return Pushed(
        place.name,
        place.address.url,
        tuple(run.id for run in sending.runs),
        len(sending.facts),
        bool(sending.lock),
        sending.objects,
        size,
        sending.what.packs + sending.cuts.packs,
        tuple(problems),
        dry_run,
        _in_place(project, sending.runs),
        tuple(done),
        repair,
    )


def _refuse_contradictions(revisions: Sequence[str], *, data: bool, repair: bool) -> None:
    if data and revisions:
        raise UsageError("--data sends what cloche.lock names, and no runs", hint="leave one of the two out")
    if repair and (data or revisions):
        raise UsageError("--repair is about all that the remote holds", hint="leave the runs and --data out")


def _opened(project: Project, remote: str, *, repair: bool, dry_run: bool) -> tuple[Place, list[str]]:
    """The remote to push to, and what was mended to have it open."""
    place, done = reopen(project, remote, dry_run=dry_run) if repair else (open_remote(project, remote), [])
    if not place.backend.writable:  # such a place is not listed either, so that it only seems to hold everything
        refuse_read_only(place)
    return place, done


def _ended(project: Project, revisions: Sequence[str]) -> list[Run]:
    runs = [find_run(project, revision) for revision in dict.fromkeys(revisions)]
    for run in runs:
        if run.status == "running":
            raise Busy(f"run {run.short} is still going", hint="push it when it has ended")
    return runs


def _refuse_unsafe(project: Project, place: Place) -> None:
    """As `refuse_unsafe`; a rehearsal cannot try out what takes writing."""
    if not (place.rehearsed and place.backend.writable):
        refuse_unsafe(project, place)


def _tidied(project: Project, place: Place, sending: Sending, *, cleared: bool) -> tuple[list[str], list[str]]:
    """What earlier pushes that were cut off have left undone; which bundles are gone, in words. cleared: some may have
    been taken away since it was looked."""
    left = clear_left_overs(project, place, sending.found)
    done = [f"took away {left} left-over{'s' if left > 1 else ''} of pushes that were cut off"] if left else []
    found = sending.found
    inventory = write_inventory(place, found.listed if sending.empty and not cleared else None, broken=found.broken)
    if sending.empty and inventory.wrong:
        done.append(INVENTORY_AGAIN)
    return done, in_words(place, inventory.lost)


def _in_place(project: Project, runs: Sequence[Run]) -> tuple[str, ...]:
    tracked = {item.path for item in project.tracked} & set(project.settings.data.places)
    return tuple(sorted(tracked.union(*(run.snapshot.data.in_place for run in runs))))
