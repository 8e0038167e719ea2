"""Finding what nobody needs in packs, and getting rid of it: nothing is deleted that was not in quarantine before.

Whoever calls makes sure that nobody adds to the store meanwhile, nor counts on what it holds.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from cloche.errors import Damaged
from cloche.model.digest import Digest
from cloche.store.filesystem import disk_error
from cloche.store.frames import HEADER, Place
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter, discarding
from cloche.store.quarantine import SetAside

SMALL_PACK = 8 << 20
_CROWD = 8  # so many small packs are worth putting together
_WORTH = 4  # a pack is worth writing anew where a quarter of it is of no use


class Use(NamedTuple):
    """What of one pack is needed. used, unused: bytes of frames; one that another pack holds too is needed once."""

    name: str
    used: int
    unused: int


class Garbage(NamedTuple):
    """What can go. packs: those that nothing is needed of. rewritten: those of which only a part is, or which are many
    and small: what is needed of them goes to new packs. freed, kept: bytes."""

    packs: tuple[str, ...]
    rewritten: tuple[str, ...]
    freed: int
    kept: int


def find_garbage(store: Store, needed: Container[bytes]) -> Garbage:
    """What can go, where the frames with the raw digests `needed` must stay."""
    keepers = _Keepers(store)
    uses = [_use(name, places, needed, keepers) for name, places in store.packs.contents()]
    rest = [one for one in uses if one.used]
    partly = [one for one in rest if one.unused * _WORTH >= one.used + one.unused]
    small = [one for one in rest if one.used + one.unused < SMALL_PACK]
    rewritten = tuple(dict.fromkeys([*partly, *(small if len(small) >= _CROWD else ())]))
    idle = tuple(one for one in uses if not one.used)
    freed = sum(one.unused for one in (*idle, *rewritten))
    kept = sum(one.used + one.unused for one in uses) - freed
    return Garbage(tuple(one.name for one in idle), tuple(one.name for one in rewritten), freed, kept)


def _use(name: str, places: Iterable[Place], needed: Container[bytes], keepers: _Keepers) -> Use:
    used = unused = 0
    for place in places:
        size = HEADER.size + place.stored
        if place.digest in needed and keepers.keep(place):
            used += size
        else:
            unused += size
    return Use(name, used, unused)


class _Keepers:
    """Chooses among several copies of a frame the one that stays: one that can still be read."""

    def __init__(self, store: Store) -> None:
        self._packs = store.packs
        self._chosen: dict[tuple[bytes, bytes], Place | None] = {}

    def keep(self, place: Place) -> bool:
        """Whether this copy stays. Where none can be read all do: that is for `verify` to say."""
        copies = [one for one in self._packs.places(place.digest) if one.kind == place.kind]
        if len(copies) < 2:
            return True
        key = place.digest, place.kind
        if key not in self._chosen:
            self._chosen[key] = next((one for one in copies if self._is_readable(one)), None)
        return self._chosen[key] in (None, place)

    def _is_readable(self, place: Place) -> bool:
        try:
            self._packs.read(place)
        except (Damaged, FileNotFoundError):
            return False
        return True


def set_aside(store: Store, garbage: Garbage, needed: Container[bytes], now: int) -> None:
    """Write anew what is needed of partly used packs, and put these and the unused ones into quarantine.

    now: seconds since 1970. Raises Damaged where a frame that is needed cannot be read (nothing is moved then: see
    `cloche verify`), DiskFull, StoreError.
    """
    writer = PackWriter(store.folder, store.fs)
    with discarding(writer, "collect garbage"):
        _copy(store, set(garbage.rewritten), needed, writer)
        for sealed in writer.publish():
            store.packs.add(sealed.digest, sealed.index_bytes)
        for name in (*garbage.rewritten, *garbage.packs):
            store.quarantine.put(store.packs.path(name, "")[:-1], now)
    store.packs.forget()


def set_files_aside(store: Store, digests: Iterable[Digest], now: int) -> None:
    """Put loose files into quarantine. now: seconds since 1970. Raises StoreError."""
    try:
        for digest in digests:
            store.loose.set_aside(digest, now)
    except OSError as error:
        raise disk_error(error, "collect garbage") from error


def _copy(store: Store, names: set[str], needed: Container[bytes], writer: PackWriter) -> None:
    """Copy the frames that are needed of some packs, proven, each once; chunks come before the lists that name them."""
    keepers = _Keepers(store)
    for name, places in list(store.packs.contents()):
        if name not in names:
            continue
        for place in sorted(places, key=lambda one: one.offset):
            if place.digest in needed and keepers.keep(place):
                try:
                    payload = store.packs.payload(place)
                except FileNotFoundError:
                    raise Damaged(f"pack {name[:12]} is gone", hint="type `cloche verify`") from None
                writer.append(place.kind, place.codec, place.digest, payload, place.raw)


def rescue(store: Store, needed: Container[bytes]) -> list[SetAside]:
    """Take those packs out of quarantine that hold something needed which is nowhere else; the ones that stay.

    Raises StoreError.
    """
    stay: list[SetAside] = []
    try:
        for one in store.quarantine.packs():
            wanted = (place.digest for place in store.packs.aside(one.name) if place.digest in needed)
            if not any(not store.packs.in_use(digest) and store.packs.release(one.name) for digest in wanted):
                stay.append(one)
    except OSError as error:
        raise disk_error(error, "look through the quarantine") from error
    return stay


def sweep(store: Store, packs: Sequence[SetAside]) -> int:
    """Delete packs in quarantine for good; the bytes freed. Raises StoreError."""
    try:
        for one in packs:
            store.quarantine.delete(one.name)
    except OSError as error:
        raise disk_error(error, "delete from the quarantine") from error
    return sum(one.size for one in packs)
