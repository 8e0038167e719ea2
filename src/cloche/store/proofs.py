"""Whether the chunks that a recipe of a stranger lists really make up the content with its digest.

Chunks are fed as they arrive, which is mostly their order; what is left over is read from the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blake3 import blake3

from cloche.errors import Damaged, NotFound
from cloche.store.objects import Store
from cloche.store.recipes import Recipe

_MOST_KEPT = 64 << 20


class Cut:
    """A blob that was cut into chunks. chunks: their raw digests."""

    def __init__(self, raw: bytes, recipe: Recipe) -> None:
        self._raw = raw
        self._order = list(recipe.chunks)
        self._sound = sum(length for _, length in self._order) == recipe.size
        self._at = 0
        self._whole = blake3()
        self.chunks = {digest for digest, _ in self._order}

    @property
    def awaited(self) -> bytes | None:
        """The chunk that comes next; None where all have come."""
        return self._order[self._at][0] if self._at < len(self._order) else None

    @property
    def repeated(self) -> set[bytes]:
        """Chunks that occur more than once."""
        return {digest for digest, count in Counter(digest for digest, _ in self._order).items() if count > 1}

    def feed(self, content: bytes) -> None:
        """Go on by the chunk that is awaited."""
        self._sound = self._sound and len(content) == self._order[self._at][1]
        self._whole.update(content)
        self._at += 1

    def holds(self, store: Store) -> bool:
        """Whether all of it, the rest read from the store, is the content with the digest."""
        try:
            while self._sound and (awaited := self.awaited) is not None:
                self.feed(store.read(awaited.hex()))
        except (Damaged, NotFound):
            return False
        return self._sound and self._whole.digest() == self._raw


class Proofs:
    """Feeds chunks to all the blobs that await them."""

    def __init__(self, cuts: Iterable[Cut]) -> None:
        self._waiting: dict[bytes, list[Cut]] = {}
        self._kept: dict[bytes, bytes] = {}
        self._size = 0
        self._repeated: set[bytes] = set()
        for cut in cuts:
            self._repeated |= cut.repeated
            self._await(cut)

    def feed(self, digest: bytes, content: bytes) -> None:
        """A chunk has come."""
        if digest in self._repeated and self._size + len(content) <= _MOST_KEPT:
            self._kept[digest] = content
            self._size += len(content)
        for cut in self._waiting.pop(digest, ()):
            cut.feed(content)
            while (awaited := cut.awaited) in self._kept:
                cut.feed(self._kept[awaited])
            self._await(cut)

    def _await(self, cut: Cut) -> None:
        if cut.awaited is not None:
            self._waiting.setdefault(cut.awaited, []).append(cut)
