"""Whether runs are going: each holds the lock of its folder until its record is complete."""

from __future__ import annotations

from cloche.errors import Busy
from cloche.project.holding import held
from cloche.project.project import Project

RUN_LOCK = "lock"
WORKTREE = "worktree"


def is_alive(project: Project, run: str) -> bool:
    """Whether the process that records this run is still there, by its lock."""
    folder = project.runs_folder / run
    if not folder.is_dir():
        return False
    try:
        with held(folder / RUN_LOCK, "this run"):
            return False
    except Busy:
        return True


def refuse_while_going(project: Project, what: str) -> None:
    """Raise Busy while a run is going in this work tree, which may yet read `what`."""
    alive = [run.short for run in project.catalog.running() if _is_here(project, run.id) and is_alive(project, run.id)]
    if alive:
        raise Busy(
            f"run {alive[0]} is still going and may yet read {what}",
            hint="wait for it, or work in a second work tree (`git worktree add`)",
        )


def _is_here(project: Project, run: str) -> bool:
    """Whether a run that is going was started in this work tree, and not in another worktree of the repository."""
    try:
        return (project.runs_folder / run / WORKTREE).read_text("ascii") == project.shared.worktree
    except (OSError, ValueError):
        return not project.shared.worktree
