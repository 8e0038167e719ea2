"""Who needs which bytes of the packs: each frame once, with the set of all that reach it.

The trees are a graph without cycles. They are read twice: once to find an order in which every tree comes after those
that name it, once to hand on in that order who needs what. So it takes time by what there is, not by who asks, and
memory of some hundred bytes a frame at the most.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Callable, Iterator

from cloche.errors import Damaged, NotFound
from cloche.model.tree import EMPTY_DIGEST, MAGIC
from cloche.store.frames import HEADER
from cloche.store.index import rows
from cloche.store.objects import Store
from cloche.store.recipes import RECIPE

# The first eight bytes of a digest stand for it: no two of a store are the same by chance, and nothing is kept or
# deleted on the strength of it.
_KEY = struct.Struct("<Q")
_RECORD = struct.Struct("<Q24sIIIcc")
_ROW = struct.Struct("<cQ24xQQH")
_EMPTY = bytes.fromhex(EMPTY_DIGEST)


class Shares:
    """Collect who needs what with `need`, then ask once for `by_owners`.

    Owners are numbered from 0; a set of them is an int with these bits.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers: dict[int, int] = {}
        self._stored = array("Q")
        self._lengths = array("Q")
        self._recipes: dict[int, bytes] = {}
        for data in store.indexes():
            for key, rest, _, stored, raw, kind, _ in _RECORD.iter_unpack(rows(data)):
                number = self._numbers.setdefault(key, len(self._stored))
                if number == len(self._stored):
                    self._stored.append(0)
                    self._lengths.append(raw)
                self._stored[number] += HEADER.size + stored
                if kind == RECIPE:
                    self._recipes[number] = _KEY.pack(key) + rest
        for digest, size in store.loose.all():
            number = self._numbers.setdefault(_KEY.unpack_from(bytes.fromhex(digest))[0], len(self._stored))
            if number == len(self._stored):
                self._stored.append(0)
                self._lengths.append(size)
            self._stored[number] += size
        self._labels = array("I", bytes(4 * len(self._stored)))
        self._trees: dict[bytes, int] = {}
        self._sets = _Sets()
        self._broken: set[bytes] = set()

    @property
    def unreadable(self) -> int:
        """How many trees and lists of chunks could not be read; what they name counts as needed by nobody."""
        return len(self._broken)

    def need(self, raw: bytes, owners: int, *, tree: bool = False) -> None:
        """Content with this raw digest is needed by these owners; of a tree, everything below it too."""
        label = self._sets.label(owners)
        if tree and raw != _EMPTY:
            self._trees[raw] = self._sets.joined(self._trees.get(raw, 0), label)
        self._mark(_KEY.unpack_from(raw)[0], label)

    def length(self, raw: bytes) -> int:
        """The bytes of content without compression, or of the list of its chunks; 0 where it is not here."""
        number = self._numbers.get(_KEY.unpack_from(raw)[0])
        return 0 if number is None else self._lengths[number]

    def by_owners(self, progress: Callable[[int, int], None] | None = None) -> dict[int, int]:
        """The bytes in packs by the set of owners that need them; those that nobody needs are under 0.

        progress: told how much is done, and of how much.
        """
        order = self._in_order()
        for done, raw in enumerate(order):
            if progress is not None:
                progress(done, len(order))
            label = self._trees[raw]
            for is_tree, key, digest in self._children(raw):
                if is_tree:
                    self._trees[digest] = self._sets.joined(self._trees.get(digest, 0), label)
                self._mark(key, label)
        for number, raw in self._recipes.items():
            label = self._labels[number]
            if label:
                for chunk in self._chunks(raw):
                    self._mark(_KEY.unpack_from(chunk)[0], label)
        found: Counter[int] = Counter()
        for label, stored in zip(self._labels, self._stored, strict=True):
            found[label] += stored
        return {self._sets.owners(label): stored for label, stored in found.items()}

    def _mark(self, key: int, label: int) -> None:
        number = self._numbers.get(key)
        if number is not None and self._labels[number] != label:
            self._labels[number] = self._sets.joined(self._labels[number], label)

    def _in_order(self) -> list[bytes]:
        """Every tree that is needed, each after all that name it."""
        done: list[bytes] = []
        seen: set[bytes] = set()
        for root in self._trees:
            stack = [] if root in seen else [(root, iter(self._folders(root)))]
            seen.add(root)
            while stack:
                raw, below = stack[-1]
                inner = next((one for one in below if one not in seen), None)
                if inner is None:
                    done.append(raw)
                    stack.pop()
                else:
                    seen.add(inner)
                    stack.append((inner, iter(self._folders(inner))))
        done.reverse()
        return done

    def _folders(self, raw: bytes) -> list[bytes]:
        return [digest for is_tree, _, digest in self._children(raw) if is_tree]

    def _children(self, raw: bytes) -> Iterator[tuple[bool, int, bytes]]:
        """Of each entry of a tree: whether it is a tree, the key of its digest, and for a tree the digest. A tree that
        is not there, or damaged, has none."""
        try:
            data = self._store.read(raw.hex())
            at = len(MAGIC)
            while at < len(data):
                kind, key, _, _, length = _ROW.unpack_from(data, at)
                digest = data[at + 1 : at + 33] if kind == b"d" else b""
                if digest != _EMPTY:
                    yield kind == b"d", key, digest
                at += _ROW.size + length
        except (NotFound, Damaged, struct.error):
            self._broken.add(raw)

    def _chunks(self, raw: bytes) -> tuple[bytes, ...]:
        try:
            return self._store.chunks(raw)
        except (NotFound, Damaged):
            self._broken.add(raw)
            return ()


class _Sets:
    """Sets of owners, each known by a small number; 0 is the empty one."""

    def __init__(self) -> None:
        self._owners = [0]
        self._known = {0: 0}
        self._joined: dict[tuple[int, int], int] = {}

    def label(self, owners: int) -> int:
        number = self._known.setdefault(owners, len(self._owners))
        if number == len(self._owners):
            self._owners.append(owners)
        return number

    def owners(self, label: int) -> int:
        return self._owners[label]

    def joined(self, one: int, other: int) -> int:
        if one == other or not one:
            return other
        found = self._joined.get((one, other))
        if found is None:
            found = self._joined[one, other] = self.label(self._owners[one] | self._owners[other])
        return found
