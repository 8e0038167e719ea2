"""Carrying out a run: one command, or the stages of the pipeline in their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from cloche.capture.bootstrap import bootstrap_variables
from cloche.capture.spool import Spool, Spooled
from cloche.errors import Damaged, NotFound
from cloche.execution import Execution, execute
from cloche.model.paths import decode_path
from cloche.model.run import ID_SHOWN, Output, Place, Resources, StageRun, Status
from cloche.model.settings import Stage
from cloche.model.values import Value
from cloche.model.wording import some
from cloche.project.going import Going, settle
from cloche.project.links import through_links
from cloche.project.observing import notice_unseen, observe, observed_outputs, only_read
from cloche.project.stages import (
    Key,
    find_earlier,
    key_of,
    observed_reads,
    put_outputs,
    pythons_of,
    visible_params,
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run went. execution: of the last command that really ran, None where every stage was taken from an
    earlier run. spooled: what the processes wrote to the spool, one for each command."""

    status: Status
    execution: Execution | None
    resources: Resources
    spooled: tuple[Spooled, ...] = ()
    stages: tuple[StageRun, ...] = ()


def run_command(run: Going, command: Sequence[str], folder: str) -> Outcome:
    """Execute a plain command in a folder of the project."""
    execution, spooled = _execute(run, tuple(command), "command", folder, run.taken.snapshot.config.values)
    settle(run, reads=only_read(run, spooled))
    observe(run, "the command", spooled)
    notice_unseen(run, spooled, command, folder)
    return Outcome(status_of(execution), execution, execution.resources, (spooled,))


def run_pipeline(run: Going, stages: Mapping[str, Stage], force: bool, say: Say) -> Outcome:
    """Execute stages in the order given; stop at the first that does not finish."""
    done: list[StageRun] = []
    spools: list[Spooled] = []
    last: Execution | None = None
    for name, stage in stages.items():
        key = key_of(run, name, stage)
        earlier = None if force else find_earlier(run, key)
        taken = None if earlier is None else _reuse(run, name, stage, *earlier, say)
        if taken is not None:
            done.append(taken)
            say(f"stage {name}: unchanged, taken from run {taken.reused[:ID_SHOWN]}")
            continue
        say(f"stage {name}: {stage.run}")
        last, spooled = _execute(run, stage.run, name, "", visible_params(run, stage))
        spools.append(spooled)
        done.append(_stage_record(run, name, stage, key, last, spooled))
        _keep(run, done)
        if done[-1].status != "finished":
            break
    status = done[-1].status if done else "finished"
    resources = Resources(
        wall=sum(stage.resources.wall for stage in done if not stage.reused),
        cpu=sum(stage.resources.cpu for stage in done if not stage.reused),
        peak_memory=max((stage.resources.peak_memory for stage in done if not stage.reused), default=0),
    )
    return Outcome(status, last, resources, tuple(spools), tuple(done))


def _keep(run: Going, done: Sequence[StageRun]) -> None:
    """Put the stages so far on record: they hold even where the run does not come to its end."""
    outputs = tuple(run.outputs[path] for path in sorted(run.outputs))
    run.run = msgspec.structs.replace(run.run, stages=tuple(done), outputs=outputs, observed=observed_outputs(run))
    run.project.catalog.update_run(run.run)


def status_of(execution: Execution) -> Status:
    """The word for how a command ended."""
    if execution.interrupted:
        return "interrupted"
    if execution.signal:
        return "killed"
    return "finished" if execution.exit_status == 0 else "failed"


def _execute(
    run: Going, command: Sequence[str] | str, name: str, folder: str, values: Mapping[str, Value]
) -> tuple[Execution, Spooled]:
    spool = run.folder / "spool" / name
    spool.mkdir(parents=True, exist_ok=True)
    variables = bootstrap_variables(spool, run.run.id, run.project.root, values, os.environ)
    where = run.project.root / decode_path(folder) if folder else run.project.root
    execution = execute(command, folder=where, variables=variables, log=run.log)
    if execution.left_running:
        run.notice(
            "still-running",
            "a process that the command started goes on after its end; what it prints and writes now is not recorded",
            hint="let the command wait for it",
        )
    told = Spool(spool).read()
    if run.files.links():
        told = msgspec.structs.replace(told, reads=through_links(run.project, told.reads))
    return execution, told


def _reuse(run: Going, name: str, stage: Stage, earlier: str, record: StageRun, say: Say) -> StageRun | None:
    """The stage as an earlier run did it; None where what that run wrote can no longer be had."""
    try:
        put_outputs(run, name, record.outputs)
    except (Damaged, NotFound) as error:
        say(f"stage {name}: not taken from run {earlier[:ID_SHOWN]}: {error.message}")
        return None
    outputs = settle(run, stage.writes, put=True)
    origin = record.reused or earlier
    run.outputs |= outputs | {one.path: one for one in record.outputs}
    observe(run, f"stage {name}", Spooled(reads=frozenset(record.observed)), stage)
    return StageRun(
        name,
        stage.run,
        "finished",
        record.key,
        reused=origin,
        exit_status=record.exit_status,
        resources=record.resources,
        outputs=record.outputs,
        metrics=record.metrics,
        observed=record.observed,
        pythons=record.pythons,
    )


def _stage_record(run: Going, name: str, stage: Stage, key: Key, execution: Execution, spooled: Spooled) -> StageRun:
    made = frozenset(run.outputs)
    outputs = settle(run, stage.writes, {*stage.reads, *only_read(run, spooled)})
    status = status_of(execution)
    missing = [path for path in stage.writes if path not in outputs]
    if missing and status == "finished":
        status = "failed"
        run.notice(
            "missing-output",
            f"stage {name} did not write {', '.join(missing)}" + _left_over(run, missing),
            hint=f"correct `writes` of [stages.{name}] in cloche.toml, or what the stage does",
            place=Place(stage=name, file=missing[0]),
            error=True,
        )
    steady = observe(run, f"stage {name}", spooled, stage, made)
    unseen = notice_unseen(run, spooled, stage.run, "")
    doubtful = unseen or run.left_over or execution.left_running or run.unsettled or not spooled.complete
    observed = observed_reads(run, stage, key, spooled.reads, outputs)
    _report_observed(run, name, stage, observed)
    return StageRun(
        name,
        stage.run,
        status,
        key.digest if steady and not doubtful else "",  # without one, no later run takes the stage from this one
        exit_status=execution.exit_status,
        resources=execution.resources,
        outputs=tuple(outputs.values()),
        metrics=spooled.metrics,
        observed=observed,
        pythons=pythons_of(run, spooled),
    )


def _left_over(run: Going, missing: Sequence[str]) -> str:
    there = [path for path in missing if run.files.below(path)]
    return f" (what lies at {', '.join(there)} is from before)" if there else ""


def _report_observed(run: Going, name: str, stage: Stage, observed: Mapping[str, str]) -> None:
    there = sorted(observed)
    if not there or not (stage.reads or stage.params):
        return
    run.notice(
        "undeclared-read",
        f"stage {name} was seen to read {some(there)}, which `reads` does not name; the stage now depends on it too",
        hint=f"add it to `reads` of [stages.{name}], or name its keys in `params`",
        place=Place(stage=name, file=there[0]),
    )


def outputs_of(stages: Sequence[StageRun]) -> dict[str, Output]:
    """The outputs of all stages by path; of two stages that wrote one path, the later."""
    return {output.path: output for stage in stages for output in stage.outputs}
