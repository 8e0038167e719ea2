"""Taking in frames that came from elsewhere, and knowing where they lie there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from operator import itemgetter
from types import TracebackType

from blake3 import blake3

from cloche.errors import Damaged
from cloche.store import index
from cloche.store.codec import RAW, ZSTD, Decompressor
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.frames import CONTENT, HEADER, MAGIC, MOST_FRAMES, Place
from cloche.store.index import Row
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter, discarding
from cloche.store.packs import Packs
from cloche.store.recipes import RECIPE, SMALL

_GENEROUS = 48 << 20
_WRITING = "write to the store"
_TOGETHER = 256  # contents that are unpacked in one call


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
            raise disk_error(error, _WRITING) from error
        self._size += len(frame)
        if self._size >= _GENEROUS:
            self.flush()

    def adopt(self, name: str, data: bytes, positions: bytes) -> None:
        """Make a whole pack part of the store as it is. It must be one for which `is_proven` holds, and free of
        promises."""
        writer = PackWriter(self._folder, self._fs)
        with discarding(writer, _WRITING):
            writer.adopt(name, data, positions)
            writer.publish()
        self._store.see()

    def _publish(self, writer: PackWriter) -> None:
        with discarding(writer, _WRITING):
            writer.publish()


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

    def wholly(self, wanted: set[bytes]) -> list[tuple[str, bytes]]:
        """Name and index of the packs that hold small contents and nothing else, all of them wanted; none of them is
        in two of these packs."""
        left = set(wanted)
        found: list[tuple[str, bytes]] = []
        for name, data in zip(self.names, self._packs.indexes(), strict=True):
            digests = index.digests(data)
            are_fit = 0 < len(set(digests)) == len(digests) <= MOST_FRAMES and left.issuperset(digests)
            if are_fit and _are_small(data):
                found.append((name, data))
                left.difference_update(digests)
        return found

    def places(self, raw: bytes) -> list[Place]:
        """Where a raw digest lies; `names[place.pack]` is the pack."""
        return self._packs.places(raw)

    def plain(self, raws: set[bytes]) -> set[bytes]:
        """Those of the raw digests that the packs hold whole: none as a list of chunks."""
        return self._packs.plain(raws)

    def held(self, raws: set[bytes]) -> set[bytes]:
        """Those of the raw digests that one of the packs holds."""
        return self._packs.held(raws)


def _are_small(positions: bytes) -> bool:
    """Whether an index names small contents alone."""
    return all(kind == CONTENT and raw <= SMALL for _, _, _, raw, kind, _ in index.unpacked(positions))


def is_proven(name: str, data: bytes, positions: bytes) -> bool:
    """Whether a pack of small contents is what its name, its index and the digest of each content say, down to the last
    byte: one that is can become part of a store as it is."""
    rows = sorted(index.unpacked(positions), key=itemgetter(1))
    if blake3(data).hexdigest() != name or not data.startswith(MAGIC):
        return False
    at, header = len(MAGIC), HEADER.unpack_from
    for digest, offset, stored, raw, kind, how in rows:
        if offset != at or len(data) < at + HEADER.size + stored:
            return False
        if header(data, at) != (kind, how, digest, stored, raw) or kind != CONTENT or raw > SMALL:
            return False
        at += HEADER.size + stored
    decompressor = Decompressor()
    view = memoryview(data)
    return at == len(data) and all(
        _are_true(view, rows[start : start + _TOGETHER], decompressor) for start in range(0, len(rows), _TOGETHER)
    )


def _are_true(data: memoryview, rows: Sequence[Row], decompressor: Decompressor) -> bool:
    """Whether the contents that these records are of are what their digests say."""
    packed = [row for row in rows if row[5] == ZSTD]
    payloads = [data[row[1] + HEADER.size : row[1] + HEADER.size + row[2]] for row in packed]
    try:
        opened = decompressor.segments(payloads, [row[3] for row in packed])
    except Damaged:
        return False
    for row, content in zip(packed, opened, strict=True):
        digest = blake3(content).digest()  # type: ignore[arg-type] # it is a buffer, and does not say so to older Pythons
        if len(content) != row[3] or digest != row[0]:
            return False
    for digest, offset, stored, raw, _, how in rows:
        start = offset + HEADER.size
        if how != ZSTD and (how != RAW or stored != raw or blake3(data[start : start + raw]).digest() != digest):
            return False
    return True
