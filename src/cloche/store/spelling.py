"""Disks that take two names for one (`a` and `A`): what they cannot hold is refused before anything is written.

Nothing is assumed of a system: the disk itself is asked, and only where two names of what is to be written differ in
nothing that such disks heed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cloche.errors import ClocheError, Conflict
from cloche.model.changes import PathChange
from cloche.model.paths import decode_path, encode_path, inside
from cloche.model.portable import fold, twins
from cloche.store.filesystem import FileSystem, token
from cloche.store.journal import FOLDER
from cloche.store.walk import os_path


def refuse_twins(root: Path, paths: Iterable[str], fs: FileSystem) -> None:
    """Raise Conflict where two of these path texts would be one file, or one folder, on the disk that they come to.

    The folder of the journal must be there. Raises OSError.
    """
    asked: dict[tuple[int, bool], bool] = {}
    for one, other in twins(paths):
        home = _home(root, one)
        disk = os.stat(home).st_dev
        key = disk, (one + other).isascii()
        if key not in asked:
            own = os_path(root, FOLDER)
            asked[key] = _takes_for_one(own if os.stat(own).st_dev == disk else home, one, other, fs)
        if asked[key]:
            raise one_name(one, other)


def one_name(one: str, other: str) -> ClocheError:
    """What to tell where a disk takes two path texts that were recorded for one."""
    return Conflict(
        f"{one} and {other} are one name on this disk, which would hold only one of them",
        hint="use a disk that tells them apart, or rename one where they were recorded;"
        " `cloche checkout RUN PATH` brings others without them",
    )


def _home(root: Path, path: str) -> str:
    """The nearest folder above a path text that is there."""
    folder = os.path.dirname(os_path(root, path))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _takes_for_one(folder: str, one: str, other: str, fs: FileSystem) -> bool:
    at = os.path.join(folder, f".cloche-{token()}")
    fs.mkdir(at)
    try:
        for path in (one, other):
            fs.write_file(os.path.join(at, decode_path(path.rpartition("/")[2])), b"", durable=False)
    except FileExistsError:
        return True
    else:
        return False
    finally:
        fs.clear(at)


class Spelling:
    """How names that are there already are spelt. changes: what is going to happen, by path text."""

    def __init__(self, root: Path, changes: Mapping[str, PathChange]) -> None:
        self._root = root
        self._changes = changes
        self._names: dict[str, frozenset[str]] = {}
        self._seen: set[str] = set()

    def check(self, path: str) -> None:
        """Raise Conflict where what lies at a path text has another name, and stays: it would be overwritten."""
        while path and path not in self._seen:
            self._seen.add(path)
            folder, _, name = path.rpartition("/")
            plain = decode_path(name)
            names = self._listed(folder, plain)
            if names and plain not in names:
                there = next((one for one in names if fold(one) == fold(plain)), "")
                self._refuse(path, f"{folder}/{encode_path(there)}".lstrip("/") if there else "")
            path = folder

    def _listed(self, folder: str, name: str) -> frozenset[str]:
        """The names in a folder; none where the disk tells cases apart, or it cannot be seen by this name."""
        other = name.swapcase()
        if folder not in self._names and other != name:
            at = os_path(self._root, folder)
            self._names[folder] = frozenset(os.listdir(at) if os.path.lexists(os.path.join(at, other)) else ())
        return self._names.get(folder, frozenset())

    def _refuse(self, path: str, there: str) -> None:
        leaves = any(one.after is None and inside(at, there) for at, one in self._changes.items()) if there else False
        if not leaves:
            raise Conflict(
                f"{path} cannot be written: this disk takes it for {there or 'another name'}, which is there",
                hint=f"rename {there or 'what is there'}, or use a disk that tells the two apart",
            )
