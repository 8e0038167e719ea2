"""Pieces of sentences that messages share."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 3
_LONGEST = 100


def some(names: Sequence[str]) -> str:
    """The first three names, and how many more there are.

    >>> some(["a", "b"]), some(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def quoted_line(text: str, number: int) -> str:
    """Where to look for a mistake: the line of a text with this number, from 1; where there is none, the last one.

    >>> quoted_line("lr = 0.1\nlr = = 2\n", 2)
    'the line reads: lr = = 2'
    """
    lines = text.splitlines()
    if not lines:
        return "the file is empty"
    line = (lines[number - 1] if 0 < number <= len(lines) else lines[-1]).strip()
    return "the line reads: " + (line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
