"""The store: content by digest.

A store is a folder: `packs/` holds everything (see `frames`, `recipes`, `index`), `tmp/` what writers have not
committed. Content of up to 64 KiB is one frame; larger content is cut into chunks and listed by a recipe. Several
processes may read and write at once; within one process a `Store` belongs to one thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from cloche.errors import ClocheError, Damaged, NotFound, StoreError
from cloche.model.digest import Digest
from cloche.model.tree import EMPTY, EMPTY_DIGEST, Tree, decode_tree
from cloche.store.digest_table import DigestTable
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.frame_queue import Frame, FrameQueue
from cloche.store.frames import CONTENT, Place
from cloche.store.listing import FileStat
from cloche.store.pack_writer import PackWriter
from cloche.store.packs import Packs
from cloche.store.quarantine import Quarantine
from cloche.store.reading import Taken, Takers, take
from cloche.store.recipes import (
    DEEPEST,
    RECIPE,
    SMALL,
    Recipe,
    average_for,
    chunk_row,
    cutter,
    decode_recipe,
    encode_recipe,
    with_rows,
)

_DOCTOR = "`cloche doctor` lists what is affected"


class Fault(NamedTuple):
    """Something that is wrong with a store. digest: of the content that is lost by it, where that is known."""

    message: str
    digest: Digest = ""


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

    def has(self, digest: Digest) -> bool:
        """Whether the store holds this content. It is not read: `verify` does that."""
        return not self.missing((digest,))

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Those of `digests` that the store does not hold."""
        with _reading():
            missing = {digest for digest in digests if not self._packs.holds(_raw(digest))}
            if missing:
                self._packs.refresh()
            return {digest for digest in missing if not self._packs.holds(_raw(digest))}

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
            yield from self._stream(_raw(digest), 0)

    def pieces(self, raw: bytes) -> Iterable[bytes]:
        """Content by its raw digest, as `stream` gives it; what is small without any detour."""
        try:
            payload, kind = self._frame(raw)
        except OSError as error:
            raise disk_error(error, "read from the store") from error
        return (payload,) if kind == CONTENT else self._assemble(raw.hex(), self.recipe(payload))

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
        return Writer(self._packs, PackWriter(self.folder, self._fs))

    def pack_names(self) -> frozenset[str]:
        """The digests of the packs that are on the disk now, found without opening any."""
        with _reading():
            return self._packs.names()

    def indexes(self) -> Sequence[bytes]:
        """The index of every pack, proven: see `index.rows`."""
        with _reading():
            return self._packs.indexes()

    def size(self) -> tuple[int, int]:
        """How many packs there are, and the bytes that they and their indexes take."""
        with _reading():
            paths = list(self._packs.files())
            return sum(path.endswith(".pack") for path in paths), sum(os.stat(path).st_size for path in paths)

    def verify(self) -> list[Fault]:
        """Read everything and say what is wrong; nothing when all is well. Damaged indexes are not a problem: they are
        rebuilt."""
        with _reading():
            self._packs.forget()
            faults = [fault for name, places in self._packs.contents() for fault in self._check(name, places)]
        return list(dict.fromkeys(faults))

    def close(self) -> None:
        """Close the files that are open. The store may be used again."""
        self._packs.close()

    def _check(self, name: str, places: Iterator[Place]) -> Iterator[Fault]:
        if not self._packs.intact(name):
            yield Fault(f"pack {name[:12]} is damaged: its bytes do not match its name")
        for place in places:
            digest = place.digest.hex()
            try:
                payload = self._packs.read(place)
                if place.kind == RECIPE:
                    for _ in self._assemble(digest, self.recipe(payload)):
                        pass
            except ClocheError as error:
                yield Fault(f"{digest[:12]} is lost: {error.message}", digest)
            except FileNotFoundError:
                yield Fault(f"{digest[:12]} is lost: pack {name[:12]} is gone", digest)

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


