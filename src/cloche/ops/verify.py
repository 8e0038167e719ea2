"""`cloche verify`: is every stored byte what it was, and is everything there that records need?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from cloche.capture.cache import load, save
from cloche.errors import ChangedWhileReading, ClocheError, SettingsError, UsageError
from cloche.model.digest import Digest
from cloche.model.lock import lines_of
from cloche.model.run import ID_SHOWN
from cloche.model.snapshot import Tracked
from cloche.project.fetching import fetch_objects
from cloche.project.linked import mend_links
from cloche.project.other_locks import OtherLocks, shown
from cloche.project.partial import DAMAGED, VERIFIED, damaged_packs
from cloche.project.project import LOCK_FILE, Project
from cloche.project.reach import Reached, lock_roots, run_roots
from cloche.project.remotes import all_remotes, open_remote, pick
from cloche.project.snapshots import take
from cloche.project.view import look
from cloche.project.wholeness import Wholeness
from cloche.store.capture import record_files
from cloche.store.checking import Examined, choose, examine, salvage
from cloche.store.checking import edited as edited_files
from cloche.store.reading import Gone
from cloche.store.walk import os_path

Progress = Callable[[int, int], None]


class Affected(msgspec.Struct, frozen=True):
    """A record that can no longer be put back whole. record: the id of a run, `cloche.lock`, or what has another one:
    the hash of a commit, the path of another work tree, the index of Git. parts: paths of the files that are missing of
    it, and of folders of which nothing more is known. kind: `run` or `lock`. refs: branches and tags that have it, in
    words."""

    record: str
    parts: tuple[str, ...]
    kind: Literal["run", "lock"] = "lock"
    refs: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The record as it is shown."""
        return self.record[:ID_SHOWN] if self.kind == "run" else shown(self.record, self.refs)


class Verified(msgspec.Struct, frozen=True):
    """What was found.

    packs, of: how many packs were read, of how many. damaged: packs whose bytes are not what they were. lost: digests
    of content that no good copy of is left here. affected: the records that need something that is lost or missing.
    repaired: digests of what could be had again. sound: nothing is wrong any more. problems: remotes that were of no
    help, and why; or that Git could not tell its history. edited: digests of whole files in the store that somebody
    changed through a link. indexes: packs whose index was damaged, and is written anew. not_here: how many contents of
    data paths other commits name that were never fetched, or given up by `gc`, and are not missed.
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
    not_here: int = 0


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
    are moved to `damaged/` in the store, and never deleted. Raises RemoteError for a remote that was named, and
    NotFound where there is none of that name.
    """
    _refuse_words(project, sample, remotes, repair=repair)
    cache = project.shared.folder / "cache" / VERIFIED
    known = load(cache, dict[str, float]) or {}
    there = project.store.pack_names()
    bad = damaged_packs(project) & there
    leave = set(known) - bad if since_last else ()
    names = sorted(bad.union(choose(project.store, sample=sample, leave=leave, seed=int.from_bytes(project.random(8)))))
    found = examine(project.store, names, progress)
    edited = edited_files(project.store, again=sample == 1 and not since_last)
    repaired: tuple[Digest, ...] = ()
    problems: list[str] = []
    others = _others(project, problems)
    blind = bool(problems)
    if repair:
        repaired = _repair(project, found, edited, remotes, problems, others)
        found = examine(project.store, sorted(project.store.pack_names()), progress)
        edited = edited_files(project.store, again=False)
    there = project.store.pack_names()
    bad = {*found.bad_packs, *(one.pack for one in found.bad_frames)}
    known |= dict.fromkeys(found.packs, project.clock()) | dict.fromkeys(bad, DAMAGED)
    save(cache, {name: at for name, at in known.items() if name in there})
    lost = {raw.hex() for raw in found.lost} | {one for one in edited if not project.store.has(one)}
    wholeness = Wholeness(project, lost)
    affected = tuple(_affected(project, wholeness, others))
    if others is not None:
        others.note_held(wholeness)
    return Verified(
        packs=len(found.packs),
        of=len(there),
        damaged=found.bad_packs,
        lost=tuple(sorted(lost)),
        affected=affected,
        repaired=repaired,
        problems=tuple(dict.fromkeys(problems)),
        sound=not (found.bad_packs or found.bad_frames or lost or edited or affected or blind),
        edited=edited,
        indexes=tuple(sorted(project.store.packs.rebuilt)),
        not_here=others.not_here() if others is not None else 0,
    )


