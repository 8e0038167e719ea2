"""`cloche push`: send runs and their content to a remote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cloche.errors import Busy, UsageError
from cloche.model.run import Run
from cloche.project.probing import refuse_unsafe
from cloche.project.project import Project
from cloche.project.recovery import recover
from cloche.project.remotes import open_remote
from cloche.project.revisions import find_run
from cloche.project.sending import prepare, send

Progress = Callable[[int, int], None]


class Pushed(msgspec.Struct, frozen=True):
    """What was (or would be) sent. runs: ids. facts: changed tags, notes and removals. lock: whether the data of
    `cloche.lock` is new there. objects, size, packs: of the content. problems: what is damaged on the
    remote. in_place: data paths whose content is not sent, since only its digests are recorded."""

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


def push(
    project: Project,
    revisions: Sequence[str] = (),
    *,
    remote: str = "",
    data: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pushed:
    """Send what the remote lacks: all finished runs, tags and notes, and the data that `cloche.lock` names.

    revisions: only these runs. data: only the data. Raises RemoteError, Damaged where content is lost here, and
    Conflict where the remote cannot keep two who push from harming each other.
    """
    if data and revisions:
        raise UsageError("--data sends what cloche.lock names, and no runs", hint="leave one of the two out")
    recover(project)
    runs = [find_run(project, revision) for revision in dict.fromkeys(revisions)]
    for run in runs:
        if run.status == "running":
            raise Busy(f"run {run.short} is still going", hint="push it when it has ended")
    place = open_remote(project, remote)
    chosen = runs if revisions or data else None
    with project.storing():
        sending = prepare(project, place, chosen, facts=not data)
        size = sending.what.size + sending.cuts.size
        if not dry_run and not sending.empty:
            refuse_unsafe(project, place)
            size = send(project, place, sending, progress)
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
        tuple(sending.found.problems),
        dry_run,
        _in_place(project, sending.runs),
    )


def _in_place(project: Project, runs: Sequence[Run]) -> tuple[str, ...]:
    tracked = {item.path for item in project.tracked} & set(project.settings.data.places)
    return tuple(sorted(tracked.union(*(run.snapshot.data.in_place for run in runs))))
