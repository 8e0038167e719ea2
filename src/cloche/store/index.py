r"""Indexes: where each digest lies in a pack. They are derived from packs, and rebuilt when missing or damaged.

`packs/ab/<digest of the pack>.index`, all numbers little endian:

| bytes | what |
|---|---|
| 15 | `cloche-index-1\n` |
| 32 | digest of the pack |
| 4 | number of records |
| 256 x 4 | fan-out: for each value of a digest's first byte, the number of records up to and including that value |
| 46 each | records by digest: digest (32), offset of the frame, stored and raw length (4 each), kind (1), codec (1) |
| 32 | BLAKE3-256 of all bytes before |
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from blake3 import blake3

from cloche.errors import Damaged
from cloche.store.frames import Place

MAGIC = b"cloche-index-1\n"
RECORD = struct.Struct("<32sIIIcc")
Row = tuple[bytes, int, int, int, bytes, bytes]
"""What a record says: digest, offset, stored and raw length, kind, codec."""
_HEAD = struct.Struct("<15s32sI")
_FANOUT = struct.Struct("<256I")
_START = _HEAD.size + _FANOUT.size
_SUM = 32
_KIND = RECORD.size - 2


def encode_record(place: Place) -> bytes:
    """A record; its number of the pack is left out."""
    return RECORD.pack(*place[:6])


def encode_index(pack: bytes, records: Iterable[bytes]) -> bytes:
    """The index of the pack with this digest."""
    rows = sorted(records)
    firsts = [row[0] for row in rows]
    fanout = _FANOUT.pack(*(bisect_right(firsts, value) for value in range(256)))
    body = b"".join((_HEAD.pack(MAGIC, pack, len(rows)), fanout, *rows))
    return body + blake3(body).digest()


def check_index(data: bytes, pack: bytes) -> bytes:
    """`data` if it is an index of that pack as it was written. Raises Damaged."""
    if len(data) < _START + _SUM or blake3(memoryview(data)[:-_SUM]).digest() != data[-_SUM:]:
        raise Damaged("an index of the store is damaged")
    magic, whose, count = _HEAD.unpack_from(data)
    if magic != MAGIC or whose != pack or len(data) != _START + count * RECORD.size + _SUM:
        raise Damaged("an index of the store belongs to another pack")
    fanout = list(_FANOUT.unpack_from(data, _HEAD.size))
    if fanout[-1] != count or fanout != sorted(fanout):
        raise Damaged("an index of the store counts wrong")
    return data


def bucket(data: bytes, first: int) -> list[bytes]:
    """The records whose digest begins with the byte `first`."""
    low, high = struct.unpack_from("<II", data, _HEAD.size + 4 * first - 4)
    low = low if first else 0
    return [data[at : at + RECORD.size] for at in _offsets(low, high)]


def find(data: bytes, digest: bytes) -> bytes:
    """The record of a digest; empty where there is none."""
    low, high = struct.unpack_from("<II", data, _HEAD.size + 4 * digest[0] - 4)
    start, end = _START + (low if digest[0] else 0) * RECORD.size, _START + high * RECORD.size
    at = data.find(digest, start, end)
    while at >= 0 and (at - start) % RECORD.size:  # the same bytes across two records
        at = data.find(digest, at + 1, end)
    return data[at : at + RECORD.size] if at >= 0 else b""


def records(data: bytes) -> Iterator[bytes]:
    """All records, by digest."""
    count = _HEAD.unpack_from(data)[2]
    return (data[at : at + RECORD.size] for at in _offsets(0, count))


def digests(data: bytes) -> list[bytes]:
    """The raw digests of all records, in their order."""
    count = _HEAD.unpack_from(data)[2]
    return [data[at : at + 32] for at in _offsets(0, count)]


def rows(data: bytes) -> memoryview:
    """The bytes of all records, each as `RECORD` has it."""
    return memoryview(data)[_START:-_SUM]


def count(data: bytes) -> int:
    """How many records there are."""
    found: int = _HEAD.unpack_from(data)[2]
    return found


def kinds(data: bytes) -> bytes:
    """The kind of each record, in their order."""
    return bytes(rows(data)[_KIND :: RECORD.size])


def unpacked(data: bytes) -> Iterator[Row]:
    """What all records say, by digest."""
    return RECORD.iter_unpack(rows(data))


def _offsets(low: int, high: int) -> range:
    return range(_START + low * RECORD.size, _START + high * RECORD.size, RECORD.size)
