"""Data follows Git: when a Git command has changed `cloche.lock`, the data that it names is brought to the work tree.

Only what lies there as it was placed or added before is replaced; anything else may be somebody's work, and is left.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from cloche.errors import Damaged, NotFound
from cloche.model.changes import PathChange
from cloche.model.paths import above, inside
from cloche.model.snapshot import Tracked
from cloche.model.tree import Entry
from cloche.model.wording import some
from cloche.project.alive import refuse_while_going
from cloche.project.in_place import in_place, place_free_links
from cloche.project.journal import files_of, perform, towards
from cloche.project.kept_in_place import READ_BY_HOOKS, seen_in_place
from cloche.project.linked import edited_paths
from cloche.project.placed import note_placed, placed
from cloche.project.project import Project
from cloche.store.capture import record_path
from cloche.store.recorded import Recorded
from cloche.store.walk import os_path, walk


class Followed(msgspec.Struct, frozen=True):
    """What became of the tracked paths whose line in `cloche.lock` changed.

    brought: paths whose data was brought; removed: paths that are tracked no more, and whose data went. changed: so
    many files. kept: paths that hold changes which are not recorded, or something that nobody tracked. absent: paths
    whose content the store here does not hold. remote: which one content was fetched from; problem: why not. recorded:
    those of `kept` that hold another version that is recorded, whole. links: to data elsewhere that were made.
    notes: which data tracked in place is missing or not as `cloche.lock` names it, in words.
    edited: files among `kept` that were changed through a link into the store.
    """

    brought: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: int = 0
    kept: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    remote: str = ""
    problem: str = ""
    recorded: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()


def follow(project: Project) -> Followed:
    """Bring tracked data to what `cloche.lock` names now. Raises Busy while a run is going in this work tree."""
    with project.writing():
        before, now = placed(project), {item.path: item for item in project.tracked}
        stays = in_place(project)
        paths = [path for path in sorted(now.keys() | (before or {})) if (before or {}).get(path) != now.get(path)]
        theirs = [now[path] for path in paths if path in now and stays(path)]  # which is not ours to bring
        paths = [path for path in paths if path not in now or not stays(path)]
        steps = _steps(project, paths, before or {}, now)
        changes = [change for step in steps.values() if isinstance(step, list) for change in step]
        if changes:
            refuse_while_going(project, "the data that would follow Git")
            moved = [path for path, step in steps.items() if isinstance(step, list) and step]
            perform(project, "hook", f"brought {some(moved)} to what cloche.lock names", changes)
        left = [path for path, step in steps.items() if isinstance(step, str)]
        links, stuck = place_free_links(project)
        note_placed(project, _as_placed(now, before or {}, left))
        project.cache.save()
    seen = [item for item in theirs if item.path not in stuck]
    return Followed(
        links=links,
        notes=(*stuck.values(), *seen_in_place(project, seen)),
        brought=tuple(path for path, step in steps.items() if path in now and isinstance(step, list) and step),
        removed=tuple(path for path, step in steps.items() if path not in now and isinstance(step, list) and step),
        changed=sum(change.before != change.after for change in changes),
        kept=tuple(path for path, step in steps.items() if step in ("kept", "recorded")),
        recorded=tuple(path for path, step in steps.items() if step == "recorded"),
        absent=tuple(path for path, step in steps.items() if step == "absent" and path in now),
        edited=edited_paths(project),
    )


class Here(NamedTuple):
    """What lies at a tracked path. entry: one for it all; None where nothing is. whole: whether all of it could be
    looked at."""

    entry: Entry | None
    files: Recorded
    whole: bool

    def is_(self, item: Tracked | None) -> bool:
        """Whether that is what is on record; nothing is nothing."""
        if self.entry is None or item is None:
            return self.entry is None and item is None
        return self.whole and (self.entry.kind, self.entry.digest) == (item.kind, item.digest)

    @property
    def is_work(self) -> bool:
        """Whether there is anything that somebody could miss."""
        return not self.whole or (self.entry is not None and self.entry.count > 0)


def look_at(project: Project, path: str, *, through: bool = False) -> Here:
    """What lies at a tracked path now. Nothing is stored; what did not change is not read. through: where a link is
    there, what lies where it leads to: never to be written or deleted."""
    walked = walk(project.root, path, through=through)
    files = record_path(project.root, path, walked.files, project.store, project.cache, keep=False)
    return Here(files.entry if len(files) else None, files, not walked.unreadable and not walked.special)


def _steps(
    project: Project, paths: Sequence[str], before: Mapping[str, Tracked], now: Mapping[str, Tracked]
) -> dict[str, list[PathChange] | str]:
    """What to change at each of these paths, which were tracked before or are now; a word where it is left as it is."""
    nests: dict[str, list[str]] = {}
    for path in paths:
        *_, outermost = (one for one in (path, *above(path)) if one in before or one in now)
        nests.setdefault(outermost, []).append(path)
    steps: dict[str, list[PathChange] | str] = {}
    for outer, nest in nests.items():
        if nest == [outer]:
            steps[outer] = _step(project, outer, before.get(outer), now.get(outer))
            continue
        was, wanted = ([side[path] for path in nest if path in side] for side in (before, now))
        changes = _nested(project, outer, was, wanted)
        for path in sorted(nest, reverse=True):  # a change belongs to the innermost path
            if isinstance(changes, str):
                steps[path] = changes if path in now else "left"
                continue
            steps[path] = [one for one in changes if inside(one.path, path)]
            changes = [one for one in changes if not inside(one.path, path)]
    return steps


def _nested(project: Project, outer: str, was: Sequence[Tracked], wanted: Sequence[Tracked]) -> list[PathChange] | str:
    """The same where one branch tracks a folder and the other something in it: file by file, since what is one's data
    may be the other's code."""
    target, known = _files_held(project, wanted), _files_held(project, was) or {}
    if target is None:
        return "absent"
    here, gits = look_at(project, outer), project.git.tracked() if project.git is not None else set[str]()
    files = {path: entry for path, entry in here.files.everything().items() if path not in gits}
    work = [path for path, one in files.items() if one.kind != "d" and one not in (known.get(path), target.get(path))]
    if work or not here.whole:
        return "kept"
    changes = [one for one in towards(project, files, target) if one.before != one.after]
    return changes if all(inside(one.path, outer) and one.path not in gits for one in changes) else "kept"


