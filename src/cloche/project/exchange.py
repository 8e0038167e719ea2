"""What `fetch`, `pull` and `clone` share: records first, then content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from cloche.errors import RemoteError
from cloche.model.digest import Digest
from cloche.model.run import Run
from cloche.model.wording import some
from cloche.project.fetching import Brought, bring, refuse_lost
from cloche.project.in_place import in_place
from cloche.project.listing import Remotely, inventory, look, lost_bundles
from cloche.project.merging import Merged, merge
from cloche.project.other_locks import note_held
from cloche.project.project import Project
from cloche.project.reach import Reached, Root, lock_roots, run_roots
from cloche.project.remotes import Place, all_remotes, default_name, open_remote
from cloche.project.revisions import find_run

Progress = Callable[[int, int], None]
_AGAIN = "`cloche push --repair` from where {} made puts {} there"


class Fetched(msgspec.Struct, frozen=True):
    """What came from a remote. objects, size: of the content. elsewhere: runs of which only the record is here.
    problems: what is damaged on the remote or contradicts what is here; the rest was taken. lost: runs whose content is
    neither here nor wholly there."""

    remote: str
    url: str
    merged: Merged = Merged()
    objects: int = 0
    size: int = 0
    elsewhere: int = 0
    problems: tuple[str, ...] = ()
    dry_run: bool = False
    lost: tuple[str, ...] = ()


def exchange(
    project: Project,
    place: Place,
    revisions: Sequence[str] = (),
    *,
    data: bool = True,
    lock: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Fetched:
    """Take the records that are new, then the content of the runs named (none: of all that have it elsewhere), and of
    `cloche.lock` where `lock` says so. data: bring the content of runs."""
    before = project.catalog.merged()
    found = look(place, skip=before)
    merged = Merged() if dry_run else merge(project, place.name, found.bundles)
    runs = _runs(project, revisions, found, dry_run=dry_run) if data else []
    roots = [root for run in runs for root in run_roots(run)]
    locked = list(lock_roots(project.tracked, project.settings.data.places)) if lock else []
    brought = bring(project, place, [*locked, *roots], known=found, dry_run=dry_run, progress=progress)
    if not dry_run:
        _settle(project, runs, brought)
    lost = [run for run in runs if brought.lost and _missing(project, run_roots(run), brought)]
    problems = (*found.problems, *_gone(place, found, before), *brought.problems, *_told(lost, place))
    conflicts = tuple(
        f"run {run[:8]} of {place.name} is not the run of that id here; it was left out" for run in merged.conflicts
    )
    if _missing(project, locked, brought):
        refuse_lost(brought, "cloche.lock", place)
    elif lock and not dry_run:
        note_held(project, project.tracked, project.settings.data.places)
    away = len(project.catalog.elsewhere())
    return Fetched(
        place.name,
        place.address.url,
        merged,
        brought.objects,
        brought.size,
        away,
        (*conflicts, *dict.fromkeys(problems)),
        dry_run,
        tuple(run.id for run in lost),
    )


def _runs(project: Project, revisions: Sequence[str], found: Remotely, *, dry_run: bool) -> list[Run]:
    if revisions:
        return [find_run(project, revision) for revision in revisions]
    away = project.catalog.elsewhere()
    hidden = set(project.catalog.ids("", hidden=True)) - set(project.catalog.ids(""))
    runs = [project.catalog.run(run) for run in sorted(away - hidden)]
    if dry_run:
        merged, known = project.catalog.merged(), set(project.catalog.ids("", hidden=True))
        new = (bundle for digest, bundle in found.bundles.items() if digest not in merged)
        runs += [shared.run for bundle in new for shared in bundle.runs if shared.run.id not in known]
    return runs


def _settle(project: Project, runs: Iterable[Run], brought: Brought) -> None:
    """Note which runs are wholly here now."""
    away = project.catalog.elsewhere()
    whole = [run.id for run in runs if run.id in away and not _missing(project, run_roots(run), brought)]
    if whole:
        project.catalog.mark_elsewhere(whole, is_here=True)


def _missing(project: Project, roots: Iterable[Root], brought: Brought) -> bool:
    if not brought.lost:
        return False
    reached = Reached(project.store)
    reached.add(roots)
    return bool(reached.missing) or not brought.lost.isdisjoint(raw.hex() for raw in reached.named)


def _told(lost: list[Run], place: Place) -> list[str]:
    names = some([f"run {run.short}" for run in lost])
    return [f"{place.name} does not hold all of {names}: {_AGAIN.format('they were', 'it')}"] if lost else []


def _gone(place: Place, found: Remotely, known: Collection[Digest]) -> list[str]:
    """Bundles that are not there any more and whose records never came here, in words."""
    if not place.backend.listable:  # there it is the inventory that tells of bundles
        return []
    named, wrong = inventory(place)
    hint = _AGAIN.format("their runs were", "them")
    if wrong and (found.listed or found.packs or found.bare):
        return [f"{place.name} {wrong}, so that nobody can tell which bundles it has lost: {hint}"]
    gone = [one for one in lost_bundles(place, named, found.listed) if one not in known]
    names = some([f"bundle {one[:12]}" for one in gone])
    return [f"{place.name} has lost {names}, with runs that are not here: {hint}"] if gone else []


def lock_at_hand(project: Project, progress: Progress | None = None) -> str:
    """Make sure that what `cloche.lock` names is here, as far as the default remote has it. The name of that remote,
    where it was asked."""
    stays = in_place(project)
    missing = project.store.missing(item.digest for item in project.tracked if not stays(item.path))
    if missing and default_name(all_remotes(project)):
        place = open_remote(project)
        known = look(place, skip=project.catalog.merged())
        items = [item for item in project.tracked if item.digest in missing]
        brought = bring(project, place, known=known, roots=lock_roots(items), progress=progress)
        if not brought.lost:
            note_held(project, items)
        place.backend.close()
        return place.name
    return ""


def _is_here(project: Project, roots: Iterable[Root], *, trees_only: bool) -> bool:
    reached = Reached(project.store)
    reached.add(roots)
    return not (reached.missing_trees if trees_only else reached.missing)


def at_hand(project: Project, run: Run, *, trees_only: bool = False, only: Iterable[Root] | None = None) -> None:
    """Make sure that what a run needs is here: where its content is elsewhere, it is fetched from the default remote.

    trees_only: only the listings of its folders. only: some of it. Raises RemoteError where that cannot be.
    """
    if run.id not in project.catalog.elsewhere():
        return
    roots = list(run_roots(run) if only is None else only)
    if only is not None and not project.store.missing(root.digest for root in roots):
        return
    if only is None and _is_here(project, roots, trees_only=trees_only):
        return
    if not default_name(all_remotes(project)):
        raise RemoteError(
            f"the content of run {run.short} is on a remote, and none is the default one",
            hint=f"type `cloche fetch {run.short} --remote NAME`",
        )
    place = open_remote(project)
    found = look(place, skip=project.catalog.merged())
    brought = bring(project, place, roots, known=found, trees_only=trees_only)
    if not trees_only and only is None:
        _settle(project, [run], brought)
    refuse_lost(brought, f"run {run.short}", place)
