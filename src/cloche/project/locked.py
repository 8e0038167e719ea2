"""Bringing the tracked data to what `cloche.lock` names."""

from __future__ import annotations

from cloche.errors import Conflict, NotFound
from cloche.model.changes import PathChange
from cloche.model.plan import Plan
from cloche.model.wording import some
from cloche.project.going import refuse_while_going
from cloche.project.in_place import in_place, lacking_links, place_links
from cloche.project.journal import parted, perform, planned
from cloche.project.kept_in_place import changed_in_place
from cloche.project.project import FOLDER, LOCK_FILE, Project
from cloche.project.sides import data_towards


def to_lock(project: Project, verb: str, *, dry_run: bool = False, careful: bool = False) -> Plan:
    """Bring tracked data to what `cloche.lock` names; what is overwritten is stored first, and `undo` returns it.

    careful: raise Conflict rather than overwrite what is recorded nowhere. Raises NotFound where the store does not
    hold what the lock names.
    """
    with project.writing():
        changes: list[PathChange] = []
        stays = in_place(project)
        copied = [item for item in project.tracked if not stays(item.path)]
        gone = [item.path for item in copied if not project.store.has(item.digest)]
        if gone:
            raise NotFound(
                f"the store here does not hold {some(gone)} as {LOCK_FILE} names it",
                hint=f"`cloche pull` fetches it from a remote; else copy {FOLDER}/ from where it was added",
            )
        links = tuple(sorted(lacking_links(project)))
        if not dry_run:
            place_links(project)
        for item in copied:
            changes += data_towards(project, item)
        seen = [item for item in project.tracked if stays(item.path) and not (dry_run and item.path in links)]
        notes = changed_in_place(project, seen)
        changed = sorted((one for one in changes if one.before != one.after), key=lambda one: one.path)
        files, left = parted(planned(project, one, "data") for one in changed)
        plan = Plan(verb, LOCK_FILE, files, notes=(*notes, *left), links=links)
        new = [one.change.path for one in files if not one.recorded]
        if new and careful and not dry_run:
            raise Conflict(
                f"{some(new)} would be overwritten, and is recorded nowhere yet",
                hint=f"`cloche add` records it; `cloche {verb} --force` stores it, then overwrites it",
            )
        if not dry_run and files:
            refuse_while_going(project, f"the files that {verb} would change")
            perform(project, verb, f"went back to the data of {LOCK_FILE}", changed)
    return plan
