"""Three-way merge of `cloche.lock`: path by path, and where both sides changed a folder, file by file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from cloche.errors import Damaged, NotFound
from cloche.model.digest import Digest, digest_bytes
from cloche.model.lock import render_lock
from cloche.model.paths import above
from cloche.model.snapshot import Tracked
from cloche.model.tree import Entry, Tree, encode_tree, entry_of

Read = Callable[[Digest], Tree]
Sides = tuple[Entry | None, Entry | None, Entry | None]  # base, ours, theirs

_DEEPEST = 200


@dataclass
class Merged:
    """paths: what both sides agree on, or could be merged. conflicts: by tracked path, the files that both sides
    changed in other ways. unknown: paths that both sides changed, and whose folders cannot all be read. trees: the
    bytes of the folders that were made, by digest."""

    paths: dict[str, Tracked] = field(default_factory=dict)
    conflicts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    trees: dict[Digest, bytes] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    @property
    def open(self) -> set[str]:
        """The paths that somebody has to decide about."""
        return self.conflicts.keys() | self.unknown


def merge_locks(
    base: Mapping[str, Tracked], ours: Mapping[str, Tracked], theirs: Mapping[str, Tracked], read: Read
) -> Merged:
    """Merge tracked paths. `read` gives a folder by its digest, or raises NotFound or Damaged."""
    merged = Merged()
    for path in sorted(base.keys() | ours.keys() | theirs.keys()):
        before, one, other = ((entry_of(side[path]) if path in side else None) for side in (base, ours, theirs))
        found: list[str] = []
        try:
            entry = _merge((before, one, other), path, read, merged.trees, found)
        except (NotFound, Damaged):
            merged.unknown.add(path)
            continue
        if found:
            merged.conflicts[path] = tuple(found)
        elif entry is not None:
            merged.paths[path] = Tracked(path, entry.kind, entry.digest, entry.size, entry.count)
    for path in list(merged.paths):
        outer = next((one for one in above(path) if one in merged.paths), None)
        if outer is not None:  # one side tracked a folder, the other something in it
            merged.conflicts[path] = merged.conflicts[outer] = (path,)
    for path in merged.conflicts:
        merged.paths.pop(path, None)
    return merged


def conflict_text(
    merged: Merged, base: Mapping[str, Tracked], ours: Mapping[str, Tracked], theirs: Mapping[str, Tracked]
) -> str:
    """The text of `cloche.lock` with Git's marks round each path that could not be merged."""
    header, *_ = render_lock(()).splitlines()
    lines = [header]
    for path in sorted(merged.paths.keys() | merged.open):
        if path in merged.paths:
            lines.append(_line(merged.paths[path]))
            continue
        for mark, side in (("<<<<<<< ours", ours), ("||||||| base", base), ("=======", theirs)):
            lines += [mark, *([_line(side[path])] if path in side else [])]
        lines.append(">>>>>>> theirs")
    return "\n".join(lines) + "\n"


def _line(item: Tracked) -> str:
    return render_lock([item]).splitlines()[1]


def _merge(sides: Sides, path: str, read: Read, trees: dict[Digest, bytes], conflicts: list[str]) -> Entry | None:
    """What three versions of one path make; conflicts are added to the list."""
    base, ours, theirs = sides
    if _same(ours, theirs) or _same(base, theirs):
        return ours
    if _same(base, ours):
        return theirs
    if ours is not None and theirs is not None:
        if ours.kind == theirs.kind == "d" and path.count("/") < _DEEPEST:
            return _merge_folders((base, ours, theirs), path, read, trees, conflicts)
        if base is not None and {base.kind, ours.kind, theirs.kind} <= {"f", "x"}:
            both = _merge_bits(base, ours, theirs)
            if both is not None:
                return both
    conflicts.append(path)
    return ours


def _merge_folders(
    sides: tuple[Entry | None, Entry, Entry], path: str, read: Read, trees: dict[Digest, bytes], conflicts: list[str]
) -> Entry:
    base, ours, theirs = (
        {entry.name: entry for entry in read(side.digest)} if side is not None and side.kind == "d" else {}
        for side in sides
    )
    found: list[Entry] = []
    for name in sorted(base.keys() | ours.keys() | theirs.keys()):
        inner = (base.get(name), ours.get(name), theirs.get(name))
        entry = _merge(inner, f"{path}/{name}", read, trees, conflicts)
        if entry is not None:
            found.append(entry)
    data = encode_tree(found)
    digest = digest_bytes(data)
    trees[digest] = data
    size, count = sum(entry.size for entry in found), sum(entry.count for entry in found)
    return Entry(sides[1].name, "d", digest, size, count)


def _merge_bits(base: Entry, ours: Entry, theirs: Entry) -> Entry | None:
    """One side changed the content, the other whether it can be executed; None where both changed the content."""
    if base.digest not in (ours.digest, theirs.digest):
        return None
    kind = theirs.kind if base.kind == ours.kind else ours.kind
    return replace(theirs if base.digest == ours.digest else ours, kind=kind)


def _same(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.kind, one.digest) == (other.kind, other.digest)
