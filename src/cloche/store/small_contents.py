"""Many small contents of one pack: frames that lie together are one read, and all of them are proven."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from cloche.store.codec import Decompressor
from cloche.store.frames import Place, open_small
from cloche.store.packs import READ, read_at

Contents = dict[bytes, bytes]
"""By raw digest."""

_GAP = 64 << 10  # bytes between two frames that are rather read than passed over
_SPAN = 4 << 20


def read_small_contents(path: str, places: Iterable[Place], decompressor: Decompressor) -> Contents:
    """The small contents at some places of a pack, as far as they are there and as they should be.

    What is not in the result has to be asked of the store, which tells why.
    """
    found: Contents = {}
    try:
        fd = os.open(path, READ)
        try:
            for span in _spans(sorted(set(places), key=attrgetter("offset"))):
                start = span[0].offset
                found |= open_small(read_at(fd, span[-1].end - start, start), start, span, decompressor)
        finally:
            os.close(fd)
    except OSError:
        pass  # what was found until then is as good
    return found


def _spans(places: Sequence[Place]) -> Iterator[list[Place]]:
    """Neighbours, which one read brings."""
    span: list[Place] = []
    for place in places:
        if span and (place.offset - span[-1].end > _GAP or place.end - span[0].offset > _SPAN):
            yield span
            span = []
        span.append(place)
    if span:
        yield span
