"""Sending frames to another place as they are: nothing is compressed again, everything is proven.

`plan` and `outgoing` make packs of what the other place lacks, and of nothing else; see `receiving` for the other end.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import BytesIO
from operator import itemgetter
from typing import NamedTuple

from blake3 import blake3

from cloche.errors import Damaged
from cloche.store import index
from cloche.store.codec import Decompressor
from cloche.store.filesystem import disk_error
from cloche.store.frames import HEADER, MAGIC, MOST_FRAMES, PACK_LIMIT, Place, open_frame
from cloche.store.index import Row
from cloche.store.objects import Store
from cloche.store.packs import Packs

WORTH_ITSELF = 16 << 20
_GOOD_PART = 4  # a pack of which a quarter is needed is read whole
_ROUND = 1 << 20


class Pack(NamedTuple):
    """A whole pack in memory. digest: hexadecimal; positions: the bytes of its index."""

    digest: str
    data: bytes
    positions: bytes


class Draft(NamedTuple):
    """A whole pack in memory that may have no name yet. records: of its frames, where there is no index."""

    digest: str
    data: bytes
    positions: bytes
    records: list[bytes]

    def sealed(self) -> Pack:
        """The pack, with its name and index."""
        if self.digest:
            return Pack(self.digest, self.data, self.positions)
        digest = blake3(self.data).digest()
        return Pack(digest.hex(), self.data, index.encode_index(digest, self.records))


class Plan(NamedTuple):
    """What is to be sent. whole: names of packs that go as they are. picked: records of frames of others, by the name
    of the pack. size: bytes in all."""

    whole: tuple[str, ...]
    picked: dict[str, list[Row]]
    size: int

    @property
    def packs(self) -> int:
        """About how many packs that makes."""
        picked = sum(_taken(rows) for rows in self.picked.values())
        return len(self.whole) + -(-picked // PACK_LIMIT)


def plan(store: Store, needed: set[bytes]) -> tuple[Plan, set[bytes]]:
    """How to send the frames with these raw digests, and those of them that are not in the store.

    A large pack of which every frame is needed goes as it is; of others the frames are picked and put together.
    """
    packs = _packs(store)
    left = set(needed)
    whole: list[str] = []
    picked: dict[str, list[Row]] = {}
    size = 0
    for name, data in sorted(_indexes(packs)):
        rows = [row for row in index.unpacked(data) if row[0] in left]
        if not rows:
            continue
        left.difference_update([row[0] for row in rows])
        length = _length(packs.path(name))
        if len(rows) == index.count(data) and length >= WORTH_ITSELF:
            whole.append(name)
            size += length
        else:
            rows.sort(key=itemgetter(1))
            picked[name] = rows
            size += _taken(rows)
    return Plan(tuple(whole), picked, size), left


def outgoing(store: Store, what: Plan) -> Iterator[Pack]:
    """The packs of a plan, one after the other: proven, and the same ones for the same plan.

    Raises Damaged where the store holds no good copy of a frame, StoreError.
    """
    return (draft.sealed() for draft in drafts(store, what))


def drafts(store: Store, what: Plan) -> Iterator[Draft]:
    """Like `outgoing`; each is to be sealed, which another thread can do."""
    packs = _packs(store)
    damaged: dict[str, list[Row]] = {}
    for name, positions in _indexes(packs):
        if name in what.whole:
            data = read_pack(packs.path(name))
            if blake3(data).hexdigest() == name:
                yield Draft(name, data, positions, [])
            else:
                damaged[name] = sorted(index.unpacked(positions), key=itemgetter(1))
            del data
    # Trees lie in small packs mostly: last, so that who receives the packs before can take those over as they are.
    picked = sorted(what.picked.items(), key=lambda one: (_length(packs.path(one[0])) < WORTH_ITSELF, one[0]))
    counts = {name: index.count(positions) for name, positions in _indexes(packs)}
    builder = _Builder()
    room = _Room()
    for name, rows in (*picked, *sorted(damaged.items())):
        is_much = len(rows) * _GOOD_PART >= counts.get(name, 0)
        if is_much and (whole := room.read(packs.path(name), name, rows)) is not None:
            yield from builder.extend(rows, whole)
            continue
        for place, frame in _frames(packs, name, rows):
            yield from builder.add(place, frame)
    yield from builder.end()


def _length(path: str) -> int:
    """Bytes of a pack; 0 where it is gone."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _taken(rows: list[Row]) -> int:
    """The bytes of the frames that these records are of."""
    return len(rows) * HEADER.size + sum([row[2] for row in rows])


class _Room:
    """Where packs are read to, one in place of the other: memory that is new costs more than what is read into it."""

    def __init__(self) -> None:
        self._room = bytearray()

    def read(self, path: str, name: str, rows: list[Row]) -> memoryview | None:
        """The bytes of a pack, until the next one is read; None where they are not those that gave it its name, or
        frames are not where these records say."""
        try:
            with open(path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if size > len(self._room):
                    self._room = bytearray(-(-size // _ROUND) * _ROUND)
                data, at = memoryview(self._room)[:size], 0
                while at < size and (length := file.readinto(data[at:])):
                    at += length
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error(error, "read from the store") from error
        sound = at == size and blake3(data).hexdigest() == name and _lie_there(data, rows)
        return data if sound else None


def _lie_there(data: memoryview, rows: list[Row]) -> bool:
    """Whether a frame begins in a pack wherever these records say."""
    header, size = HEADER.unpack_from, len(data) - HEADER.size
    return all(
        offset + stored <= size and header(data, offset) == (kind, how, digest, stored, raw)
        for digest, offset, stored, raw, kind, how in rows
    )


def _frames(packs: Packs, name: str, rows: list[Row]) -> Iterator[tuple[Place, bytes]]:
    """Frames of one pack, proven one by one; where one is damaged, a copy of it in another pack."""
    decompressor = Decompressor()
    for place, frame in slices(packs.path(name), [Place(*row) for row in rows]):
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
        self._out = BytesIO()
        self._out.write(MAGIC)
        self._size = len(MAGIC)
        self._records: list[bytes] = []

    def add(self, place: Place, frame: bytes) -> Iterator[Draft]:
        """Add one frame; the pack that it had no room in, if any."""
        return self.extend([(place[0], 0, *place[2:6])], memoryview(frame))

    def extend(self, rows: list[Row], data: memoryview) -> Iterator[Draft]:
        """Add the frames of a pack that these records are of; the packs that are full meanwhile."""
        start = end = size = 0
        for digest, offset, stored, raw, kind, how in rows:
            length = HEADER.size + stored
            size = self._size + end - start
            is_full = size + length > PACK_LIMIT or len(self._records) >= MOST_FRAMES
            if is_full or offset != end:
                self._put(data[start:end])
                start = offset
            if is_full:
                yield from self.end()
                size = self._size
            self._records.append(index.RECORD.pack(digest, size, stored, raw, kind, how))
            end = offset + length
        self._put(data[start:end])

    def _put(self, data: memoryview) -> None:
        self._out.write(data)
        self._size += len(data)

    def end(self) -> Iterator[Draft]:
        """What is left, if anything."""
        if self._records:
            data, records = self._out.getvalue(), self._records
            self._reset()
            yield Draft("", data, b"", records)


def _packs(store: Store) -> Packs:
    store.see()
    return store.packs


def _indexes(packs: Packs) -> list[tuple[str, bytes]]:
    data = packs.indexes()
    return list(zip(packs.order, data, strict=True))
