"""Comparing text tables line by line, where they cannot be cut into rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cloche.tables.dialect import BROKEN, Unreadable, open_text, reason

MAX_BYTES = 100_000_000  # of either file, uncompressed; a line takes some 100 bytes of memory more than it is long
_PIECE = 1 << 20


def count_lines(file: Path) -> int:
    """The lines of a file, a last one without its end included. Raises Unreadable."""
    lines, last = 0, b"\n"
    try:
        with open_text(file) as (stream, _):
            while piece := stream.read(_PIECE):
                lines += piece.count(b"\n")
                last = piece
    except BROKEN as error:
        raise Unreadable(reason(error)) from None
    return lines + (not last.endswith(b"\n"))


def compare_lines(before: Path, after: Path) -> tuple[int, int]:
    """Lines that only `after` has, and lines that only `before` has, in any order. How lines end does not count.

    Raises Unreadable, for files above 100 MB too.
    """
    old, new = _lines(before), _lines(after)
    return (new - old).total(), (old - new).total()


def _lines(file: Path) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    left = MAX_BYTES
    try:
        with open_text(file) as (stream, _):
            while line := stream.readline(left + 1):
                left -= len(line)
                if left < 0:
                    raise Unreadable("is too large to compare line by line")
                found[line.rstrip(b"\r\n")] += 1
    except BROKEN as error:
        raise Unreadable(reason(error)) from None
    return found
