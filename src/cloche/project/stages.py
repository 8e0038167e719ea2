"""Stages: what each may depend on, and whether an earlier run has done it already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloche.capture.secrets import secret_reason
from cloche.capture.spool import Spooled
from cloche.errors import InputError
from cloche.model.changes import PathChange
from cloche.model.digest import Digest
from cloche.model.paths import inside
from cloche.model.pipeline import order, stage_key
from cloche.model.run import Output, StageRun
from cloche.model.settings import Stage
from cloche.model.tree import Entry
from cloche.model.values import Value, covers
from cloche.project.going import Going
from cloche.project.interpreters import see, see_process, see_python
from cloche.project.journal import files_of, in_the_way, perform, present
from cloche.project.links import behind_links
from cloche.project.naming import named_paths
from cloche.project.project import Project
from cloche.project.reach import Reached, Root
from cloche.project.trees import entry_at


@dataclass(frozen=True)
class Key:
    """The key of a stage, with what went into it. known: paths whose content the key covers."""

    digest: Digest
    inputs: dict[str, Digest]
    whole_code: bool


def key_of(run: Going, name: str, stage: Stage) -> Key:
    """The key of a stage as the work tree stands now.

    It covers the command, the environment, what the stage reads, its parameters, and the code: the whole of it,
    unless `reads` names code files, which are then all the code that it depends on. What links among the reads
    lead to counts as well. A stage that names no reads depends on all data and on what the stages before it wrote,
    and one that names neither reads nor params on the whole snapshot. Raises InputError where something that it
    reads is not there.
    """
    snapshot = run.taken.snapshot
    environment, _ = see(run.project, stage.run)
    read = {path: _entries(run, name, path) for path in stage.reads}
    inputs = {path: _state(entry_at(run.project, path, entries)) for path, entries in read.items()}
    if not stage.reads:
        inputs = {item.path: item.digest for item in snapshot.data.paths}
        inputs |= _outputs_before(run, name)
    inputs |= _programs(run, stage)
    params = visible_params(run, stage)
    names_code = any(inside(path, read) for path in run.taken.view.code for read in stage.reads)
    code = "" if names_code else snapshot.code.tree
    links = [path for entries in read.values() for path, entry in entries.items() if entry.kind == "l"]
    if behind := behind_links(run.project, links):
        inputs["behind links"] = behind
    return Key(stage_key(stage, stage.run, environment.digest, inputs, params, code), inputs, not names_code)


def _outputs_before(run: Going, name: str) -> dict[str, str]:
    """What lies where the stages before this one write, as far as anything does, whoever wrote it."""
    stages = order(run.project.settings.stages)
    before = stages[: stages.index(name)]
    found: dict[str, str] = {}
    for path in [path for stage in before for path in run.project.settings.stages[stage].writes]:
        entries = present(run.project, [path])
        if entries:
            found[f"output {path}"] = _state(entry_at(run.project, path, entries))
    return found


def _is_narrow(stage: Stage) -> bool:
    """Whether a stage says what it depends on. One that does not depends on the whole snapshot."""
    return bool(stage.reads or stage.params)


def visible_params(run: Going, stage: Stage) -> dict[str, Value]:
    """The config values that a stage depends on: those that it names, or all of them. It is given no others."""
    values = run.taken.snapshot.config.values
    narrow = _is_narrow(stage)
    return {key: value for key, value in values.items() if not narrow or any(covers(one, key) for one in stage.params)}


def _state(entry: Entry) -> str:
    """What of a file can change a result: its content, and whether it can be executed."""
    return f"{entry.kind} {entry.digest}"


def _programs(run: Going, stage: Stage) -> dict[str, str]:
    """Files of the project that the command itself names, such as the script that it starts."""
    named = [path for path in named_paths(run.project, stage.run, "") if path in run.files]
    mine = [path for path in named if not any(inside(path, one) for one in (*stage.reads, *stage.writes))]
    known = run.taken.view.outputs | run.outputs.keys()
    found = present(run.project, [path for path in mine if path not in known])
    return {f"command {path}": _state(entry) for path, entry in found.items()}


def _entries(run: Going, name: str, path: str) -> dict[str, Entry]:
    entries = present(run.project, [path])
    if not entries:
        raise InputError(
            f"stage {name} reads {path}, which does not exist",
            hint=missing_read_hint(path),
        )
    return entries


def missing_read_hint(path: str) -> str:
    """What to do where a stage reads what is not there."""
    if any(sign in path for sign in "*?["):
        return "`reads` takes no patterns: name the folder, and all that is in it counts"
    return "create it, or name it in the `writes` of the stage that makes it"


def find_earlier(run: Going, key: Key) -> tuple[str, StageRun] | None:
    """An earlier run of this stage that still holds: same key, and what else it was seen to read is the same too."""
    if run.unsettled:
        return None
    for earlier, stage in run.project.catalog.stages_with_key(key.digest):
        if _still_holds(run, stage) and all(_has(run, output) for output in stage.outputs):
            return earlier, stage
    return None


def _still_holds(run: Going, stage: StageRun) -> bool:
    now = present(run.project, stage.observed)
    if any(path not in now or now[path].digest != digest for path, digest in stage.observed.items()):
        return False
    return all(_environment(run, python) == digest for python, digest in stage.pythons.items())


def _environment(run: Going, python: str) -> Digest:
    return see_python(run.project, python)[0].digest


def _has(run: Going, output: Output) -> bool:
    """Whether all of an output is here: of a run of somebody else it may be the list of its files alone."""
    reached = Reached(run.project.store)
    reached.add([Root(output.path, output.kind, output.digest)])
    return not reached.missing


def put_outputs(run: Going, name: str, outputs: tuple[Output, ...]) -> None:
    """Bring the outputs of an earlier run into the work tree. What they replace is stored and can be undone."""
    changes: list[PathChange] = []
    for output in outputs:
        changes += output_changes(run.project, output)
    if any(change.before != change.after for change in changes):
        with run.project.writing():
            perform(run.project, "run", f"took the outputs of stage {name} from an earlier run", changes)


def output_changes(project: Project, output: Output) -> list[PathChange]:
    """The changes that make a path of the work tree what an output was."""
    now = in_the_way(project, [output.path])
    wanted = files_of(project, output)
    here = {path for path in now if path in wanted or not secret_reason(project.root, path)}
    return [PathChange(path, now.get(path), wanted.get(path)) for path in sorted(here | wanted.keys())]


def observed_reads(
    run: Going, stage: Stage, key: Key, opened: Iterable[str], own: Mapping[str, Output]
) -> dict[str, Digest]:
    """Inputs that a stage was seen to read although its key does not cover them, with their digests.

    A parameter file counts as covered where the stage names the keys that it uses. That a file was looked for and was
    not there is not seen.
    """
    view = run.taken.view
    seen: dict[str, Digest] = {}
    for path in opened:
        covered = any(inside(path, read) for read in (*stage.reads, *stage.writes)) or path in own
        code = key.whole_code and path in view.code
        config = path in view.config and (bool(stage.params) or not _is_narrow(stage))
        if not (covered or code or config):
            entry = run.taken.entry(path) or present(run.project, [path]).get(path)
            if entry is not None:
                seen[path] = entry.digest
    return seen


def pythons_of(run: Going, spooled: Spooled) -> dict[str, Digest]:
    """The interpreters that were seen to run, with the digests of their environments."""
    return {seen.executable: see_process(run.project, seen)[0].digest for seen in spooled.processes if seen.executable}
