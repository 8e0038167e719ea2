"""Sending records and their content to a remote: content first, and the bundle that names it last."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import msgspec

from cloche.errors import Conflict, Damaged, RemoteError
from cloche.model.bundle import Bundle, FactChange, PackSize, Shared
from cloche.model.digest import Digest, digest_bytes
from cloche.model.lock import LOCK_NAME, parse_lock, render_lock
from cloche.model.run import ID_SHOWN, Run
from cloche.model.wording import some
from cloche.project.in_place import in_place
from cloche.project.listing import Remotely, cache, list_packs, look, shelf, write_inventory
from cloche.project.merging import latest_facts
from cloche.project.project import Project
from cloche.project.reach import Reached, Root, lock_roots, run_roots
from cloche.project.remotes import Place
from cloche.remotes.backend import CannotCreate, bundle_name, pack_name
from cloche.remotes.bundles import LARGEST, encode_bundle
from cloche.remotes.waiting import each
from cloche.store.index import digests
from cloche.store.objects import Store
from cloche.store.receiving import Shelf
from cloche.store.transfer import Draft, Plan, drafts, plan

Progress = Callable[[int, int], None]

_AT_ONCE = 2
_GENEROUS = 32 << 20


@dataclass
class Sending:
    """What is to be sent, found out without writing anything. older: texts of `cloche.lock` of before, where a bundle
    has to be made anew. packs: those of the remote that hold what is there. cut: whole files of the store, cut into
    packs only to be sent; cuts: how they are. apart: packs of the remote that do not count, being damaged."""

    found: Remotely
    runs: list[Run] = field(default_factory=list)
    facts: list[FactChange] = field(default_factory=list)
    lock: str = ""
    what: Plan = Plan((), {}, 0)  # noqa: RUF009 - immutable
    objects: int = 0
    packs: set[Digest] = field(default_factory=set)
    cut: Store | None = None
    cuts: Plan = Plan((), {}, 0)  # noqa: RUF009 - immutable
    older: list[str] = field(default_factory=list)
    apart: Collection[Digest] = ()

    @property
    def empty(self) -> bool:
        """Whether the remote has everything."""
        return not (self.runs or self.facts or self.lock or self.older)


def prepare(
    project: Project,
    place: Place,
    runs: Sequence[Run] | None,
    *,
    facts: bool = True,
    apart: Collection[Digest] | None = None,
    lost: Iterable[Bundle] = (),
) -> Sending:
    """What the remote lacks of these runs (None: of all that are finished), of facts, and of `cloche.lock`.

    apart: repair; these packs of it count as not there, and what relied on them is sent again as far as it is here, as
    is what was in these bundles that are lost.
    Raises Damaged where something of what is to be sent is neither here nor there.
    """
    found = look(place)
    found.packs = {name: size for name, size in found.packs.items() if name not in (apart or ())}
    sound = [bundle for bundle in found.bundles.values() if found.is_sound(bundle)]
    unsound = [*lost, *(bundle for bundle in found.bundles.values() if not found.is_sound(bundle))]
    there = {shared.run.id for bundle in sound for shared in bundle.runs}
    sending = Sending(found, apart=apart or ())
    sending.runs = [run for run in (finished(project) if runs is None else runs) if run.id not in there]
    if runs is None and (unsound or apart is not None):
        sending.runs = _of_others_left_out(project, sending.runs, unsound, everything=apart is not None)
    locks = {text for bundle in sound for text in bundle.locks}
    stays = in_place(project)
    copied = [item for item in project.tracked if not stays(item.path)]  # what a bundle names is all there
    lock = render_lock(copied) if copied else ""
    sending.lock = "" if lock in locks else lock
    known = there | {run.id for run in sending.runs}
    if facts:
        theirs = latest_facts(found.bundles.values())
        sending.facts = [
            change
            for key, change in sorted(project.catalog.fact_changes().items())
            if (key not in theirs or change.rank > theirs[key].rank) and _is_about(change, known, key in theirs)
        ]
    if apart is not None:
        older = dict.fromkeys(text for bundle in unsound for text in bundle.locks if text not in locks)
        sending.older = [one for one in older if one != lock and _is_whole(project, lock_roots(parse_lock(one)))]
        sending.facts = _facts_again(sending.facts, sound, unsound)
    _reach(project, place, sending, sound)
    return sending


def _of_others_left_out(project: Project, runs: list[Run], unsound: list[Bundle], *, everything: bool) -> list[Run]:
    """Without those that only others can send again: their bundle is damaged, and their content is not here."""
    theirs = {shared.run.id for bundle in unsound for shared in bundle.runs} & project.catalog.elsewhere()
    return [run for run in runs if (run.id not in theirs and not everything) or _is_whole(project, run_roots(run))]


def _is_whole(project: Project, roots: Iterable[Root]) -> bool:
    """Whether all that these roots need is here."""
    reached = Reached(project.store)
    try:
        reached.add(roots)
    except Damaged:
        return False
    return not reached.missing_trees and all(project.store.is_loose(raw) for raw in reached.missing)


def _facts_again(new: list[FactChange], sound: list[Bundle], unsound: list[Bundle]) -> list[FactChange]:
    """New facts, and those that only bundles hold that are to be replaced."""
    found = latest_facts([*sound, *unsound, Bundle(0.0, facts=tuple(new))])
    held = latest_facts(sound)
    return [change for key, change in sorted(found.items()) if key not in held or change.rank > held[key].rank]


def finished(project: Project) -> Iterator[Run]:
    """Every finished run that is not removed, oldest first."""
    for run in reversed(project.catalog.ids("")):
        record = project.catalog.run(run)
        if record.status != "running":
            yield record


def _is_about(change: FactChange, known: set[str], there: bool) -> bool:
    """Whether a change is about a run that the remote has or gets."""
    if change.fact == "tag":
        return there if change.value is None else change.value in known
    return change.key.partition(" ")[0] in known and (change.value is not None or there)


def _reach(project: Project, place: Place, sending: Sending, sound: Iterable[Bundle]) -> None:
    """Which content is needed, which packs of the remote hold some of it, and how the rest is sent."""
    covered = _Covered()
    for bundle in sound:
        covered.add(bundle)
    roots = [root for run in sending.runs for root in run_roots(run)]
    for text in filter(None, (*sending.older, sending.lock)):
        roots += lock_roots(parse_lock(text))
    new = [root for root in roots if not covered.has(root, sending.packs)]
    reached = Reached(project.store)
    reached.add(new)
    needed = reached.named | reached.chunks | reached.missing
    stacked = shelf(place, sending.found.packs, sending.found.problems) if needed else Shelf(place.cache)
    there = stacked.held(needed)
    sending.packs |= {stacked.names[one.pack] for raw in there for one in stacked.places(raw)[:1]}
    sending.what, left = plan(project.store, needed - there)
    sending.objects = len(needed) - len(there)
    loose = {raw for raw in left if project.store.is_loose(raw)}
    if loose:
        left -= loose
        _cut(project, sending, loose, stacked)
    if left:
        _refuse_missing(project, sending, left)


def _cut(project: Project, sending: Sending, loose: set[bytes], stacked: Shelf) -> None:
    """Cut whole files into packs of a store of their own, which goes when the project is closed, to send these."""
    folder = tempfile.TemporaryDirectory(dir=project.folder / "tmp", prefix="push-")
    sending.cut = Store(Path(folder.name))
    weakref.finalize(sending.cut, folder.cleanup)
    project.store.pack_into(sending.cut, loose)
    frames = {raw for data in sending.cut.indexes() for raw in digests(data)}
    there = stacked.held(frames)
    sending.packs |= {stacked.names[one.pack] for raw in there for one in stacked.places(raw)[:1]}
    sending.cuts, _ = plan(sending.cut, frames - there)
    sending.objects += len(frames - there) - len(loose)


class _Covered:
    """Roots that sound bundles hold already, with the packs of those."""

    def __init__(self) -> None:
        self._packs: dict[tuple[str, Digest], Bundle] = {}

    def add(self, bundle: Bundle) -> None:
        roots = [root for shared in bundle.runs for root in run_roots(shared.run) if not root.optional]
        for lock in bundle.locks:
            roots += lock_roots(parse_lock(lock))
        self._packs.update({(root.kind, root.digest): bundle for root in roots})

    def has(self, root: Root, packs: set[Digest]) -> bool:
        """Whether a root is covered; the packs that hold it are added to `packs`."""
        bundle = self._packs.get((root.kind, root.digest))
        if bundle is not None:
            packs.update(pack.digest for pack in bundle.packs)
        return bundle is not None


def _refuse_missing(project: Project, sending: Sending, left: set[bytes]) -> None:
    names: list[str] = []
    for run in sending.runs:
        reached = Reached(project.store)
        reached.add(run_roots(run))
        if not left.isdisjoint(reached.missing | reached.chunks):
            names.append(f"run {run.short}")
    away = project.catalog.elsewhere()
    hint = "`cloche doctor` lists what is lost; `cloche remove RUN` takes such a run out of what is pushed"
    if any(run.id in away for run in sending.runs):
        hint = "`cloche fetch` brings what another remote holds; then push again"
    raise Damaged(f"the store here does not hold all of {some(names) if names else LOCK_NAME}", hint=hint)


def send(project: Project, place: Place, sending: Sending, progress: Progress | None = None) -> int:
    """Carry it out; the bytes that were sent. The bundle is written only when all content is seen to be there."""
    sizes = {**sending.found.bare, **sending.found.packs}
    for one in sending.apart:
        sizes[one] = -1
    done = 0

    def put(draft: Draft) -> tuple[Digest, int]:
        pack = draft.sealed()
        if sizes.get(pack.digest) != len(pack.data):
            _put(place, pack_name(pack.digest), pack.data, anew=pack.digest in sizes)
        _put(place, pack_name(pack.digest, "index"), pack.positions, anew=True)
        cache(place, f"{pack.digest}.index", pack.positions)
        return pack.digest, len(pack.data)

    packs = drafts(project.store, sending.what)
    if sending.cut is not None:
        packs = chain(packs, drafts(sending.cut, sending.cuts))
    total = sending.what.size + sending.cuts.size
    for digest, size in each(put, packs, _AT_ONCE):
        sending.packs.add(digest)
        sending.apart = [one for one in sending.apart if one != digest]  # made as it was after all
        sizes[digest] = size
        done += size
        if progress is not None:
            progress(done, max(done, total))
    bundles = list(_bundles(project, sending, sizes))
    _prove_there(place, sending.packs, sizes)
    for data in bundles:
        _put(place, bundle_name(digest_bytes(data)), data)
        cache(place, f"{digest_bytes(data)}.bundle", data)
        if not place.rehearsed:
            project.catalog.mark_merged(digest_bytes(data))
    write_inventory(place, broken=sending.found.broken)
    return done


def _put(place: Place, name: str, data: bytes, *, anew: bool = False) -> None:
    """Write what has its content's name: where it is there already, it is the same."""
    try:
        place.backend.put(name, data, create=not anew and not place.remote.single_writer)
    except CannotCreate as error:
        raise RemoteError(
            f"{error.message}: two who push at once could harm each other",
            hint=f"if only you push there: `cloche remote add --single-writer {place.name} {place.remote.url}`",
        ) from error


