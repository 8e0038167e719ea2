"""Which files differ between two trees. Folders that are equal are not opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from cloche.errors import Damaged
from cloche.model.changes import PathChange
from cloche.model.paths import checked, checked_depth
from cloche.model.tree import EMPTY_DIGEST, Entry, RawEntry, entry_from, raw_entries
from cloche.store.objects import Store

Opener = Callable[[str, Entry], list[RawEntry]]
"""Gives what is directly in a folder: told its path text and its entry."""


@contextlib.contextmanager
def naming_folder(path: str) -> Iterator[None]:
    """Around what reads the list of a stored folder: an error names it by its path; an empty one is all the code."""
    try:
        yield
    except Damaged as error:
        what = f"{path}/" if path else "the code"
        raise Damaged(f"the store here has lost the list of {what}: {error.message}", hint=Damaged.advice) from error


def opener_of(store: Store) -> Opener:
    """Opens the folders that a store holds. Raises Damaged, NotFound."""

    def opened(path: str, folder: Entry) -> list[RawEntry]:
        with naming_folder(path):
            return raw_entries(store.read(folder.digest))

    return opened


def diff_trees(
    path: str, before: Entry | None, after: Entry | None, opener: tuple[Opener, Opener], *, whole: bool = False
) -> Iterator[PathChange]:
    """The files, links and empty folders at or below `path` that differ in kind or content, in the order of the trees.

    opener: for what was before and for what is after. whole: a folder that is to come where nothing is comes as one
    change, with the entry of its tree, instead of one for each file.
    """
    pending = [(path, before, after)]
    while pending:
        at, one, other = pending.pop()
        if _same(one, other):
            continue
        checked_depth(checked(at))
        if one is None and other is not None and other.kind == "d" and whole:
            yield PathChange(at, None, other)
            continue
        was, shall_be = _inside(at, one, opener[0]), _inside(at, other, opener[1])
        if (one and not was) or (other and not shall_be):
            yield PathChange(at, None if was else one, None if shall_be else other)
        old, new = ({one.name: one for one in map(entry_from, found)} for found in (was - shall_be, shall_be - was))
        names = sorted(old.keys() | new.keys(), reverse=True)
        pending += [(f"{at}/{name}", old.get(name), new.get(name)) for name in names]


def _inside(path: str, entry: Entry | None, opens: Opener) -> set[RawEntry]:
    """What is directly in a folder; nothing for a file."""
    if entry is None or entry.kind != "d" or entry.digest == EMPTY_DIGEST:
        return set()
    return set(opens(path, entry))


def _same(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.kind, one.digest) == (other.kind, other.digest)
