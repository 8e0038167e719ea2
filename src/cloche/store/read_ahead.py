"""Small contents read ahead of whoever writes them out: many frames in one read, decompressed in one call and proven,
by a second thread."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from cloche.store.codec import Decompressor
from cloche.store.frames import Place, is_small
from cloche.store.objects import Store
from cloche.store.small_contents import Contents, read_small_contents

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
            contents |= read_small_contents(path, places, self._zstd)
        return contents
