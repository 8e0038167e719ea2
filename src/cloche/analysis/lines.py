"""Which lines of two texts belong together: `difflib`, kept quick on long and on repetitive texts."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher

Block = tuple[int, int, int]  # start in the old lines, start in the new ones, length

MAX_COST = 2_000_000  # of one gap, in steps; about 0.2 s at worst


class LineMatcher(SequenceMatcher[str]):
    """A SequenceMatcher that first pins the lines that either side has only once (as a patience diff does), and leaves
    to `difflib` the gaps between them. A gap in which that would take too long counts as replaced as a whole."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new)
        self._old, self._new = old, new

    def get_matching_blocks(self) -> list[Match]:
        """The matching blocks, in order and never touching each other, and the empty one at the end."""
        blocks: list[Block] = []
        for i, j, length in _blocks(self._old, self._new):
            if blocks and (blocks[-1][0] + blocks[-1][2], blocks[-1][1] + blocks[-1][2]) == (i, j):
                blocks[-1] = (blocks[-1][0], blocks[-1][1], blocks[-1][2] + length)
            elif length:
                blocks.append((i, j, length))
        return [Match(*block) for block in (*blocks, (len(self._old), len(self._new), 0))]


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[Block]:
    start, end = _shared(old, new)
    yield (0, 0, start)
    stop_old, stop_new = len(old) - end, len(new) - end
    i, j = start, start
    for at_old, at_new in (*_anchors(old[start:stop_old], new[start:stop_new]), (stop_old - start, stop_new - start)):
        stop = (start + at_old, start + at_new)
        yield from ((i + a, j + b, length) for a, b, length in _gap(old[i : stop[0]], new[j : stop[1]]))
        if at_old < stop_old - start:
            yield (*stop, 1)
        i, j = stop[0] + 1, stop[1] + 1
    yield (stop_old, stop_new, end)


def _shared(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines both begin with, and how many of the rest both end with."""
    most = min(len(old), len(new))
    start = next((at for at in range(most) if old[at] != new[at]), most)
    most -= start
    end = next((at for at in range(most) if old[-1 - at] != new[-1 - at]), most)
    return start, end


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The longest run of lines, in the same order on both sides, that each side has exactly once."""
    often_old, often_new = Counter(old), Counter(new)
    place = {line: at for at, line in enumerate(new) if often_new[line] == 1}
    pairs = [(at, place[line]) for at, line in enumerate(old) if often_old[line] == 1 and line in place]
    ends: list[int] = []  # the smallest new place at which a run of each length can end
    best: list[int] = []  # the pair that ends it
    before: list[int] = []
    for number, (_, at) in enumerate(pairs):
        length = bisect.bisect_left(ends, at)
        before.append(best[length - 1] if length else -1)
        ends[length : length + 1] = [at]
        best[length : length + 1] = [number]
    found: list[tuple[int, int]] = []
    number = best[-1] if best else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _gap(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    if not old or not new:
        return []
    often = Counter(new)
    matches = sum(often[line] for line in old)
    if not matches or min(len(old), len(new)) * len(old) + matches > MAX_COST:
        return []
    return [(match.a, match.b, match.size) for match in SequenceMatcher(None, old, new).get_matching_blocks()[:-1]]
