"""Taking in frames that came from elsewhere, and knowing where they lie there."""

from __future__ import annotations

import os
from types import TracebackType

from cloche.errors import Damaged
from cloche.store import index
from cloche.store.codec import RAW, ZSTD
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.frames import CONTENT, HEADER, MAGIC, Place
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter
from cloche.store.packs import Packs
from cloche.store.recipes import RECIPE

_GENEROUS = 48 << 20


class Receiver:
    """Takes in frames that came from elsewhere. Use it in a `with` block.

    Contents become part of the store every so often, so that what was received survives a kill. Trees and recipes,
    which promise that something else is there, do so at the end, and only if the block ends without an exception.
    """

    def __init__(self, store: Store) -> None:
        self._folder = store.folder
        self._fs = store.fs
        self._store = store
        self._now: PackWriter | None = None
        self._promises: PackWriter | None = None
        self._size = 0

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        promises, self._promises = self._promises, None
        try:
            self.flush()
        except BaseException:
            if promises is not None:
                promises.discard()
            raise
        if promises is not None and kind is None:
            self._publish(promises)
        elif promises is not None:
            promises.discard()
        self._store.see()

    def flush(self) -> None:
        """Make all contents so far part of the store, readable."""
        done, self._now, self._size = self._now, None, 0
        if done is not None:
            self._publish(done)
        self._store.see()

    def take(self, place: Place, frame: bytes, *, promise: bool) -> None:
        """Add a frame that was proven. promise: it is a tree or a recipe."""
        try:
            if promise:
                self._promises = self._promises or PackWriter(self._folder, self._fs)
                _append(self._promises, place, frame)
                return
            self._now = self._now or PackWriter(self._folder, self._fs)
            _append(self._now, place, frame)
        except OSError as error:
            raise disk_error(error, "write to the store") from error
        self._size += len(frame)
        if self._size >= _GENEROUS:
            self.flush()

    def _publish(self, writer: PackWriter) -> None:
        try:
            writer.publish()
        except OSError as error:
            writer.discard()
            raise disk_error(error, "write to the store") from error
        except BaseException:
            writer.discard()
            raise


def _append(writer: PackWriter, place: Place, frame: bytes) -> None:
    writer.append(place.kind, place.codec, place.digest, frame[HEADER.size :], place.raw)


class Shelf:
    """Where each digest lies in the packs of another place. folder: any that holds no packs."""

    def __init__(self, folder: str) -> None:
        self._packs = Packs(os.path.join(folder, "none"), FileSystem())
        self._packs.refresh()
        self.names: list[str] = []

    def add(self, name: str, data: bytes, size: int) -> None:
        """Know one more pack, of `size` bytes, with this index. Raises Damaged for an index that cannot be its own."""
        check = index.check_index(data, bytes.fromhex(name))
        if index.encode_index(bytes.fromhex(name), index.records(check)) != data:
            raise Damaged(f"the index of pack {name[:12]} is out of order")
        end = len(MAGIC)
        for row in index.records(data):
            place = Place(*index.RECORD.unpack(row))
            if place.offset < len(MAGIC) or place.kind not in (CONTENT, RECIPE) or place.codec not in (RAW, ZSTD):
                raise Damaged(f"the index of pack {name[:12]} says what cannot be")
            end = max(end, place.end)
        if end != size:
            raise Damaged(f"pack {name[:12]} has {size:,} bytes, its index {end:,}")
        self._packs.add(name, data)
        self.names.append(name)

    def places(self, raw: bytes) -> list[Place]:
        """Where a raw digest lies; `names[place.pack]` is the pack."""
        return self._packs.places(raw)

    def held(self, raws: set[bytes]) -> set[bytes]:
        """Those of the raw digests that one of the packs holds."""
        return self._packs.held(raws)
