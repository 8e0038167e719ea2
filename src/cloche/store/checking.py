"""Reading packs again, byte by byte: is everything what it was?"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from cloche.errors import Damaged, NotFound
from cloche.model.digest import Digest
from cloche.store.filesystem import disk_error
from cloche.store.frames import Place
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter, discarding
from cloche.store.recipes import RECIPE

Progress = Callable[[int, int], None]


class BadFrame(NamedTuple):
    """Content that a pack no longer holds as it was written. why: in words."""

    pack: str
    digest: bytes
    why: str


class Examined(NamedTuple):
    """What was found. packs: names of those that were read. bad_packs: those whose bytes are not what gave them their
    name. bad_frames: what of them can no longer be read, whether or not another pack still has it. lost: raw digests of
    content that no pack that was read or trusted has any more, and of blobs with such a chunk."""

    packs: tuple[str, ...]
    bad_packs: tuple[str, ...]
    bad_frames: tuple[BadFrame, ...]
    lost: frozenset[bytes]


class Fault(NamedTuple):
    """Something that is wrong with a store, in words. digest: of the content that is lost by it, if any is."""

    message: str
    digest: Digest = ""


def faults_of(store: Store) -> list[Fault]:
    """Read everything and say what is wrong; nothing where all is well. Damaged indexes do not count: they are rebuilt.

    Raises StoreError.
    """
    found = examine(store, sorted(store.pack_names()))
    why = {bad.digest: bad.why for bad in found.bad_frames}
    return [
        *(Fault(f"pack {name[:12]} is damaged: its bytes do not match its name") for name in found.bad_packs),
        *(
            Fault(f"{raw.hex()[:12]} is lost: {why.get(raw, 'a chunk of it is missing')}", raw.hex())
            for raw in sorted(found.lost)
        ),
        *(Fault(f"{one[:12]} was changed through a link into the store", one) for one in edited(store, again=True)),
    ]


def edited(store: Store, *, again: bool) -> tuple[Digest, ...]:
    """Loose files that are not what their names say. again: read each, and not only those whose stat changed."""
    found = [digest for digest, _ in store.loose.all() if not store.loose.is_sound(digest, again=again)]
    store.loose.save()
    return tuple(sorted(found))


def choose(store: Store, *, sample: float = 1.0, leave: Collection[str] = (), seed: int = 0) -> list[str]:
    """Names of packs to read: a share of their bytes, at random, without those in `leave`."""
    sizes = {name: _size(store, name) for name in sorted(store.pack_names() - set(leave))}
    names = list(sizes)
    if sample < 1:
        random.Random(seed).shuffle(names)  # noqa: S311 - a sample, no secret
    chosen: list[str] = []
    wanted = sample * sum(sizes.values())
    for name in names:
        if wanted <= 0:
            break
        chosen.append(name)
        wanted -= sizes[name]
    return chosen


def examine(store: Store, names: Sequence[str], progress: Progress | None = None) -> Examined:
    """Read these packs whole. Raises StoreError where the disk will not let them be read at all.

    progress: told the bytes read so far, and those to read in all.
    """
    store.close()
    store.packs.forget()
    total = sum(_size(store, name) for name in names)
    wanted, done = set(names), 0
    bad_packs: list[str] = []
    bad_frames: list[BadFrame] = []
    recipes: list[bytes] = []
    try:
        for name, places in list(store.packs.contents()):
            listed = list(places)
            if name in wanted:
                sound = _is_intact(store, name)
                if not sound:
                    bad_packs.append(name)
                bad_frames += [bad for place in listed if (bad := _look(store, name, place)) is not None]
                done += _size(store, name)
                if progress is not None:
                    progress(done, total)
            recipes += [place.digest for place in listed if place.kind == RECIPE]
    except OSError as error:
        raise disk_error(error, "read from the store") from error
    where = {(one.pack, one.digest) for one in bad_frames}
    lost = {one.digest for one in bad_frames if not _elsewhere(store, one.digest, where)}
    lost.update(raw for raw in recipes if raw not in lost and not _is_complete(store, raw, lost))
    return Examined(tuple(names), tuple(bad_packs), tuple(bad_frames), frozenset(lost))


def salvage(store: Store, names: Iterable[str], bad: Collection[BadFrame]) -> None:
    """Write what is good of damaged packs into new ones, and move the damaged ones to `damaged/` beside `packs/`.

    Nothing is deleted. Raises DiskFull, StoreError.
    """
    wanted = store.pack_names().intersection(names)
    known = {(one.pack, one.digest) for one in bad}
    writer = PackWriter(store.folder, store.fs)
    with discarding(writer, "repair the store"):
        for name, places in list(store.packs.contents()):
            if name in wanted:
                for place in sorted(places, key=lambda one: one.offset):
                    if (name, place.digest) not in known:
                        _copy(store, place, writer)
        writer.publish()
        folder = os.path.join(store.folder, "damaged")
        store.fs.make_folders(folder)
        for name in sorted(wanted):
            store.fs.rename(store.packs.path(name), os.path.join(folder, f"{name}.pack"))
            store.fs.discard(store.packs.path(name, "index"))
    store.packs.forget()


def _copy(store: Store, place: Place, writer: PackWriter) -> None:
    try:
        payload = store.packs.payload(place)
    except (Damaged, FileNotFoundError):  # it went bad since it was looked at; `verify` names it the next time
        return
    writer.append(place.kind, place.codec, place.digest, payload, place.raw)


def _look(store: Store, name: str, place: Place) -> BadFrame | None:
    try:
        store.packs.read(place)
    except Damaged as error:
        return BadFrame(name, place.digest, error.message)
    except FileNotFoundError:
        return BadFrame(name, place.digest, f"pack {name[:12]} is gone")
    return None


def _elsewhere(store: Store, raw: bytes, bad: Collection[tuple[str, bytes]]) -> bool:
    """Whether a pack that was not found damaged there has this content."""
    names = store.packs.order
    return any((names[place.pack], raw) not in bad for place in store.packs.places(raw))


def _is_complete(store: Store, raw: bytes, lost: Collection[bytes]) -> bool:
    try:
        return all(chunk not in lost and store.packs.holds(chunk) for chunk in store.chunks(raw))
    except (Damaged, NotFound):
        return False


def _is_intact(store: Store, name: str) -> bool:
    try:
        return store.packs.intact(name)
    except FileNotFoundError:
        return False


def _size(store: Store, name: str) -> int:
    try:
        return os.stat(store.packs.path(name)).st_size
    except OSError:
        return 0
