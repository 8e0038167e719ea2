"""Recording folder by folder: what is unchanged is known by one comparison, the rest is read, and trees are made."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import msgspec
from blake3 import blake3

from cloche.errors import InputError
from cloche.model.digest import Digest
from cloche.model.paths import above, decode_path
from cloche.model.tree import EMPTY_DIGEST, Entry, RawEntry, encode_entries, file_name
from cloche.store.folder_rows import DOUBTED, KNOWN, STORED, FolderRow, KnownTree, Row
from cloche.store.listing import RECORD, Files, Folder, pack_stat, unpack_stat
from cloche.store.meter import Meter, Progress
from cloche.store.objects import Store
from cloche.store.reading import Gone, hash_file, read_small, why_unread
from cloche.store.recipes import SMALL
from cloche.store.recorded import Recorded, RecordedFolder, raw_files
from cloche.store.stat_cache import LONG_SETTLED, StatCache, is_racy
from cloche.store.walk import os_path
from cloche.store.writing import Writer

_DIGEST = 32
_EMPTY = bytes.fromhex(EMPTY_DIGEST)


class _Todo(NamedTuple):
    """A folder with something to read. known: where each file is in `before`, what the cache knows; -1 for nowhere.
    unread: numbers of the files that have to be read."""

    at: str
    folder: Folder
    before: FolderRow | None
    known: Sequence[int]
    unread: Sequence[int]


class FolderRecorder:
    """Records one path. writer: where content and trees go; without one, files are only hashed. content: whether
    contents go there too, and not trees alone. unread: gets the files that cannot be read, each with the reason, which
    are then left out; without it they are errors."""

    def __init__(
        self,
        root: Path,
        store: Store,
        cache: StatCache,
        writer: Writer | None,
        progress: Progress | None,
        *,
        content: bool = True,
        unread: list[tuple[str, str]] | None = None,
    ) -> None:
        self._unread = unread
        self._root = root
        self._store = store
        self._cache = cache
        self._writer = writer if content else None
        self._trees = writer
        self._progress = progress
        self._rows: dict[str, FolderRow | None] = {}

    def record(self, path: str, files: Files) -> Recorded:
        """Everything below the folder `path`. The cache knows it afterwards, and has to be saved.

        Raises ChangedWhileReading, InputError (unreadable), DiskFull, StoreError.
        """
        todo = [one for at, folder in files.folders.items() if (one := self._look(at, folder)) is not None]
        meter = Meter(self._progress, sum(_size(one) for one in todo))
        for one in todo:
            self._rows[one.at] = self._read(one, meter)
        rows = {at: row for at, row in self._rows.items() if row is not None or files.folders[at].own}
        folders = {at: _recorded(row, files.folders[at]) for at, row in rows.items()}
        trees = _Trees(self._cache, self._trees)
        entry = trees.make(path, rows) if rows else None
        return Recorded(entry, folders, trees.inner)

    def _look(self, at: str, folder: Folder) -> _Todo | None:
        """What of a folder has to be read; None where nothing has."""
        if folder.own:
            self._rows[at] = None
            return None
        before = self._cache.row(at)
        if before is not None and before.names == folder.names and before.stats == folder.stats:
            good = before.marks.count(STORED) + (before.marks.count(KNOWN) if self._writer is None else 0)
            if good == len(before.marks):
                self._rows[at] = before
                return None
        known = _matched(folder, before)
        if before is None:
            return _Todo(at, folder, None, known, range(len(known)))
        now, then, marks, width = folder.stats, before.stats, before.marks, RECORD.size
        unread = [
            number
            for number, old in enumerate(known)
            if old < 0
            or now[number * width : (number + 1) * width] != then[old * width : (old + 1) * width]
            or (marks[old] != STORED and self._is_doubtful(before, old))
        ]
        return _Todo(at, folder, before, known, unread)

    def _is_doubtful(self, before: FolderRow, old: int) -> bool:
        """Whether a file that is as it was has to be read all the same."""
        if before.marks[old] == DOUBTED or self._writer is None:
            return before.marks[old] == DOUBTED
        return bool(self._store.missing((_digest(before.digests, old).hex(),)))

    def _read(self, todo: _Todo, meter: Meter) -> FolderRow | None:
        began_ns = time.time_ns()
        prefix = os_path(self._root, todo.at) + "/"
        leaves = todo.folder.leaves
        has_own = self._store.loose.is_used()
        rows: dict[int, Row | None] = {}
        for at in todo.unread:
            path, record = prefix + decode_path(leaves[at]), _record(todo.folder.stats, at)
            row = None
            if has_own:
                row = self._own(f"{todo.at}/{leaves[at]}" if todo.at else leaves[at], record, began_ns, meter)
            if row is None:
                row = self._read_small(path, record, began_ns, meter)
            if row is None:
                old = todo.known[at]
                previous = _digest(todo.before.digests, old).hex() if todo.before is not None and old >= 0 else None
                name = f"{todo.at}/{leaves[at]}" if todo.at else leaves[at]
                row = self._try_file(name, path, record, previous, meter)
            # Whoever looks next has to see it too where content was changed through a link.
            rows[at] = (row[0], row[1], DOUBTED) if row is not None and self._store.loose.edited else row
        same_names = isinstance(todo.known, range) and None not in rows.values()
        fresh = self._edited(todo, rows) if same_names else self._put_together(todo, leaves, rows)
        if fresh is not None:
            self._cache.put_row(todo.at, fresh)
        return fresh

    def _own(self, path: str, record: bytes, at_ns: int, meter: Meter) -> Row | None:
        """The row of a file that is one of the store's own, under a name in the work tree."""
        stat = unpack_stat(record)
        digest = self._store.loose.find(stat, path)
        if digest is None:
            return None
        meter.finish(stat.size)
        mark = DOUBTED if is_racy(stat, at_ns) else KNOWN if self._writer is None else STORED
        return record, bytes.fromhex(digest), mark

    def _edited(self, todo: _Todo, rows: dict[int, Row | None]) -> FolderRow:
        """The row of a folder that has the same files as before, some of which were read."""
        if todo.before is None:
            raise AssertionError("files that were there before come from a row")
        stats, digests = bytearray(todo.before.stats), bytearray(todo.before.digests)
        marks = bytearray(todo.before.marks)
        if self._writer is not None:  # what is not read now is in the store
            marks = marks.replace(bytes([KNOWN]), bytes([STORED]))
        for at, row in rows.items():
            if row is not None:
                stats[at * RECORD.size : (at + 1) * RECORD.size] = row[0]
                digests[at * _DIGEST : (at + 1) * _DIGEST] = row[1]
                marks[at] = row[2]
        return FolderRow(todo.folder.names, bytes(stats), bytes(digests), bytes(marks))

    def _put_together(self, todo: _Todo, leaves: list[str], rows: dict[int, Row | None]) -> FolderRow | None:
        """The row of a folder from what was known and what was read. Files that are gone are left out."""
        before, mark = todo.before, KNOWN if self._writer is None else STORED
        names: list[str] = []
        listed: list[Row] = []
        for at, (name, old) in enumerate(zip(leaves, todo.known, strict=True)):
            if at in rows:
                row = rows[at]
                if row is None:
                    continue
            elif before is not None:
                row = _record(before.stats, old), _digest(before.digests, old), max(before.marks[old], mark)
            else:
                continue
            names.append(name)
            listed.append(row)
        if not listed:
            return None
        stats, digests = b"".join([row[0] for row in listed]), b"".join([row[1] for row in listed])
        folder = todo.folder
        stats = folder.stats if stats == folder.stats else stats  # once in memory, not twice
        text = folder.names if len(names) == len(leaves) else "/".join(names)
        return FolderRow(text, stats, digests, bytes([row[2] for row in listed]))

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

    def _try_file(self, name: str, path: str, record: bytes, previous: Digest | None, meter: Meter) -> Row | None:
        try:
            return self._read_file(path, record, previous, meter)
        except InputError as error:
            if self._unread is None:
                raise
            self._unread.append((name, why_unread(error)))
            return None

    def _read_file(self, path: str, record: bytes, previous: Digest | None, meter: Meter) -> Row | None:
        """The row of a file that was read; None where it is gone."""
        at_ns = time.time_ns()
        listed = unpack_stat(record)
        try:
            if self._writer is None:
                digest, seen = hash_file(path, listed)
            else:
                digest, seen = self._writer.add_file(path, listed, previous=previous, progress=meter.within)
        except Gone:
            return None
        finally:
            meter.finish(listed.size)
        mark = DOUBTED if is_racy(seen, at_ns) else KNOWN if self._writer is None else STORED
        return (record if seen == listed else pack_stat(seen)), bytes.fromhex(digest), mark


