"""Everything that some record may still need of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloche.errors import Conflict
from cloche.model.operation import FactEffect, Operation
from cloche.model.snapshot import Tracked
from cloche.project.neighbours import locks_elsewhere
from cloche.project.other_locks import locks_in_git
from cloche.project.project import Project
from cloche.project.reach import Reached, Root, if_there, lock_roots, operation_roots, run_roots
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
    for run in runs:
        if run not in away:
            reached.add(run_roots(project.catalog.run(run)))
    for roots in _locked(project, history=history):
        reached.add(roots)
    for run in (*(run for run in runs if run in away), *_removed_lately(recent)):
        reached.add(if_there(run_roots(project.catalog.run(run))))
    for operation in recent:
        reached.add(if_there(operation_roots(operation)))
    return reached


def _locked(project: Project, *, history: bool) -> Iterator[Iterable[Root]]:
    """What every `cloche.lock` names. What the store has held should be there, and so should what one of now names
    where there is no remote; of all else what is there stays: the rest may be on a remote only, or was given up."""
    places, held = project.settings.data.places, project.catalog.held()
    now = set(project.tracked).union(*(items for _, items in locks_elsewhere(project)))
    older = set[Tracked]().union(*(lock.tracked for lock in locks_in_git(project))) if history else set[Tracked]()
    yield (root for root in lock_roots(now | older, places) if root.digest in held)
    yield if_there(lock_roots(now, places)) if all_remotes(project) else lock_roots(now, places)
    yield if_there(lock_roots(older, places))


def _removed_lately(operations: list[Operation]) -> Iterator[str]:
    for operation in operations:
        for effect in operation.effects:
            if isinstance(effect, FactEffect) and effect.fact == "removed":
                yield effect.key
