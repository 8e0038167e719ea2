"""Writing packs: frames go to files in `tmp/`, which become packs only when the writer commits.

A writer's files begin with its own token and it holds a lock on `tmp/<token>.lock`, so the files of a writer that died
are known by a lock that nobody holds. They count for nothing, and the next writer removes them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from blake3 import blake3

from cloche.store import index
from cloche.store.filesystem import FileSystem, disk_error, token
from cloche.store.frames import HEADER, MAGIC, MOST_FRAMES, PACK_LIMIT, write_header
from cloche.store.locks import Lock, try_lock

_BUFFER = 1 << 20


class Sealed(NamedTuple):
    """A pack that is complete on the disk under a temporary name. digest: of its bytes; index_bytes: of its index."""

    digest: str
    path: str
    index_path: str
    index_bytes: bytes


class PackWriter:
    """Appends frames to packs in `tmp/`. folder: of the store. Raises OSError."""

    def __init__(self, folder: str, fs: FileSystem) -> None:
        self._folder = folder
        self._tmp = os.path.join(folder, "tmp")
        self._fs = fs
        self._token = token()
        self._lock: Lock | None = None
        self._begun = False
        self._made: list[str] = []
        self._sealed: list[Sealed] = []
        self._reset()

    def _reset(self) -> None:
        self._fd = -1
        self._path = ""
        self._size = 0
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._hasher = blake3()
        self._records: list[bytes] = []

    def append(self, kind: bytes, how: bytes, digest: bytes, payload: bytes, raw: int) -> None:
        """Add one frame. raw: length of the payload once decompressed."""
        length = HEADER.size + len(payload)
        if self._records and (self._size + length > PACK_LIMIT or len(self._records) >= MOST_FRAMES):
            self._seal()
        if self._fd < 0:
            self._open()
        stored = len(payload)
        self._records.append(index.RECORD.pack(digest, self._size, stored, raw, kind, how))
        self._put(length, write_header(kind, how, digest, stored, raw), payload)

    def adopt(self, digest: str, data: bytes, positions: bytes) -> None:
        """Add a whole pack as it is. digest: of its bytes; positions: its index. Everything must be proven."""
        if self._fd >= 0:
            self._seal()
        if not self._begun:
            self._begin()
        path, index_path = self._name("pack"), self._name("index")
        self._made += (path, index_path)
        self._fs.write_file(path, data)
        self._fs.write_file(index_path, positions)
        self._sealed.append(Sealed(digest, path, index_path, positions))

    def _put(self, length: int, *parts: bytes) -> None:
        self._buffer += parts
        self._size += length
        self._buffered += length
        if self._buffered >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._buffer)
        self._buffer.clear()
        self._buffered = 0
        self._hasher.update(data)
        self._fs.write(self._fd, data)

    def _open(self) -> None:
        if not self._begun:
            self._begin()
        self._path = self._name("pack")
        self._made.append(self._path)
        self._fd = self._fs.create(self._path)
        self._put(len(MAGIC), MAGIC)

    def _begin(self) -> None:
        self._fs.make_folders(self._tmp)
        sweep(self._tmp, self._fs)
        self._begun = True
        self._lock = try_lock(os.path.join(self._tmp, f"{self._token}.lock"), self._fs)

    def _name(self, ending: str) -> str:
        return os.path.join(self._tmp, f"{self._token}.{len(self._sealed)}.{ending}")

    def _seal(self) -> None:
        self._flush()
        self._fs.sync(self._fd)
        fd, self._fd = self._fd, -1
        self._fs.close(fd)
        digest = self._hasher.digest()
        data = index.encode_index(digest, self._records)
        index_path = self._name("index")
        self._made.append(index_path)
        self._fs.write_file(index_path, data)
        self._sealed.append(Sealed(digest.hex(), self._path, index_path, data))
        self._reset()

    def publish(self) -> list[Sealed]:
        """Make everything appended part of the store, durably; the packs that were added, in order.

        An index is there before its pack, and chunks are there before a recipe that names them.
        """
        if self._fd >= 0:
            self._seal()
        if self._sealed:
            packs = os.path.join(self._folder, "packs")
            self._fs.make_folders(packs)
            self._fs.sync_folder(packs)  # one that died may have made a folder in it and not waited for its name
        for sealed in self._sealed:
            self._place(sealed)
        self._made.clear()
        self._unlock()
        return self._sealed

    def _place(self, sealed: Sealed) -> None:
        """Make a pack last before the next one comes, which may hold lists of chunks that lie in this one."""
        shard = os.path.join(self._folder, "packs", sealed.digest[:2])
        self._fs.make_folders(shard)
        self._fs.rename(sealed.index_path, os.path.join(shard, f"{sealed.digest}.index"))
        self._fs.rename(sealed.path, os.path.join(shard, f"{sealed.digest}.pack"))
        self._fs.sync_folder(shard)

    def discard(self) -> None:
        """Leave nothing behind. Packs that a failing `publish` has placed already stay: they are whole, and another
        writer may count on them."""
        try:
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                self._fs.close(fd)
            for path in self._made:
                self._fs.discard(path)
        finally:
            self._unlock()

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
            self._fs.discard(lock.path)


@contextlib.contextmanager
def discarding(writer: PackWriter, doing: str) -> Iterator[None]:
    """Around what a writer appends and publishes: if it fails, nothing is left behind. doing: what is attempted, for
    the error (see `disk_error`) that an OSError becomes."""
    try:
        yield
    except OSError as error:
        writer.discard()
        raise disk_error(error, doing) from error
    except BaseException:
        writer.discard()
        raise


def sweep(tmp: str, fs: FileSystem) -> None:
    """Remove what dead writers left in a store's `tmp/`, as far as that is possible."""
    with contextlib.suppress(OSError):
        names = os.listdir(tmp)
        for owner in {name.partition(".")[0] for name in names}:
            lock = try_lock(os.path.join(tmp, f"{owner}.lock"), fs)
            if lock is None:
                continue
            with lock:
                if not lock.guards:  # nobody can tell who is alive
                    return
                for name in names:
                    if name.partition(".")[0] == owner:
                        fs.discard(os.path.join(tmp, name))
                fs.discard(lock.path)