def _prove_there(place: Place, packs: set[Digest], sizes: dict[Digest, int]) -> None:
    listed = list_packs(place) if packs else {}
    wrong = sorted(pack for pack in packs if listed.get(pack) != sizes.get(pack))
    if wrong:
        raise RemoteError(
            f"{place.name} does not list {len(wrong)} of the packs that it holds (such as {wrong[0][:12]})",
            hint="push again; somebody may be deleting there",
        )


def _bundles(project: Project, sending: Sending, sizes: dict[Digest, int]) -> Iterator[bytes]:
    """The records, in as many bundles as keep each of a handy size."""
    packs = tuple(PackSize(one, sizes[one]) for one in sorted(sending.packs))
    group: list[Shared] = []
    size = 0
    for run in sending.runs:
        shared = Shared(run, project.catalog.series(run.id))
        length = len(msgspec.msgpack.encode(shared))
        if length > LARGEST // 2:
            raise Conflict(
                f"the record of run {run.id[:ID_SHOWN]} has {length:,} bytes, too many to be sent",
                hint="log fewer steps, or leave the run out: `cloche push RUN...`",
            )
        if group and size + length > _GENEROUS:
            yield _encoded(project, Bundle(project.clock(), tuple(group), packs=packs))
            group, size = [], 0
        group.append(shared)
        size += length
    locks = tuple(filter(None, (*sending.older, sending.lock)))
    yield _encoded(project, Bundle(project.clock(), tuple(group), (), tuple(sending.facts), locks, packs))


def _encoded(project: Project, bundle: Bundle) -> bytes:
    names = dict.fromkeys(shared.run.snapshot.environment for shared in bundle.runs)
    environments = tuple(project.catalog.environment(name) for name in names)
    return encode_bundle(msgspec.structs.replace(bundle, environments=environments))
