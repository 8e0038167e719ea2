"""Which files differ between two listings."""

from __future__ import annotations

from collections.abc import Mapping

from cloche.model.changes import PathChange
from cloche.model.tree import EMPTY_DIGEST, Entry


def diff_entries(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> tuple[PathChange, ...]:
    """The paths whose entries differ in kind or content, sorted by path.

    The names within the entries do not count, the paths do. An empty directory may come with or without the digest
    of the empty tree.

    >>> one = Entry("a", "f", "00" * 32, 1)
    >>> [change.act for change in diff_entries({"a": one, "b": one}, {"b": one, "c": one})]
    ['removed', 'added']
    """
    paths = sorted(before.keys() | after.keys())
    pairs = ((path, before.get(path), after.get(path)) for path in paths)
    return tuple(PathChange(path, one, other) for path, one, other in pairs if _content(one) != _content(other))


def _content(entry: Entry | None) -> tuple[str, str] | None:
    if entry is None:
        return None
    return entry.kind, entry.digest or (EMPTY_DIGEST if entry.kind == "d" else "")
