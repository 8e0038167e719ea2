"""Finding what is damaged on a remote, and making it whole again.

A pack, index or bundle that can be had again byte for byte is put in the place of the damaged one: nobody who relies on
it need know. What cannot is sent anew by `sending`, resting on sound packs alone; only when nothing names the damaged
objects any more are they taken away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from blake3 import blake3

from cloche.errors import ClocheError, StoreError
from cloche.model.bundle import Bundle
from cloche.model.digest import Digest, digest_bytes
from cloche.project.listing import (
    Remotely,
    cached,
    known_bundle,
    look,
    lost_bundles,
    read_inventory,
    runs_of,
    write_inventory,
)
from cloche.project.merging import latest_facts
from cloche.project.project import Project
from cloche.project.remotes import LostFormat, Place, format_of, known_id, open_unread, read_id
from cloche.project.sending import finished
from cloche.remotes.backend import FORMAT, astray, bundle_name, pack_name
from cloche.remotes.bundles import decode_bundle
from cloche.remotes.waiting import each
from cloche.store.pack_mending import index_of, made_again

Progress = Callable[[int, int], None]

_AT_ONCE = 2
_LARGEST_INDEX = 256 << 20
INVENTORY_AGAIN = "the inventory, which those who read by the web need"
OLD = 3600.0  # seconds: nobody writes one object for so long without a byte arriving


@dataclass
class Mended:
    """What was put right. done: in words. bad: packs that cannot be made again here. lost: bundles
    that are gone, as they were read here before."""

    done: list[str] = field(default_factory=list)
    bad: set[Digest] = field(default_factory=set)
    lost: list[Bundle] = field(default_factory=list)


def reopen(project: Project, name: str, *, dry_run: bool = False) -> tuple[Place, list[str]]:
    """Open a remote to repair it (dry_run: to rehearse that), and put right by what it is known, as it was where that
    was noted here; what was done, in words."""
    place = open_unread(project, name)
    if dry_run:
        place.rehearse()
    place.fresh = True
    try:
        place.id = read_id(place)
    except LostFormat:
        place.id = known_id(place) or project.random(16).hex()
        place.backend.put(FORMAT, format_of(place.id))
        return place, [f"the file `{FORMAT}`, by which it is known"]
    return place, []


def read_packs(
    place: Place, found: Remotely, progress: Progress | None = None, *, skip: Collection[Digest] = ()
) -> Iterator[tuple[Digest, bytes]]:
    """The bytes of every pack but those to skip, unproven."""
    sizes = {name: size for name, size in {**found.bare, **found.packs}.items() if name not in skip}
    total, done = sum(sizes.values()), 0
    read = each(lambda one: place.backend.get(pack_name(one), sizes[one]) or b"", sorted(sizes), _AT_ONCE)
    for name, data in zip(sorted(sizes), read, strict=True):
        yield name, data
        done += sizes[name]
        if progress is not None:
            progress(done, total)


def damaged_packs(place: Place, found: Remotely, progress: Progress | None = None) -> list[str]:
    """Packs whose bytes are not what they were, in words."""
    read = read_packs(place, found, progress)
    return [
        f"pack {name[:12]} is damaged: its bytes do not match its name" for name, data in read if not _is(name, data)
    ]


def unmet(found: Remotely, bad: Collection[Digest] = ()) -> list[str]:
    """Bundles that rely on what is not there or not sound, in words."""
    said: list[str] = []
    for digest, bundle in found.bundles.items():
        wrong = [one.digest for one in bundle.packs if one.digest in bad or found.packs.get(one.digest) != one.size]
        if wrong:
            packs = f"{len(wrong)} packs that are not there or damaged, such as {wrong[0][:12]}"
            said.append(f"bundle {digest[:12]}{runs_of(bundle)} needs {packs}")
    return said


def mend(project: Project, place: Place, progress: Progress | None = None) -> Mended:
    """Put right what can be had again byte for byte: of what is left there, of the store and of the cache."""
    mended = Mended()

    def put(name: str, data: bytes, what: str) -> None:
        mended.done.append(what)
        place.backend.put(name, data)

    sound = _put_away(place, mended, put)
    found = look(place)
    named = {one.digest for bundle in found.bundles.values() for one in bundle.packs}
    gone = sorted(named - found.packs.keys() - found.bare.keys())
    for name, data in chain(read_packs(place, found, progress, skip=sound), ((one, b"") for one in gone)):
        whole = data
        if not _is(name, data):
            again = made_again(project.store, name, data, _indexes(place, name))
            if again is None:
                mended.bad.add(name)
                continue
            put(pack_name(name), again, f"pack {name[:12]}")
            whole = again
        try:
            positions = index_of(whole)
        except StoreError:  # no pack, whatever it is called, or a newer one
            continue
        if place.backend.get(pack_name(name, "index"), _LARGEST_INDEX) != positions:
            put(pack_name(name, "index"), positions, f"the index of pack {name[:12]}")
    _mend_bundles(place, found, mended, put)
    inventory = write_inventory(place)
    mended.done += [INVENTORY_AGAIN] if inventory.wrong else []
    mended.lost = [bundle for one in inventory.lost if (bundle := known_bundle(place, one))]
    return mended


def _put_away(place: Place, mended: Mended, put: Callable[[str, bytes, str], None]) -> set[Digest]:
    """Take away what lies where nobody looks for it; where it belongs, if it is whole and not there, it is put.
    The packs that were."""
    found = look(place)
    packs: set[Digest] = set()
    for one in found.astray:
        data, ending = place.backend.get(one.name, one.size) or b"", astray(one.name)
        digest = digest_bytes(data)
        with contextlib.suppress(ClocheError):  # it is none
            if ending == "pack" and digest not in found.packs and digest not in found.bare:
                place.backend.put(pack_name(digest, "index"), index_of(data))
                packs.add(digest)
                put(pack_name(digest), data, f"pack {digest[:12]}, which lay elsewhere")
            elif ending == "bundle" and digest not in found.listed and decode_bundle(data, digest):
                put(bundle_name(digest), data, f"bundle {digest[:12]}, which lay elsewhere")
        place.backend.delete(one.name)
        mended.done.append(f"took away {one.name}, where nothing looks for it")
    return packs


def _mend_bundles(place: Place, found: Remotely, mended: Mended, put: Callable[[str, bytes, str], None]) -> None:
    """Bundles that were read here before; but none whose content is gone."""
    packs = {**found.packs, **found.bare}
    for digest in (*found.broken, *(one for one in read_inventory(place) if one not in found.listed)):
        data = cached(place, f"{digest}.bundle")
        if data is None or digest_bytes(data) != digest:
            continue
        bundle = decode_bundle(data, digest)
        if all(packs.get(one.digest) == one.size and one.digest not in mended.bad for one in bundle.packs):
            put(bundle_name(digest), data, f"bundle {digest[:12]}")


def clear(project: Project, place: Place, bad: Collection[Digest]) -> tuple[list[str], list[str]]:
    """Take away damaged bundles, and those of which others hold everything on sound packs; then damaged packs that no
    bundle names. What was done, and what is still wrong, but for bundles that are gone."""
    found = look(place)
    for one in bad:
        found.packs.pop(one, None)
    sound = [bundle for bundle in found.bundles.values() if found.is_sound(bundle)]
    rest = {digest: bundle for digest, bundle in found.bundles.items() if not found.is_sound(bundle)}
    replaced = [digest for digest, bundle in rest.items() if _is_covered(bundle, sound, found.bundles.values())]
    done: list[str] = []
    for digest in (*replaced, *found.broken):
        place.backend.delete(bundle_name(digest))
        done.append(f"took away bundle {digest[:12]}")
    lost = lost_bundles(place, read_inventory(place), found.listed)
    everything = found.bundles.values()
    again = [one for one in (*lost, *found.broken) if _is_again(project, place, one, sound, everything)]
    write_inventory(place, replaced=(*replaced, *again))
    found = look(place)
    named = {one.digest for bundle in found.bundles.values() for one in bundle.packs}
    for name in sorted((set(bad) & (found.packs.keys() | found.bare.keys())) - named):
        place.backend.delete(pack_name(name, "index"))  # a pack without its index is passed over, not so an index
        place.backend.delete(pack_name(name))
        done.append(f"took away pack {name[:12]}")
    return done, [*found.problems, *unmet(found, bad)]


def _is_again(project: Project, place: Place, lost: Digest, sound: list[Bundle], everything: Iterable[Bundle]) -> bool:
    """Whether sound bundles hold all of one that is gone: as it was read here, or else, where its records were taken in
    or come from here, all runs that are known here."""
    bundle = known_bundle(place, lost)
    if bundle is not None:
        return _is_covered(bundle, sound, everything)
    there = {shared.run.id for one in sound for shared in one.runs}
    return lost in project.catalog.merged() and all(run.id in there for run in finished(project))


def _is_covered(bundle: Bundle, sound: Iterable[Bundle], everything: Iterable[Bundle]) -> bool:
    """Whether sound bundles hold all that this one does, but for runs that were removed."""
    facts, locks, runs = latest_facts(sound), set[str](), set[str]()
    for one in sound:
        locks.update(one.locks)
        runs.update(shared.run.id for shared in one.runs)
    runs |= {key for (fact, key), change in latest_facts(everything).items() if fact == "removed" and change.value}
    older = all((held := facts.get((one.fact, one.key))) and held.rank >= one.rank for one in bundle.facts)
    return older and locks.issuperset(bundle.locks) and runs.issuperset(shared.run.id for shared in bundle.runs)


def clear_left_overs(project: Project, place: Place, found: Remotely) -> int:
    """Take away what writes that were cut off long ago have left; how many."""
    old = [one for one in found.left if 0 < one.changed < project.clock() - OLD]
    for one in old:
        place.backend.delete(one.name)
    return len(old)


def _is(name: Digest, data: bytes) -> bool:
    return blake3(data).hexdigest() == name


def _indexes(place: Place, name: Digest) -> list[bytes]:
    """What may be the index of a pack."""
    there = place.backend.get(pack_name(name, "index"), _LARGEST_INDEX)
    return [one for one in (there, cached(place, f"{name}.index")) if one is not None]
