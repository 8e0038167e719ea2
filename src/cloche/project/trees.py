"""Trees of what lies in the work tree: built once, then recalled for as long as every file is the same."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cloche.capture.cache import load, save
from cloche.model.digest import Digest, digest_bytes
from cloche.model.tree import EMPTY_DIGEST, Entry, build_tree, children
from cloche.project.project import Project

CACHE = "trees.json"
MOST = 256

_Known = dict[Digest, tuple[Digest, int, int]]


def tree_of(project: Project, files: Mapping[str, Entry], name: str = "", *, keep: bool = False) -> Entry:
    """The entry of a directory, from the files below it by path text. keep: its trees go into the store.

    Building the trees of 10,000 files takes 50 ms, recalling them 5. What is recalled is decided by the files' names,
    kinds and digests alone, so it cannot be out of date.
    """
    rows = [(path, entry.kind, entry.digest, entry.size) for path, entry in files.items()]
    mark = digest_bytes(msgspec.msgpack.encode(rows))
    place = project.folder / "cache" / CACHE
    known = load(place, _Known) or {}
    if mark in known:
        digest, size, count = known[mark]
        if not keep or _is_kept(project, digest):
            return Entry(name, "d", digest, size, count)
    built = build_tree(files, name)
    if keep:
        store_trees(project, built.trees)
    entry = built.entry
    fresh = {mark: (entry.digest, entry.size, entry.count)}
    save(place, dict([*((key, one) for key, one in known.items() if key != mark)][1 - MOST :]) | fresh)
    return entry


def _is_kept(project: Project, digest: Digest) -> bool:
    """Whether the store holds a tree and all trees below it: one that came from elsewhere may have come alone."""
    pending = [digest]
    while pending:
        digest = pending.pop()
        if digest == EMPTY_DIGEST:
            continue
        if not project.store.has(digest):
            return False
        pending += [raw.hex() for kind, raw in children(project.store.read(digest)) if kind == b"d"]
    return True


def store_trees(project: Project, trees: Mapping[Digest, bytes]) -> None:
    """Store trees, all in one commit."""
    if project.store.missing(trees):
        with project.store.writer() as writer:
            for data in trees.values():
                writer.add_tree(data)


def entry_at(project: Project, path: str, entries: Mapping[str, Entry], *, keep: bool = True) -> Entry:
    """One entry for a path: the file itself, or the tree of everything below it. keep: its trees go into the store."""
    name = path.rpartition("/")[2]
    single = entries.get(path)
    if single is not None and single.kind != "d":
        return Entry(name, single.kind, single.digest, single.size)
    start = len(path) + 1
    below = {file[start:]: entry for file, entry in entries.items() if file != path}
    return tree_of(project, below, name, keep=keep)