def _files_held(project: Project, items: Iterable[Tracked]) -> dict[str, Entry] | None:
    """The files of several tracked paths; None where the store does not hold them all."""
    held = [_held(project, item) for item in items]
    return None if None in held else {path: entry for files in held if files for path, entry in files.items()}


def _step(project: Project, path: str, was: Tracked | None, wanted: Tracked | None) -> list[PathChange] | str:
    """What to change at one path; `kept`, `recorded` or `absent` where it is to be left as it is."""
    here = look_at(project, path)
    if here.is_(wanted) or (wanted is None and _is_gits(project, path)):
        return []
    target = _held(project, wanted) if wanted is not None else {}
    if target is None:
        return "absent"
    # What was tracked in place, wherever `cloche.toml` says so now, lies here alone.
    stood_for = wanted is None and _stands_for(project, path, here, was)
    if here.is_work and not stood_for and (was is None or not here.is_(was) or _held(project, was) is None):
        return "recorded" if _is_recorded(project, path, here) else "kept"
    changes = [one for one in towards(project, here.files.everything(), target) if one.before != one.after]
    return changes if all(inside(one.path, path) for one in changes) else "kept"


def _stands_for(project: Project, path: str, here: Here, was: Tracked | None) -> bool:
    """Whether nothing lies there but a link to what was tracked, as it was: without it, all of that is there still."""
    if here.entry is None or here.entry.kind != "l" or was is None or was.size > READ_BY_HOOKS:
        return False
    return not os.readlink(os_path(project.root, path)).startswith("//") and look_at(project, path, through=True).is_(
        was
    )


def _is_recorded(project: Project, path: str, here: Here) -> bool:
    """Whether what lies there is a version that the store holds whole."""
    one = here.entry
    if one is None or not here.whole:
        return False
    return _held(project, Tracked(path, one.kind, one.digest, one.size, one.count)) is not None


def _is_gits(project: Project, path: str) -> bool:
    """Whether Git itself tracks something there: what was data on one branch may be code on another."""
    return project.git is not None and any(inside(one, path) for one in project.git.tracked())


def _held(project: Project, item: Tracked) -> dict[str, Entry] | None:
    """The files of a tracked path; None where the store does not hold them all."""
    try:
        files = files_of(project, item)
    except (NotFound, Damaged):
        return None
    digests = {entry.digest for entry in files.values() if entry.kind != "d"}
    return None if project.store.missing(digests) else files


def _as_placed(now: Mapping[str, Tracked], before: Mapping[str, Tracked], left: Iterable[str]) -> list[Tracked]:
    """What is known to lie at each path: what was left is still what it was."""
    found = dict(now)
    for path in left:
        found.pop(path, None)
        if path in before:
            found[path] = before[path]
    return list(found.values())
