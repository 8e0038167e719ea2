"""The store: content by digest.

A store is a folder: `packs/` holds everything (see `frames`, `recipes`, `index`), `tmp/` what writers have not
committed. Content of up to 64 KiB is one frame; larger content is cut into chunks and listed by a recipe. Several
processes may read and write at once; within one process a `Store` belongs to one thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from blake3 import blake3

from cloche.errors import ClocheError, Damaged, NotFound
from cloche.model.digest import Digest
from cloche.model.tree import EMPTY, EMPTY_DIGEST, Tree, decode_tree
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.frames import CONTENT
from cloche.store.loose import REPAIR, Loose
from cloche.store.pack_writer import PackWriter
from cloche.store.packs import Packs
from cloche.store.quarantine import Quarantine
from cloche.store.recipes import (
    DEEPEST,
    RECIPE,
    Recipe,
    decode_recipe,
    with_rows,
)
from cloche.store.writing import Writer

_DOCTOR = "`cloche verify --repair` brings back what it can"


class Store:
    """Content by digest in `folder`, which is created by the first write.

    >>> store = Store(Path(".cloche/store"))                                    # doctest: +SKIP
    >>> with store.writer() as writer: digest = writer.add_bytes(b"hello")      # doctest: +SKIP
    >>> store.read(digest)                                                      # doctest: +SKIP
    b'hello'
    """

    def __init__(self, folder: Path, fs: FileSystem | None = None) -> None:
        self.folder = os.path.abspath(folder)
        self.fs = self._fs = fs or FileSystem()
        self.quarantine = Quarantine(os.path.join(self.folder, "quarantine"), self.fs)
        self.packs = self._packs = Packs(os.path.join(self.folder, "packs"), self.fs, self.quarantine)
        self.loose = Loose(os.path.join(self.folder, "files"), self.fs, self.quarantine)

    def has(self, digest: Digest) -> bool:
        """Whether the store holds this content. It is not read: `verify` does that."""
        return not self.missing((digest,))

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Those of `digests` that the store does not hold."""
        with _reading():
            missing = {digest for digest in digests if not self._packs.holds(_raw(digest))}
            missing = {digest for digest in missing if not self.loose.holds(_raw(digest))}
            if missing:
                self._packs.refresh()
            return {digest for digest in missing if not self._packs.holds(_raw(digest))}

    def in_use(self, digest: Digest) -> bool:
        """Whether the store holds this content outside of quarantine, as far as it was seen."""
        with _reading():
            return self._packs.in_use(_raw(digest)) or os.path.isfile(self.loose.path(digest))

    def see(self) -> None:
        """See the packs that others have added or taken away since. Raises StoreError."""
        with _reading():
            self._packs.refresh()

    def read(self, digest: Digest) -> bytes:
        """Content, whole. Raises NotFound where it was never stored, Damaged where it is no longer what it was."""
        return b"".join(self.stream(digest))

    def stream(self, digest: Digest) -> Iterator[bytes]:
        """Content, piece by piece. Each piece is proven before it is handed out; that they make up the whole is proven
        only at the end, so the content counts once the iterator is exhausted. Raises NotFound, Damaged."""
        with _reading():
            raw = _raw(digest)
            yield from self.loose.stream(digest) if self.is_loose(raw) else self._stream(raw, 0)

    def pieces(self, raw: bytes) -> Iterable[bytes]:
        """Content by its raw digest, as `stream` gives it; what is small without any detour."""
        try:
            if self.is_loose(raw):
                return self.stream(raw.hex())
            payload, kind = self._frame(raw)
        except OSError as error:
            raise disk_error(error, "read from the store") from error
        return (payload,) if kind == CONTENT else self._assemble(raw.hex(), self.recipe(payload))

    def is_loose(self, raw: bytes) -> bool:
        """Whether content is held as a file of its own, and in no pack."""
        return not self._packs.in_use(raw) and self.loose.holds(raw)

    def pack_into(self, other: Store, raws: Iterable[bytes]) -> None:
        """Put content that is held here as loose files, by raw digests, into packs of another store. Raises Damaged,
        NotFound, DiskFull, StoreError."""
        with other.writer() as writer:
            for raw in sorted(raws):
                with self.loose.open(raw.hex()) as file:
                    writer.add_open(file, raw.hex())

    def is_sound(self, digest: Digest) -> bool:
        """Whether content can be read, every byte as it was."""
        try:
            for _ in self.stream(digest):
                pass
        except (Damaged, NotFound):
            return False
        return True

    def chunks(self, raw: bytes, depth: int = 0) -> tuple[bytes, ...]:
        """The raw digests of the chunks that this content was cut into, and of what lists them; none where it is whole
        or not here. Where the list itself is incomplete, what it consists of is all that is known.

        Raises Damaged where the list of them is.
        """
        with _reading():
            if not any(place.kind == RECIPE for place in self._packs.places(raw)):
                return ()
            payload, kind = self._frame(raw)
            if kind != RECIPE:
                return ()
            listed = decode_recipe(payload).listed
            if listed and depth >= DEEPEST:
                raise Damaged("a list of chunks is listed by a list without end", hint=_DOCTOR)
            inner = (listed, *self.chunks(listed, depth + 1)) if listed else ()
            if self.missing(one.hex() for one in inner):
                return inner
            return (*inner, *(chunk for chunk, _ in self.recipe(payload).chunks))

    def recipe(self, payload: bytes, depth: int = 0) -> Recipe:
        """What the payload of a recipe says, with the rows that lie elsewhere. Raises Damaged, NotFound."""
        recipe = decode_recipe(payload)
        if not recipe.listed:
            return recipe
        if depth >= DEEPEST:
            raise Damaged("a list of chunks is listed by a list without end", hint=_DOCTOR)
        return with_rows(recipe, b"".join(self._stream(recipe.listed, depth + 1)))

    def frame(self, raw: bytes) -> tuple[bytes, bytes]:
        """Payload and kind of the frame with this raw digest, proven: content, or a list of chunks (kind `RECIPE`).

        Raises NotFound, Damaged.
        """
        with _reading():
            return self._frame(raw)

    def read_tree(self, digest: Digest) -> Tree:
        """The tree with this digest; the empty one is there even if nobody stored it. Raises NotFound, Damaged."""
        return EMPTY if digest == EMPTY_DIGEST else decode_tree(self.read(digest))

    def writer(self) -> Writer:
        """A writer: what it is given becomes part of the store when its `with` block ends without an exception."""
        return Writer(self._packs, PackWriter(self.folder, self._fs), self.loose)

    def pack_names(self) -> frozenset[str]:
        """The digests of the packs that are on the disk now, found without opening any."""
        with _reading():
            return self._packs.names()

    def marks(self) -> frozenset[str]:
        """What stays the same for as long as nothing that the store holds goes, and may grow: for a `StatCache`."""
        with _reading():
            return self._packs.names() | self.loose.marks()

    def indexes(self) -> Sequence[bytes]:
        """The index of every pack, proven: see `index.rows`."""
        with _reading():
            return self._packs.indexes()

    def size(self) -> tuple[int, int]:
        """How many packs there are, and the bytes that they, their indexes and loose files take."""
        with _reading():
            paths = list(self._packs.files())
            whole = sum(size for _, size in self.loose.all())
            return sum(path.endswith(".pack") for path in paths), whole + sum(os.stat(path).st_size for path in paths)

    def close(self) -> None:
        """Close the files that are open. The store may be used again."""
        self._packs.close()

    def _frame(self, digest: bytes) -> tuple[bytes, bytes]:
        """Payload and kind of the frame with this digest, from whichever pack still has it right."""
        problem: ClocheError | None = None
        for looked_again in (False, True):
            if looked_again:
                self._packs.refresh()
            for place in self._packs.places(digest):
                try:
                    return self._packs.read(place), place.kind
                except Damaged as error:
                    problem = error
                except FileNotFoundError:
                    problem = Damaged(f"a pack that held {digest.hex()[:12]} is gone", hint=_DOCTOR)
        if self._packs.take_out(digest):
            return self._frame(digest)
        if digest.hex() in self.loose.edited:
            raise Damaged(f"{digest.hex()[:12]} was changed through a link into the store", hint=REPAIR)
        raise problem or NotFound(f"the store does not hold {digest.hex()[:12]}", hint=_DOCTOR)

    def _stream(self, raw: bytes, depth: int) -> Iterator[bytes]:
        payload, kind = self._frame(raw)
        if kind == CONTENT:
            yield payload
        else:
            yield from self._assemble(raw.hex(), self.recipe(payload, depth))

    def _assemble(self, digest: Digest, recipe: Recipe) -> Iterator[bytes]:
        whole = blake3()
        for chunk, length in recipe.chunks:
            try:
                content, kind = self._frame(chunk)
            except NotFound as error:
                raise Damaged(f"a chunk of {digest[:12]} is missing: {error.message}", hint=_DOCTOR) from None
            if kind != CONTENT or len(content) != length:
                raise Damaged(f"a chunk of {digest[:12]} is not what it was", hint=_DOCTOR)
            whole.update(content)
            yield content
        if whole.hexdigest() != digest:
            raise Damaged(f"the chunks of {digest[:12]} do not make up its content", hint=_DOCTOR)


def _raw(digest: Digest) -> bytes:
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise NotFound(f"{digest!r} is no digest")
    return raw


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, "read from the store") from error
