"""What a checkout has to do for each path, judged by what lies on the disk now. Nothing is written here.

A file that nobody recorded is never overwritten: what is there must be what the change says was there.
"""

from __future__ import annotations

import os
import stat as modes
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cloche.errors import Conflict, InputError
from cloche.model.changes import PathChange
from cloche.model.paths import above, checked, decode_path, is_reserved, refuse_unfit
from cloche.model.portable import fold
from cloche.model.tree import EMPTY_DIGEST, Entry
from cloche.store.journal import Step
from cloche.store.listing import FileStat
from cloche.store.loose import Loose
from cloche.store.reading import hash_file
from cloche.store.spelling import Spelling
from cloche.store.stat_cache import StatCache
from cloche.store.walk import look_at, os_path


class Placed(NamedTuple):
    """Content that shall be at `path`. old_mode: permission bits of the regular file there; None where there is none.
    taken: whether a file or link is there."""

    path: str
    entry: Entry
    taken: bool
    old_mode: int | None


class Survey:
    """What has to be done, by path text.

    placed: content to write. removed: files and links to take away. modes: changes of the execute bit alone. folders:
    empty folders to create. unwanted: folders recorded as empty that shall go. blocking: folders where a file shall be.
    wanted: folders that must stay or come to be.
    """

    def __init__(self) -> None:
        self.placed: list[Placed] = []
        self.removed: set[str] = set()
        self.modes: list[Step] = []
        self.folders: set[str] = set()
        self.unwanted: set[str] = set()
        self.blocking: set[str] = set()
        self.wanted: set[str] = set()


def survey(root: Path, changes: Sequence[PathChange], cache: StatCache, loose: Loose) -> Survey:
    """Compare `changes` with the disk.

    Raises Conflict where something is there that the changes do not know of or a link leads elsewhere, InputError where
    a path is not safe or the changes contradict each other.
    """
    by_path = {checked(change.path): change for change in changes}
    for change in changes:
        _refuse_reserved(change)
        _refuse_contradiction(change, by_path)
    found = Survey()
    surveyor = _Surveyor(root, by_path, cache, loose, found)
    for change in changes:
        surveyor.judge(change)
    return found


def is_whole(entry: Entry) -> bool:
    """Whether an entry stands for a folder with everything in it."""
    return entry.kind == "d" and entry.digest != EMPTY_DIGEST


def with_execute(mode: int, kind: str) -> int:
    """Permission bits with the execute bits that `kind` asks for, for those who may read.

    >>> oct(with_execute(0o640, "x")), oct(with_execute(0o755, "f"))
    ('0o750', '0o644')
    """
    return mode | (mode & 0o444) >> 2 if kind == "x" else mode & ~0o111


def _refuse_reserved(change: PathChange) -> None:
    if change.after is not None:
        refuse_unfit(change.path)
    if is_reserved(change.path):
        raise InputError(f"unsafe path {change.path!r}", hint="`.cloche/` and `.git` are never written to")


def _refuse_contradiction(change: PathChange, by_path: Mapping[str, PathChange]) -> None:
    after = change.after
    if after is None:
        return
    if is_whole(after) and change.before is not None:
        raise InputError(f"{change.path} is a whole folder, and comes only where nothing was")
    for folder in above(change.path):
        holder = by_path.get(folder)
        if holder is not None and holder.after is not None and (holder.after.kind != "d" or is_whole(holder.after)):
            raise InputError(f"{folder} cannot come whole and also be the folder that holds {change.path}")


