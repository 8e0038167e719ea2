"""Listings of the work tree that stay small: one record of bytes a file, one object a folder.

A million files as a dictionary of tuples take half a gigabyte and seconds to compare. Here the files of a folder are
two strings, so that a folder in which nothing changed is known by one comparison, and is never taken apart.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cloche.model.tree import Kind

RECORD = struct.Struct("<cQqqQ")
"""What the disk says about one file: kind, size, mtime, ctime (nanoseconds), inode."""


class FileStat(NamedTuple):
    """What the disk says about a file, link or empty folder without opening it.

    kind: as of an `Entry`. size: bytes; of a link, of its target's name; of a folder 0. Times in nanoseconds.
    """

    kind: Kind
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def pack_stat(stat: FileStat) -> bytes:
    """The record of a stat."""
    return RECORD.pack(stat[0].encode(), *stat[1:])


def unpack_stat(record: bytes) -> FileStat:
    """The stat of a record."""
    kind, size, mtime, ctime, inode = RECORD.unpack(record)
    return FileStat(kind.decode(), size, mtime, ctime, inode)


class Folder(NamedTuple):
    """The files and links directly in one folder, in the order of their names.

    names: as path text, with `/` between them. stats: a `RECORD` each. own: the record of the folder itself where it
    holds nothing at all, else empty.
    """

    names: str
    stats: bytes
    own: bytes = b""

    @property
    def leaves(self) -> list[str]:
        """The names one by one."""
        return self.names.split("/") if self.stats else []

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """Name and record of each file."""
        stats, size = self.stats, RECORD.size
        return ((name, stats[at * size : (at + 1) * size]) for at, name in enumerate(self.leaves))


class Files(Mapping[str, FileStat]):
    """Files, links and empty folders by path text, folder by folder, outer folders before inner ones.

    folders: by the path text of the folder; the empty text is the project. Do not change it.
    """

    def __init__(self, folders: dict[str, Folder]) -> None:
        self.folders = folders
        self._opened: dict[str, dict[str, bytes]] = {}

    def __len__(self) -> int:
        return sum(len(folder.stats) // RECORD.size + bool(folder.own) for folder in self.folders.values())

    def __iter__(self) -> Iterator[str]:
        for at, folder in self.folders.items():
            if folder.own:
                yield at
            yield from (f"{at}/{name}" for name in folder.leaves) if at else folder.leaves

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and bool(self._record(path))

    def __getitem__(self, path: str) -> FileStat:
        record = self._record(path)
        if not record:
            raise KeyError(path)
        return unpack_stat(record)

    def rows(self) -> Iterator[tuple[str, FileStat]]:
        """Like `items`, in one go through the folders."""
        for at, folder in self.folders.items():
            if folder.own:
                yield at, unpack_stat(folder.own)
            prefix = f"{at}/" if at else ""
            for name, record in folder.rows():
                yield prefix + name, unpack_stat(record)

    def names(self) -> Iterator[tuple[str, str]]:
        """Each folder and the names of the files in it, with `/` between them."""
        return ((at, folder.names) for at, folder in self.folders.items())

    def below(self, path: str) -> Files:
        """Those at or below a path."""
        above, _, name = path.rpartition("/")
        found = {at: one for at, one in self.folders.items() if at == path or at.startswith(path + "/")}
        record = self._open(above).get(name) if above in self.folders else None
        return Files({above: Folder(name, record)} | found if record else found)

    def outside(self, paths: Mapping[str, object]) -> Files:
        """Those that lie neither at nor below any of `paths`, as far as these are folders."""
        if not paths:
            return self
        roots = tuple(f"{path}/" for path in paths)
        kept = {at: one for at, one in self.folders.items() if not f"{at}/".startswith(roots)}
        return Files(kept)

    def changed(self, before: Files) -> dict[str, FileStat]:
        """Those that were not there before, or are no longer as they were. Empty folders count."""
        found: dict[str, FileStat] = {}
        for at, folder in self.folders.items():
            old = before.folders.get(at, _NONE)
            if old == folder:
                continue
            if folder.own and folder.own != old.own:
                found[at] = unpack_stat(folder.own)
            known = dict(old.rows())
            prefix = f"{at}/" if at else ""
            rows = ((name, record) for name, record in folder.rows() if known.get(name) != record)
            found.update((prefix + name, unpack_stat(record)) for name, record in rows)
        return found

    def gone(self, after: Files) -> list[str]:
        """Those that `after` does not have any more."""
        found: list[str] = []
        for at, folder in self.folders.items():
            now = after.folders.get(at, _NONE)
            if now == folder:
                continue
            if folder.own and not now.own:
                found.append(at)
            left = set(now.leaves)
            prefix = f"{at}/" if at else ""
            found += [prefix + name for name in folder.leaves if name not in left]
        return found

    def links(self) -> list[str]:
        """Those that are symbolic links."""
        found: list[str] = []
        for at, folder in self.folders.items():
            if b"l" in folder.stats[:: RECORD.size]:
                prefix = f"{at}/" if at else ""
                found += [prefix + name for name, record in folder.rows() if record[:1] == b"l"]
        return found

    def _record(self, path: str) -> bytes:
        above, _, name = path.rpartition("/")
        if above in self.folders:
            found = self._open(above).get(name)
            if found is not None:
                return found
        own = self.folders.get(path)
        return own.own if own is not None else b""

    def _open(self, at: str) -> dict[str, bytes]:
        opened = self._opened.get(at)
        if opened is None:
            opened = self._opened[at] = dict(self.folders[at].rows())
        return opened


_NONE = Folder("", b"")
EMPTY_FILES = Files({})
