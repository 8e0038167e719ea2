"""Writing a whole new folder: its files under their names in a place that nobody looks at, to be renamed as one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from cloche.errors import Damaged, InputError
from cloche.model.paths import checked, checked_depth, encode_path, is_reserved
from cloche.model.tree import EMPTY_DIGEST, RawEntry, raw_entries
from cloche.store.filesystem import FileSystem
from cloche.store.folder_rows import STORED, FolderRow
from cloche.store.moves import Staged
from cloche.store.objects import Store
from cloche.store.placing import Placing
from cloche.store.walk import stat_record

_TOLD = 1 << 20


class Written(NamedTuple):
    """A folder that was written, relative to the staged one, with what the stat cache may know of its files."""

    at: str
    row: FolderRow


def write_tree(
    store: Store, staged: Staged, fs: FileSystem, written: list[Written], placing: Placing, *, durable: bool
) -> Iterator[int]:
    """Write the tree of `staged` to its OS path, which must not exist; the bytes written, piece by piece.

    written: gets each folder that holds files. durable: wait for the disk after each file. Every name and byte is
    proven. Raises Damaged, NotFound, InputError (a name that is not safe), OSError.
    """
    writer = _Writer(store, fs, written, placing, staged.target, durable=durable)
    yield from writer.folder(staged.path, "", staged.entry.digest)


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

    def folder(self, target: str, at: str, digest: str) -> Iterator[int]:
        pending = [(target, at, digest)]
        made: list[str] = []
        while pending:
            folder, where, tree = pending.pop()
            checked_depth(where)
            self._fs.mkdir(folder)
            made.append(folder)
            entries = raw_entries(self._store.read(tree)) if tree != EMPTY_DIGEST else []
            rows: list[tuple[str, bytes, RawEntry]] = []
            done = 0
            for entry in entries:
                plain = os.fsdecode(entry.name)
                name = checked(encode_path(plain))
                if is_reserved(name):
                    raise InputError(
                        f"unsafe path {name!r} in {at or 'a folder'}", hint="`.cloche/` and `.git` are never written to"
                    )
                place = f"{folder}/{plain}"
                if entry.kind == b"d":
                    pending.append((place, f"{where}/{name}" if where else name, entry.digest.hex()))
                    continue
                path = f"{self._base}/{where}/{name}" if where else f"{self._base}/{name}"
                rows.append((name, self._file(place, path, entry), entry))
                done += entry.size
                if done >= _TOLD:
                    yield done
                    done = 0
            yield done
            if rows:
                self._written.append(Written(where, _row(rows)))
        if self._durable:
            self._fs.sync_many(made)

    def _file(self, place: str, path: str, entry: RawEntry) -> bytes:
        """Write one file or link, to come to the path text; its stat record."""
        if entry.kind == b"l":
            content = self._store.read(entry.digest.hex())
            if not content or b"\0" in content:
                raise Damaged(f"the store holds an impossible link {entry.digest.hex()[:12]}")
            self._fs.symlink(os.fsdecode(content), place)
            return b""
        fs = self._fs
        linked = self._placing.place(path, entry.kind.decode(), entry.digest.hex(), entry.size, place)
        if linked is not None:
            return linked
        fd = fs.create(place, 0o777 if entry.kind == b"x" else 0o666)
        try:
            for piece in self._store.pieces(entry.digest):
                fs.write(fd, piece)
            if self._durable:
                fs.sync(fd)
            return stat_record(os.fstat(fd))
        finally:
            fs.close(fd)


def _row(rows: list[tuple[str, bytes, RawEntry]]) -> FolderRow:
    """What the cache may know; links, whose stat was not taken, are left out."""
    known = [(name, record, entry.digest) for name, record, entry in rows if record]
    names, stats, digests = zip(*known, strict=True) if known else ((), (), ())
    return FolderRow("/".join(names), b"".join(stats), b"".join(digests), bytes([STORED]) * len(known))