def _refuse_words(project: Project, sample: float, remotes: Sequence[str], *, repair: bool) -> None:
    if not 0 < sample <= 1:
        raise UsageError("a sample is more than nothing and at most all", hint="type `cloche verify --sample 10%`")
    if remotes and not repair:
        raise UsageError(
            "--remote says where to repair from, and nothing is repaired",
            hint=f"type `cloche verify --repair --remote {remotes[0]}`",
        )
    for name in remotes:
        pick(project, name)


def _others(project: Project, problems: list[str]) -> OtherLocks | None:
    """Every other `cloche.lock`; None where that cannot be known, which is noted: packs can be read all the same."""
    try:
        return OtherLocks(project, _tracked(project))
    except ClocheError as error:
        problems.append(f"{error.message}: data of other commits and work trees was not looked at ({error.hint})")
        return None


def _affected(project: Project, wholeness: Wholeness, others: OtherLocks | None) -> Iterable[Affected]:
    gone = wholeness.missing(lock_roots(_tracked(project), project.settings.data.places))
    if gone:
        yield Affected(LOCK_FILE, tuple(gone))
    for lost in others.lost(wholeness) if others is not None else ():
        yield Affected(lost.place, lost.paths, refs=lost.refs)
    for run in project.catalog.ids(""):
        gone = wholeness.gone(project.catalog.run(run))
        if gone:
            yield Affected(run, tuple(gone), kind="run")


def _tracked(project: Project) -> tuple[Tracked, ...]:
    """What `cloche.lock` names. Of one with conflicts in it, what either side does: a merge is no time to be blind."""
    try:
        return project.tracked
    except SettingsError:
        return tuple(lines_of((project.root / LOCK_FILE).read_text("utf-8", "replace")))


def _needed(project: Project, others: OtherLocks | None) -> Reached:
    """What the runs and every `cloche.lock` need."""
    reached = Reached(project.store)
    reached.add(others.needed() if others is not None else ())
    reached.add(lock_roots(_tracked(project), project.settings.data.places))
    for run in set(project.catalog.ids("")) - project.catalog.elsewhere():
        reached.add(run_roots(project.catalog.run(run)))
    return reached


def _repair(
    project: Project,
    found: Examined,
    edited: Sequence[Digest],
    remotes: Sequence[str],
    problems: list[str],
    others: OtherLocks | None,
) -> tuple[Digest, ...]:
    """Bring back what can be had; the digests of that. As trees come back, what they name is seen to be missing."""
    got: set[bytes] = set()
    with project.collecting():
        packs = {*found.bad_packs, *(one.pack for one in found.bad_frames)}
        if packs:
            salvage(project.store, packs, found.bad_frames)
        for digest in edited:
            project.store.loose.give_up(digest, os.path.join(project.store.folder, "damaged"))
        while wanted := _needed(project, others).missing:
            _take_from_work_tree(project, others)
            for name in remotes or all_remotes(project):
                left = _needed(project, others).missing
                if left:
                    _take_from(project, name, left, None if remotes else problems)
            fresh = wanted - _needed(project, others).missing
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


def _take_from_work_tree(project: Project, others: OtherLocks | None) -> None:
    """Store again what lies in the work tree, and those files of which only a part is missing."""
    take(project, strict=False, values=False)
    reached = _needed(project, others)
    gone = reached.missing | reached.broken
    files = {path: stat for path, stat in look(project).files.rows() if stat.kind != "d"}
    digests = record_files(project.root, files, project.store, project.cache, keep=False)
    with project.store.writer() as writer:
        for path, entry in digests.items():
            if bytes.fromhex(entry.digest) in gone:
                with contextlib.suppress(Gone, ChangedWhileReading):
                    writer.add_file(os_path(project.root, path), files[path], previous=entry.digest)
