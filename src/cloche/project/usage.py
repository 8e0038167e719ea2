"""What takes how much of the store: the roots of every record, and what each of them is part of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from cloche.errors import Damaged, NotFound
from cloche.model.paths import inside
from cloche.model.usage import Used
from cloche.project.project import Project
from cloche.project.reach import Root, if_there, lock_roots, operation_roots, run_roots
from cloche.store.objects import Store
from cloche.store.shares import Shares

Progress = Callable[[int, int], None]
# One way to divide everything up: for each root, what it is counted under there.
Division = Callable[[Root, str], Used]


def all_roots(project: Project) -> Iterator[tuple[Root, str]]:
    """Everything that any record names, with the id of the run that names it, if one does. Removed runs count: `undo`
    brings them back, as long as `gc` leaves what they need."""
    should_be_here = set(project.catalog.ids("")) - project.catalog.elsewhere()
    for run in project.catalog.ids("", hidden=True):
        roots = run_roots(project.catalog.run(run))
        for root in roots if run in should_be_here else if_there(roots):
            yield root, run
    for root in lock_roots(project.tracked):
        yield root, ""
    for operation in project.catalog.operations():
        for root in if_there(operation_roots(operation)):
            yield root, ""


class Ledger:
    """Divides the store up in several ways at once. What two things of one division need is unique to neither."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shares = Shares(store)
        self._bits: dict[tuple[int, Used], int] = {}
        self._all: dict[int, int] = {}
        self._held: dict[tuple[int, Used], dict[tuple[str, str], int]] = {}
        self._pending: dict[tuple[bytes, bool], int] = {}

    def add(self, root: Root, things: Sequence[Used]) -> None:
        """Count a root under one thing of each division, in their order."""
        raw = bytes.fromhex(root.digest)
        owners = 0
        for key in enumerate(things):
            bit = self._bits.get(key)
            if bit is None:
                bit = self._bits[key] = 1 << len(self._bits)
                self._all[key[0]] = self._all.get(key[0], 0) | bit
            owners |= bit
            size = root.size or (0 if root.kind == "d" else self._shares.length(raw))
            self._held.setdefault(key, {})[(root.name, root.digest)] = size
        if root.optional and root.kind == "d" and not self._store.in_use(root.digest):
            return  # nobody misses it
        where = (raw, root.kind == "d")
        self._pending[where] = self._pending.get(where, 0) | owners

    def settle(self, progress: Progress | None = None) -> Settled:
        """What each thing takes."""
        for (raw, tree), owners in self._pending.items():
            self._shares.need(raw, owners, tree=tree)
        by_owners = self._shares.by_owners(progress)
        things = {key: self._measure(key, bit, by_owners) for key, bit in self._bits.items()}
        divisions: list[list[Used]] = [[] for _ in self._all]
        for (division, _), used in things.items():
            divisions[division].append(used)
        ordered = [tuple(sorted(one, key=lambda used: (-used.stored, used.path, used.run))) for one in divisions]
        return Settled(ordered, sum(by_owners.values()), by_owners.get(0, 0), self._shares.unreadable)

    def _measure(self, key: tuple[int, Used], bit: int, by_owners: Mapping[int, int]) -> Used:
        division, thing = key
        held = self._held[key]
        every = self._all[division]
        return Used(
            part=thing.part,
            path=thing.path,
            run=thing.run,
            digest=thing.digest,
            versions=len({digest for _, digest in held}),
            size=sum(held.values()),
            stored=sum(stored for owners, stored in by_owners.items() if owners & bit),
            unique=sum(stored for owners, stored in by_owners.items() if owners & every == bit),
        )


class Settled(NamedTuple):
    """divisions: what was counted, for each division. stored: bytes of all content; nothing: those that nothing needs.
    unreadable: folders that could not be looked into."""

    divisions: list[tuple[Used, ...]]
    stored: int
    nothing: int
    unreadable: int


def by_part(root: Root, run: str) -> Used:
    """Data, outputs, code ..."""
    return Used(part=root.part)


def by_path(root: Root, run: str) -> Used:
    """What is tracked or written under one name; the rest by part."""
    return Used(part=root.part, path=root.name if root.part in ("data", "outputs") else "")


def by_run(root: Root, run: str) -> Used:
    """The runs; what no run names, together."""
    return Used(run=run)


def of_run(run: str) -> Division:
    """What one run is made of; all else together."""
    return lambda root, whose: replace(by_path(root, whose), run=run) if whose == run else Used()


def of_path(path: str) -> Division:
    """What was ever at or below a path, version by version; all else together."""
    return lambda root, _: (
        Used(part=root.part, path=root.name, digest=root.digest)
        if root.part != "undo" and inside(root.name, path)
        else Used()
    )


def split(store: Store, root: Root, path: str) -> list[Root]:
    """A root in pieces, so that what it holds at `path` is one of them, if it holds anything there."""
    base = "" if root.part == "code" else root.name
    if root.kind != "d" or root.part == "undo" or path == base or not inside(path, base):
        return [root]
    found: list[Root] = []
    here = root._replace(name=base)
    for name in path[len(base) :].lstrip("/").split("/"):
        below = _below(store, here)
        if name not in below:
            return [root]
        found.append(here._replace(kind="f", size=0))  # the listing alone, without what it names
        here = below.pop(name)
        found += below.values()
    return [*found, here]


def _below(store: Store, root: Root) -> dict[str, Root]:
    try:
        tree = store.read_tree(root.digest) if root.kind == "d" else ()
    except (Damaged, NotFound):
        return {}
    start = f"{root.name}/" if root.name else ""
    return {
        one.name: root._replace(name=start + one.name, kind=one.kind, digest=one.digest, size=one.size) for one in tree
    }
