"""The order of a checkout: which steps bring the work tree from what it is to what it shall be. Nothing is written."""

from __future__ import annotations

import os
import stat as modes
import sys
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

from cloche.errors import Conflict, InputError
from cloche.model.paths import above, encode_path
from cloche.model.portable import fold
from cloche.model.tree import Entry
from cloche.store.filesystem import token
from cloche.store.journal import FOLDER, Step
from cloche.store.survey import Placed, Survey
from cloche.store.walk import os_path


class Staged(NamedTuple):
    """Content to be complete on the disk before anything moves.

    path: OS path of the staged file or whole folder. mode: permission bits of the file that it replaces; None where
    there is none. disk: number of the disk it is on. folder: OS path there. target: path text of where it goes.
    """

    path: str
    entry: Entry
    mode: int | None
    disk: int
    folder: str
    target: str = ""


class Moves(NamedTuple):
    """Steps in the order in which to take them, and the content that they place."""

    steps: list[Step]
    staged: list[Staged]


def order(root: Path, survey: Survey, *, beside: bool = False) -> Moves:
    """The steps that do what a survey found. beside: stage every file beside its target.

    What stands in the way goes first, then new content comes, then the rest goes. Raises Conflict where a folder that
    has to go holds something that is not part of the changes.
    """
    emptied = _emptied(root, survey)
    for path in survey.blocking - emptied.keys():
        raise Conflict(f"{path} holds files that are not recorded", hint="move them away, or record them first")
    made = _made(root, survey)
    staging = _Staging(root, emptied, survey.removed, beside=beside)
    first = _before_placing(survey, made)
    first_folders = {path for path in emptied if not survey.blocking.isdisjoint((path, *above(path)))}
    steps = [
        *(staging.removal(path) for path in sorted(first)),
        *_rmdirs(first_folders, emptied),
        *(Step("mkdir", path) for path in made),
        *(staging.placing(placed) for placed in survey.placed),
        *survey.modes,
        *(staging.removal(path) for path in sorted(survey.removed - first)),
        *_rmdirs(emptied.keys() - first_folders, emptied),
    ]
    return Moves(_unlocked(root, steps, emptied), staging.staged)


def _emptied(root: Path, survey: Survey) -> dict[str, int]:
    """Folders that hold nothing once the removals are done and that nobody wants, with their permission bits."""
    candidates = {*survey.unwanted, *survey.blocking}
    for path in survey.removed | candidates:
        candidates.update(above(path))
    emptied: dict[str, int] = {}
    for path in sorted(candidates - survey.wanted, key=_depth, reverse=True):
        names = (f"{path}/{encode_path(name)}" for name in os.listdir(os_path(root, path)))
        if all(name in survey.removed or name in emptied for name in names):
            emptied[path] = modes.S_IMODE(os.lstat(os_path(root, path)).st_mode)
    return emptied


def _made(root: Path, survey: Survey) -> list[str]:
    """Folders to create, outer ones first."""
    needed = set(survey.folders)
    for path in (*survey.folders, *(placed.path for placed in survey.placed)):
        needed.update(above(path))
    return sorted(path for path in needed if not _stays(root, path, survey.removed))


def _stays(root: Path, folder: str, removed: AbstractSet[str]) -> bool:
    """Whether a folder is there and will be. One that is seen through a link which goes is not."""
    return removed.isdisjoint((folder, *above(folder))) and _is_folder(os_path(root, folder))


def _before_placing(survey: Survey, made: Collection[str]) -> set[str]:
    """What has to go before new content comes: what is in its way, and what a disk might take for it (`a` and `A`)."""
    folded = {fold(placed.path) for placed in survey.placed}
    return {
        path
        for path in survey.removed
        if path in made or fold(path) in folded or not survey.blocking.isdisjoint(above(path))
    }


def _rmdirs(paths: Collection[str], bits: dict[str, int]) -> list[Step]:
    return [Step("rmdir", path, old_mode=bits[path]) for path in sorted(paths, key=_depth, reverse=True)]


def _unlocked(root: Path, steps: list[Step], emptied: Collection[str]) -> list[Step]:
    """The steps, with folders that nobody may write to opened before and closed afterwards."""
    if sys.platform == "win32":
        return steps
    before: list[Step] = []
    after: list[Step] = []
    for folder in sorted({step.path.rpartition("/")[0] for step in steps}):
        path = os_path(root, folder)
        if _is_folder(path) and not os.access(path, os.W_OK | os.X_OK):
            found = os.lstat(path)
            bits = modes.S_IMODE(found.st_mode)
            if bits & 0o300 == 0o300 or found.st_uid != os.geteuid():  # opening it is not ours to do, or would not help
                raise InputError(
                    f"files in {folder or 'the project'} cannot be changed: it belongs to somebody else, or to a"
                    " read-only disk",
                    hint="make it writable, or leave it out (see `cloche revert --help`, --only)",
                )
            before.append(Step("mode", folder, mode=bits | 0o700, old_mode=bits))
            if folder not in emptied:
                after.append(Step("mode", folder, mode=bits, old_mode=bits | 0o700))
    return before + steps + after


class _Staging:
    """Where new content waits and old content is kept: in the project's own folder, or beside the target where that is
    on another disk (a name can only be moved within one)."""

    def __init__(self, root: Path, emptied: Collection[str], removed: AbstractSet[str], *, beside: bool) -> None:
        self._root = root
        self._removed = removed
        self._emptied = emptied
        self._beside = beside
        self._own = os_path(root, FOLDER)
        self._disk = os.stat(self._own).st_dev
        self._token = token()
        self._count = 0
        self._homes: dict[str, tuple[str, int]] = {}
        self.staged: list[Staged] = []

    def removal(self, path: str) -> Step:
        return Step("remove", path, kept=f"{self._name(path)[0]}.old")

    def placing(self, placed: Placed) -> Step:
        name, disk, folder = self._name(placed.path)
        self.staged.append(Staged(os_path(self._root, name), placed.entry, placed.old_mode, disk, folder, placed.path))
        if placed.taken:
            return Step("swap", placed.path, staged=name, kept=f"{name}.old")
        return Step("place", placed.path, staged=name)

    def _name(self, path: str) -> tuple[str, int, str]:
        """Path text of a new staged file for `path`, its disk and its folder."""
        self._count += 1
        home, disk = self._home(path.rpartition("/")[0])
        if disk == self._disk and not self._beside:
            return f"{FOLDER}/{self._count}", disk, self._own
        hidden = f".cloche-{self._token}-{self._count}"
        return f"{home}/{hidden}" if home else hidden, disk, os_path(self._root, home)

    def _home(self, folder: str) -> tuple[str, int]:
        """The nearest folder that is there and stays, and its disk."""
        known = self._homes.get(folder)
        if known is None:
            path = os_path(self._root, folder)
            if folder and (folder in self._emptied or not _stays(self._root, folder, self._removed)):
                known = self._home(folder.rpartition("/")[0])
            else:
                known = folder, os.stat(path).st_dev
            self._homes[folder] = known
        return known


def _is_folder(path: str) -> bool:
    try:
        return modes.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path
