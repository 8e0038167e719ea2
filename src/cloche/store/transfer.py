"""Moving frames between stores as they are: nothing is compressed again, everything is proven.

`plan` and `outgoing` make packs of what another place lacks; `Receiver` takes in frames that came from one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from blake3 import blake3

from cloche.errors import Damaged
from cloche.store import index
from cloche.store.codec import RAW, ZSTD, Decompressor
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.frames import CONTENT, HEADER, MAGIC, PACK_LIMIT, Place, open_frame
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter
from cloche.store.packs import Packs
from cloche.store.recipes import RECIPE

WORTH_ITSELF = 16 << 20
_GENEROUS = 48 << 20


class Pack(NamedTuple):
    """A whole pack in memory. digest: hexadecimal; positions: the bytes of its index."""

    digest: str
    data: bytes
    positions: bytes


class Plan(NamedTuple):
    """What is to be sent. whole: names of packs that go as they are. picked: frames of others, by name of the pack.
    size: bytes in all."""

    whole: tuple[str, ...]
    picked: dict[str, list[Place]]
    size: int

    @property
    def packs(self) -> int:
        """About how many packs that makes."""
        picked = sum(HEADER.size + place.stored for places in self.picked.values() for place in places)
        return len(self.whole) + -(-picked // PACK_LIMIT)


def plan(store: Store, needed: set[bytes]) -> tuple[Plan, set[bytes]]:
    """How to send the frames with these raw digests, and those of them that are not in the store.

    A large pack of which every frame is needed goes as it is; of others the frames are picked and put together.
    """
    packs = _packs(store)
    left = set(needed)
    whole: list[str] = []
    picked: dict[str, list[Place]] = {}
    size = 0
    for name, data in sorted(_indexes(packs)):
        digests = index.digests(data)
        mine = [at for at, digest in enumerate(digests) if digest in left]
        if not mine:
            continue
        left.difference_update(digests)
        length = os.stat(packs.path(name)).st_size if os.path.exists(packs.path(name)) else 0
        if len(mine) == len(digests) and length >= WORTH_ITSELF:
            whole.append(name)
            size += length
        else:
            rows = list(index.records(data))
            places = sorted((Place(*index.RECORD.unpack(rows[at])) for at in mine), key=lambda place: place.offset)
            picked[name] = places
            size += sum(HEADER.size + place.stored for place in places)
    return Plan(tuple(whole), picked, size), left


def outgoing(store: Store, what: Plan) -> Iterator[Pack]:
    """The packs of a plan, one after the other: proven, and the same ones for the same plan.

    Raises Damaged where the store holds no good copy of a frame, StoreError.
    """
    packs = _packs(store)
    damaged: dict[str, list[Place]] = {}
    for name, positions in _indexes(packs):
        if name in what.whole:
            data = read_pack(packs.path(name))
            if blake3(data).hexdigest() == name:
                yield Pack(name, data, positions)
            else:
                damaged[name] = [Place(*index.RECORD.unpack(row)) for row in index.records(positions)]
    builder = _Builder()
    for name, listed in (*sorted(what.picked.items()), *sorted(damaged.items())):
        for place, frame in _frames(packs, name, listed):
            yield from builder.add(place, frame)
    yield from builder.end()


def _frames(packs: Packs, name: str, places: list[Place]) -> Iterator[tuple[Place, bytes]]:
    """Frames of one pack, proven; where one is damaged, a copy of it in another pack."""
    decompressor = Decompressor()
    for place, frame in slices(packs.path(name), places):
        try:
            open_frame(frame, place, decompressor)
            yield place, frame
        except Damaged as error:
            yield _another(packs, place, decompressor, error)


def _another(packs: Packs, place: Place, decompressor: Decompressor, problem: Damaged) -> tuple[Place, bytes]:
    names = packs.order
    for other in packs.places(place.digest):
        for _, frame in slices(packs.path(names[other.pack]), [other]):
            with contextlib.suppress(Damaged):
                open_frame(frame, other, decompressor)
                return other, frame
    raise problem


def slices(path: str, places: list[Place]) -> Iterator[tuple[Place, bytes]]:
    """The bytes of frames of a pack, unproven; none where it is gone."""
    try:
        with open(path, "rb") as file:
            for place in places:
                file.seek(place.offset)
                yield place, file.read(HEADER.size + place.stored)
    except FileNotFoundError:
        for place in places:
            yield place, b""
    except OSError as error:
        raise disk_error(error, "read from the store") from error


def read_pack(path: str) -> bytes:
    """The bytes of a pack, unproven; none where it is gone."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise disk_error(error, "read from the store") from error


class _Builder:
    """Puts frames together to packs in memory."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._parts = [MAGIC]
        self._size = len(MAGIC)
        self._records: list[bytes] = []

    def add(self, place: Place, frame: bytes) -> Iterator[Pack]:
        if self._size + len(frame) > PACK_LIMIT:
            yield from self.end()
        self._records.append(index.encode_record(place._replace(offset=self._size, pack=0)))
        self._parts.append(frame)
        self._size += len(frame)

    def end(self) -> Iterator[Pack]:
        if self._records:
            data = b"".join(self._parts)
            digest = blake3(data).digest()
            found = Pack(digest.hex(), data, index.encode_index(digest, self._records))
            self._reset()
            yield found


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

    def holds(self, raw: bytes) -> bool:
        """Whether one of the packs holds a raw digest."""
        return self._packs.holds(raw)


def _packs(store: Store) -> Packs:
    store.see()
    return store.packs


def _indexes(packs: Packs) -> list[tuple[str, bytes]]:
    data = packs.indexes()
    return list(zip(packs.order, data, strict=True))
