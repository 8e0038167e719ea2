"""Every `cloche.lock` besides the one that lies here: in Git's history and index, and in other work trees.

Of what they name, the store may never have held some: a clone fetches only what it is asked for. So what was held whole
is noted, and counts as needed from then on; what was not is not missed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from cloche.capture.git_history import refs_with, versions_of
from cloche.errors import Busy, StoreError
from cloche.model.digest import Digest
from cloche.model.lock import lines_of
from cloche.model.snapshot import Tracked
from cloche.model.tree import EMPTY_DIGEST
from cloche.model.wording import some
from cloche.project.neighbours import locks_elsewhere
from cloche.project.project import LOCK_FILE, Project
from cloche.project.reach import Root, lock_roots
from cloche.project.wholeness import Wholeness

INDEX = "the index of Git"


class OtherLock(NamedTuple):
    """One of them. place: the hash of the newest commit that brought it, the path of another work tree, or `INDEX`.
    blob: its name in Git, where it is there."""

    place: str
    tracked: tuple[Tracked, ...]
    blob: str = ""


class Lost(NamedTuple):
    """What the store has lost of one of them. place: as above. refs: branches and tags that have it, in words. paths:
    of files, and of folders of which nothing more is known."""

    place: str
    refs: tuple[str, ...]
    paths: tuple[str, ...]


def locks_in_git(project: Project) -> Iterator[OtherLock]:
    """Those that any commit, branch, tag, stash or reflog of Git leads to, and that of the index; newest first.

    Raises StoreError where Git cannot tell.
    """
    if project.git is not None:
        for one in versions_of(project.root, LOCK_FILE):
            yield OtherLock(one.commit or INDEX, tuple(lines_of(one.content.decode("utf-8", "replace"))), one.blob)


class OtherLocks:
    """All of them, and what of them the store has held. Raises StoreError, SettingsError where one cannot be read."""

    def __init__(self, project: Project, tracked: Collection[Tracked]) -> None:
        """tracked: what `cloche.lock` names here; what others name as well is left to it."""
        self._project = project
        self._here = {(item.path, item.digest) for item in tracked}
        elsewhere = (OtherLock(str(root), items) for root, items in locks_elsewhere(project))
        self._locks = [*elsewhere, *locks_in_git(project)]

    def needed(self) -> list[Root]:
        """What the store has held of them, and so should hold."""
        held = self._held()
        return [root for lock in self._locks for root in self._roots(lock) if root.digest in held]

    def lost(self, wholeness: Wholeness) -> list[Lost]:
        """What of that is gone, by version."""
        held = self._held()
        found: list[tuple[OtherLock, tuple[str, ...]]] = []
        for lock in self._locks:
            gone = wholeness.missing(root for root in self._roots(lock) if root.digest in held)
            if gone:
                found.append((lock, tuple(gone)))
        if found and not held <= self._held():  # somebody gave it up meanwhile
            return self.lost(wholeness)
        refs = refs_with(self._project.root, LOCK_FILE) if any(lock.blob for lock, _ in found) else {}
        return [Lost(lock.place, tuple(refs.get(lock.blob, ())), gone) for lock, gone in found]

    def not_here(self) -> int:
        """How many contents of data paths were never here, or given up, and are not missed."""
        return sum(not self._project.store.in_use(digest) for digest in {root.digest for root in self._never_held()})

    def note_held(self, wholeness: Wholeness) -> None:
        """Note what of them is here whole now. What lies in quarantine stays there."""
        in_use = self._project.store.in_use
        here = {one.digest for one in self._never_held() if in_use(one.digest) and not wholeness.missing([one])}
        with contextlib.suppress(StoreError, Busy):  # a catalog that can only be read
            self._project.catalog.mark_held(here)

    def _held(self) -> set[Digest]:
        return self._project.catalog.held() if self._locks else set()

    def _never_held(self) -> list[Root]:
        held = self._held()
        return [root for lock in self._locks for root in self._roots(lock) if root.digest not in held]

    def _roots(self, lock: OtherLock) -> Iterator[Root]:
        listed = [one for one in lock.tracked if (one.path, one.digest) not in self._here]
        if listed:
            roots = lock_roots(listed, self._project.settings.data.places)
            yield from (root for root in roots if not root.optional and root.digest != EMPTY_DIGEST)


def note_held(project: Project, items: Iterable[Tracked], in_place: Sequence[str] = ()) -> None:
    """Note that the store holds the data of these paths whole, but for those that are tracked in place."""
    project.catalog.mark_held(root.digest for root in lock_roots(items, in_place) if not root.optional)


def shown(place: str, refs: Sequence[str] = ()) -> str:
    """What has another `cloche.lock`, in words."""
    what = f"commit {place[:12]}" if len(place) in (40, 64) and set(place) <= set("0123456789abcdef") else place
    return f"{what} ({some(refs)})" if refs else what
