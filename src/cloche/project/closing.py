"""Closing the record of a run: with its log, what it logged, and that it was recorded, in one catalog transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from cloche.capture.spool import Spool, Spooled
from cloche.model.environment import Environment
from cloche.model.operation import FactEffect
from cloche.model.run import Run, Series, StageRun
from cloche.project.project import Project
from cloche.store.walk import stat_of


def close_with_what_is_left(project: Project, record: Run, folder: Path) -> Run:
    """Close the record of a run that did not come to its end with the log and the metrics that lie in its folder, and
    with the stages that were done. The record as it was written."""
    spooled = read_spools(folder)
    metrics = metrics_so_far(record, spooled)
    record = msgspec.structs.replace(record, metrics=metrics, log=store_log(project, folder / "log"))
    series = stage_series(project, record.stages) | merged_series(spooled)
    close(project, record, None, series)
    return record


def read_spools(folder: Path) -> tuple[Spooled, ...]:
    """What the commands of a run have told, from the folder of the run."""
    spools = sorted((folder / "spool").glob("*")) if (folder / "spool").is_dir() else []
    return tuple(Spool(one).read() for one in spools)


def metrics_so_far(record: Run, spooled: Iterable[Spooled]) -> dict[str, float]:
    """The metrics of the stages that are done, and what was logged since."""
    sources = [*(stage.metrics for stage in record.stages), *(one.metrics for one in spooled)]
    return {key: value for source in sources for key, value in source.items()}


def close(project: Project, record: Run, environment: Environment | None, series: Mapping[str, Series]) -> None:
    """Write a finished record to the catalog, whole or not at all."""
    project.cache.save()
    with project.catalog.transaction():
        project.catalog.update_run(record, environment)
        project.catalog.put_stages(record.id, record.stages)
        project.catalog.put_series(record.id, series)
        effect = FactEffect("removed", record.id, before="undone", after=None)
        operation = project.catalog.start_operation(
            "run", f"recorded run {record.short}", (effect,), project.clock(), worktree=project.shared.worktree
        )
        project.catalog.finish_operation(operation.number)


def store_log(project: Project, log: Path) -> str:
    """Store the log of a run; its digest. A run that printed nothing has the log of no bytes."""
    stat = stat_of(log.parent, log.name)
    with project.store.writer() as writer:
        if stat is None:
            return writer.add_bytes(b"")
        return writer.add_file(str(log), stat)[0]


def merged_series(spooled: tuple[Spooled, ...]) -> dict[str, Series]:
    """The series of all commands; where two logged one key, one after the other."""
    merged: dict[str, Series] = {}
    for one in spooled:
        for key, series in one.series.items():
            before = merged.get(key, Series())
            merged[key] = Series(
                before.steps + series.steps, before.values + series.values, before.times + series.times
            )
    return merged


def stage_series(project: Project, stages: Iterable[StageRun]) -> dict[str, Series]:
    """What the stages that were taken from earlier runs had logged there."""
    found: dict[str, Series] = {}
    for stage in stages:
        if stage.reused and stage.metrics:
            then = project.catalog.series(stage.reused)
            found = {key: then[key] for key in stage.metrics if key in then} | found
    return found
