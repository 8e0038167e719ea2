"""Which bytes of packs to read at once, to get frames of them with few requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cloche.store.frames import HEADER, Place

GAP = 256 << 10
_MOST = 32 << 20
LARGEST_WHOLE = 2 * _MOST


class Range(NamedTuple):
    """Bytes of a pack, and the frames in them."""

    pack: int
    start: int
    length: int
    places: list[Place]


def to_read(places: Iterable[Place], size_of: Callable[[int], int]) -> list[Range]:
    """What to read: whole packs of which most is needed, and else pieces that lie close together. size_of: the bytes of
    a pack, by its number."""
    by_pack: dict[int, list[Place]] = defaultdict(list)
    for lies in places:
        by_pack[lies.pack].append(lies)
    found: list[Range] = []
    for pack, listed in sorted(by_pack.items()):
        size = size_of(pack)
        listed.sort(key=lambda lies: lies.offset)
        most = 2 * sum(HEADER.size + lies.stored for lies in listed) >= size
        if (most and size <= LARGEST_WHOLE) or size <= GAP:
            found.append(Range(pack, 0, size, listed))
            continue
        start, end, near = listed[0].offset, listed[0].end, [listed[0]]
        for lies in listed[1:]:
            if lies.offset - end > GAP or max(end, lies.end) - start > _MOST:
                found.append(Range(pack, start, end - start, near))
                start, end, near = lies.offset, lies.end, []
            near.append(lies)
            end = max(end, lies.end)
        found.append(Range(pack, start, end - start, near))
    return found
