"""`cloche verify`: is every stored byte what it was, and is everything there that records need?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence

import msgspec

from cloche.capture.cache import load, save
from cloche.errors import ChangedWhileReading, ClocheError, SettingsError, UsageError
from cloche.model.digest import Digest
from cloche.model.lock import lines_of
from cloche.model.run import ID_SHOWN
from cloche.model.snapshot import Tracked
from cloche.project.fetching import fetch_objects
from cloche.project.linked import mend_links
from cloche.project.project import LOCK_FILE, Project
from cloche.project.reach import Reached, lock_roots, run_roots
from cloche.project.remotes import all_remotes, open_remote
from cloche.project.snapshots import take
from cloche.project.view import look
from cloche.project.wholeness import Wholeness
from cloche.store.capture import record_files
from cloche.store.checking import Examined, choose, examine, salvage
from cloche.store.checking import edited as edited_files
from cloche.store.reading import Gone
from cloche.store.walk import os_path

CACHE = "verified.json"
_DAMAGED = 0.0  # in the place of the time when a pack was read

Progress = Callable[[int, int], None]


class Affected(msgspec.Struct, frozen=True):
    """A record that can no longer be put back whole. record: id of a run, or `cloche.lock`. parts: paths of the files
    that are missing of it, and of folders of which nothing more is known."""

    record: str
    parts: tuple[str, ...]

    @property
    def short(self) -> str:
        """The record as it is shown."""
        return self.record if self.record == LOCK_FILE else self.record[:ID_SHOWN]


class Verified(msgspec.Struct, frozen=True):
    """What was found.

    packs, of: how many packs were read, of how many. damaged: packs whose bytes are not what they were. lost: digests
    of content that no good copy of is left here. affected: the records that need something that is lost or missing.
    repaired: digests of what could be had again. sound: nothing is wrong any more. problems: remotes that were of no
    help, and why. edited: digests of whole files in the store that somebody changed through a link. indexes: packs
    whose index was damaged, and is written anew.
    """

    packs: int
    of: int
    damaged: tuple[str, ...]
    lost: tuple[Digest, ...]
    affected: tuple[Affected, ...]
    repaired: tuple[Digest, ...] = ()
    sound: bool = True
    problems: tuple[str, ...] = ()
    edited: tuple[Digest, ...] = ()
    indexes: tuple[str, ...] = ()


def verify(
    project: Project,
    *,
    sample: float = 1.0,
    since_last: bool = False,
    repair: bool = False,
    remotes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Verified:
    """Read packs again, all of them, a share (`sample`, 0 to 1), or those that were not read before (`since_last`);
    those that were found damaged before are always among them.

    repair: put what is good of damaged packs into new ones, and bring back what is lost from the work tree and from
    `remotes` (none: all that the project has; one that cannot be reached is then passed over, and named). Damaged packs
    are moved to `damaged/` in the store, and never deleted. Raises RemoteError for a remote that was named.
    """
    if not 0 < sample <= 1:
        raise UsageError("a sample is more than nothing and at most all", hint="type `cloche verify --sample 10%`")
    cache = project.shared.folder / "cache" / CACHE
    known = load(cache, dict[str, float]) or {}
    there = project.store.pack_names()
    bad = {name for name, at in known.items() if at == _DAMAGED} & there
    leave = set(known) - bad if since_last else ()
    names = sorted(bad.union(choose(project.store, sample=sample, leave=leave, seed=int.from_bytes(project.random(8)))))
    found = examine(project.store, names, progress)
    edited = edited_files(project.store, again=sample == 1 and not since_last)
    repaired: tuple[Digest, ...] = ()
    problems: list[str] = []
    if repair:
        repaired = _repair(project, found, edited, remotes, problems)
        found = examine(project.store, sorted(project.store.pack_names()), progress)
        edited = edited_files(project.store, again=False)
    there = project.store.pack_names()
    bad = {*found.bad_packs, *(one.pack for one in found.bad_frames)}
    known |= dict.fromkeys(found.packs, project.clock()) | dict.fromkeys(bad, _DAMAGED)
    save(cache, {name: at for name, at in known.items() if name in there})
    lost = {raw.hex() for raw in found.lost} | {one for one in edited if not project.store.has(one)}
    affected = tuple(_affected(project, lost))
    return Verified(
        packs=len(found.packs),
        of=len(there),
        damaged=found.bad_packs,
        lost=tuple(sorted(lost)),
        affected=affected,
        repaired=repaired,
        problems=tuple(dict.fromkeys(problems)),
        sound=not (found.bad_packs or found.bad_frames or lost or edited or affected),
        edited=edited,
        indexes=tuple(sorted(project.store.packs.rebuilt)),
    )


def _affected(project: Project, lost: Iterable[Digest]) -> Iterable[Affected]:
    wholeness = Wholeness(project, frozenset(lost))
    gone = wholeness.missing(lock_roots(_tracked(project), project.settings.data.places))
    if gone:
        yield Affected(LOCK_FILE, tuple(gone))
    for run in project.catalog.ids(""):
        gone = wholeness.gone(project.catalog.run(run))
        if gone:
            yield Affected(run, tuple(gone))


def _tracked(project: Project) -> tuple[Tracked, ...]:
    """What `cloche.lock` names. Of one with conflicts in it, what either side does: a merge is no time to be blind."""
    try:
        return project.tracked
    except SettingsError:
        return tuple(lines_of((project.root / LOCK_FILE).read_text("utf-8", "replace")))


def _needed(project: Project) -> Reached:
    """What the runs and `cloche.lock` need."""
    reached = Reached(project.store)
    reached.add(lock_roots(_tracked(project), project.settings.data.places))
    for run in set(project.catalog.ids("")) - project.catalog.elsewhere():
        reached.add(run_roots(project.catalog.run(run)))
    return reached


def _repair(
    project: Project, found: Examined, edited: Sequence[Digest], remotes: Sequence[str], problems: list[str]
) -> tuple[Digest, ...]:
    """Bring back what can be had; the digests of that. As trees come back, what they name is seen to be missing."""
    got: set[bytes] = set()
    with project.collecting():
        packs = {*found.bad_packs, *(one.pack for one in found.bad_frames)}
        if packs:
            salvage(project.store, packs, found.bad_frames)
        for digest in edited:
            project.store.loose.give_up(digest, os.path.join(project.store.folder, "damaged"))
        while wanted := _needed(project).missing:
            _take_from_work_tree(project)
            for name in remotes or all_remotes(project):
                left = _needed(project).missing
                if left:
                    _take_from(project, name, left, None if remotes else problems)
            fresh = wanted - _needed(project).missing
            got |= fresh
            if not fresh:
                break
    mend_links(project)
    return tuple(sorted(raw.hex() for raw in got))


def _take_from(project: Project, name: str, wanted: Iterable[bytes], problems: list[str] | None) -> None:
    """Fetch what is missing from a remote. problems: where to note that it cannot be reached; None: raise."""
    try:
        place = open_remote(project, name)
        try:
            fetch_objects(project, place, wanted)
        finally:
            place.backend.close()
    except ClocheError as error:
        if problems is None:
            raise
        problems.append(f"{name}: {error.message}")


def _take_from_work_tree(project: Project) -> None:
    """Store again what lies in the work tree, and those files of which only a part is missing."""
    take(project, strict=False, values=False)
    reached = _needed(project)
    gone = reached.missing | reached.broken
    files = {path: stat for path, stat in look(project).files.rows() if stat.kind != "d"}
    digests = record_files(project.root, files, project.store, project.cache, keep=False)
    with project.store.writer() as writer:
        for path, entry in digests.items():
            if bytes.fromhex(entry.digest) in gone:
                with contextlib.suppress(Gone, ChangedWhileReading):
                    writer.add_file(os_path(project.root, path), files[path], previous=entry.digest)
