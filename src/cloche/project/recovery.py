"""What was left by a Cloche that was killed: runs whose record is open, operations that are half-done."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from cloche.capture.spool import Spool
from cloche.errors import Busy, DiskFull, NotFound, StoreError
from cloche.model.operation import Operation
from cloche.model.run import Finding, Resources, Run
from cloche.project.finish import close, merged_series, store_log
from cloche.project.going import RUN_LOCK, replaced
from cloche.project.holding import held
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
    """Operations that began and were never finished, because Cloche was killed; newest first. One that is still going
    is none of them."""
    found = [one for one in project.catalog.operations(50) if one.state == "started" and not one.undone]
    if found:
        try:
            with held(project.folder / LOCK, "another cloche command"):
                return found
        except Busy:
            return found[1:]
    return found


def _close(project: Project, run: Run) -> Run:
    folder = project.runs_folder / run.id
    spools = sorted((folder / "spool").glob("*")) if (folder / "spool").is_dir() else []
    spooled = tuple(Spool(one).read() for one in spools)
    finding = Finding(
        "recorder-killed",
        "warning",
        "the recording was cut off (cloche was killed, or could not write); files that the run wrote are not recorded",
        hint="run it again",
    )
    ended = _last_sign(folder, run)
    record = replaced(
        run,
        status="killed",
        ended=ended,
        resources=Resources(wall=max(0.0, ended - run.created)),
        metrics={key: value for one in spooled for key, value in one.metrics.items()},
        findings=(*run.findings, finding),
        log=store_log(project, folder / "log"),
    )
    close(project, record, None, merged_series(spooled))
    shutil.rmtree(folder, ignore_errors=True)
    return record


def _last_sign(folder: Path, run: Run) -> float:
    """When the run was last seen to do something: the newest time among the files of its folder."""
    times = [file.stat().st_mtime for file in folder.rglob("*") if file.is_file() and file.name != RUN_LOCK]
    return max(times, default=run.created)
