"""`cloche revert`: bring the work tree back to what a run was given."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from cloche.analysis.environments import diff_environments
from cloche.environments import create_environment
from cloche.errors import ClocheError, Conflict, InputError, UsageError
from cloche.model.changes import PARTS, Part, PathChange, checked_parts
from cloche.model.lock import render_lock
from cloche.model.operation import Effect, PackagesEffect
from cloche.model.paths import above
from cloche.model.plan import Belongs, Plan, PlannedFile
from cloche.model.run import Run
from cloche.model.settings import FILE_NAME, Remote
from cloche.model.tree import Entry, entry_of
from cloche.model.wording import some
from cloche.project.alive import refuse_while_going
from cloche.project.exchange import at_hand, lock_at_hand
from cloche.project.journal import parted, perform, planned, text_change, towards
from cloche.project.kept_in_place import in_place_notes, in_place_problems, is_in_place
from cloche.project.locked import to_lock
from cloche.project.other_locks import note_held
from cloche.project.packages import Packages, plan_environment
from cloche.project.partial import advising, preview
from cloche.project.project import LOCK_FILE, Project
from cloche.project.recovery import recover
from cloche.project.remote_settings import forget_doubled, remotes_to_keep, write_remotes
from cloche.project.revisions import find_run
from cloche.project.sides import Side, data_files, data_towards, observed_changes, run_side, work_side
from cloche.project.stages import output_changes


def revert(
    project: Project,
    revision: str = "",
    *,
    only: Sequence[Part] = (),
    lock: bool = False,
    partial: bool = False,
    dry_run: bool = False,
) -> Plan:
    """Restore code, data, config and environment of a run exactly, and its outputs; `only` names some of the four.

    lock: no run, but the data that `cloche.lock` names; partial: as far as the store has not lost it. What is
    overwritten is stored first: `undo` returns it. Git's commit and branch stay where they are. Raises NotFound,
    InputError where something here cannot be read, Conflict where something cannot be had, and Busy while a run is
    going.
    """
    recover(project)
    checked_parts(only)
    if lock == bool(revision) or (lock and only):
        raise UsageError("name a run, or --lock without anything else", hint="type `cloche revert @~1`")
    if partial and not lock:
        raise UsageError("--partial goes with --lock", hint=_takes_files(revision))
    if lock:
        lock_at_hand(project)
        return to_lock(project, "revert", dry_run=dry_run, partial=partial)
    at_hand(project, find_run(project, revision))
    with project.writing(), advising(_takes_files(revision)):
        run = find_run(project, revision)
        parts = tuple(only) or PARTS
        now, then = work_side(project, like=run, values=False), run_side(project, run)
        _refuse_unreadable(now, project.settings.data.external)
        files, left = parted(_files(project, now, then, parts, with_outputs=not only))
        packages = _packages(project, now, then) if "environment" in parts else Packages()
        notes = left + (_notes(now, then) if "environment" in parts else ())
        if "data" in parts:
            notes += (*in_place_notes(project, now, then), *_not_held(project, now, then), *_never_had(run))
        keep = remotes_to_keep(project, [one.change for one in files])
        if keep:
            notes += (f"the remotes of {FILE_NAME}: this copy of the project keeps {some(list(keep))}",)
        stuck = in_place_problems(project, now, then, parts)
        problems = (*packages.problems, *stuck)
        blocked = {*(("code", "data") if stuck else ()), "environment" if packages.problems else ""}
        plan = Plan("revert", run.id, files, packages.changes, packages.python, packages.creates, problems, notes)
        if dry_run:
            preview(project, files)
            return plan
        _refuse_problems(plan, revision, [one for one in PARTS if one not in blocked])
        _apply(project, run, plan, then, keep)
    return plan


def _takes_files(revision: str) -> str:
    return f"`cloche checkout {shlex.quote(revision)} PATH --partial` takes files"


def _notes(now: Side, then: Side) -> tuple[str, ...]:
    """What differs and is not for us to put back: variables and the machine."""
    facts = diff_environments(now.environment, then.environment).facts
    return tuple(
        f"{name} is {here or 'not set'} here, and was {there or 'not set'}"
        for name, (here, there) in facts.items()
        if name not in ("implementation", "python", "build")
    )


def _not_held(project: Project, now: Side, then: Side) -> tuple[str, ...]:
    """What the run read, is not as it was, and was never recorded."""
    held = _held(project, then)
    gone = [one.path for one in observed_changes(then, now) if one.before is not None and one.path not in held]
    gone_or_held = {*gone, *held}
    notes = [f"{path} is not as it was, and its content was never recorded" for path in gone]
    stays = sorted(_lay_there(project, now, then) - gone_or_held)
    notes += [f"{some(stays)} may have been there, and was not tracked: it stays as it is"] if stays else []
    return tuple(notes)


def _never_had(run: Run) -> tuple[str, ...]:
    """What an import could not carry over."""
    return tuple(f"{one.message} ({one.hint})" for one in run.findings if one.check == "content-missing")


def _files(
    project: Project, now: Side, then: Side, parts: Sequence[Part], with_outputs: bool
) -> tuple[PlannedFile, ...]:
    chosen: dict[str, tuple[PathChange, Belongs]] = {}
    belonged = _belonging(then)
    stay = {one.path for one in then.snapshot.code.left_out} | then.observed.keys() | _lay_there(project, now, then)

    def may_go(path: str, part: Belongs) -> bool:
        """A path that was another part's then is not this part's to delete, nor one that lay there all the same."""
        return belonged(path) in (part, "") and stay.isdisjoint((path, *above(path)))

    def put(changes: Sequence[PathChange], part: Belongs) -> None:
        mine = (change for change in changes if change.after is not None or may_go(change.path, part))
        chosen.update({change.path: (change, part) for change in mine})

    if with_outputs and then.run is not None:
        for output in then.run.outputs:
            put(output_changes(project, output), "outputs")
    if "data" in parts:
        put(_data(project, now, then), "data")
        written = {one.path for one in then.run.outputs} if with_outputs and then.run is not None else set[str]()
        held = {path: one for path, one in _held(project, then).items() if written.isdisjoint((path, *above(path)))}
        put(towards(project, {}, held), "data")
    if "code" in parts:
        put(towards(project, now.code, then.code), "code")
    if "config" in parts:
        put(towards(project, _config(now), _config(then)), "config")
    return tuple(
        planned(project, change, part)
        for path, (change, part) in sorted(chosen.items())
        if change.before != change.after
    )


def _lay_there(project: Project, now: Side, then: Side) -> set[str]:
    """Data that nobody tracked when the run ran, and that Git ignored then as it does now: it may have lain there, and
    stays. What was not ignored would have been code, so it was not there."""
    new = now.data.keys() - then.data.keys()
    if project.git is None or then.run is None:
        return set()
    found = set[str]()
    for path, (source, pattern) in project.git.ignore_rules(new).items():
        rules = then.code.get(source)
        lines = project.store.read(rules.digest).decode("utf-8", "replace").splitlines() if rules else []
        if not source or pattern in lines:
            found.add(path)
    return found


def _held(project: Project, then: Side) -> dict[str, Entry]:
    """What the run read beyond its inputs, as far as the store holds the content."""
    return {path: one for path, one in then.observed.items() if project.store.has(one.digest)}


def _belonging(then: Side) -> Callable[[str], Belongs | Literal[""]]:
    """Tells what a path was part of when the run ended; empty where it was not there."""
    config = {one.path for one in then.snapshot.config.files}
    outputs = {one.path for one in then.run.outputs} if then.run is not None else set[str]()

    def part_of(path: str) -> Belongs | Literal[""]:
        places = {path, *above(path)}
        if path in config:
            return "config"
        if not places.isdisjoint(then.data):
            return "data"
        return "code" if path in then.code else "" if places.isdisjoint(outputs) else "outputs"

    return part_of


def _config(side: Side) -> dict[str, Entry]:
    return {one.path: entry_of(one) for one in side.snapshot.config.files}


def _data(project: Project, now: Side, then: Side) -> list[PathChange]:
    changes: list[PathChange] = []
    for path in now.data.keys() | then.data.keys():
        wanted = then.data.get(path)
        if now.data.get(path) == wanted or is_in_place(now, then, path):
            continue
        if wanted is not None:
            changes += data_towards(project, wanted, now.taken.data.get(path) if now.taken is not None else None)
        else:  # what became data later goes
            changes += [PathChange(one, entry, None) for one, entry in data_files(project, now, path).items()]
    locked = project.tracked
    if locked != then.snapshot.data.paths:
        changes.append(text_change(project, LOCK_FILE, render_lock(then.snapshot.data.paths)))
    return changes


def _packages(project: Project, now: Side, then: Side) -> Packages:
    python = now.taken.machine.python if now.taken is not None else ""
    return plan_environment(project, python, now.environment, then.environment)


def _refuse_unreadable(now: Side, external: Collection[str]) -> None:
    unreadable = [one for one in now.unreadable if one[0] not in external]
    if unreadable:
        path, why = unreadable[0]
        raise InputError(
            f"cannot read {path}: {why}; it could not be put back after being overwritten",
            hint="make it readable, or move it out of the project",
        )


def _refuse_problems(plan: Plan, revision: str, rest: Sequence[Part]) -> None:
    if plan.problems:
        what = "the data" if "data" not in rest else "the environment"
        raise Conflict(
            f"{what} cannot be put back: " + "; ".join(plan.problems),
            hint=f"the rest can: `cloche revert {revision} --only {','.join(rest)}`",
        )


def _apply(project: Project, run: Run, plan: Plan, then: Side, keep: Mapping[str, Remote]) -> None:
    if plan.empty:
        return
    refuse_while_going(project, "the files and packages that revert would change")
    if plan.creates:
        create_environment(project.root, then.environment)
    effects: list[Effect] = []
    if plan.packages:
        before = tuple(change.before for change in plan.packages if change.before is not None)
        after = tuple(change.after for change in plan.packages if change.after is not None)
        effects.append(PackagesEffect(plan.python, before, after))
    changes = [planned.change for planned in plan.files]
    try:
        if keep:
            write_remotes(project, keep, local=True, summary="")
        if any(change.path == LOCK_FILE for change in changes):
            note_held(project, then.snapshot.data.paths, then.snapshot.data.in_place)
        perform(project, "revert", f"went back to run {run.short}", changes, effects)
    except ClocheError:
        if plan.creates:
            shutil.rmtree(project.root / plan.creates, ignore_errors=True)  # made a moment ago, for this alone
        raise
    project.refresh()
    forget_doubled(project)