def _matched(folder: Folder, before: FolderRow | None) -> Sequence[int]:
    """Where the cache has each file of a folder; -1 for nowhere."""
    leaves = folder.leaves
    if before is None:
        return [-1] * len(leaves)
    if before.names == folder.names:
        return range(len(leaves))
    index = {name: at for at, name in enumerate(before.names.split("/"))}
    return [index.get(name, -1) for name in leaves]


def _record(stats: bytes, at: int) -> bytes:
    return stats[at * RECORD.size : (at + 1) * RECORD.size]


def _digest(digests: bytes, at: int) -> bytes:
    return digests[at * _DIGEST : (at + 1) * _DIGEST]


def _size(todo: _Todo) -> int:
    return sum(RECORD.unpack(_record(todo.folder.stats, at))[1] for at in todo.unread)


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
        entries = [*raw_files(_files_of(row)), *below] if row is not None else below
        data = encode_entries(entries)
        digest = blake3(data).digest() if self._writer is None else bytes.fromhex(self._writer.add_tree(data))
        tree = digest, sum(one.size for one in entries), sum(one.files for one in entries)
        if row is not None:
            kept = self._writer is not None
            self._cache.put_row(at, msgspec.structs.replace(row, below=mark, tree=tree, kept=kept))
        return tree


def _inner_first(path: str, rows: Mapping[str, FolderRow | None]) -> list[str]:
    """The folders of `rows` and those between them and `path`, each before the one that holds it."""
    found = {path, *rows}
    for at in rows.keys() - {path}:
        found.update(takewhile(lambda one: one not in found, above(at)))
    return sorted(found, key=lambda at: at.count("/") if at else -1, reverse=True)


def _recorded(row: FolderRow | None, folder: Folder) -> RecordedFolder:
    return RecordedFolder(folder, b"") if row is None else _files_of(row)


def _files_of(row: FolderRow) -> RecordedFolder:
    return RecordedFolder(Folder(row.names, row.stats), row.digests)
