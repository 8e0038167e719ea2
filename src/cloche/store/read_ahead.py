"""Small contents read ahead of whoever writes them out: many frames in one read, decompressed in one call and proven,
by a second thread."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from cloche.store.codec import Decompressor
from cloche.store.file_writer import spans
from cloche.store.frames import Place, is_small, open_small
from cloche.store.objects import Store
from cloche.store.packs import read_at

Contents = dict[bytes, bytes]

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FEW = 8  # not worth a thread


class ReadAhead:
    """Reads the contents of a store. For use by one thread, which goes on meanwhile; `close` it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool: ThreadPoolExecutor | None = None
        self._zstd = Decompressor()

    def start(self, raws: Iterable[bytes]) -> Future[Contents]:
        """Begin to read contents by their raw digests. The result has those that are small and were found as they
        should be; whatever it lacks is to be asked of the store, which tells why."""
        packs = self._store.packs
        listed = [places[0] for raw in set(raws) if (places := packs.places(raw))]
        found: dict[int, list[Place]] = {}
        for place in listed:
            if is_small(place):
                found.setdefault(place.pack, []).append(place)
        if len(listed) < _FEW:
            none: Future[Contents] = Future()
            none.set_result({})
            return none
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "read-ahead")
        return self._pool.submit(self._read, [(packs.path(packs.order[pack]), one) for pack, one in found.items()])

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _read(self, found: list[tuple[str, list[Place]]]) -> Contents:
        contents: Contents = {}
        for path, places in found:
            try:
                fd = os.open(path, _READ)
                try:
                    for span in spans(sorted(places, key=operator.attrgetter("offset"))):
                        contents.update(self._open(fd, span))
                finally:
                    os.close(fd)
            except OSError:
                continue
        return contents

    def _open(self, fd: int, span: list[Place]) -> Contents:
        start = span[0].offset
        return open_small(read_at(fd, span[-1].end - start, start), start, span, self._zstd)
