"""What was left by a Cloche that was killed: runs whose record is open, operations that are half-done."""

from __future__ import annotations

import shutil
from pathlib import Path

from cloche.capture.spool import Spool
from cloche.errors import Busy
from cloche.model.operation import Operation
from cloche.model.run import Finding, Resources, Run
from cloche.project.finish import close, merged_series, store_log
from cloche.project.going import is_alive, replaced
from cloche.project.holding import held
from cloche.project.project import LOCK, Project


def recover(project: Project) -> list[Run]:
    """Close the record of every run that says `running` but has no one who records it any more.

    Its log, its logged metrics and series are kept; its status becomes `killed`. Returns the runs that were closed.
    """
    dead = [run for run in project.catalog.running() if not is_alive(project, run.id)]
    return [_close(project, run) for run in dead]


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
    times = [file.stat().st_mtime for file in folder.rglob("*") if file.is_file()]
    return max(times, default=run.created)