class Writer:
    """Adds content to a store, each piece once. Use it in a `with` block: a clean end commits (durably), an exception
    leaves the store as it was. Content added is readable only after the commit."""

    def __init__(self, packs: Packs, out: PackWriter) -> None:
        self._packs = packs
        self._out = FrameQueue(out)
        self._added = DigestTable()
        self._failed = False

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._out.discard()
        else:
            self._commit()

    def add_bytes(self, data: bytes) -> Digest:
        """Store some bytes; their digest. Raises DiskFull, StoreError."""
        if len(data) <= SMALL:
            return self.add_small(data).hex()
        digest = blake3(data).digest()
        if not self._holds(digest):
            average = average_for(len(data))
            self._cut((bytes(chunk.data) for chunk in cutter(average).cut_buf(data)), average)
        return digest.hex()

    def add_small(self, data: bytes) -> bytes:
        """Store at most 64 KiB; the raw digest. Raises DiskFull, StoreError."""
        digest = blake3(data).digest()
        if digest not in self._added and not self._packs.holds(digest):
            self._put(CONTENT, digest, data, first=True)
        return digest

    def add_tree(self, data: bytes) -> Digest:
        """Store the canonical bytes of a tree (`model.tree`); its digest."""
        return self.add_bytes(data)

    def add_file(
        self,
        path: str,
        stat: FileStat,
        *,
        previous: Digest | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Digest, FileStat]:
        """Store a file's bytes or a link's target; the digest, and what the disk said about exactly those bytes.

        path: OS path. previous: digest of the last version, whose way of cutting is kept. progress: told the bytes read
        so far of a large file. A file that changes while it is read is read again, a few times; then
        ChangedWhileReading. Raises InputError where it is gone, unreadable or no file; DiskFull, StoreError.
        """

        def file(fd: int, size: int) -> Taken:
            return self._take(fd, size, previous, progress)

        return take(path, stat, Takers(file, self.add_bytes))

    def _take(self, fd: int, size: int, previous: Digest | None, progress: Callable[[int], None] | None) -> Taken:
        if size <= SMALL:
            data = _read_all(fd, size)
            return Taken(self.add_bytes(data), len(data))
        average = average_for(size, self._average_of(previous))
        with open(fd, "rb", buffering=0, closefd=False) as file:
            return self._cut((bytes(chunk.data) for chunk in cutter(average).cut_stream(file)), average, progress)

    def _cut(self, chunks: Iterable[bytes], average: int, progress: Callable[[int], None] | None = None) -> Taken:
        whole = blake3()
        rows: list[bytes] = []
        length = 0
        for chunk in chunks:
            digest = blake3(chunk).digest()
            whole.update(chunk)
            rows.append(chunk_row(digest, len(chunk)))
            if not self._holds(digest):
                self._put(CONTENT, digest, chunk, first=not length)
            length += len(chunk)
            if progress is not None:
                progress(length)
        digest = whole.digest()
        listing = b"".join(rows)
        listed = bytes.fromhex(self.add_bytes(listing)) if len(listing) > SMALL else b""  # it may be missing alone
        if not self._holds(digest):
            self._put(RECIPE, digest, encode_recipe(digest, Recipe(average, length, listing, listed)))
        return Taken(digest.hex(), length)

    def _put(self, kind: bytes, digest: bytes, data: bytes, *, first: bool = False) -> None:
        if self._failed:
            raise StoreError("the store could not be written to", hint="run it again")
        try:
            self._out.put(Frame(kind, digest, data, first))
        except OSError as error:
            self._failed = True
            raise disk_error(error, "write to the store") from error
        except BaseException:
            self._failed = True
            raise
        self._added.add(digest)

    def _holds(self, digest: bytes) -> bool:
        return digest in self._added or self._packs.holds(digest)

    def _average_of(self, previous: Digest | None) -> int | None:
        """How the last version was cut; None where it was not, or cannot be known."""
        if previous is None:
            return None
        with contextlib.suppress(ClocheError, OSError):
            for place in self._packs.places(_raw(previous)):
                if place.kind == RECIPE:
                    return decode_recipe(self._packs.read(place)).average
        return None

    def _commit(self) -> None:
        try:
            if self._failed:
                raise StoreError("the store could not be written to", hint="run it again")
            for sealed in self._out.publish():
                self._packs.add(sealed.digest, sealed.index_bytes)
        except OSError as error:
            self._out.discard()
            raise disk_error(error, "write to the store") from error
        except BaseException:
            self._out.discard()
            raise


def _read_all(fd: int, size: int) -> bytes:
    """The bytes of a small file, or one more than it should have: the caller compares the length."""
    data = os.read(fd, size + 1)
    while data and len(data) < size:
        more = os.read(fd, size + 1 - len(data))
        if not more:
            break
        data += more
    return data


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
