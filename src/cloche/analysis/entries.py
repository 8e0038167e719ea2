"""Which files differ between two listings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def moves(changes: Iterable[PathChange]) -> tuple[tuple[str, str], ...]:
    """The files among those removed that are among those added under another path: (before, after), sorted.

    Told by their content alone, so that empty files do not count. Of several with the same content, one with the same
    name is taken first.

    >>> one, other = Entry("a", "f", "00" * 32, 1), Entry("c", "f", "00" * 32, 1)
    >>> moves([PathChange("x/a", one, None), PathChange("x/c", None, other)])
    (('x/a', 'x/c'),)
    """
    removed: dict[tuple[str, str], list[str]] = {}
    added: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        entry, side = (change.before, removed) if change.after is None else (change.after, added)
        if change.act != "changed" and entry is not None and entry.kind in ("f", "x") and entry.size:
            side.setdefault((entry.kind, entry.digest), []).append(change.path)
    found = []
    for content in removed.keys() & added.keys():
        old, new = sorted(removed[content]), sorted(added[content])
        there: dict[str, list[str]] = {}
        for path in reversed(new):
            there.setdefault(path.rpartition("/")[2], []).append(path)
        by_name = [(path, there[name].pop()) for path in old if there.get(name := path.rpartition("/")[2])]
        gone, come = ({pair[at] for pair in by_name} for at in (0, 1))
        rest = zip((path for path in old if path not in gone), (path for path in new if path not in come), strict=False)
        found += [*by_name, *rest]
    return tuple(sorted(found))


def _content(entry: Entry | None) -> tuple[str, str] | None:
    if entry is None:
        return None
    return entry.kind, entry.digest or (EMPTY_DIGEST if entry.kind == "d" else "")
