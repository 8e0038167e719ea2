"""Did you mean: the known word that is nearest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

_LONGEST = 80  # nobody mistypes a longer word by accident, and comparing takes the square of the length
_MOST = 2_000


def closest_key(key: str, known: Sequence[str]) -> str | None:
    """The one of `known` dotted keys that `key` was meant to be: the nearest one, or one with the same last part.

    >>> closest_key("lr", ["train.lr", "train.epochs"])
    'train.lr'
    """
    last = key.rpartition(".")[2]
    return closest(key, known) or next((one for one in known if one.rpartition(".")[2] == last), None)


def closest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was most likely meant to be, or None. Upper and lower case count as near.

    Bounded: very long words, and all but the first 2,000 known ones, are not looked at.

    >>> closest("rnu", ["run", "reads", "writes"])
    'run'
    >>> closest("banana", ["run", "reads"]) is None
    True
    """
    import difflib

    if not word or len(word) > _LONGEST:
        return None
    folded: dict[str, str] = {}
    for one in islice(known, _MOST):
        if len(one) <= _LONGEST:
            folded.setdefault(one.casefold(), one)
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None
