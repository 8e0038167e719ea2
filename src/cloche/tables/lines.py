"""Comparing text tables line by line, where they cannot be cut into rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from cloche.model.content import RowChange
from cloche.tables.dialect import BROKEN, Unreadable, open_text, reason
from cloche.tables.examples import EXAMPLES, cut

MAX_BYTES = 100_000_000  # of either file, uncompressed; a line takes some 100 bytes of memory more than it is long
_PIECE = 1 << 20
_START = 200
_SHOWN = 40


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


def compare_lines(before: Path, after: Path) -> tuple[int, int, tuple[RowChange, ...]]:
    """Lines that only `after` has, and lines that only `before` has, in any order, and the first few of each. How lines
    end does not count.

    Raises Unreadable, for files above 100 MB too.
    """
    old, new = _lines(before), _lines(after)
    added, removed = new - old, old - new
    examples = (*_examples(after, "added", added), *_examples(before, "removed", removed))
    return added.total(), removed.total(), examples


def _examples(file: Path, act: Literal["added", "removed"], alone: Counter[bytes]) -> Iterator[RowChange]:
    left, found = Counter(alone), 0
    with open_text(file) as (stream, _):
        for number, line in enumerate(stream, 1):
            text = line.rstrip(b"\r\n")
            if found == EXAMPLES or found == alone.total():
                return
            if left[text] > 0:
                left[text] -= 1
                found += 1
                shown: dict[str, str | None] = {"text": cut(text.decode("utf-8", "replace"))}
                key: dict[str, str | None] = {"line": str(number)}
                after, before = (shown, {}) if act == "added" else ({}, shown)
                yield RowChange(act, key, before, after)


def find_line(file: Path, row: int, text: str) -> tuple[int, str]:
    """The number of the line on which a row stands, which is not that of the row where values hold line ends, and how
    the line begins. Where it is not found, the number of the row stands for it."""
    start = text.split("\n", maxsplit=1)[0].rstrip("\r")[:_START].encode()
    try:
        with open_text(file) as (stream, _):
            for number, line in enumerate(stream, 1):
                if number >= row and line.startswith(start):
                    return number, cut(text, _SHOWN)
    except BROKEN:
        pass
    return row, cut(text, _SHOWN)


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
