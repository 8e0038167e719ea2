r"""The stat cache: digests of files that have not been touched since they were read.

It may be deleted at any time, and a damaged or newer file counts as an empty one. `cache/stat`:

| bytes | what |
|---|---|
| 14 | `cloche-stat-2\n` |
| 32 | BLAKE3-256 of the bytes that follow |
| rest | MessagePack: `[packs, folders]` |

`packs` lists the packs of the store that existed when files were marked as stored: if one of them is gone, no mark
counts. `folders` maps the path text of a folder to `[names, stats, digests, marks, below, tree, kept]`: the names of
its files with `/` between them, and for each of them, one after the other, a stat record (see `listing`), a digest, and
a byte: 1 where the store holds the content, 2 where nothing is to be believed but that this was the last digest, else
0. tree: digest, bytes and files of the folder's tree, if the digest of the entries of the folders in it is `below`;
kept: whether the store holds that tree.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path

import msgspec
from blake3 import blake3

from cloche.model.digest import Digest
from cloche.store.filesystem import FileSystem
from cloche.store.folder_rows import DOUBTED, KNOWN, STORED, FolderRow, OpenRow, Row
from cloche.store.listing import FileStat, pack_stat

_MAGIC = b"cloche-stat-2\n"
_PIECE = 1 << 20
_SUM = 32
_SECOND = 1_000_000_000
_RACY = _SECOND // 20
LONG_SETTLED = 2 * _SECOND  # what did not change for so long is not racy on any disk
_CROWD = 20_000

_Rows = dict[str, FolderRow]
_Content = tuple[list[str], _Rows]
_decoder = msgspec.msgpack.Decoder(_Content)


class StatCache:
    """Digests by path text, each good only while the file's kind, size, times and inode stay as they were."""

    def __init__(self, file: Path, fs: FileSystem | None = None) -> None:
        self._file = os.fspath(file)
        self._fs = fs or FileSystem()
        self._changed: dict[str, set[str]] = {}
        self._replaced: set[str] = set()
        self._loaded = False
        self._read_from: tuple[int, ...] = ()
        self._rows: _Rows = {}
        self._open: dict[str, OpenRow] = {}
        self._unfolded: set[str] = set()
        self._packs: set[str] = set()
        self._room = _CROWD

    def get(self, path: str, stat: FileStat) -> Digest | None:
        """The digest of the file at `path` if it is still the one that was read."""
        row = self._row(path)
        return row[1].hex() if row is not None and row[2] != DOUBTED and row[0] == pack_stat(stat) else None

    def previous(self, path: str) -> Digest | None:
        """The digest that the file had when it was last read, whatever it is now."""
        row = self._row(path)
        return None if row is None else row[1].hex()

    def is_stored(self, path: str) -> bool:
        """Whether the store held the content of `path` when it was last read. Ask `trust_marks` first."""
        row = self._row(path)
        return row is not None and row[2] == STORED

    def put(self, path: str, stat: FileStat, digest: Digest, read_at_ns: int, *, stored: bool = False) -> None:
        """Remember a digest. stat: of exactly the bytes that were read. read_at_ns: when reading began, since 1970.

        Of a file that changed so shortly before that a later change might leave the same time stamps, only that it had
        this digest is remembered: `get` finds nothing.
        """
        mark = DOUBTED if is_racy(stat, read_at_ns) else STORED if stored else KNOWN
        self._set(path, (pack_stat(stat), bytes.fromhex(digest), mark))

    def forget(self, path: str) -> None:
        """Believe nothing about `path` any more."""
        row = self._row(path)
        if row is not None and row[2] != DOUBTED:
            self._set(path, (row[0], row[1], DOUBTED))

    def trust_marks(self, packs: frozenset[str]) -> None:
        """Say which packs the store has now. If one that marks relied on is gone, all marks are taken back; those that
        count, and those to come, rely on `packs`."""
        self._load()
        if not self._packs <= packs:
            self._close()
            self._open.clear()
            self._changed.clear()
            self._rows = {at: row.unmarked() for at, row in self._rows.items()}
            self._replaced.update(self._rows)
            self._packs.clear()
        self._packs.update(packs)

    def mark_stored(self, path: str) -> None:
        """Note that the store holds what `get` returns for `path`."""
        row = self._row(path)
        if row is not None and row[2] == KNOWN:
            self._set(path, (row[0], row[1], STORED))

    def rely_on(self, packs: frozenset[str]) -> None:
        """Say which packs new marks rely on, beside those given to `trust_marks`."""
        self._packs.update(packs)

    # Whole folders at once

    def row(self, at: str) -> FolderRow | None:
        """What is known of the files of a folder."""
        self._load()
        self._close(at)
        return self._rows.get(at)

    def put_row(self, at: str, row: FolderRow) -> None:
        """Know these files of a folder, and no others in it."""
        self._load()
        self._open.pop(at, None)
        self._changed.pop(at, None)
        self._unfolded.discard(at)
        self._rows[at] = row
        self._replaced.add(at)

    # The file

    def drop_missing(self, names_in: Callable[[str], Collection[str]]) -> None:
        """Forget paths that are no longer there, once the cache has doubled since the last time.

        names_in: the names that are in a folder now, as path text.
        """
        self._close()
        if self._count() <= self._room:
            return
        for at, row in list(self._rows.items()):
            there = names_in(at)
            names = row.names.split("/")
            gone = {name for name in names if name not in there}
            if gone:
                files = OpenRow(row)
                files.keep(set(names) - gone)
                self._fold(self._rows, at, files)
                self._open.pop(at, None)
                self._changed.setdefault(at, set()).update(gone)
        self._room = max(_CROWD, 2 * self._count())

    def _count(self) -> int:
        return sum(len(row.marks) for row in self._rows.values())

    def save(self) -> None:
        """Write what changed, keeping what another process wrote meanwhile. A disk that will not take it is no error:
        the cache only saves time."""
        if not self._changed and not self._replaced:
            return
        with contextlib.suppress(OSError):
            self._close()
            if self._identity() != self._read_from:
                self._merge()
            check = blake3()
            for piece in self._pieces():
                check.update(piece)
            self._fs.make_folders(os.path.dirname(os.path.abspath(self._file)))
            self._fs.replace_file(self._file, chain((_MAGIC, check.digest()), self._pieces()), durable=False)
            self._read_from = self._identity()
            self._changed.clear()
            self._replaced.clear()

    def _pieces(self) -> Iterator[bytes]:
        """The MessagePack of (packs, rows), never whole in memory: it is as large as all that is known."""
        encoder = msgspec.msgpack.Encoder()
        piece = bytearray(b"\x92" + encoder.encode(sorted(self._packs)) + _map_of(len(self._rows)))
        for at, row in self._rows.items():
            piece += encoder.encode(at)
            piece += encoder.encode(row)
            if len(piece) >= _PIECE:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)

    def _row(self, path: str) -> Row | None:
        at, _, name = path.rpartition("/")
        files = self._files(at)
        return files.get(name) if files is not None else None

    def _files(self, at: str) -> OpenRow | None:
        if not self._loaded:
            self._load()
        files = self._open.get(at)
        if files is None and at in self._rows:
            files = self._open[at] = OpenRow(self._rows[at])
        return files

    def _set(self, path: str, row: Row) -> None:
        at, _, name = path.rpartition("/")
        files = self._files(at)
        if files is None:
            files = self._open[at] = OpenRow(None)
        files.put(name, row)
        self._changed.setdefault(at, set()).add(name)
        self._unfolded.add(at)

    def _close(self, at: str | None = None) -> None:
        """Fold changed files into the rows of their folders; of all folders, or of one."""
        for one in [*self._unfolded] if at is None else {at} & self._unfolded:
            self._fold(self._rows, one, self._open[one])
            self._unfolded.discard(one)

    @staticmethod
    def _fold(rows: _Rows, at: str, files: OpenRow) -> None:
        row = files.close()
        if row is not None:
            rows[at] = row
        else:
            rows.pop(at, None)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        packs, self._rows = self._read()
        self._packs = set(packs)
        self._room = max(_CROWD, 2 * self._count())

    def _merge(self) -> None:
        """Take over what another process saved, but for what was changed here."""
        packs, rows = self._read()
        for at in self._replaced & self._rows.keys():
            rows[at] = self._rows[at]
        for at, names in self._changed.items():
            mine = OpenRow(self._rows.get(at))
            files = OpenRow(rows.get(at))
            files.keep(set(files) - names)
            for name in names:
                row = mine.get(name)
                if row is not None:
                    files.put(name, row)
            self._fold(rows, at, files)
        self._rows = rows
        self._open.clear()
        self._packs.update(packs)

    def _read(self) -> _Content:
        self._read_from = self._identity()
        try:
            with open(self._file, "rb", buffering=0) as file:
                data = file.readall()
        except OSError:
            return [], {}
        start = len(_MAGIC) + _SUM
        body = memoryview(data)[start:]
        if not data.startswith(_MAGIC) or blake3(body).digest() != data[len(_MAGIC) : start]:
            return [], {}
        try:
            content: _Content = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [], {}
        return content

    def _identity(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._file)
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns


def is_racy(stat: FileStat, read_at_ns: int) -> bool:
    """Whether a change right after the reading could go unseen: the file changed just before, on a disk whose time
    stamps move in steps. A change time in the future means that a clock was set back: nothing can be concluded."""
    coarse = stat.ctime_ns % _SECOND == 0 or stat.mtime_ns % _SECOND == 0
    window = LONG_SETTLED if coarse else _RACY
    return stat.ctime_ns > read_at_ns - window or abs(read_at_ns - stat.mtime_ns) < window


def _map_of(count: int) -> bytes:
    """The head of a MessagePack map with so many keys."""
    return b"\xdf" + struct.pack(">I", count)
