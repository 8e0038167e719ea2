"""Bringing the tracked data to what `cloche.lock` names."""

from __future__ import annotations

from collections.abc import Sequence

from cloche.errors import Conflict, Damaged, NotFound
from cloche.model.changes import PathChange
from cloche.model.plan import Plan
from cloche.model.snapshot import Tracked
from cloche.model.wording import some
from cloche.project.alive import refuse_while_going
from cloche.project.in_place import Links, in_place, lacking_links
from cloche.project.journal import files_of, parted, perform, planned, towards
from cloche.project.kept_in_place import changed_in_place
from cloche.project.partial import obtainable, preview
from cloche.project.project import FOLDER, LOCK_FILE, Project
from cloche.project.sides import data_towards
from cloche.store.capture import record_path
from cloche.store.walk import walk

_ABSENT = f"`cloche pull` fetches it from a remote; else copy {FOLDER}/ from where it was added"
_PARTIAL = "`cloche revert --lock --partial` brings all that is good"


def to_lock(
    project: Project, verb: str, *, dry_run: bool = False, careful: bool = False, partial: bool = False
) -> Plan:
    """Bring tracked data to what `cloche.lock` names; what is overwritten is stored first, and `undo` returns it.

    careful: raise Conflict rather than overwrite what is recorded nowhere. partial: leave what the store has lost as it
    is, and name it; without it, raises NotFound or Damaged where the store does not hold what the lock names.
    """
    with project.writing(), Links(project) as made:
        stays = in_place(project)
        copied = [item for item in project.tracked if not stays(item.path)]
        links = tuple(sorted(lacking_links(project)))
        if not dry_run:
            made.make()
        try:
            return _bring(project, verb, copied, links, dry_run=dry_run, careful=careful, partial=partial)
        except (Damaged, NotFound) as error:
            lost = () if partial else _good(project, copied)[1]
            if not lost:
                raise
            message = f"the store here does not hold {some(lost)} as {LOCK_FILE} names it"
            if error.hint == _ABSENT:
                more = f"; {_PARTIAL}" if len(lost) < len(copied) else ""
                raise NotFound(message, hint=_ABSENT + more) from error
            raise type(error)(message, hint=f"{Damaged.advice}; {_PARTIAL}") from error


def _bring(
    project: Project,
    verb: str,
    copied: Sequence[Tracked],
    links: tuple[str, ...],
    *,
    dry_run: bool,
    careful: bool,
    partial: bool,
) -> Plan:
    gone = [item.path for item in copied if not project.store.has(item.digest)]
    if gone and not partial:
        raise NotFound(f"the store here does not hold {some(gone)}", hint=_ABSENT)
    stays = in_place(project)
    whole = [] if partial else [change for item in copied for change in data_towards(project, item)]
    changes, lost = _good(project, copied) if partial else (whole, ())
    seen = [item for item in project.tracked if stays(item.path) and not (dry_run and item.path in links)]
    notes = changed_in_place(project, seen)
    changed = sorted((one for one in changes if one.before != one.after), key=lambda one: one.path)
    files, left = parted(planned(project, one, "data") for one in changed)
    plan = Plan(verb, LOCK_FILE, files, notes=(*notes, *left), links=links, lost=lost)
    new = [one.change.path for one in files if not one.recorded]
    if new and careful and not dry_run:
        raise Conflict(
            f"{some(new)} would be overwritten, and is recorded nowhere yet",
            hint=f"`cloche add` records it; `cloche {verb} --force` stores it, then overwrites it",
        )
    if dry_run and not partial:
        preview(project, files)
    if not dry_run and files:
        refuse_while_going(project, f"the files that {verb} would change")
        perform(project, verb, f"went back to the data of {LOCK_FILE}", changed)
    return plan


def _good(project: Project, copied: Sequence[Tracked]) -> tuple[list[PathChange], tuple[str, ...]]:
    """The changes that can be made, file by file, and what is lost."""
    changes: list[PathChange] = []
    gone: list[str] = []
    for item in copied:
        files = walk(project.root, item.path).files
        here = record_path(project.root, item.path, files, project.store, project.cache, keep=False)
        changes += towards(project, here.everything(), files_of(project, item, gone))
    return obtainable(project, changes, gone)
