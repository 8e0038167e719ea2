"""Which files differ between two trees. Folders that are equal are not opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloche.model.changes import PathChange
from cloche.model.paths import checked
from cloche.model.tree import EMPTY_DIGEST, Entry, Tree

Opener = Callable[[str, Entry], Tree]
"""Gives the tree of a folder: told its path text and its entry."""


def diff_trees(
    path: str, before: Entry | None, after: Entry | None, opener: tuple[Opener, Opener], *, whole: bool = False
) -> Iterator[PathChange]:
    """The files, links and empty folders at or below `path` that differ in kind or content, in the order of the trees.

    opener: for what was before and for what is after. whole: a folder that is to come where nothing is comes as one
    change, with the entry of its tree, instead of one for each file.
    """
    if _same(before, after):
        return
    checked(path)
    if before is None and after is not None and after.kind == "d" and whole:
        yield PathChange(path, None, after)
        return
    old, new = (_inside(path, entry, opens) for entry, opens in zip((before, after), opener, strict=True))
    one, other = (entry if entry is not None and not names else None for entry, names in ((before, old), (after, new)))
    if one is not None or other is not None:
        yield PathChange(path, one, other)
    for name in sorted(old.keys() | new.keys()):
        yield from diff_trees(f"{path}/{name}", old.get(name), new.get(name), opener, whole=whole)


def _inside(path: str, entry: Entry | None, opens: Opener) -> dict[str, Entry]:
    """What is directly in a folder by name; nothing for a file."""
    if entry is None or entry.kind != "d" or entry.digest == EMPTY_DIGEST:
        return {}
    return {below.name: below for below in opens(path, entry)}


def _same(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.kind, one.digest) == (other.kind, other.digest)
