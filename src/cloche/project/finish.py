"""The end of a run: everything that came out becomes its record, in one catalog transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from cloche.capture.spool import Spool, Spooled
from cloche.errors import ClocheError, RunFailed
from cloche.model.environment import Environment, Machine
from cloche.model.operation import FactEffect
from cloche.model.paths import encode_path, inside
from cloche.model.run import Place, Run, Series, StageRun
from cloche.model.snapshot import Snapshot
from cloche.model.wording import some
from cloche.project.executing import Outcome, outputs_of
from cloche.project.going import Going, replaced
from cloche.project.interpreters import see_process
from cloche.project.measure import file_metrics, metric_paths
from cloche.project.noticing import notice_unportable
from cloche.project.observing import observed_outputs
from cloche.project.project import Project
from cloche.store.walk import stat_of


def finish(run: Going, outcome: Outcome) -> Run:
    """Store the log, gather metrics, settle which environment really ran, and close the record."""
    outputs = {**run.outputs, **outputs_of(outcome.stages)}
    environment, snapshot, machine = _really_ran(run, outcome.spooled)
    execution = outcome.execution
    sources = [stage.metrics for stage in outcome.stages] or [spooled.metrics for spooled in outcome.spooled]
    logged = {key: value for source in sources for key, value in source.items()}
    metrics = logged | file_metrics(run, metric_paths(run, outputs))
    _report_spool(run, outcome.spooled)
    _report_missing_metrics(run, outcome)
    notice_unportable(run, outputs)
    record = replaced(
        run.run,
        status=outcome.status,
        ended=run.project.clock(),
        exit_status=0 if execution is None else execution.exit_status,
        signal="" if execution is None else execution.signal,
        snapshot=snapshot,
        machine=machine,
        resources=outcome.resources,
        metrics=metrics,
        outputs=tuple(outputs[path] for path in sorted(outputs)),
        stages=outcome.stages,
        findings=tuple(run.findings),
        observed=observed_outputs(run),
        log=store_log(run.project, run.log),
    )
    close(run.project, record, environment, _all_series(run.project, outcome))
    run.closed = True
    return record


def _all_series(project: Project, outcome: Outcome) -> dict[str, Series]:
    """What the commands logged, and what the stages that were taken from earlier runs had logged there."""
    return stage_series(project, outcome.stages) | merged_series(outcome.spooled)


def stage_series(project: Project, stages: Iterable[StageRun]) -> dict[str, Series]:
    """What the stages that were taken from earlier runs had logged there."""
    found: dict[str, Series] = {}
    for stage in stages:
        if stage.reused and stage.metrics:
            then = project.catalog.series(stage.reused)
            found = {key: then[key] for key in stage.metrics if key in then} | found
    return found


def abandon(run: Going, error: ClocheError) -> None:
    """Close the record of a run that could not be recorded to its end, with the reason. Does what can be done."""
    if isinstance(error, RunFailed):
        run.notice("not-started", error.message, hint=error.hint, error=True)
    else:
        run.notice("recording-failed", f"the recording stopped: {error.message}", hint=error.hint, error=True)
    exit_status = error.exit_status if isinstance(error, RunFailed) else None
    fields = {"status": "failed", "exit_status": exit_status, "ended": run.project.clock()}
    record = replaced(run.run, **fields, findings=tuple(run.findings))
    with contextlib.suppress(ClocheError):
        close_with_what_is_left(run.project, record, run.folder)
        run.closed = True


def close_with_what_is_left(project: Project, record: Run, folder: Path) -> Run:
    """Close the record of a run that did not come to its end with the log and the metrics that lie in its folder, and
    with the stages that were done. The record as it was written."""
    spooled = read_spools(folder)
    metrics = metrics_so_far(record, spooled)
    record = replaced(record, metrics=metrics, log=store_log(project, folder / "log"))
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


def _really_ran(run: Going, spooled: tuple[Spooled, ...]) -> tuple[Environment, Snapshot, Machine]:
    """The environment of the interpreter that was seen to run, which may not be the one that was expected."""
    taken = run.taken
    seen = [process for one in spooled for process in one.processes if process.executable]
    if not seen or taken.python in [encode_path(process.executable) for process in seen]:
        return taken.environment, taken.snapshot, taken.machine
    environment, machine = see_process(run.project, seen[0])
    return environment, msgspec.structs.replace(taken.snapshot, environment=environment.digest), machine


def _report_missing_metrics(run: Going, outcome: Outcome) -> None:
    """Metric files that cloche.toml names and that the whole pipeline did not write."""
    settings = run.project.settings
    if outcome.status != "finished" or {stage.name for stage in outcome.stages} != settings.stages.keys():
        return
    named = [path for path in settings.metrics.files or () if not set(path) & set("*?[")]
    missing = [path for path in named if not any(inside(path, written) for written in run.outputs)]
    if missing and settings.stages:
        run.notice(
            "metrics-missing",
            f"{some(missing)}, named under [metrics] in cloche.toml, was not written",
            hint="correct the name there, or what writes it",
            place=Place(file=missing[0]),
        )


def _report_spool(run: Going, spooled: tuple[Spooled, ...]) -> None:
    if not run.folder.is_dir():
        run.notice(
            "log-lost",
            f"{run.folder} was deleted while the run was going: what it printed and logged is lost",
            hint="look for what deletes it; it may be the command",
            error=True,
        )
    broken = sum(count for one in spooled for count in one.invalid.values())
    if broken:
        run.notice("log-lines-broken", f"{broken} lines of logged metrics could not be read", hint="was the disk full?")
