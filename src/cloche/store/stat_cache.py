r"""The stat cache: digests of files that have not been touched since they were read.

It may be deleted at any time, and a damaged or newer file counts as an empty one. `cache/stat`:

| bytes | what |
|---|---|
| 14 | `cloche-stat-1\n` |
| 32 | BLAKE3-256 of the bytes that follow |
| rest | MessagePack: `[packs, rows]` |

`packs` lists the packs of the store that existed when rows were marked as stored: if one of them is gone, no mark
counts. `rows` maps path text to `[[kind, size, mtime, ctime, inode], digest, stored]`, times in nanoseconds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from blake3 import blake3

from cloche.model.digest import Digest
from cloche.store.filesystem import FileSystem
from cloche.store.walk import FileStat

_MAGIC = b"cloche-stat-1\n"
_SUM = 32
_SECOND = 1_000_000_000
_RACY = _SECOND // 20
_RACY_COARSE = 2 * _SECOND
_CROWD = 20_000

_Row = tuple[FileStat, Digest, bool]
_Content = tuple[list[str], dict[str, _Row]]
_decoder = msgspec.msgpack.Decoder(_Content)


class StatCache:
    """Digests by path text, each good only while the file's kind, size, times and inode stay as they were."""

    def __init__(self, file: Path, fs: FileSystem | None = None) -> None:
        self._file = os.fspath(file)
        self._fs = fs or FileSystem()
        self._changed: set[str] = set()
        self._loaded = False
        self._read_from: tuple[int, ...] = ()
        self._rows: dict[str, _Row] = {}
        self._packs: set[str] = set()
        self._room = _CROWD

    def get(self, path: str, stat: FileStat) -> Digest | None:
        """The digest of the file at `path` if it is still the one that was read."""
        if not self._loaded:
            self._load()
        row = self._rows.get(path)
        return row[1] if row is not None and row[0] == stat else None

    def previous(self, path: str) -> Digest | None:
        """The digest that the file had when it was last read, whatever it is now."""
        if not self._loaded:
            self._load()
        row = self._rows.get(path)
        return None if row is None else row[1]

    def is_stored(self, path: str) -> bool:
        """Whether the store held the content of `path` when it was last read. Ask `trust_marks` first."""
        row = self._rows.get(path)
        return row is not None and row[2]

    def put(self, path: str, stat: FileStat, digest: Digest, read_at_ns: int, *, stored: bool = False) -> None:
        """Remember a digest. stat: of exactly the bytes that were read. read_at_ns: when reading began, since 1970.

        Nothing is remembered of a file that changed so shortly before that a later change might leave the same time
        stamps.
        """
        if not self._loaded:
            self._load()
        if _is_racy(stat, read_at_ns):
            self.forget(path)
            return
        self._rows[path] = (stat, digest, stored)
        self._changed.add(path)

    def forget(self, path: str) -> None:
        """Remember nothing about `path`."""
        if not self._loaded:
            self._load()
        if self._rows.pop(path, None) is not None:
            self._changed.add(path)

    def trust_marks(self, packs: frozenset[str]) -> None:
        """Say which packs the store has now. If one that marks relied on is gone, all marks are taken back; those that
        count, and those to come, rely on `packs`."""
        if not self._loaded:
            self._load()
        if not self._packs <= packs:
            self._rows = {path: (stat, digest, False) for path, (stat, digest, _) in self._rows.items()}
            self._changed.update(self._rows)
            self._packs.clear()
        self._packs.update(packs)

    def mark_stored(self, path: str) -> None:
        """Note that the store holds what `get` returns for `path`."""
        stat, digest, _ = self._rows[path]
        self._rows[path] = (stat, digest, True)
        self._changed.add(path)

    def rely_on(self, packs: frozenset[str]) -> None:
        """Say which packs new marks rely on, beside those given to `trust_marks`."""
        self._packs.update(packs)

    def drop_missing(self, exists: Callable[[str], bool]) -> None:
        """Forget paths that are no longer there, once the cache has doubled since the last time."""
        if len(self._rows) > self._room:
            for path in [path for path in self._rows if not exists(path)]:
                self.forget(path)
            self._room = max(_CROWD, 2 * len(self._rows))

    def save(self) -> None:
        """Write what changed, keeping what another process wrote meanwhile. A disk that will not take it is no error:
        the cache only saves time."""
        if not self._changed:
            return
        with contextlib.suppress(OSError):
            if self._identity() != self._read_from:
                self._merge()
            body = msgspec.msgpack.encode((sorted(self._packs), self._rows))
            self._fs.make_folders(os.path.dirname(os.path.abspath(self._file)))
            self._fs.replace_file(self._file, _MAGIC + blake3(body).digest() + body, durable=False)
            self._read_from = self._identity()
            self._changed.clear()

    def _load(self) -> None:
        self._loaded = True
        packs, self._rows = self._read()
        self._packs = set(packs)
        self._room = max(_CROWD, 2 * len(self._rows))

    def _merge(self) -> None:
        packs, rows = self._read()
        for path in self._changed:
            row = self._rows.get(path)
            if row is None:
                rows.pop(path, None)
            else:
                rows[path] = row
        self._rows = rows
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


def _is_racy(stat: FileStat, read_at_ns: int) -> bool:
    """Whether a change right after the reading could go unseen: the file changed just before, on a disk whose time
    stamps move in steps. A change time in the future means that a clock was set back: nothing can be concluded."""
    coarse = stat.ctime_ns % _SECOND == 0 or stat.mtime_ns % _SECOND == 0
    window = _RACY_COARSE if coarse else _RACY
    return stat.ctime_ns > read_at_ns - window or abs(read_at_ns - stat.mtime_ns) < window
