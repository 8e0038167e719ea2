"""Everything that some record may still need of the store."""

from __future__ import annotations

from collections.abc import Iterator

from cloche.capture.git_history import versions_of
from cloche.errors import Conflict
from cloche.model.lock import lines_of
from cloche.model.operation import FactEffect, Operation
from cloche.model.snapshot import Tracked
from cloche.project.neighbours import tracked_elsewhere
from cloche.project.project import LOCK_FILE, Project
from cloche.project.reach import Reached, if_there, lock_roots, operation_roots, run_roots
from cloche.project.remotes import all_remotes


def needed(project: Project, window: float, *, history: bool = True) -> Reached:
    """What runs, `cloche.lock` in every version that Git knows, the other work trees, and `undo` need.

    window: seconds that an operation is kept undoable; a run that was removed longer ago needs nothing. history:
    without it only the newest `cloche.lock` of each work tree counts. Raises Conflict where the catalog was lost,
    Damaged where a tree cannot be read, StoreError where Git cannot tell: nothing can be known then.
    """
    operations = project.catalog.operations()
    if not operations and project.store.pack_names():
        raise Conflict(
            "the catalog is empty and the store is not: the records that say what is needed are gone",
            hint="put back a copy of .cloche/catalog.db; `cloche doctor` says more",
        )
    since = project.clock() - window
    recent = [one for one in operations if one.created >= since or one.state == "started"]
    reached = Reached(project.store)
    away = project.catalog.elsewhere()
    runs = project.catalog.ids("")
    places = project.settings.data.places
    for run in runs:
        if run not in away:
            reached.add(run_roots(project.catalog.run(run)))
    locked = lock_roots({*project.tracked, *tracked_elsewhere(project)}, places)
    # What is there stays; what is not may be on a remote only, or was given up by an earlier `gc`.
    reached.add(if_there(locked) if all_remotes(project) else locked)
    for run in (*(run for run in runs if run in away), *_removed_lately(recent)):
        reached.add(if_there(run_roots(project.catalog.run(run))))
    for operation in recent:
        reached.add(if_there(operation_roots(operation)))
    if history and project.git is not None:
        reached.add(if_there(lock_roots(_in_git(project), places)))
    return reached


def _removed_lately(operations: list[Operation]) -> Iterator[str]:
    for operation in operations:
        for effect in operation.effects:
            if isinstance(effect, FactEffect) and effect.fact == "removed":
                yield effect.key


def _in_git(project: Project) -> set[Tracked]:
    found: set[Tracked] = set()
    for text in versions_of(project.root, LOCK_FILE):
        found.update(lines_of(text.decode("utf-8", "replace")))
    return found