class _Surveyor:
    def __init__(
        self, root: Path, changes: Mapping[str, PathChange], cache: StatCache, loose: Loose, found: Survey
    ) -> None:
        self._root = root
        self._loose = loose
        self._changes = changes
        self._cache = cache
        self._found = found
        self._known: dict[str, str] = {}
        folded = Counter(map(fold, changes))
        self._twins = {path for path in changes if folded[fold(path)] > 1}
        self._spelling = Spelling(root, changes)
        self._looked: dict[str, FileStat | None] = {}

    def judge(self, change: PathChange) -> None:
        path, after = change.path, change.after
        if after is not None:
            self._found.wanted.update(above(path))
        now = self._now(path, writing=after is not None)
        if now is not None and after is not None:
            self._spelling.check(path)
        if now is None or now.kind == "d":
            self._judge_free(change, is_folder=now is not None)
        elif after is None or not self._is(path, now, after):
            self._judge_taken(change, now)

    def _judge_free(self, change: PathChange, *, is_folder: bool) -> None:
        path, before, after = change.path, change.before, change.after
        if after is not None and is_whole(after):
            if is_folder:
                raise Conflict(f"{path} has come up since this was planned", hint="run it again")
            self._found.placed.append(Placed(path, after, False, None))
        elif after is None:
            if is_folder and before is not None and before.kind == "d":
                self._found.unwanted.add(path)
        elif after.kind == "d":
            self._found.wanted.add(path)
            if not is_folder:
                self._found.folders.add(path)
        else:
            if is_folder:
                self._found.blocking.add(path)
            self._found.placed.append(Placed(path, after, False, None))

    def _judge_taken(self, change: PathChange, now: FileStat) -> None:
        path, before, after = change.path, change.before, change.after
        old_mode = self._mode(path)
        if before is None:
            raise Conflict(f"{path} is in the way", hint="move it away, or record it first")
        if not self._is(path, now, before):
            raise Conflict(f"{path} has changed since this was planned", hint="run it again")
        if after is None:
            self._found.removed.add(path)
        elif after.kind == "d":
            self._found.removed.add(path)
            self._found.wanted.add(path)
            self._found.folders.add(path)
        elif old_mode is not None and after.kind != "l" and after.digest == before.digest:
            self._found.modes.append(Step("mode", path, mode=with_execute(old_mode, after.kind), old_mode=old_mode))
        else:
            self._found.placed.append(Placed(path, after, True, old_mode))

    def _mode(self, path: str) -> int | None:
        """Permission bits of a file; None of a link, and of the store's own files, which are not to be changed."""
        found = os.lstat(os_path(self._root, path))
        return None if modes.S_ISLNK(found.st_mode) or self._loose.is_file(found) else modes.S_IMODE(found.st_mode)

    def _is(self, path: str, now: FileStat, entry: Entry) -> bool:
        if now.kind != entry.kind:
            return False
        known = self._known.get(path) or self._cache.get(path, now) or self._loose.find(now, path)
        if known is None:
            known = self._known[path] = hash_file(os_path(self._root, path), now)[0]
        return known == entry.digest

    def _now(self, path: str, *, writing: bool) -> FileStat | None:
        if path in self._twins and not self._is_spelt_so(path):
            return None
        for folder in reversed(list(above(path))):
            if folder not in self._looked:
                self._looked[folder] = self._look(folder)
            stat = self._looked[folder]
            if stat is None:
                return None
            if stat.kind != "d":
                self._check_passable(folder, stat, path, writing=writing)
                return None
        return self._look(path)

    def _is_spelt_so(self, path: str) -> bool:
        """Whether the disk has exactly this spelling. Some disks find `Readme` under `README` too; where one of them
        goes and the other comes, that would be taken for content that is there already."""
        for whole in (path, *above(path)):
            folder, _, name = whole.rpartition("/")
            try:
                if decode_path(name) not in os.listdir(os_path(self._root, folder)):
                    return False
            except OSError:
                return False
        return True

    def _check_passable(self, folder: str, stat: FileStat, path: str, *, writing: bool) -> None:
        """A file or link stands where a folder is needed: right only if the same changes take it away."""
        change = self._changes.get(folder)
        leaves = change is not None and change.before is not None and (change.after is None or change.after.kind == "d")
        if writing and not leaves:
            what = "a link" if stat.kind == "l" else "a file"
            raise Conflict(f"{folder} is {what}, so {path} cannot be written", hint=f"move {folder} away")

    def _look(self, path: str) -> FileStat | None:
        try:
            stat = look_at(path, os_path(self._root, path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat is None:
            raise Conflict(f"{path} is a pipe, socket or device", hint="move it away")
        return stat
