"""Finding what is damaged on a remote, and making it whole again.

A pack, index or bundle that can be had again byte for byte is put in the place of the damaged one: nobody who relies on
it need know. What cannot is sent anew by `sending`, resting on sound packs alone; only when nothing names the damaged
objects any more are they taken away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from blake3 import blake3

from cloche.errors import StoreError
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
from cloche.project.misplaced import Misplaced, Put
from cloche.project.project import Project
from cloche.project.remotes import LostFormat, Place, format_of, known_id, open_unread, read_id
from cloche.project.sending import finished
from cloche.remotes.backend import FORMAT, astray, bundle_name, pack_name
from cloche.remotes.bundles import LARGEST_FILE, decode_bundle
from cloche.remotes.waiting import each
from cloche.store.frames import PACK_LIMIT
from cloche.store.pack_mending import index_of, made_again

Progress = Callable[[int, int], None]

_AT_ONCE = 2
_LARGEST_INDEX = 256 << 20
_LARGEST_PACK = 4 * PACK_LIMIT
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


def read_packs(place: Place, found: Remotely, progress: Progress | None = None) -> Iterator[tuple[Digest, bytes]]:
    """The bytes of every pack, unproven."""
    sizes = {**found.bare, **found.packs}
    total, done = sum(sizes.values()), 0
    read = each(lambda one: _read_pack(place, one, sizes[one]), sorted(sizes), _AT_ONCE)
    for name, data in zip(sorted(sizes), read, strict=True):
        yield name, data
        done += sizes[name]
        if progress is not None:
            progress(done, total)


def _read_pack(place: Place, name: Digest, size: int) -> bytes:
    return place.read(pack_name(name), min(size, _LARGEST_PACK)) or b""


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


def _named(found: Remotely) -> set[Digest]:
    """The packs that bundles name."""
    return {one.digest for bundle in found.bundles.values() for one in bundle.packs}


def mend(project: Project, place: Place, progress: Progress | None = None) -> Mended:
    """Put right what can be had again byte for byte: of what is left there, of the store and of the cache."""
    mended = Mended()

    def put(name: str, data: bytes, what: str) -> None:
        mended.done.append(what)
        place.backend.put(name, data)

    found = look(place)
    sizes = {**found.bare, **found.packs}
    misplaced = Misplaced(place, _named(found) | sizes.keys())
    wrong = set[Digest]()
    for name, data in read_packs(place, found, progress):
        if _is(name, data):
            _mend_index(place, name, data, put)
        else:
            wrong.add(name)
            misplaced.note(pack_name(name), "pack", data)
    sound = {pack_name(one) for one in sizes.keys() - wrong}
    back = _put_away(place, found, misplaced, sound, mended, put)
    wrong |= _named(look(place)) - sizes.keys()
    for name in sorted(one for one in wrong if pack_name(one) not in back):
        left = _read_pack(place, name, sizes.get(name, 0))
        again = made_again(project.store, name, left, _indexes(place, name))
        if again is None:
            mended.bad.add(name)
        else:
            put(pack_name(name), again, f"pack {name[:12]}")
            _mend_index(place, name, again, put)
    _mend_bundles(place, look(place), mended, put)
    inventory = write_inventory(place, broken=look(place).broken)
    mended.done += [INVENTORY_AGAIN] if inventory.wrong else []
    mended.lost = [bundle for one in inventory.lost if (bundle := known_bundle(place, one))]
    return mended


def _mend_index(place: Place, name: Digest, pack: bytes, put: Put) -> None:
    with contextlib.suppress(StoreError):  # no pack, whatever it is called, or a newer one
        positions = index_of(pack)
        if place.read(pack_name(name, "index"), _LARGEST_INDEX) != positions:
            put(pack_name(name, "index"), positions, f"the index of pack {name[:12]}")


def _put_away(
    place: Place, found: Remotely, misplaced: Misplaced, sound: set[str], mended: Mended, put: Put
) -> set[str]:
    """Put back what is whole and has another name or place than its own, unless it is there; take it away from where
    nobody looks for it. The names of what was put back."""
    for digest in found.broken:
        misplaced.note(bundle_name(digest), "bundle", place.read(bundle_name(digest), LARGEST_FILE) or b"")
    for one in found.astray:
        misplaced.note(one.name, astray(one.name), place.read(one.name, min(one.size, _LARGEST_PACK)) or b"")
    sound |= {bundle_name(one) for one in found.listed if one not in found.broken}
    back = misplaced.put_back(sound, put)
    for one in found.astray:
        if misplaced.holds(one.name) or astray(one.name) == "index":
            mended.done.append(_taken(place, one.name))
    return back


def _taken(place: Place, name: str) -> str:
    place.backend.delete(name)
    return f"took away {name}, where nothing looks for it"


def _mend_bundles(place: Place, found: Remotely, mended: Mended, put: Put) -> None:
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
    """Take away damaged bundles, and those of which others hold everything on sound packs; then, if all else is sound,
    damaged packs that no bundle names or that lie where nobody looks for them. What was done, and what is still wrong,
    but for bundles that are gone."""
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
    missed = write_inventory(place, replaced=(*replaced, *again)).lost
    found = look(place)
    wrong = unmet(found, bad)
    if missed or wrong:  # what is damaged may be all that is left of what is needed
        return done, [*found.problems, *wrong]
    done += [_taken(place, one.name) for one in found.astray]
    for name in sorted((set(bad) & (found.packs.keys() | found.bare.keys())) - _named(found)):
        place.backend.delete(pack_name(name, "index"))  # a pack without its index is passed over, not so an index
        place.backend.delete(pack_name(name))
        done.append(f"took away pack {name[:12]}")
    return done, found.problems


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
    there = place.read(pack_name(name, "index"), _LARGEST_INDEX)
    return [one for one in (there, cached(place, f"{name}.index")) if one is not None]
