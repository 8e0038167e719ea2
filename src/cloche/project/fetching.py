"""Bringing content from a remote into the store: what is missing, nothing twice, every frame proven.

`receiving` is the one place where frames of a remote become part of the store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import msgspec
from blake3 import blake3

from cloche.errors import Damaged, RemoteError
from cloche.model.digest import Digest
from cloche.model.tree import EMPTY_DIGEST, raw_entries
from cloche.project.listing import Remotely, look, shelf
from cloche.project.project import Project
from cloche.project.ranges import GAP, LARGEST_READ, Range, ranges
from cloche.project.reach import Root
from cloche.project.remotes import Place
from cloche.project.sums import Sums
from cloche.remotes.backend import pack_name
from cloche.remotes.waiting import each
from cloche.store.codec import Decompressor
from cloche.store.frames import Place as Lies
from cloche.store.frames import open_frame, open_small
from cloche.store.index import digests
from cloche.store.proofs import Cut, Proofs
from cloche.store.receiving import Receiver, Shelf, is_proven
from cloche.store.recipes import DEEPEST, RECIPE, Recipe, decode_recipe, with_rows

Progress = Callable[[int, int], None]

_AT_ONCE = 2
_WORTH_ITSELF = 16 << 20  # bytes of a pack that is taken over as it is: many small ones would be a burden
_MOST_SMALL = 256
_TOGETHER = 256  # frames that are opened in one call
_LARGEST_TREE = 1 << 30
_EMPTY = bytes.fromhex(EMPTY_DIGEST)


class Brought(msgspec.Struct, frozen=True):
    """What came. size: bytes that were read of the remote. lost: digests of what is neither here nor there. problems:
    what is damaged there."""

    objects: int = 0
    size: int = 0
    lost: frozenset[Digest] = frozenset()
    problems: tuple[str, ...] = ()


def bring(
    project: Project,
    place: Place,
    roots: Iterable[Root],
    *,
    known: Remotely | None = None,
    trees_only: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Brought:
    """Bring everything that these roots need and the store here does not hold.

    trees_only: the listings of folders, but no files. What was received stays, whatever stops the rest.
    """
    wanted = [root for root in roots if root.digest != EMPTY_DIGEST]
    if not wanted:
        return Brought()
    found = known or look(place)
    problems: list[str] = []
    stacked = shelf(place, found.packs, problems)
    with receiving(project) as receiver:
        fetcher = _Fetcher(project, place, stacked, found.packs, None if dry_run else receiver, progress)
        fetcher.walk(wanted)
        if not trees_only:
            fetcher.files()
    lost = frozenset(raw.hex() for raw in fetcher.lost)
    return Brought(fetcher.objects, fetcher.size, lost, (*problems, *dict.fromkeys(fetcher.problems)))


def fetch_objects(
    project: Project, place: Place, digests: Iterable[bytes], progress: Progress | None = None
) -> Brought:
    """Bring frames by their raw digests, whether or not the store holds (damaged) ones: for repair."""
    found = look(place)
    problems: list[str] = []
    stacked = shelf(place, found.packs, problems)
    with receiving(project) as receiver:
        fetcher = _Fetcher(project, place, stacked, found.packs, receiver, progress)
        fetcher.again(set(digests))
    lost = frozenset(raw.hex() for raw in fetcher.lost)
    return Brought(fetcher.objects, fetcher.size, lost, (*problems, *dict.fromkeys(fetcher.problems)))


@contextlib.contextmanager
def receiving(project: Project) -> Iterator[Receiver]:
    """Around everything that comes from a remote, from the first look at what is missing to the last write."""
    with project.storing():
        project.store.see()
        with Receiver(project.store) as receiver:
            yield receiver


class _Fetcher:
    def __init__(
        self,
        project: Project,
        place: Place,
        stacked: Shelf,
        sizes: dict[Digest, int],
        receiver: Receiver | None,
        progress: Progress | None,
    ) -> None:
        self.lost: set[bytes] = set()
        self.problems: list[str] = []
        self.objects = 0
        self.size = 0
        self._store = project.store
        self._place = place
        self._shelf = stacked
        self._sizes = sizes
        self._receiver = receiver  # None: only look
        self._decompressor = Decompressor()
        self._progress = progress
        self._files: set[bytes] = set()
        self._taken: set[bytes] = set()
        self._told: set[int] = set()
        self._small: dict[int, bytes] = {}
        self._below: list[tuple[Lies, bytes]] = []

    def walk(self, roots: Iterable[Root]) -> None:
        """Read the trees, level by level; collect the files that they and the roots name."""
        seen: set[bytes] = set()
        optional: set[bytes] = set()
        sums = Sums()
        level: set[bytes] = set()
        for root in roots:
            raw = bytes.fromhex(root.digest)
            (level if root.kind == "d" else self._files).add(raw)
            if root.optional:
                optional.add(raw)
        while level:
            seen |= level
            below: set[bytes] = set()
            for raw, data in self._trees(level, optional):
                entries = raw_entries(data)
                sums.add(raw, entries)
                self._files.update(one.digest for one in entries if one.kind != b"d")
                below.update(one.digest for one in entries if one.kind == b"d")
            level = below - seen - {_EMPTY}
        for raw in sums.wrong():
            self._damaged(raw, "is a folder of another size than it claims")
        lacking = self._lacking_some()
        for lies, frame in self._below:
            if lies.digest not in lacking:  # a tree promises those below it
                self._take(lies, frame, promise=True)
        self._optional = optional

    def _lacking_some(self) -> set[bytes]:
        """What is lost, and the trees that came and are above some of it."""
        lost, before = set(self.lost), -1
        below: dict[bytes, set[bytes]] = {}
        for lies, frame in self._below if lost else ():
            payload = open_frame(frame, lies, self._decompressor)
            data = self._assembled(lies.digest, payload) if lies.kind == RECIPE else payload
            below[lies.digest] = {one.digest for one in raw_entries(data or b"") if one.kind == b"d"}
        while len(lost) > before:
            before = len(lost)
            lost |= {raw for raw, folders in below.items() if not lost.isdisjoint(folders)}
        return lost

    def _trees(self, wanted: set[bytes], optional: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Raw digests and bytes of trees, those that are missing here from the remote."""
        missing = self._lacking(wanted)
        for raw in wanted - missing:
            yield raw, self._store.read(raw.hex())
        recipes: list[tuple[Lies, bytes, bytes]] = []
        for lies, frame, payload in self._frames(missing, optional):
            if lies.kind == RECIPE:
                recipes.append((lies, frame, payload))
            else:
                self._below.append((lies, frame))
                yield lies.digest, payload
        for lies, frame, payload in recipes:
            data = self._assembled(lies.digest, payload)
            if data is not None:
                self._below.append((lies, frame))
                yield lies.digest, data

    def _assembled(self, raw: bytes, payload: bytes, depth: int = 0) -> bytes | None:
        """Content that was cut into chunks, whole; None where it cannot be had."""
        recipe = self._with_rows(raw, decode_recipe(payload), depth)
        if recipe is None:
            return None
        chunks = list(recipe.chunks)
        if sum(length for _, length in chunks) > _LARGEST_TREE:
            self._damaged(raw, "is larger than any folder")
            return None
        pieces = self._contents({digest for digest, _ in chunks}, DEEPEST)
        if any(digest not in pieces for digest, _ in chunks):
            self.lost.add(raw)
            return None
        data = b"".join(pieces[digest] for digest, _ in chunks)
        if blake3(data).digest() != raw:
            self._damaged(raw, "is not what its chunks make up")
            return None
        return data

    def _with_rows(self, raw: bytes, recipe: Recipe, depth: int = 0) -> Recipe | None:
        """A recipe with its list of chunks, which may be content of its own; None where that cannot be had."""
        if not recipe.listed:
            return recipe
        rows = self._contents({recipe.listed}, depth + 1).get(recipe.listed) if depth < DEEPEST else None
        try:
            if rows is not None:
                return with_rows(recipe, rows)
        except Damaged as error:
            self.problems.append(error.message)
        self._damaged(raw, "has no list of chunks")
        return None

    def _contents(self, wanted: set[bytes], depth: int) -> dict[bytes, bytes]:
        """Contents by raw digest, whole, that are here or come now; without those that cannot be had."""
        missing = self._lacking(wanted)
        found = {raw: self._store.read(raw.hex()) for raw in wanted - missing}
        recipes: list[tuple[Lies, bytes, bytes]] = []
        for lies, frame, payload in self._frames(missing, set()):
            if lies.kind == RECIPE:
                recipes.append((lies, frame, payload))
            else:
                self._take(lies, frame, promise=False)
                found[lies.digest] = payload
        for lies, frame, payload in recipes if depth < DEEPEST else ():
            data = self._assembled(lies.digest, payload, depth)
            if data is not None:
                self._take(lies, frame, promise=True)
                found[lies.digest] = data
        return found

    def files(self) -> None:
        """Bring the files that were collected."""
        missing = self._lacking(self._files)
        listed = {raw for raw in missing - self._shelf.plain(missing) if self._shelf.places(raw)}
        whole = missing - listed
        cut: list[tuple[Lies, bytes, Cut]] = []
        for lies, frame, payload in list(self._frames(listed, self._optional)):
            if lies.kind != RECIPE:  # a pack that says it is a list of chunks lies
                self._take(lies, frame, promise=False)
                continue
            recipe = self._with_rows(lies.digest, decode_recipe(payload))
            if recipe is not None:
                cut.append((lies, frame, Cut(lies.digest, recipe)))
        chunks = set[bytes]().union(*(one.chunks for _, _, one in cut)) - self._taken
        wanted = whole | self._lacking(chunks)
        if self._receiver is None:
            lies_at = [places[0] for raw in wanted if (places := self._shelf.places(raw))]
            self.objects += len(lies_at)
            self.size += sum(one.stored for one in lies_at)
            return
        wanted -= self._adopt(whole - chunks, self._receiver)
        proofs = Proofs(one for _, _, one in cut)
        for lies, frame, payload in self._frames(wanted, self._optional, self._progress):
            self._take(lies, frame, promise=False)
            proofs.feed(lies.digest, payload)
        self._receiver.flush()
        for lies, frame, one in cut:
            if not one.chunks.isdisjoint(self.lost):
                self.lost.add(lies.digest)
            elif one.holds(self._store):
                self._take(lies, frame, promise=True)
            else:
                self._damaged(lies.digest, "is not what its chunks make up")

    def _adopt(self, plain: set[bytes], receiver: Receiver) -> set[bytes]:
        """Take over packs of the remote as they are, where nothing but plain files that are missing here is in them;
        the raw digests of what came. What is wrong with any other is found out when its frames are read."""
        fit = plain - self._taken - {lies.digest for lies, _ in self._below}
        listed = [one for one in self._shelf.wholly(fit) if _WORTH_ITSELF <= self._sizes[one[0]] <= LARGEST_READ]
        came: set[bytes] = set()
        total, done = sum(self._sizes[name] for name, _ in listed), 0
        for (name, positions), data in zip(listed, each(self._whole, listed, _AT_ONCE), strict=True):
            if data is not None:
                receiver.adopt(name, data, positions)
                self.size += len(data)
                came.update(digests(positions))
            done += self._sizes[name]
            if self._progress is not None:
                self._progress(done, total)
        self._taken |= came
        self.objects += len(came)
        return came

    def _whole(self, listed: tuple[str, bytes]) -> bytes | None:
        """A pack of the remote where it is what it should be, in every frame."""
        name, positions = listed
        data = self._place.read(pack_name(name), self._sizes[name]) or b""
        return data if is_proven(name, data, positions) else None

    def again(self, wanted: set[bytes]) -> None:
        """Bring frames, whatever is here."""
        for lies, frame, _ in self._frames(wanted, set(), self._progress):
            self._take(lies, frame, promise=lies.kind == RECIPE)

    def _lacking(self, wanted: set[bytes]) -> set[bytes]:
        return wanted - self._store.packs.held(wanted)

    def _take(self, lies: Lies, frame: bytes, *, promise: bool) -> None:
        if lies.digest not in self._taken:
            self._taken.add(lies.digest)
            self.objects += 1
            if self._receiver is not None:
                self._receiver.take(lies, frame, promise=promise)

    def _frames(
        self, wanted: Iterable[bytes], optional: set[bytes], progress: Progress | None = None
    ) -> Iterator[tuple[Lies, bytes, bytes]]:
        """Frames of the remote, proven, with their payloads. One that is damaged in one pack is looked for in others;
        what cannot be had is added to `lost`, unless it is optional."""
        places = {raw: self._shelf.places(raw) for raw in sorted(wanted)}
        self.lost |= {raw for raw, found in places.items() if not found and raw not in optional}
        while True:
            now = [found.pop(0) for found in places.values() if found]
            if not now:
                return
            pieces = ranges(now, [self._sizes[one] for one in self._shelf.names])
            total, done = sum(one.length for one in pieces), 0
            for one, data in zip(pieces, each(self._read, pieces, _AT_ONCE), strict=True):
                for lies, frame, payload in self._opened(one, data):
                    if payload is not None:
                        places[lies.digest] = []
                        yield lies, frame, payload
                    elif not places[lies.digest]:
                        self.lost.add(lies.digest)
                done += one.length
                if progress is not None:
                    progress(done, total)

    def _opened(self, one: Range, data: bytes) -> Iterator[tuple[Lies, bytes, bytes | None]]:
        """Each frame with its payload; None where it is damaged."""
        for at in range(0, len(one.places), _TOGETHER):
            places = one.places[at : at + _TOGETHER]
            opened = open_small(data, one.start, places, self._decompressor)
            for lies in places:
                frame = data[lies.offset - one.start : lies.end - one.start]
                payload = opened.get(lies.digest)
                yield lies, frame, self._proven(lies, frame) if payload is None else payload

    def _proven(self, lies: Lies, frame: bytes) -> bytes | None:
        try:
            return open_frame(frame, lies, self._decompressor)
        except Damaged as error:
            self._faulty(lies.pack, f"is damaged: {error.message}")
            return None

    def _faulty(self, pack: int, what: str) -> None:
        """Say of a pack what is wrong with it; once, for its frames have no more to tell."""
        if pack not in self._told:
            self._told.add(pack)
            self.problems.append(f"pack {self._shelf.names[pack][:12]} of the remote {what}")

    def _damaged(self, raw: bytes, what: str) -> None:
        self.lost.add(raw)
        self.problems.append(f"{raw.hex()[:12]} of the remote {what}")

    def _read(self, one: Range) -> bytes:
        name = self._shelf.names[one.pack]
        if one.pack in self._small:
            return self._small[one.pack]
        if one.start or one.length != self._sizes[name]:
            data = self._place.read_range(pack_name(name), one.start, one.length)
        else:
            data = self._place.read(pack_name(name), one.length) or b""
            if data and blake3(data).hexdigest() != name:
                self._faulty(one.pack, "is damaged: its bytes do not match its name")
            if len(data) <= GAP and len(self._small) < _MOST_SMALL:  # its trees are read first, its files later
                self._small[one.pack] = data
        if not data:
            self._faulty(one.pack, "is gone, or empty")
        self.size += len(data)
        return data


def refuse_lost(brought: Brought, what: str, place: Place) -> None:
    """Raises RemoteError where something is neither here nor there."""
    if brought.lost:
        why = f": {brought.problems[0]}" if brought.problems else ""
        raise RemoteError(
            f"{place.name} does not hold {len(brought.lost)} of the objects of {what}{why}",
            hint="`cloche push --repair` from where they were made puts them there",
        )
