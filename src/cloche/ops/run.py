"""`cloche run`: execute a command or the pipeline, and record everything as one version."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cloche.capture.config import apply_overrides, read_config
from cloche.errors import ClocheError, InputError, NotFound, UsageError
from cloche.execution import hold_signals
from cloche.execution.command import find_program
from cloche.model.paths import checked, decode_path, inside, legible
from cloche.model.pipeline import order, upstream
from cloche.model.run import Run
from cloche.model.settings import Stage
from cloche.model.suggestions import closest
from cloche.model.values import Value, covers, plain, type_name
from cloche.project.alive import refuse_while_going
from cloche.project.executing import run_command, run_pipeline
from cloche.project.finish import abandon, finish
from cloche.project.going import Going, going, new_id
from cloche.project.in_place import Links
from cloche.project.journal import perform, text_change
from cloche.project.noticing import (
    notice_company,
    notice_late_company,
    notice_links_outside,
    notice_repositories,
    notice_unrecorded,
)
from cloche.project.observing import earlier_outputs
from cloche.project.project import Project
from cloche.project.recovery import recover
from cloche.project.snapshots import Progress, Taken, take
from cloche.project.stages import missing_read_hint
from cloche.store.walk import stat_of

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to run.

    command: empty for the pipeline of `cloche.toml`. stages: only these and what they need. force: run stages even
    where an earlier run has done them. overrides: config values by dotted key; they are written to the parameter
    files first. folder: where the command starts, relative to the project.
    """

    command: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    force: bool = False
    overrides: Mapping[str, Value] = field(default_factory=dict)
    message: str = ""
    experiment: str = ""
    folder: str = ""


def run(project: Project, request: Request, *, say: Say = print, progress: Progress | None = None) -> Run:
    """Run it and return the record. `say` is told what is happening, a line at a time.

    A command that fails is no error here: the run's status says so. Raises UsageError, InputError, SettingsError or
    Busy when it cannot even start; nothing is recorded then.
    """
    chosen = {} if request.command else _stages(project, request)
    recover(project)
    _refuse(project, request, chosen)
    with contextlib.ExitStack() as stack:
        with project.storing():
            taken = _snapshot(project, request, chosen, say, progress)
            stack.enter_context(hold_signals())
            now = stack.enter_context(going(project, taken, _record(project, request, taken)))
        try:
            now.earlier = earlier_outputs(project, taken)
            _notice(now, request, chosen)
            if request.command:
                outcome = run_command(now, request.command, request.folder)
            else:
                outcome = run_pipeline(now, chosen, request.force, say)
            notice_late_company(now)
            return finish(now, outcome)
        except ClocheError as error:
            abandon(now, error)
            raise


def _record(project: Project, request: Request, taken: Taken) -> Run:
    return Run(
        id=new_id(project),
        created=project.clock(),
        status="running",
        command=tuple(legible(word) for word in request.command),
        snapshot=taken.snapshot,
        folder=request.folder,
        experiment=legible(request.experiment),
        message=legible(request.message),
        machine=taken.machine,
    )


def _snapshot(
    project: Project, request: Request, chosen: Mapping[str, Stage], say: Say, progress: Progress | None
) -> Taken:
    command: Sequence[str] | str = request.command or "\n".join(stage.run for stage in chosen.values())
    with project.writing(), Links(project) as links:
        links.make()
        overrides = _fitted(project, request.overrides, say)
        _override(project, overrides)
        taken = take(project, command=command, folder=request.folder, overrides=overrides, progress=progress)
    for path in links.made:
        say(f"made the link {path}, which was missing")
    return taken


def _fitted(project: Project, overrides: Mapping[str, Value], say: Say) -> dict[str, Value]:
    """Overrides with a whole number as a float where a float was. Any other change of type is said aloud."""
    known = read_config(project.root, project.settings).values if overrides else {}
    fitted: dict[str, Value] = {}
    for key, given in overrides.items():
        if isinstance(given, Mapping):
            raise UsageError(f"{key} cannot be set to a whole table", hint=f"set its keys, such as -P {key}.KEY=VALUE")
        value = plain(given)
        was, now = type_name(known.get(key)), type_name(value)
        fitted[key] = float(value) if (was, now) == ("float", "int") and isinstance(value, int) else value
        if key in known and was not in (now, "null") and (was, now) != ("float", "int"):
            say(f"warning: {key} was {was}, and is {now} now")
    return fitted


def _stages(project: Project, request: Request) -> dict[str, Stage]:
    """The stages to go through, in their order."""
    stages = project.settings.stages
    if not stages:
        raise UsageError(
            "nothing to run: no command was given and cloche.toml declares no stages",
            hint="type `cloche run -- python train.py`, or declare [stages.train] in cloche.toml",
        )
    for name in request.stages:
        if name not in stages:
            near = closest(name, stages)
            listed = ", ".join(stages)
            raise NotFound(
                f"cloche.toml declares no stage {name!r}",
                hint=f"did you mean `--stage {near}`?" if near else f"the stages are: {listed}",
            )
    ordered = order(stages)
    wanted = set(request.stages) | {up for name in request.stages for up in upstream(stages, name)} or set(ordered)
    return {name: stages[name] for name in ordered if name in wanted}


def _refuse(project: Project, request: Request, chosen: Mapping[str, Stage]) -> None:
    """Raise for what can be known before anything is recorded: no such command, nothing there to read."""
    if request.folder and not (project.root / decode_path(checked(request.folder))).is_dir():
        raise InputError(f"there is no folder {request.folder} to run in", hint="name a folder below the project's")
    if request.command:
        find_program(request.command, project.root / decode_path(request.folder), os.environ)
    _refuse_unknown_params(project, chosen)
    made = [path for stage in chosen.values() for path in stage.writes]
    for name, stage in chosen.items():
        for path in stage.reads:
            if not any(inside(path, one) or inside(one, path) for one in made) and stat_of(project.root, path) is None:
                raise InputError(
                    f"stage {name} reads {path}, which does not exist",
                    hint=missing_read_hint(path),
                )


def _refuse_unknown_params(project: Project, chosen: Mapping[str, Stage]) -> None:
    known = read_config(project.root, project.settings).values if chosen else {}
    for name, stage in chosen.items():
        for key in stage.params:
            if not any(covers(key, one) for one in known):
                near = closest(key, {*known, *(one.rpartition(".")[0] for one in known)} - {""})
                raise NotFound(
                    f"stage {name} names the parameter {key}, which no parameter file has",
                    hint=f"did you mean `{near}`?" if near else "correct `params` in cloche.toml",
                )


def _notice(run: Going, request: Request, chosen: Mapping[str, Stage]) -> None:
    notice_company(run)
    notice_links_outside(run)
    notice_repositories(run)
    for command in (request.command, *(stage.run for stage in chosen.values())):
        notice_unrecorded(run, command, request.folder if request.command else "")


def _override(project: Project, overrides: Mapping[str, Value]) -> None:
    """Write overrides into the parameter files, where the program reads them. `undo` takes them out again."""
    if not overrides:
        return
    refuse_while_going(project, "the parameter files that -P would change")
    files = read_config(project.root, project.settings).files
    texts = apply_overrides(project.root, files, overrides)
    changes = [text_change(project, path, text) for path, text in texts.items()]
    if any(change.before != change.after for change in changes):
        perform(project, "run -P", "set " + ", ".join(f"{key}={value}" for key, value in overrides.items()), changes)
