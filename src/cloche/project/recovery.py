"""What was left by a Cloche that was killed: runs whose record is open, operations that are half-done."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import msgspec

from cloche.errors import Busy, DiskFull, NotFound, StoreError
from cloche.model.operation import FilesEffect, Operation, PackagesEffect
from cloche.model.run import Finding, Resources, Run
from cloche.project.alive import RUN_LOCK
from cloche.project.closing import close_with_what_is_left
from cloche.project.holding import held
from cloche.project.journal import conclude, effect_changes, present
from cloche.project.project import LOCK, Project

BEGINNING = 60.0  # seconds: a run is in the catalog long before


def recover(project: Project) -> list[Run]:
    """Close the record of every run that says `running` but has no one who records it any more.

    Its log, its logged metrics and series are kept; its status becomes `killed`. Returns the runs that were closed.
    A disk that takes nothing now is no error: they are closed another time.
    """
    closed = [run for one in project.catalog.running() if (run := _close_if_dead(project, one)) is not None]
    _sweep(project)
    return closed


def _close_if_dead(project: Project, run: Run) -> Run | None:
    folder = project.runs_folder / run.id
    with contextlib.suppress(Busy, DiskFull, PermissionError):
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder / RUN_LOCK, "this run"):
            now = project.catalog.run(run.id)  # another process may have been faster
            return _close(project, now) if now.status == "running" else None
    return None


def _sweep(project: Project) -> None:
    """Remove the folders of runs whose record is complete, and those that were never recorded: their process was
    killed within that moment."""
    for folder in _folders(project.runs_folder):
        with contextlib.suppress(Busy, StoreError, OSError):
            if _is_left_over(project, folder):
                with held(folder / RUN_LOCK, "this run"):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_left_over(project: Project, folder: Path) -> bool:
    try:
        return project.catalog.run(folder.name).status != "running"
    except NotFound:
        return project.clock() - folder.stat().st_mtime > BEGINNING


def _folders(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:
        return []


def cut_off(project: Project) -> list[Operation]:
    """Operations that began in this work tree and were never finished, because Cloche was killed; newest first. One
    that is still going is none of them. One whose files are all as it wanted them is finished here, and one that
    changed none is dropped.
    """
    newest = project.catalog.operations(50, worktree=project.shared.worktree)
    found = [one for one in newest if one.state == "started" and not one.undone]
    if found:
        try:
            with held(project.folder / LOCK, "another cloche command"):
                return [one for one in found if not _settled(project, one)]
        except (Busy, PermissionError):
            return found[1:]
    return found


def _settled(project: Project, operation: Operation) -> bool:
    if any(isinstance(effect, PackagesEffect) for effect in operation.effects):
        return False
    files = (effect for effect in operation.effects if isinstance(effect, FilesEffect))
    changes = [change for effect in files for change in effect_changes(project, effect)]
    now = present(project, [change.path for change in changes])
    if all(now.get(change.path) == change.after for change in changes):
        conclude(project, operation)
        return True
    if all(now.get(change.path) == change.before for change in changes):
        project.catalog.drop_operation(operation.number)
        return True
    return False


def _close(project: Project, run: Run) -> Run:
    folder = project.runs_folder / run.id
    last = "the stage that was going" if run.stages else "the run"
    finding = Finding(
        "recorder-killed",
        "warning",
        f"the recording was cut off (cloche was killed, or could not write); files that {last} wrote are not recorded",
        hint="run it again",
    )
    ended = _last_sign(folder, run)
    resources = Resources(wall=max(0.0, ended - run.created))
    record = msgspec.structs.replace(
        run, status="killed", ended=ended, resources=resources, findings=(*run.findings, finding)
    )
    record = close_with_what_is_left(project, record, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return record


def _last_sign(folder: Path, run: Run) -> float:
    """When the run was last seen to do something: the newest time among the files of its folder."""
    times = [file.stat().st_mtime for file in folder.rglob("*") if file.is_file() and file.name != RUN_LOCK]
    return max(times, default=run.created)
