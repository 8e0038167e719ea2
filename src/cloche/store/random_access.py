"""Reading stored content anywhere: a seek costs nothing, a read fetches the chunks at that place and no others.

Threads: a `SharedStore` serves any number of them, one at a time. A `StoredFile` is like any file of Python's: one
thread at a time, so each thread opens its own.
"""

from __future__ import annotations

import io
import os
import threading
import weakref
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from cloche.errors import Damaged, NotFound
from cloche.model.digest import Digest
from cloche.model.folder import Folder
from cloche.store.frames import CONTENT
from cloche.store.objects import Store
from cloche.store.recipes import RECIPE, Recipe

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_DOCTOR = "`cloche verify --repair` brings back what it can"
_KEPT = 1 << 20
_BUFFER = 128 << 10
_STORES = 4
_WEIGHT = 256 << 20
_ROW = 36
_DIGEST = 32


class SharedStore:
    """A store for reading by several threads, which a forked process reads on its own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._users = 0
        self.renew()
        _EVERY.add(self)

    def renew(self) -> None:
        """Start again: a forked process knows neither who held the lock nor what was half-way."""
        self._lock = threading.Lock()
        self._store = Store(Path(self._folder))
        self._folders: OrderedDict[Digest, Folder] = OrderedDict()
        self._weight = 0

    @property
    def idle(self) -> bool:
        """Whether no file of it is open."""
        return not self._users

    def open(self, digest: Digest, name: str = "") -> io.BufferedReader:
        """Content as a file for reading bytes, from whichever place. name: what messages call it.

        Every chunk is proven before it is handed out, and the whole once every chunk was read in order. Raises
        NotFound, Damaged; reading raises Damaged.
        """
        with self._lock:
            if self._store.is_loose(bytes.fromhex(digest)):
                with self._store.loose.open(digest) as file:
                    return io.BufferedReader(io.FileIO(os.dup(file)), _BUFFER)
        return io.BufferedReader(StoredFile(self, digest, name), _BUFFER)

    def frame(self, raw: bytes) -> tuple[bytes, bytes]:
        """Payload and kind of a frame, proven. Raises NotFound, Damaged."""
        with self._lock:
            return self._store.frame(raw)

    def recipe(self, payload: bytes) -> Recipe:
        """The chunks that the payload of a recipe lists. Raises NotFound, Damaged."""
        with self._lock:
            return self._store.recipe(payload)

    def has(self, digest: Digest) -> bool:
        """Whether the store holds this content."""
        with self._lock:
            return self._store.has(digest)

    def folder(self, digest: Digest) -> Folder:
        """A stored tree; the ones that were opened last are kept. Raises NotFound, Damaged."""
        with self._lock:
            known = self._folders.get(digest)
            if known is not None:
                self._folders.move_to_end(digest)
                return known
            known = self._folders[digest] = Folder(self._store.read(digest))
            self._weight += known.weight
            while self._weight > _WEIGHT and len(self._folders) > 1:
                self._weight -= self._folders.popitem(last=False)[1].weight
            return known

    def enter(self) -> None:
        """One more file is open."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """One file less is open; after the last, none of the store's are."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._store.close()


def shared_store(folder: Path) -> SharedStore:
    """The store in this folder, one for the whole process: its indexes are read once."""
    path = os.path.realpath(folder)
    with _guard:
        found = _shared.pop(path, None) or SharedStore(path)
        _shared[path] = found
        for idle in [one for one, store in _shared.items() if store.idle and one != path][: len(_shared) - _STORES]:
            del _shared[idle]
        return found


class StoredFile(io.RawIOBase):
    """The bytes of one stored content. `SharedStore.open` gives it with a buffer, as it is meant to be read."""

    def __init__(self, store: SharedStore, digest: Digest, name: str = "") -> None:
        self._store = store
        self._digest = digest
        self.name = name or digest
        self._at = 0
        self._whole = blake3()
        self._proven = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._kept_bytes = 0
        payload, kind = store.frame(bytes.fromhex(digest))
        if kind == RECIPE:
            recipe = store.recipe(payload)
            self._rows = recipe.rows
            self._ends = array("Q", accumulate(length for _, length in recipe.chunks))
            if (self._ends[-1] if self._ends else 0) != recipe.size:
                raise Damaged(f"the list of chunks of {self.name} does not fit its length", hint=_DOCTOR)
        else:
            self._rows = bytes.fromhex(digest)
            self._ends = array("Q", [len(payload)])
            self._keep(0, payload)
        store.enter()
        self._entered = True

    @property
    def mode(self) -> str:
        """As of Python's own files."""
        return "rb"

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; places behind the end are allowed and have nothing to read."""
        self._check_open()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The place where the next read begins."""
        self._check_open()
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer; the number of bytes, fewer than asked for only at the end."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        done = 0
        for piece in self._pieces(len(view)):
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def readall(self) -> bytes:
        """Everything from here to the end."""
        self._check_open()
        return b"".join(self._pieces(self._size))

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if not self.closed and getattr(self, "_entered", False):
            self._kept.clear()
            self._store.leave()
        super().close()

    @property
    def _size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _pieces(self, most: int) -> Iterator[memoryview]:
        """The next bytes, at most so many, as parts of chunks; the place moves on with each."""
        while most > 0 and self._at < self._size:
            number = bisect_right(self._ends, self._at)
            start = self._ends[number - 1] if number else 0
            piece = memoryview(self._chunk(number))[self._at - start :][:most]
            self._at += len(piece)
            most -= len(piece)
            yield piece

    def _chunk(self, number: int) -> bytes:
        known = self._kept.get(number)
        if known is not None:
            self._kept.move_to_end(number)
        else:
            known = self._fetch(number)
            self._keep(number, known)
        self._prove(number, known)
        return known

    def _fetch(self, number: int) -> bytes:
        raw = self._rows[number * _ROW :][:_DIGEST]
        length = self._ends[number] - (self._ends[number - 1] if number else 0)
        try:
            content, kind = self._store.frame(raw)
        except NotFound as error:
            raise Damaged(f"a chunk of {self.name} is missing: {error.message}", hint=_DOCTOR) from None
        except Damaged as error:
            raise Damaged(f"a chunk of {self.name} is damaged: {error.message}", hint=error.hint) from None
        if kind != CONTENT or len(content) != length:
            raise Damaged(f"a chunk of {self.name} is not what it was", hint=_DOCTOR)
        return content

    def _keep(self, number: int, content: bytes) -> None:
        self._kept[number] = content
        self._kept_bytes += len(content)
        while self._kept_bytes > _KEPT and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    def _prove(self, number: int, content: bytes) -> None:
        """Follow a reader from the first chunk to the last: at the end they must make up the whole."""
        if number != self._proven:
            return
        self._whole.update(content)
        self._proven += 1
        if self._proven == len(self._ends) and self._whole.hexdigest() != self._digest:
            raise Damaged(f"the chunks of {self.name} do not make up its content", hint=_DOCTOR)


_EVERY: weakref.WeakSet[SharedStore] = weakref.WeakSet()
_shared: dict[str, SharedStore] = {}
_guard = threading.Lock()


def _after_fork() -> None:
    global _guard  # noqa: PLW0603 - a lock that another thread held when the process was forked is held for ever
    _guard = threading.Lock()
    for store in _EVERY:
        store.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
