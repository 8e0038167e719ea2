"""Bringing back what is good where the store has lost some of it: what is lost is named, and what lies there stays."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Sequence

from cloche.capture.cache import load
from cloche.errors import Damaged, NotFound
from cloche.model.changes import PathChange
from cloche.model.digest import Digest
from cloche.model.paths import above
from cloche.model.plan import PlannedFile
from cloche.model.wording import some
from cloche.project.project import Project
from cloche.project.reach import Reached, Root
from cloche.store.checkout import expand

VERIFIED = "verified.json"  # in `cache/`: when each pack was read, or DAMAGED
DAMAGED = 0.0


def obtainable(
    project: Project, changes: Sequence[PathChange], gone: Iterable[str] = ()
) -> tuple[list[PathChange], tuple[str, ...]]:
    """Those of the changes whose content the store can give, every byte proven, and the paths that are lost, sorted.

    gone: folders whose list cannot be read. What lies where something is lost is not taken away.
    """
    sound = functools.cache(project.store.is_sound)
    lost = set(gone)
    for one in changes:
        if one.after is not None and one.after.kind != "d" and one.before != one.after and not sound(one.after.digest):
            lost.add(one.path)
    coming = {at for one in changes if one.after is not None and one.path not in lost for at in above(one.path)}
    around = lost.union(*map(above, lost)) - coming

    def stays(change: PathChange) -> bool:
        if change.after is not None:
            return change.path in lost
        return change.path in around or not lost.isdisjoint(above(change.path))

    return [one for one in changes if not stays(one)], tuple(sorted(lost))


def lost_among(project: Project, changes: Iterable[PathChange]) -> Damaged | NotFound | None:
    """The error that names those of the changes whose content the store cannot give, every byte proven; None where it
    can give all. NotFound where all that is lost is not there at all."""
    gone: list[str] = []
    files: dict[str, Digest] = {}
    for one in changes:
        if one.after is not None and one.before != one.after:
            entries = expand(project.store, one.after, one.path, gone)
            files |= {path: entry.digest for path, entry in entries.items() if entry.kind != "d"}
    sound = functools.cache(project.store.is_sound)
    lost = sorted({*gone, *(path for path, digest in files.items() if not sound(digest))})
    if not lost:
        return None
    absent = not gone and all(not project.store.has(files[path]) for path in lost)
    return (NotFound if absent else Damaged)(f"the store here has lost {some(lost)}", hint=Damaged.advice)


def preview(project: Project, files: Iterable[PlannedFile]) -> None:
    """Raise Damaged or NotFound, as carrying this out would. Contents are read only where something is known to be
    wrong: the store lacks some, or `verify` has found packs that are damaged."""
    changes = [one.change for one in files]
    if project.store.pack_names() & damaged_packs(project) or _lacks(project, changes):
        lost = lost_among(project, changes)
        if lost is not None:
            raise lost


def _lacks(project: Project, changes: Iterable[PathChange]) -> bool:
    reached = Reached(project.store)
    wanted = (one.after for one in changes if one.after is not None and one.before != one.after)
    try:
        reached.add(Root(one.name, one.kind, one.digest) for one in wanted)
    except Damaged:
        return True
    return bool(reached.missing)


@contextlib.contextmanager
def naming_lost(project: Project, changes: Sequence[PathChange]) -> Iterator[None]:
    """Around what makes these changes: an error of the store names paths instead of digests."""
    try:
        yield
    except (Damaged, NotFound) as error:
        named = lost_among(project, changes)
        if named is None:
            raise
        raise named from error


@contextlib.contextmanager
def advising(more: str) -> Iterator[None]:
    """Around what names lost files: what else to type about them."""
    try:
        yield
    except (Damaged, NotFound) as error:
        if error.hint != Damaged.advice:
            raise
        raise type(error)(error.message, hint=f"{error.hint}; {more}") from error


def damaged_packs(project: Project) -> set[str]:
    """The packs that `verify` has found damaged; they may be gone since."""
    known = load(project.shared.folder / "cache" / VERIFIED, dict[str, float]) or {}
    return {name for name, at in known.items() if at == DAMAGED}
