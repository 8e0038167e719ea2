"""Very many digests in little memory: rows of bytes in 65,536 heaps by the first two bytes of their digests.

Digests are spread evenly, so that a heap holds few rows, and is searched faster than a Python set of as many would be
filled; a set takes four times the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class DigestTable:
    """Rows of `width` bytes that begin with a digest of 32; in no order. The same row may be there twice."""

    def __init__(self, width: int = 32) -> None:
        self._width = width
        self._heaps: dict[bytes, bytearray] = {}

    def add(self, row: bytes) -> None:
        """Add one row."""
        heap = self._heaps.get(row[:2])
        if heap is None:
            self._heaps[row[:2]] = bytearray(row)
        else:
            heap += row

    def update(self, rows: Iterable[bytes]) -> None:
        """Add rows."""
        for row in rows:
            self.add(row)

    def __contains__(self, digest: bytes) -> bool:
        heap = self._heaps.get(digest[:2])
        return heap is not None and self._find(heap, digest, 0) >= 0

    def first(self, digest: bytes) -> bytes:
        """One of the rows that begin with a digest; empty where there is none."""
        heap = self._heaps.get(digest[:2])
        at = -1 if heap is None else self._find(heap, digest, 0)
        return bytes(heap[at : at + self._width]) if heap is not None and at >= 0 else b""

    def rows(self, digest: bytes) -> Iterator[bytes]:
        """The rows that begin with a digest."""
        heap = self._heaps.get(digest[:2])
        at = -1 if heap is None else self._find(heap, digest, 0)
        while heap is not None and at >= 0:
            yield bytes(heap[at : at + self._width])
            at = self._find(heap, digest, at + self._width)

    def _find(self, heap: bytearray, digest: bytes, start: int) -> int:
        at = heap.find(digest, start)
        while at > 0 and at % self._width:  # the same bytes across two rows
            at = heap.find(digest, at + 1)
        return at
