"""Recording folder by folder: what is unchanged is known by one comparison, the rest is read, and trees are made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import msgspec
from blake3 import blake3

from cloche.model.paths import above, decode_path
from cloche.model.tree import EMPTY_DIGEST, Entry, RawEntry, encode_entries, file_name
from cloche.store.folder_rows import DOUBTED, KNOWN, STORED, FolderRow, KnownTree, Row
from cloche.store.listing import RECORD, Files, Folder, pack_stat, unpack_stat
from cloche.store.meter import Meter, Progress
from cloche.store.objects import Store, Writer
from cloche.store.reading import Gone, hash_file, read_small
from cloche.store.recipes import SMALL
from cloche.store.recorded import Recorded, RecordedFolder
from cloche.store.stat_cache import LONG_SETTLED, StatCache, is_racy
from cloche.store.walk import os_path

_DIGEST = 32
_EMPTY = bytes.fromhex(EMPTY_DIGEST)


class _Todo(NamedTuple):
    """A folder with something to read. known: file by file, None for those that have to be read."""

    at: str
    folder: Folder
    known: list[Row | None]


class FolderRecorder:
    """Records one path. writer: where content and trees go; without one, files are only hashed."""

    def __init__(
        self, root: Path, store: Store, cache: StatCache, writer: Writer | None, progress: Progress | None
    ) -> None:
        self._root = root
        self._store = store
        self._cache = cache
        self._writer = writer
        self._progress = progress
        self._rows: dict[str, FolderRow | None] = {}

    def record(self, path: str, files: Files) -> Recorded:
        """Everything below the folder `path`. The cache knows it afterwards, and has to be saved.

        Raises ChangedWhileReading, InputError (unreadable), DiskFull, StoreError.
        """
        todo = [one for at, folder in files.folders.items() if (one := self._look(at, folder)) is not None]
        meter = Meter(self._progress, sum(self._unread(one) for one in todo))
        for one in todo:
            self._rows[one.at] = self._read(one, meter)
        rows = {at: row for at, row in self._rows.items() if row is not None or files.folders[at].own}
        folders = {at: _recorded(row, files.folders[at]) for at, row in rows.items()}
        trees = _Trees(self._cache, self._writer)
        entry = trees.make(path, rows) if rows else None
        return Recorded(entry, folders, trees.inner)

    def _look(self, at: str, folder: Folder) -> _Todo | None:
        """What of a folder has to be read; None where nothing has."""
        if folder.own:
            self._rows[at] = None
            return None
        row = self._cache.folder(at, folder)
        if row is not None and (self._writer is None or row.marks.count(STORED) == len(row.marks)):
            self._rows[at] = row
            return None
        before = self._cache.files(at)
        known = [self._known(before.get(name), record) for name, record in folder.rows()]
        return _Todo(at, folder, known)

    def _known(self, row: Row | None, record: bytes) -> Row | None:
        if row is None or row[0] != record or row[2] == DOUBTED:
            return None
        if self._writer is None or row[2] == STORED:
            return row
        return None if self._store.missing((row[1].hex(),)) else (record, row[1], STORED)

    @staticmethod
    def _unread(todo: _Todo) -> int:
        pairs = zip(todo.known, RECORD.iter_unpack(todo.folder.stats), strict=True)
        return sum(size for known, (_, size, *_) in pairs if known is None)

    def _read(self, todo: _Todo, meter: Meter) -> FolderRow | None:
        before = self._cache.files(todo.at) if any(row is None for row in todo.known) else {}
        prefix = os_path(self._root, todo.at) + "/"
        began_ns = time.time_ns()
        names: list[str] = []
        rows: list[Row] = []
        for known, (name, record) in zip(todo.known, todo.folder.rows(), strict=True):
            row = known or self._read_small(prefix + decode_path(name), record, began_ns, meter)
            if row is None:
                row = self._read_file(prefix + decode_path(name), record, before.get(name), meter)
            if row is not None:
                names.append(name)
                rows.append(row)
        if not rows:
            return None
        stats, digests = b"".join([row[0] for row in rows]), b"".join([row[1] for row in rows])
        fresh = FolderRow("/".join(names), stats, digests, bytes([row[2] for row in rows]))
        self._cache.put_folder(todo.at, fresh)
        return fresh

    def _read_small(self, path: str, record: bytes, began_ns: int, meter: Meter) -> Row | None:
        """The row of a small file that goes into the store; None where it takes more care."""
        if self._writer is None:
            return None
        read = read_small(path, SMALL)
        if read is None:
            return None
        data, seen = read
        _, size, mtime, ctime, _ = RECORD.unpack(seen)
        meter.finish(size)
        settled = max(mtime, ctime) < began_ns - LONG_SETTLED or not is_racy(unpack_stat(seen), began_ns)
        return (record if seen == record else seen), self._writer.add_small(data), STORED if settled else DOUBTED

    def _read_file(self, path: str, record: bytes, old: Row | None, meter: Meter) -> Row | None:
        """The row of a file that was read; None where it is gone."""
        at_ns = time.time_ns()
        listed = unpack_stat(record)
        try:
            if self._writer is None:
                digest, seen = hash_file(path, listed)
            else:
                previous = None if old is None else old[1].hex()
                digest, seen = self._writer.add_file(path, listed, previous=previous, progress=meter.within)
        except Gone:
            return None
        finally:
            meter.finish(listed.size)
        mark = DOUBTED if is_racy(seen, at_ns) else KNOWN if self._writer is None else STORED
        return (record if seen == listed else pack_stat(seen)), bytes.fromhex(digest), mark


class _Trees:
    """Makes the trees of recorded folders, inner ones first, and stores those that are new."""

    def __init__(self, cache: StatCache, writer: Writer | None) -> None:
        self._cache = cache
        self._writer = writer
        self.inner: dict[str, list[RawEntry]] = {}

    def make(self, path: str, rows: Mapping[str, FolderRow | None]) -> Entry:
        """The entry of the folder at `path`. rows: of it and the folders below; None where one is empty."""
        inner = self.inner
        made = RawEntry(b"", b"d", _EMPTY, 0, 0)
        for at in _inner_first(path, rows):
            holder, _, name = at.rpartition("/")
            digest, size, count = self._tree(at, rows.get(at), inner.get(at, []))
            made = RawEntry(file_name(name), b"d", digest, size, count)
            if at != path:
                inner.setdefault(holder, []).append(made)
        return Entry(path.rpartition("/")[2], "d", made.digest.hex(), made.size, made.files)

    def _tree(self, at: str, row: FolderRow | None, below: list[RawEntry]) -> KnownTree:
        mark = blake3(encode_entries(below)).digest() if below else b""
        if row is not None and row.tree is not None and row.below == mark and (row.kept or self._writer is None):
            return row.tree
        entries = [*_entries(row), *below] if row is not None else below
        data = encode_entries(entries)
        digest = blake3(data).digest() if self._writer is None else bytes.fromhex(self._writer.add_tree(data))
        tree = digest, sum(one.size for one in entries), sum(one.files for one in entries)
        if row is not None:
            kept = self._writer is not None
            self._cache.put_folder(at, msgspec.structs.replace(row, below=mark, tree=tree, kept=kept))
        return tree


def _inner_first(path: str, rows: Mapping[str, FolderRow | None]) -> list[str]:
    """The folders of `rows` and those between them and `path`, each before the one that holds it."""
    found = {path, *rows}
    for at in rows.keys() - {path}:
        found.update(takewhile(lambda one: one not in found, above(at)))
    return sorted(found, key=lambda at: at.count("/") if at else -1, reverse=True)


def _entries(row: FolderRow) -> Iterator[RawEntry]:
    plain = row.names.isascii() and "\\" not in row.names
    names = row.names.encode().split(b"/") if plain else [file_name(name) for name in row.names.split("/")]
    digests = row.digests
    for at, (name, (kind, size, *_)) in enumerate(zip(names, RECORD.iter_unpack(row.stats), strict=True)):
        yield RawEntry(name, kind, digests[at * _DIGEST : (at + 1) * _DIGEST], size, 1)


def _recorded(row: FolderRow | None, folder: Folder) -> RecordedFolder:
    return RecordedFolder(folder, b"") if row is None else RecordedFolder(Folder(row.names, row.stats), row.digests)
