"""What was recorded at one path of the work tree, as compact as its listing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cloche.model.tree import EMPTY_DIGEST, Entry, RawEntry, file_name
from cloche.store.listing import RECORD, Files, FileStat, Folder, pack_stat

_DIGEST = 32


class RecordedFolder(NamedTuple):
    """The files directly in a folder, and a raw digest for each of them, one after the other."""

    files: Folder
    digests: bytes


class Recorded(Mapping[str, Entry]):
    """The entries of every file, link and empty folder at or below a path, by path text.

    entry: of the path itself, a file or a tree; None where nothing is left there. inner: the folders in each folder.
    """

    def __init__(
        self, entry: Entry | None, folders: dict[str, RecordedFolder], inner: Mapping[str, Sequence[RawEntry]]
    ) -> None:
        self.entry = entry
        self._folders = folders
        self._inner = inner
        self._opened: dict[str, dict[str, Entry]] = {}

    @classmethod
    def of_file(cls, path: str, entry: Entry | None, stat: FileStat) -> Recorded:
        """Of a path that is one file or link."""
        if entry is None:
            return cls(None, {}, {})
        above, _, name = path.rpartition("/")
        folder = RecordedFolder(Folder(name, pack_stat(stat)), bytes.fromhex(entry.digest))
        return cls(entry, {above: folder}, {})

    @property
    def files(self) -> Files:
        """What the disk said about them when they were read."""
        return Files({at: one.files for at, one in self._folders.items()})

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._find(path) is not None

    def __getitem__(self, path: str) -> Entry:
        found = self._find(path)
        if found is None:
            raise KeyError(path)
        return found

    def tree(self, path: str, entry: Entry) -> list[RawEntry]:
        """What is directly in the folder at a path."""
        folder = self._folders.get(path)
        files = raw_files(folder) if folder is not None else ()
        return [*files, *self._inner.get(path, ())]

    def everything(self) -> dict[str, Entry]:
        """All of them, taken apart."""
        found: dict[str, Entry] = {}
        for at, one in self._folders.items():
            prefix = f"{at}/" if at else ""
            found.update((prefix + name, entry) for name, entry in _open(at, one).items())
            if one.files.own:
                found[at] = _empty(at)
        return found

    def _find(self, path: str) -> Entry | None:
        above, _, name = path.rpartition("/")
        if above in self._folders:
            if above not in self._opened:
                self._opened[above] = _open(above, self._folders[above])
            found = self._opened[above].get(name)
            if found is not None:
                return found
        own = self._folders.get(path)
        return _empty(path) if own is not None and own.files.own else None


def raw_files(folder: RecordedFolder) -> Iterator[RawEntry]:
    """The files directly in a folder, as its tree holds them."""
    text, stats = folder.files.names, folder.files.stats
    plain = text.isascii() and "\\" not in text
    names = text.encode().split(b"/") if plain else [file_name(name) for name in text.split("/")]
    digests = folder.digests
    for at, (name, (kind, size, *_)) in enumerate(zip(names if stats else (), RECORD.iter_unpack(stats), strict=True)):
        yield RawEntry(name, kind, digests[at * _DIGEST : (at + 1) * _DIGEST], size, 1)


def _empty(path: str) -> Entry:
    return Entry(path.rpartition("/")[2], "d", EMPTY_DIGEST, 0, 0)


def _open(at: str, folder: RecordedFolder) -> dict[str, Entry]:
    digests = folder.digests
    found: dict[str, Entry] = {}
    for number, (name, record) in enumerate(folder.files.rows()):
        kind, size, *_ = RECORD.unpack(record)
        digest = digests[number * _DIGEST : (number + 1) * _DIGEST].hex()
        found[name] = Entry(name, kind.decode(), digest, size)
    return found
