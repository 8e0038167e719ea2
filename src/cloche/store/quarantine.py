"""Packs that nothing needs, kept for a while: whoever misses something in them takes them out again.

`quarantine/<seconds since 1970>/<digest>.pack` and `.index`; the folder says since when.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from cloche.store.filesystem import FileSystem
from cloche.store.frames import is_pack_name


class SetAside(NamedTuple):
    """A pack or loose file in quarantine. since: seconds since 1970. size: bytes, with its index."""

    name: str
    since: int
    size: int


class Quarantine:
    """The quarantine of one store. folder: `quarantine` beside `packs`. Raises OSError."""

    def __init__(self, folder: str, fs: FileSystem) -> None:
        self._folder = folder
        self._fs = fs

    def names(self, wanted: str = "pack") -> dict[str, str]:
        """Where each pack (or `file`) lies, without ending, by its digest."""
        found: dict[str, str] = {}
        for since in _listed(self._folder):
            if since.isascii() and since.isdigit():
                for name in _listed(os.path.join(self._folder, since)):
                    digest, _, ending = name.partition(".")
                    if ending == wanted and is_pack_name(digest):
                        found[digest] = os.path.join(self._folder, since, digest)
        return found

    def packs(self) -> list[SetAside]:
        """All of them, loose files too, the oldest first."""
        found: list[SetAside] = []
        for digest, path in (*self.names().items(), *self.names("file").items()):
            with contextlib.suppress(FileNotFoundError):
                since = int(os.path.basename(os.path.dirname(path)))
                found.append(SetAside(digest, since, sum(_size(f"{path}.{end}") for end in ("pack", "index", "file"))))
        return sorted(found, key=lambda one: (one.since, one.name))

    def put(self, path: str, now: int) -> None:
        """Take a pack out of use. path: of the pack without ending. now: seconds since 1970."""
        folder = os.path.join(self._folder, str(now))
        self._fs.make_folders(folder)
        self._move(path, os.path.join(folder, os.path.basename(path)), ("pack", "index"))

    def release(self, name: str, path: str) -> bool:
        """Bring a pack back into use. path: where it belongs, without ending. Whether it was here."""
        where = self.names().get(name)
        if where is None:
            return False
        self._fs.make_folders(os.path.dirname(path))
        self._move(where, path, ("index", "pack"))
        return True

    def put_file(self, path: str, now: int) -> None:
        """Take a loose file out of use. now: seconds since 1970."""
        folder = os.path.join(self._folder, str(now))
        self._fs.make_folders(folder)
        self._fs.rename(path, os.path.join(folder, f"{os.path.basename(path)}.file"))
        self._fs.sync_folder(folder)
        self._fs.sync_folder(os.path.dirname(path))

    def release_file(self, digest: str, path: str) -> bool:
        """Bring a loose file back into use at the path where it belongs. Whether it was here."""
        for since in _listed(self._folder):
            aside = os.path.join(self._folder, since, f"{digest}.file")
            if os.path.lexists(aside):
                self._fs.make_folders(os.path.dirname(path))
                self._fs.rename(aside, path)
                self._fs.sync_folder(os.path.dirname(path))
                return True
        return False

    def delete(self, name: str) -> None:
        """Delete a pack or a loose file for good."""
        for where, endings in ((self.names().get(name), ("pack", "index")), (self.names("file").get(name), ("file",))):
            if where is None:
                continue
            for ending in endings:
                with contextlib.suppress(FileNotFoundError):
                    self._fs.unlink(f"{where}.{ending}")
            with contextlib.suppress(OSError):  # others are left in it
                self._fs.rmdir(os.path.dirname(where))

    def _move(self, source: str, target: str, endings: tuple[str, str]) -> None:
        for ending in endings:
            with contextlib.suppress(FileNotFoundError):  # an index can be missing: it is made anew
                self._fs.rename(f"{source}.{ending}", f"{target}.{ending}")
        self._fs.sync_folder(os.path.dirname(target))
        self._fs.sync_folder(os.path.dirname(source))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
