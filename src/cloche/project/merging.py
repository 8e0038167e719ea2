"""Taking the records of bundles into the catalog, all in one transaction."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cloche.catalog.documents import encode
from cloche.model.bundle import Bundle, FactChange, Shared
from cloche.model.digest import Digest
from cloche.model.environment import Environment
from cloche.model.operation import FactEffect
from cloche.model.run import ID_SHOWN
from cloche.model.wording import some
from cloche.project.project import Project


class Moved(msgspec.Struct, frozen=True):
    """A tag that names another run than before: the last change of it holds. Empty: none."""

    name: str
    before: str
    after: str


class Merged(msgspec.Struct, frozen=True):
    """What was new. conflicts: runs whose record here is another one."""

    runs: tuple[str, ...] = ()
    tags: tuple[Moved, ...] = ()
    notes: int = 0
    removed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def merge(project: Project, remote: str, bundles: dict[Digest, Bundle]) -> Merged:
    """Take in what these bundles hold. New runs are marked as being elsewhere: their content is not here yet."""
    catalog = project.catalog
    with project.writing(), catalog.transaction():
        merged = catalog.merged()
        new = {digest: bundle for digest, bundle in bundles.items() if digest not in merged}
        known = set(catalog.ids("", hidden=True))
        runs: list[str] = []
        conflicts: list[str] = []
        for bundle in new.values():
            environments = {one.digest: one for one in bundle.environments}
            for shared in bundle.runs:
                if shared.run.id not in known:
                    _add(project, shared, environments)
                    known.add(shared.run.id)
                    runs.append(shared.run.id)
                elif encode(catalog.run(shared.run.id)) != encode(shared.run):
                    conflicts.append(shared.run.id)
        catalog.mark_elsewhere(runs)
        effects = _merge_facts(project, remote, new.values())
        for digest in new:
            catalog.mark_merged(digest)
    return Merged(
        tuple(runs),
        tuple(Moved(one.key, one.before or "", one.after or "") for one in effects if one.fact == "tag"),
        sum(one.fact == "note" for one in effects),
        tuple(one.key for one in effects if one.fact == "removed" and one.after is not None),
        tuple(dict.fromkeys(conflicts)),
    )


def latest_facts(bundles: Iterable[Bundle]) -> dict[tuple[str, str], FactChange]:
    """Of each fact the change that holds, whichever bundle comes first."""
    found: dict[tuple[str, str], FactChange] = {}
    for bundle in bundles:
        for change in bundle.facts:
            before = found.get((change.fact, change.key))
            if before is None or change.rank > before.rank:
                found[change.fact, change.key] = change
    return found


def _add(project: Project, shared: Shared, environments: dict[Digest, Environment]) -> None:
    catalog, run = project.catalog, shared.run
    catalog.add_run(run, environments[run.snapshot.environment])
    catalog.put_stages(run.id, run.stages)
    catalog.put_series(run.id, shared.series)


def _merge_facts(project: Project, remote: str, bundles: Iterable[Bundle]) -> list[FactEffect]:
    catalog = project.catalog
    ours = catalog.fact_changes()
    newer = [
        change
        for key, change in sorted(latest_facts(bundles).items())
        if key not in ours or change.rank > ours[key].rank
    ]
    effects: list[FactEffect] = []
    for change in newer:
        effect = catalog.effect_of(change)
        if effect is not None:
            effects.append(effect)
            catalog.set_fact(effect.fact, effect.key, effect.after, change.changed)
    catalog.note_fact_changes(newer)
    if effects:
        what = some(sorted({_named(one) for one in effects}))
        operation = catalog.start_operation("fetch", f"took {what} from {remote}", effects, project.clock())
        catalog.finish_operation(operation.number)
    return effects


def _named(effect: FactEffect) -> str:
    if effect.fact == "removed":
        return f"the removal of {effect.key[:ID_SHOWN]}"
    return f"{effect.fact} {effect.key}"
