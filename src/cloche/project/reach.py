"""What a record needs: the digests that must be in a store for it to be put back, down to the chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from cloche.model.digest import Digest
from cloche.model.operation import FilesEffect, Operation
from cloche.model.paths import inside
from cloche.model.run import Run
from cloche.model.snapshot import Tracked
from cloche.model.tree import EMPTY_DIGEST, Kind, Located, children
from cloche.store.objects import Store
from cloche.store.recipes import RECIPE

Part = Literal["data", "outputs", "code", "config", "read", "logs", "undo"]


class Root(NamedTuple):
    """Content that a record names. name: what it is to a user, a path or "the code". optional: it may be that only its
    digest was recorded, so a store without it has lost nothing. part: what it was to the run. size: in bytes, as far
    as the record tells."""

    name: str
    kind: Kind
    digest: Digest
    optional: bool = False
    part: Part = "undo"
    size: int = 0


def run_roots(run: Run) -> Iterator[Root]:
    """Everything that a run is made of: inputs, what it read besides, outputs of it and its stages, its log."""
    snapshot = run.snapshot
    yield Root("the code", "d", snapshot.code.tree, part="code", size=snapshot.code.size)
    stays = snapshot.data.in_place
    yield from _named("data", snapshot.data.paths, stays)
    yield from _named("config", snapshot.config.files)
    yield from _named("outputs", run.outputs, stays)
    yield from _named("outputs", (item for stage in run.stages for item in stage.outputs), stays)
    yield from if_there(_named("read", run.observed))
    if run.log:
        yield Root("its log", "f", run.log, part="logs")


def if_there(roots: Iterable[Root]) -> Iterator[Root]:
    """The same, of which a store that does not hold them has lost nothing."""
    return (root._replace(optional=True) for root in roots)


def lock_roots(tracked: Iterable[Tracked], in_place: Iterable[str] = ()) -> Iterator[Root]:
    """Everything that a `cloche.lock` names. in_place: paths of which only the digests are recorded."""
    return _named("data", tracked, tuple(in_place))


def operation_roots(operation: Operation) -> Iterator[Root]:
    """The files that undoing an operation, or undoing that, brings back."""
    for effect in operation.effects:
        if isinstance(effect, FilesEffect):
            yield Root("the files before it", "d", effect.before)
            yield Root("the files after it", "d", effect.after)


def _named(part: Part, items: Iterable[Located], in_place: Sequence[str] = ()) -> Iterator[Root]:
    for item in items:
        optional = any(inside(item.path, one) for one in in_place)
        yield Root(item.path, item.kind, item.digest, optional, part, item.size)


class Reached:
    """What roots need, collected; `raw in reached` asks for a raw digest.

    named: raw digests of trees and files that the store holds, in packs or as loose files. chunks: those that the large
    ones were cut into. missing: those that the store does not hold and should; missing_trees: those of them that are
    trees; broken: large ones that have a missing chunk.
    """

    def __init__(self, store: Store) -> None:
        self.named: set[bytes] = set()
        self.chunks: set[bytes] = set()
        self.missing: set[bytes] = set()
        self.missing_trees: set[bytes] = set()
        self.broken: set[bytes] = set()
        self._store = store
        self._trees: set[bytes] = set()

    def __contains__(self, raw: object) -> bool:
        return raw in self.named or raw in self.chunks

    def add(self, roots: Iterable[Root]) -> None:
        """Collect what these roots need; what was collected already is not looked at again.

        Raises Damaged where a tree or a list of chunks cannot be read: what it names cannot be known.
        """
        self._store.see()
        trees: list[tuple[bytes, bool]] = []
        files: dict[bool, set[bytes]] = {False: set(), True: set()}
        for root in roots:
            raw = bytes.fromhex(root.digest)
            if root.kind == "d":
                trees.append((raw, root.optional))
            else:
                self._take(raw, root.optional)
        while trees:
            raw, optional = trees.pop()
            # Seen apart: a file may have the bytes of a tree, and needs nothing of what that names.
            if raw == _EMPTY or raw in self._trees:
                continue
            if not self._take(raw, optional):
                self.missing_trees |= set() if optional else {raw}
                continue
            if raw in self.broken:
                continue
            self._trees.add(raw)
            below = children(self._store.read(raw.hex()))
            trees += [(digest, optional) for kind, digest in below if kind == b"d"]
            files[optional].update([digest for kind, digest in below if kind != b"d"])
        for optional, found in files.items():
            self._take_all(found - self.named, optional)

    def _take_all(self, raws: set[bytes], optional: bool) -> None:
        """Collect very many digests; most of them are whole, and in packs."""
        plain = self._store.packs.plain(raws)
        self.named |= plain
        for raw in raws - plain:
            self._take(raw, optional)

    def _take(self, raw: bytes, optional: bool) -> bool:
        """Collect one digest and its chunks; False where the store does not hold it."""
        packs = self._store.packs
        places = packs.places(raw)
        if not places and packs.holds(raw):  # back from quarantine
            places = packs.places(raw)
        if not places and not self._store.loose.holds(raw):
            if not optional:
                self.missing.add(raw)
            return False
        self.named.add(raw)
        if any(place.kind == RECIPE for place in places):
            self._add_chunks(raw, optional=optional)
        return True

    def _add_chunks(self, raw: bytes, *, optional: bool) -> None:
        chunks = self._store.chunks(raw)
        gone = {bytes.fromhex(one) for one in self._store.missing(one.hex() for one in chunks)} if chunks else set()
        self.chunks.update(chunks)
        if gone and not optional:
            self.missing |= gone
            self.broken.add(raw)


_EMPTY = bytes.fromhex(EMPTY_DIGEST)
