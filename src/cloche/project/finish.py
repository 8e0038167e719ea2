"""The end of a run: everything that came out becomes its record, in one catalog transaction."""

from __future__ import annotations

import contextlib

import msgspec

from cloche.capture.spool import Spooled
from cloche.errors import ClocheError, RunFailed
from cloche.model.environment import Environment, Machine
from cloche.model.paths import encode_path, inside
from cloche.model.run import Place, Run, Series
from cloche.model.snapshot import Snapshot
from cloche.model.wording import some
from cloche.project.closing import close, close_with_what_is_left, merged_series, stage_series, store_log
from cloche.project.executing import Outcome, outputs_of
from cloche.project.going import Going
from cloche.project.interpreters import see_process
from cloche.project.measure import file_metrics, metric_paths
from cloche.project.noticing import notice_unportable
from cloche.project.observing import observed_outputs
from cloche.project.project import Project


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
    record = msgspec.structs.replace(
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


def abandon(run: Going, error: ClocheError) -> None:
    """Close the record of a run that could not be recorded to its end, with the reason. Does what can be done."""
    if isinstance(error, RunFailed):
        run.notice("not-started", error.message, hint=error.hint, error=True)
    else:
        run.notice("recording-failed", f"the recording stopped: {error.message}", hint=error.hint, error=True)
    exit_status = error.exit_status if isinstance(error, RunFailed) else None
    fields = {"status": "failed", "exit_status": exit_status, "ended": run.project.clock()}
    record = msgspec.structs.replace(run.run, **fields, findings=tuple(run.findings))
    with contextlib.suppress(ClocheError):
        close_with_what_is_left(run.project, record, run.folder)
        run.closed = True


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
