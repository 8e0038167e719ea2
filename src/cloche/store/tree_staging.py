"""Writing a whole new folder: its files under their names in a place that nobody looks at, to be renamed as one."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cloche.errors import Damaged, InputError
from cloche.model.paths import checked_depth, encode_names, own_among, refuse_unfit
from cloche.model.tree import EMPTY_DIGEST, Entry, RawEntry, raw_entries
from cloche.store.file_writers import FileWriters, pays
from cloche.store.filesystem import FileSystem
from cloche.store.folder_rows import STORED, FolderRow
from cloche.store.moves import Staged
from cloche.store.objects import Store
from cloche.store.placing import Placing
from cloche.store.read_ahead import ReadAhead
from cloche.store.small_contents import Contents
from cloche.store.walk import stat_record

_TOLD = 1 << 20
_MANY = 256  # files that are read ahead together

_File = tuple[str, str, RawEntry]
_Row = tuple[str, bytes, RawEntry]


class Written(NamedTuple):
    """A folder that was written, relative to the staged one, with what the stat cache may know of its files."""

    at: str
    row: FolderRow


class _Part(NamedTuple):
    """Files of one folder: path text and OS name of each. rows: of the folder, as they become known."""

    folder: str
    where: str
    files: list[_File]
    rows: list[_Row]
    is_last: bool


class _Ready(NamedTuple):
    """What is known when it is a part's turn. records: of the files that are written, by OS path."""

    contents: Contents
    records: dict[str, bytes]


_Start = Callable[[list[_Part]], Callable[[], _Ready]]


def write_tree(
    store: Store, staged: Staged, fs: FileSystem, written: list[Written], placing: Placing, *, durable: bool
) -> Iterator[int]:
    """Write the tree of `staged` to its OS path, which must not exist; the bytes written, piece by piece.

    written: gets each folder that holds files. durable: wait for the disk after each file. Every name and byte is
    proven. Raises Damaged, NotFound, InputError (a name that is not safe), OSError, of that
    FileExistsError where the disk takes two names for one.
    """
    writer = _Writer(store, fs, written, placing, staged.target, durable=durable)
    yield from writer.folder(staged.path, "", staged.entry)


class _Writer:
    def __init__(
        self, store: Store, fs: FileSystem, written: list[Written], placing: Placing, base: str, *, durable: bool
    ) -> None:
        self._store = store
        self._fs = fs
        self._written = written
        self._durable = durable
        self._placing = placing
        self._base = base

    def folder(self, target: str, at: str, entry: Entry) -> Iterator[int]:
        made: list[str] = []
        waiting: deque[tuple[list[_Part], Callable[[], _Ready]]] = deque()
        with self._ahead(entry) as (start, most):
            for parts in self._parts(target, at, entry.digest, made):
                waiting.append((parts, start(parts)))
                if len(waiting) > most:
                    yield from self._write(*waiting.popleft())
            while waiting:
                yield from self._write(*waiting.popleft())
        if self._durable:
            self._fs.sync_many(made)

    @contextlib.contextmanager
    def _ahead(self, entry: Entry) -> Iterator[tuple[_Start, int]]:
        """What begins with the files of some parts before `_write` comes to them, and how many times ahead."""
        placing = self._placing
        if placing.held is not None and not placing.can_link and not self._durable and pays(self._fs, entry.count):
            with FileWriters(self._store, self._fs, placing.held) as writers:

                def order(parts: list[_Part]) -> Callable[[], _Ready]:
                    files = [(f"{part.folder}/{plain}", one) for part in parts for _, plain, one in part.files]
                    ordered = writers.order(files)
                    return lambda: _Ready({}, writers.written(ordered))

                yield order, writers.room
        else:
            with contextlib.closing(ReadAhead(self._store)) as reader:

                def read(parts: list[_Part]) -> Callable[[], _Ready]:
                    copied = [] if placing.is_linking else [one.digest for part in parts for _, _, one in part.files]
                    reading = reader.start(copied)
                    return lambda: _Ready(reading.result(), {})

                yield read, 1

    def _parts(self, target: str, at: str, digest: str, made: list[str]) -> Iterator[list[_Part]]:
        """Make the folders, and say which files come into them, so many at a time."""
        pending = [(target, at, digest)]
        parts: list[_Part] = []
        count = 0
        while pending:
            folder, where, tree = pending.pop()
            checked_depth(where)
            self._fs.mkdir(folder)
            made.append(folder)
            files: list[_File] = []
            for name, plain, entry in _named(self._store.read(tree), at) if tree != EMPTY_DIGEST else ():
                if entry.kind == b"d":
                    pending.append((f"{folder}/{plain}", f"{where}/{name}" if where else name, entry.digest.hex()))
                else:
                    files.append((name, plain, entry))
            rows: list[_Row] = []
            for start in range(0, len(files), _MANY):
                part = files[start : start + _MANY]
                parts.append(_Part(folder, where, part, rows, start + _MANY >= len(files)))
                count += len(part)
                if count >= _MANY:
                    yield parts
                    parts, count = [], 0
        yield parts

    def _write(self, parts: list[_Part], begun: Callable[[], _Ready]) -> Iterator[int]:
        ready = begun()
        done = 0
        for folder, where, files, rows, is_last in parts:
            base = f"{self._base}/{where}" if where else self._base
            for name, plain, entry in files:
                place = f"{folder}/{plain}"
                record = ready.records.get(place) or self._file(place, f"{base}/{name}", entry, ready.contents)
                rows.append((name, record, entry))
                done += entry.size
                if done >= _TOLD:
                    yield done
                    done = 0
            if is_last:
                self._written.append(Written(where, _row(rows)))
        yield done

    def _file(self, place: str, path: str, entry: RawEntry, known: Contents) -> bytes:
        """Write one file or link, to come to the path text; its stat record."""
        if entry.kind == b"l":
            content = self._store.read(entry.digest.hex())
            if not content or b"\0" in content:
                raise Damaged(f"the store holds an impossible link {entry.digest.hex()[:12]}")
            self._fs.symlink(os.fsdecode(content), place)
            return b""
        fs = self._fs
        if self._placing.can_link:
            linked = self._placing.place(path, entry.kind.decode(), entry.digest.hex(), entry.size, place)
            if linked is not None:
                return linked
        fd = fs.create(place, 0o777 if entry.kind == b"x" else 0o666)
        try:
            ahead = known.get(entry.digest)
            for piece in self._store.pieces(entry.digest) if ahead is None else (ahead,):
                fs.write(fd, piece)
            if self._durable:
                fs.sync(fd)
            return stat_record(os.fstat(fd))
        finally:
            fs.close(fd)


def _named(data: bytes, at: str) -> Iterator[_File]:
    """The entries of a tree with their path texts and OS names, which are safe to join to a folder: `raw_entries` lets
    through no name that is a path."""
    entries = raw_entries(data)
    plain = [os.fsdecode(entry.name) for entry in entries]
    names = encode_names(plain)
    own = own_among(names)
    if own:
        raise InputError(
            f"unsafe path {own[0]!r} in {at or 'a folder'}", hint="`.cloche/` and `.git` are never written to"
        )
    for name in names:
        refuse_unfit(name)
    return zip(names, plain, entries, strict=True)


def _row(rows: list[_Row]) -> FolderRow:
    """What the cache may know; links, whose stat was not taken, are left out."""
    known = [(name, record, entry.digest) for name, record, entry in rows if record]
    names, stats, digests = zip(*known, strict=True) if known else ((), (), ())
    return FolderRow("/".join(names), b"".join(stats), b"".join(digests), bytes([STORED]) * len(known))
