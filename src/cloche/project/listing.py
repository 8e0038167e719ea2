"""What a remote holds now: its bundles and packs, read and proven. Nothing is believed because it was so before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from cloche.errors import ClocheError, Damaged, NewerVersion, RemoteError
from cloche.model.bundle import Bundle
from cloche.model.digest import Digest, digest_bytes
from cloche.model.wording import some
from cloche.project.remotes import Place
from cloche.remotes.backend import (
    BUNDLES,
    INVENTORY,
    PACKS,
    Listed,
    astray,
    bundle_name,
    is_left_over,
    pack_name,
    parse_name,
)
from cloche.remotes.bundles import LARGEST_FILE, decode_bundle
from cloche.remotes.waiting import each
from cloche.store.index import check_index
from cloche.store.receiving import Shelf

_AT_ONCE = 8
_INVENTORY = b"cloche-inventory-1\n"
_LARGEST_INVENTORY = 64 << 20
_LARGEST_INDEX = 256 << 20


class Remotely(msgspec.Struct):
    """What a remote holds. bundles: those that could be read. packs: sizes of the packs that are whole as far as can be
    told without reading them; bare: of those without an index. problems: what is damaged there; broken: bundles whose
    bytes do not match their name. left: what writes that were cut off have left. astray: what lies where nobody looks
    for it."""

    listed: list[Digest] = []
    bundles: dict[Digest, Bundle] = {}
    packs: dict[Digest, int] = {}
    problems: list[str] = []
    bare: dict[Digest, int] = {}
    broken: list[Digest] = []
    left: list[Listed] = []
    astray: list[Listed] = []

    def is_sound(self, bundle: Bundle) -> bool:
        """Whether every pack that a bundle relies on is there, with its size."""
        return all(self.packs.get(pack.digest) == pack.size for pack in bundle.packs)


def look(place: Place, skip: Collection[Digest] = ()) -> Remotely:
    """Find out what the remote holds. Bundles are read (but for those to skip, where they can be), packs are not."""
    found = Remotely()
    if place.backend.listable:
        found = _listed(place)
    else:
        found.listed = _needed_inventory(place)
    wanted = [one for one in found.listed if one not in skip or not place.backend.listable]
    for digest, data in zip(wanted, each(lambda one: _cached_or_got(place, one), wanted, _AT_ONCE), strict=True):
        # Not in the threads that read: to decode a type for the first time, in two threads at once, crashes msgspec.
        bundle = _decoded(digest, data)
        if isinstance(bundle, Bundle):
            found.bundles[digest] = bundle
        else:
            found.problems.append(bundle)
            found.broken += [digest] if data is not None and digest_bytes(data) != digest else []
    if not place.backend.listable:
        found.packs = {pack.digest: pack.size for bundle in found.bundles.values() for pack in bundle.packs}
    return found


def _listed(place: Place) -> Remotely:
    """The names and sizes of what is there."""
    sizes: dict[str, dict[Digest, int]] = {"pack": {}, "index": {}, "bundle": {}}
    left: list[Listed] = []
    lying: list[Listed] = []
    for one in (*place.backend.list(BUNDLES), *place.backend.list(PACKS)):
        parsed = parse_name(one.name)
        if parsed is not None:
            sizes[parsed[1]][parsed[0]] = one.size
        elif is_left_over(one.name):
            left.append(one)
        elif astray(one.name):
            lying.append(one)
    packs, indexes = sizes["pack"], sizes["index"]
    whole = {digest: size for digest, size in packs.items() if digest in indexes}
    bare = {digest: size for digest, size in packs.items() if digest not in indexes}
    return Remotely(sorted(sizes["bundle"]), packs=whole, bare=bare, left=left, astray=lying)


def list_packs(place: Place) -> dict[Digest, int]:
    """The packs that a remote lists, each with its index."""
    return _listed(place).packs


def shelf(place: Place, packs: dict[Digest, int], problems: list[str]) -> Shelf:
    """Where everything lies in these packs of a remote. What is damaged is left out and named in `problems`."""
    names = sorted(packs)
    found = Shelf(place.cache)
    for name, data in zip(names, each(lambda one: _read_index(place, one, packs[one]), names, _AT_ONCE), strict=True):
        try:
            if isinstance(data, bytes):
                found.add(name, data, packs[name])
            else:
                problems.append(data)
        except Damaged as error:
            problems.append(error.message)
    return found


def read_inventory(place: Place) -> list[Digest]:
    """The bundles that the inventory names; it is a hint, and each of them is proven when it is read."""
    return inventory(place)[0]


def inventory(place: Place) -> tuple[list[Digest], str]:
    """What it names, and what is wrong with it. Its last line counts the others, so that it is not cut short."""
    data = place.read(INVENTORY, _LARGEST_INVENTORY)
    if data is None:
        return [], "has no inventory"
    lines = data.decode("ascii", "replace").splitlines()[1:] if data.startswith(_INVENTORY) else []
    parsed = (parse_name(bundle_name(line)) for line in lines)
    named = sorted({one[0] for one in parsed if one is not None})
    whole = bool(lines) and data.endswith(b"\n") and lines[-1] == f"end {len(named)}" and len(named) == len(lines) - 1
    return named, "" if whole else "has a damaged inventory"


def _needed_inventory(place: Place) -> list[Digest]:
    """The inventory of a place that cannot be listed: without it nothing can be found there."""
    named, wrong = inventory(place)
    if wrong:
        raise RemoteError(
            f"{place.address.url} {wrong}: what is there cannot be told by the web",
            hint="`cloche push` to the folder or bucket that it serves writes it anew",
        )
    return named


def inventory_problems(place: Place, found: Remotely) -> list[str]:
    """What those who read by the web do not see as it is, and which bundles are gone."""
    named, wrong = inventory(place)
    gone = in_words(place, lost_bundles(place, named, found.listed))
    if wrong and found.listed:
        return [f"{place.name} {wrong}, which those who read by the web need", *gone]
    left_out = set(found.listed).difference(named, found.broken)
    return [*gone, *(f"the inventory does not name bundle {one[:12]}" for one in sorted(left_out))]


def lost_bundles(place: Place, named: Iterable[Digest], listed: Collection[Digest]) -> list[Digest]:
    """The bundles that the inventory names and that are not there, also when it is looked again."""
    lost = set(named).difference(listed)
    return sorted(lost - _bundle_names(place)) if lost else []


def in_words(place: Place, lost: Iterable[Digest]) -> list[str]:
    """Bundles that are gone, with their runs where they were read here before."""
    known = {one: known_bundle(place, one) for one in lost}
    return [f"bundle {one[:12]}{runs_of(bundle)} is gone: the inventory names it" for one, bundle in known.items()]


def runs_of(bundle: Bundle | None) -> str:
    """The runs of a bundle, in brackets after its name."""
    return f" ({some([f'run {shared.run.short}' for shared in bundle.runs])})" if bundle and bundle.runs else ""


def _bundle_names(place: Place) -> set[Digest]:
    return {parsed[0] for one in place.backend.list(BUNDLES) if (parsed := parse_name(one.name))}


class Inventory(NamedTuple):
    """What came of bringing the inventory up to date. wrong: it was not. lost: what it names and is not there."""

    wrong: bool
    lost: list[Digest]


def write_inventory(
    place: Place,
    listed: Collection[Digest] | None = None,
    *,
    broken: Collection[Digest] = (),
    replaced: Collection[Digest] = (),
) -> Inventory:
    """List the bundles for those who cannot. listed: what is known to be there. broken: what is called as a bundle, and
    is none; an inventory that is whole and has never named it does not do so now. replaced: what nobody needs any more.
    Whatever else it names and is not there keeps its line, so that everybody is told.

    Looked at again after each write, so that of two who write at once the last one names what both have added.
    """
    wrote = False
    for _ in range(5):
        named, wrong = inventory(place)
        there = set(listed) if listed is not None and not set(named).difference(listed) else _bundle_names(place)
        lost = set(named) - there - set(replaced)
        there -= set() if wrong else set(broken).difference(named)
        wanted = sorted(there | lost)
        if named == wanted and (not wrong or not wanted):
            break
        lines = "".join(f"{one}\n" for one in wanted)
        place.backend.put(INVENTORY, _INVENTORY + f"{lines}end {len(wanted)}\n".encode())
        wrote, listed = True, None
    return Inventory(wrote, sorted(lost))


def _cached_or_got(place: Place, digest: Digest) -> bytes | None:
    """The bytes of a bundle as they are in the cache, if they still are, or on the remote; None where it is gone."""
    data = None if place.fresh else cached(place, f"{digest}.bundle")
    if data is not None and digest_bytes(data) == digest:
        return data
    data = place.read(bundle_name(digest), LARGEST_FILE)
    if data is not None and digest_bytes(data) == digest:
        cache(place, f"{digest}.bundle", data)
    return data


def _decoded(digest: Digest, data: bytes | None) -> Bundle | str:
    """A bundle, or what is wrong with it."""
    if data is None:
        return f"bundle {digest[:12]} is gone"
    if not data:
        return f"bundle {digest[:12]} is damaged: it is empty, too large, or no file"
    try:
        return decode_bundle(data, digest)
    except (Damaged, NewerVersion) as error:
        return error.message


def _read_index(place: Place, digest: Digest, size: int) -> bytes | str:
    """The index of a pack of `size` bytes, or what is wrong with it."""
    try:
        data = None if place.fresh else cached(place, f"{digest}.index")
        with contextlib.suppress(Damaged):
            if data is not None:
                return check_index(data, bytes.fromhex(digest))
        data = place.read(pack_name(digest, "index"), min(_LARGEST_INDEX, 4096 + 2 * size))
        if data is None:
            return f"the index of pack {digest[:12]} is gone"
        check_index(data, bytes.fromhex(digest))
    except Damaged as error:
        return f"{error.message} (pack {digest[:12]} of the remote)"
    cache(place, f"{digest}.index", data)
    return data


def cached(place: Place, name: str) -> bytes | None:
    """What was read of the remote before, unproven."""
    with contextlib.suppress(OSError), open(os.path.join(place.cache, name), "rb", buffering=0) as file:
        return file.readall()
    return None


def known_bundle(place: Place, digest: Digest) -> Bundle | None:
    """A bundle that was read here before."""
    data = cached(place, f"{digest}.bundle")
    bundle = _decoded(digest, data) if data is not None and digest_bytes(data) == digest else None
    return bundle if isinstance(bundle, Bundle) else None


def cache(place: Place, name: str, data: bytes) -> None:
    """Keep what of the remote never changes."""
    if place.rehearsed:
        return
    with contextlib.suppress(OSError, ClocheError):  # a disk that takes no cache still serves
        os.makedirs(place.cache, exist_ok=True)
        place.fs.replace_file(os.path.join(place.cache, name), data, durable=False)
