"""Adding content to a store, each piece once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable

from blake3 import blake3

from cloche.errors import ClocheError, Damaged, StoreError
from cloche.model.digest import Digest
from cloche.store.digest_table import DigestTable
from cloche.store.filesystem import disk_error
from cloche.store.frame_queue import Frame, FrameQueue
from cloche.store.frames import CONTENT
from cloche.store.listing import FileStat
from cloche.store.loose import REPAIR, Loose
from cloche.store.pack_writer import PackWriter
from cloche.store.packs import Packs
from cloche.store.reading import Taken, Takers, hash_open, take
from cloche.store.recipes import (
    RECIPE,
    SMALL,
    Recipe,
    average_for,
    chunk_row,
    cutter,
    decode_recipe,
    encode_recipe,
)


class Writer:
    """Adds content to a store, each piece once. Use it in a `with` block: a clean end commits (durably), an exception
    leaves the store as it was. Content added is readable only after the commit."""

    def __init__(self, packs: Packs, out: PackWriter, loose: Loose) -> None:
        self._packs = packs
        self._loose = loose
        self._has_loose = loose.is_used()
        self._out = FrameQueue(out)
        self._added = DigestTable()
        self._failed = False

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._out.discard()
        else:
            self._commit()

    def add_bytes(self, data: bytes) -> Digest:
        """Store some bytes; their digest. Raises DiskFull, StoreError."""
        if len(data) <= SMALL:
            return self.add_small(data).hex()
        digest = blake3(data).digest()
        if not self._holds(digest) and not self._is_loose(digest):
            average = average_for(len(data))
            self._cut((bytes(chunk.data) for chunk in cutter(average).cut_buf(data)), average)
        return digest.hex()

    def add_small(self, data: bytes) -> bytes:
        """Store at most 64 KiB; the raw digest. Raises DiskFull, StoreError."""
        digest = blake3(data).digest()
        if digest not in self._added and not self._packs.holds(digest) and not self._is_loose(digest):
            self._put(CONTENT, digest, data, first=True)
        return digest

    def add_tree(self, data: bytes) -> Digest:
        """Store the canonical bytes of a tree (`model.tree`); its digest."""
        return self.add_bytes(data)

    def add_file(
        self,
        path: str,
        stat: FileStat,
        *,
        previous: Digest | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Digest, FileStat]:
        """Store a file's bytes or a link's target; the digest, and what the disk said about exactly those bytes.

        path: OS path. previous: digest of the last version, whose way of cutting is kept. progress: told the bytes read
        so far of a large file. A file that changes while it is read is read again, a few times; then
        ChangedWhileReading. Raises InputError where it is gone, unreadable or no file; DiskFull, StoreError.
        """

        def file(fd: int, size: int) -> Taken:
            return self._take(fd, size, previous, progress)

        return take(path, stat, Takers(file, self.add_bytes))

    def add_open(self, fd: int, digest: Digest) -> None:
        """Store what can be read from a descriptor. Raises Damaged where it does not have this digest."""
        if self._take(fd, os.fstat(fd).st_size, None, None).digest != digest:
            raise Damaged(f"{digest[:12]} was changed through a link into the store", hint=REPAIR)

    def _take(self, fd: int, size: int, previous: Digest | None, progress: Callable[[int], None] | None) -> Taken:
        if size <= SMALL:
            data = _read_all(fd, size)
            return Taken(self.add_bytes(data), len(data))
        if self._has_loose and self._loose.has_size(size):
            whole = hash_open(fd, size)
            if self._loose.holds(bytes.fromhex(whole.digest)):
                return whole
            os.lseek(fd, 0, os.SEEK_SET)
        average = average_for(size, self._average_of(previous))
        with open(fd, "rb", buffering=0, closefd=False) as file:
            return self._cut((bytes(chunk.data) for chunk in cutter(average).cut_stream(file)), average, progress)

    def _cut(self, chunks: Iterable[bytes], average: int, progress: Callable[[int], None] | None = None) -> Taken:
        whole = blake3()
        rows: list[bytes] = []
        length = 0
        for chunk in chunks:
            digest = blake3(chunk).digest()
            whole.update(chunk)
            rows.append(chunk_row(digest, len(chunk)))
            if not self._holds(digest):
                self._put(CONTENT, digest, chunk, first=not length)
            length += len(chunk)
            if progress is not None:
                progress(length)
        digest = whole.digest()
        listing = b"".join(rows)
        listed = bytes.fromhex(self.add_bytes(listing)) if len(listing) > SMALL else b""  # it may be missing alone
        if not self._holds(digest):
            self._put(RECIPE, digest, encode_recipe(digest, Recipe(average, length, listing, listed)))
        return Taken(digest.hex(), length)

    def _put(self, kind: bytes, digest: bytes, data: bytes, *, first: bool = False) -> None:
        if self._failed:
            raise StoreError("the store could not be written to", hint="run it again")
        try:
            self._out.put(Frame(kind, digest, data, first))
        except OSError as error:
            self._failed = True
            raise disk_error(error, "write to the store") from error
        except BaseException:
            self._failed = True
            raise
        self._added.add(digest)

    def _holds(self, digest: bytes) -> bool:
        return digest in self._added or self._packs.holds(digest)

    def _is_loose(self, digest: bytes) -> bool:
        return self._has_loose and self._loose.holds(digest)

    def _average_of(self, previous: Digest | None) -> int | None:
        """How the last version was cut; None where it was not, or cannot be known."""
        if previous is None:
            return None
        with contextlib.suppress(ClocheError, OSError):
            for place in self._packs.places(bytes.fromhex(previous)):
                if place.kind == RECIPE:
                    return decode_recipe(self._packs.read(place)).average
        return None

    def _commit(self) -> None:
        try:
            if self._failed:
                raise StoreError("the store could not be written to", hint="run it again")
            published = self._out.publish()
            self._added = DigestTable()  # they know it all now
            for sealed in published:
                self._packs.add(sealed.digest, sealed.index_bytes)
        except OSError as error:
            self._out.discard()
            raise disk_error(error, "write to the store") from error
        except BaseException:
            self._out.discard()
            raise


def _read_all(fd: int, size: int) -> bytes:
    """The bytes of a small file, or one more than it should have: the caller compares the length."""
    data = os.read(fd, size + 1)
    while data and len(data) < size:
        more = os.read(fd, size + 1 - len(data))
        if not more:
            break
        data += more
    return data
