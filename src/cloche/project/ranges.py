"""Which pieces of the packs of a remote to read, so that few requests bring little that nobody needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cloche.store.frames import HEADER, Place

GAP = 256 << 10
LARGEST_READ = 64 << 20
_MOST = 32 << 20


class Range(NamedTuple):
    """A piece of a pack, by the number of it, and where what is wanted lies in it."""

    pack: int
    start: int
    length: int
    places: list[Place]


def ranges(places: Iterable[Place], sizes: Sequence[int]) -> list[Range]:
    """What to read: whole packs of which most is needed, and else pieces that lie close together. sizes: by pack."""
    by_pack: dict[int, list[Place]] = defaultdict(list)
    for lies in places:
        by_pack[lies.pack].append(lies)
    found: list[Range] = []
    for pack, listed in sorted(by_pack.items()):
        size = sizes[pack]
        listed.sort(key=lambda lies: lies.offset)
        most = 2 * sum(HEADER.size + lies.stored for lies in listed) >= size
        if (most and size <= LARGEST_READ) or size <= GAP:
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
