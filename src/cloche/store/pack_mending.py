"""Making packs of another place as they were: an index from its pack, a pack from what is left of it and the store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from blake3 import blake3

from cloche.errors import Damaged
from cloche.store import index
from cloche.store.codec import Decompressor
from cloche.store.frames import MAGIC, Place, check_magic, open_frame, read_header
from cloche.store.objects import Store
from cloche.store.packs import Packs
from cloche.store.transfer import read_pack, slices


def index_of(data: bytes) -> bytes:
    """The index of a pack with these bytes, of which every one is as it was. Raises Damaged where it is no pack."""
    check_magic(data)
    rows: list[bytes] = []
    at = len(MAGIC)
    while at < len(data):
        place = read_header(data[at : at + 64], at)
        if place.end > len(data):
            raise Damaged("a pack is cut short")
        rows.append(index.encode_record(place))
        at = place.end
    return index.encode_index(blake3(data).digest(), rows)


def is_true(data: bytes) -> bool:
    """Whether everything in a pack with these bytes is what its digest says. Raises Damaged where it is no pack."""
    decompressor = Decompressor()
    places = [Place(*index.RECORD.unpack(row)) for row in index.records(index_of(data))]
    with contextlib.suppress(Damaged):
        for place in places:
            open_frame(data[place.offset : place.end], place, decompressor)
        return bool(places)
    return False


def made_again(store: Store, name: str, data: bytes, positions: Iterable[bytes]) -> bytes | None:
    """A pack byte for byte as it was; None where that cannot be.

    data: what is left of it. positions: indexes of which one may be its own.
    """
    store.see()
    whole = read_pack(store.packs.path(name))
    if blake3(whole).hexdigest() == name:
        return whole
    for one in positions:
        with contextlib.suppress(Damaged):
            found = _put_together(store.packs, data, index.check_index(one, bytes.fromhex(name)))
            if blake3(found).hexdigest() == name:
                return found
    return None


def _put_together(packs: Packs, data: bytes, positions: bytes) -> bytes:
    decompressor = Decompressor()
    places = [Place(*index.RECORD.unpack(row)) for row in index.records(positions)]
    parts, at = [MAGIC], len(MAGIC)
    for place in sorted(places, key=lambda one: one.offset):
        if place.offset != at:
            raise Damaged("an index leaves something out")
        parts.append(_good(packs, place, data[place.offset : place.end], decompressor))
        at = place.end
    return b"".join(parts)


def _good(packs: Packs, place: Place, frame: bytes, decompressor: Decompressor) -> bytes:
    """A frame that is as it was: what is left of it, or one of the store. Raises Damaged where there is none."""
    with contextlib.suppress(Damaged):
        open_frame(frame, place, decompressor)
        return frame
    names = packs.order
    for other in packs.places(place.digest):
        if other[2:6] == place[2:6]:
            for _, found in slices(packs.path(names[other.pack]), [other]):
                with contextlib.suppress(Damaged):
                    open_frame(found, other, decompressor)
                    return found
    raise Damaged(f"{place.digest.hex()[:12]} is not here as it was")
