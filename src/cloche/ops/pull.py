"""`cloche pull`: fetch, and bring the tracked data to what `cloche.lock` names."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cloche.model.plan import Plan
from cloche.project.cloning import to_go_on
from cloche.project.exchange import Fetched, exchange
from cloche.project.in_place import in_place
from cloche.project.locked import to_lock
from cloche.project.project import Project
from cloche.project.remotes import open_remote

Progress = Callable[[int, int], None]


class Pulled(msgspec.Struct, frozen=True):
    """What came, and what of it was (or would be) brought into the work tree; None where that cannot be told before.
    tracked: whether `cloche.lock` names any data. to_go_on: what to type where this is a clone that was cut off."""

    fetched: Fetched
    plan: Plan | None
    tracked: bool = True
    to_go_on: str = ""


def pull(
    project: Project,
    *,
    remote: str = "",
    data: bool = True,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pulled:
    """Fetch, then bring the tracked data to what `cloche.lock` names; `undo` takes that back.

    data: False fetches the content of no run, only what the lock names. Raises RemoteError, and Conflict where a file
    would be overwritten that is recorded nowhere, unless `force`.
    """
    place = open_remote(project, remote)
    try:
        fetched = exchange(project, place, data=data, lock=True, dry_run=dry_run, progress=progress)
    finally:
        place.backend.close()
    stays = in_place(project)
    held = not project.store.missing(item.digest for item in project.tracked if not stays(item.path))
    plan = to_lock(project, "pull", dry_run=dry_run, careful=not force) if held or not dry_run else None
    return Pulled(fetched, plan, bool(project.tracked), to_go_on(project.root))
