"""What `revert` leaves alone since it is tracked in place, and has to name: nobody but the user can bring it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count

from cloche.errors import RemoteError
from cloche.model.changes import Part
from cloche.model.held import Held
from cloche.model.paths import inside
from cloche.model.settings import is_address
from cloche.model.snapshot import Tracked
from cloche.model.wording import some
from cloche.project.in_place import back_in_place, in_place, is_far, walk_data
from cloche.project.object_sets import record_objects
from cloche.project.project import Project
from cloche.project.sides import Side, data_changes
from cloche.store.capture import record_path
from cloche.store.recorded import Recorded

READ_BY_HOOKS = 1_000_000_000  # bytes
FOLDERS_OF_HOOKS = 10_000


def is_in_place(now: Side, then: Side, path: str) -> bool:
    """Whether data is tracked in place now, or was then."""
    return path in now.snapshot.data.in_place or path in then.snapshot.data.in_place


def in_place_problems(project: Project, now: Side, then: Side, parts: Collection[Part]) -> tuple[str, ...]:
    """What of the data that is tracked in place keeps these parts from being put back, in words: of what was not there
    then, an earlier .gitignore does not hide it, so that it would become code, and be stored."""
    if {"data", "code"}.isdisjoint(parts):
        return ()
    new = {*now.snapshot.data.in_place} - then.data.keys() - project.settings.data.external.keys()
    return tuple(
        f"{path} is tracked in place and was not there then: move it out of the project" for path in sorted(new)
    )


def in_place_notes(project: Project, now: Side, then: Side) -> Iterator[str]:
    """What of the data that is or was tracked in place is not as it was, in words: only the user can put it back."""
    for path in sorted({*now.snapshot.data.in_place, *then.snapshot.data.in_place} & then.data.keys()):
        if path not in now.data:
            yield f"{path} was tracked in place, and is not there: {back_in_place(project, path)}"
        elif now.data[path] != then.data[path]:
            changed = [one.path for one in data_changes(project, then, now, path)]
            yield f"{path} is tracked in place and not as it was: {some(changed)}"


def _here(project: Project, path: str) -> Recorded:
    place = project.settings.data.external.get(path, "")
    if is_address(place):
        return record_objects(project, path, place, keep=False, read=False)
    files = walk_data(project, path).files
    return record_path(project.root, path, files, project.store, project.cache, keep=False, unread=[])


def as_in_place(project: Project, held: Sequence[Held]) -> set[str]:
    """Those of the paths of a run that are tracked in place and lie there as they were."""
    same: set[str] = set()
    stays = in_place(project)
    for path in (item.path for item in project.tracked if stays(item.path)):
        mine = [one for one in held if inside(one.path, path)]
        here = _here(project, path) if mine else {}
        found = {one.path: here.get(one.path) for one in mine}
        same |= {one.path for one in mine if (at := found[one.path]) and (at.kind, at.digest) == (one.kind, one.digest)}
    return same


def changed_in_place(project: Project, items: Iterable[Tracked]) -> tuple[str, ...]:
    """Which of these, tracked in place, are not what `cloche.lock` names, in words."""
    notes: list[str] = []
    for item in items:
        try:
            here = _here(project, item.path)
        except RemoteError as error:
            notes.append(f"{item.path}, which is tracked in place and could not be looked at: {error.message}")
            continue
        if not len(here):
            notes.append(f"{item.path}, which is tracked in place and not there: {back_in_place(project, item.path)}")
        elif here.entry is None or (here.entry.kind, here.entry.digest) != (item.kind, item.digest):
            notes.append(_differs(item))
    return tuple(notes)


def seen_in_place(project: Project, items: Iterable[Tracked]) -> tuple[str, ...]:
    """The same as far as a hook may look, since a clone may be a stranger's: no other machine is asked, and what is big
    is not read, but has its size compared."""
    notes: list[str] = []
    for item in items:
        size = _size_here(project, item.path)
        if size is not None and size not in (0, item.size):
            notes.append(_differs(item))
        elif size is not None and size <= READ_BY_HOOKS:
            notes += changed_in_place(project, [item])
    return tuple(notes)


def _size_here(project: Project, path: str) -> int | None:
    """The size of what lies at a path; None where it would take long to tell."""
    if is_far(project.settings.data.external.get(path, "")):
        return None
    folders = count(1)
    files = walk_data(project, path, lambda _path, _name: next(folders) > FOLDERS_OF_HOOKS).files
    return sum(stat.size for _, stat in files.rows()) if next(folders) <= FOLDERS_OF_HOOKS + 1 else None


def _differs(item: Tracked) -> str:
    return f"{item.path}, which is tracked in place and not as cloche.lock names it"
