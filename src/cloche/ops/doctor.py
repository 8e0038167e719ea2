"""`cloche doctor`: is everything in order, and what to do where it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from cloche.capture.worktrees import linked_worktree
from cloche.environments.installer import find_uv
from cloche.errors import ClocheError
from cloche.model.wording import some
from cloche.ops.install import installed
from cloche.project.in_place import in_place
from cloche.project.interpreters import see
from cloche.project.other_locks import OtherLocks, shown
from cloche.project.project import FORMAT, Project
from cloche.project.reach import lock_roots
from cloche.project.recovery import cut_off, recover
from cloche.project.remotes import all_remotes
from cloche.project.sides import command_of
from cloche.project.wholeness import Wholeness
from cloche.store.checking import faults_of
from cloche.store.walk import stat_of
from cloche.version import __version__

State = Literal["ok", "warning", "error"]
LOW_ON_SPACE = 1 << 30
NO_STORE = "`cloche pull` fetches it from a remote; else copy .cloche/ from where the data was added"
CATALOG = "restore .cloche/catalog.db from a copy"
NOT_HERE = "with such a commit checked out, `cloche pull` fetches its data from a remote"
REPAIR = "`cloche verify --repair`: it brings back what the work tree or a remote has, and deletes nothing"


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: State
    message: str
    hint: str = ""


def doctor(project: Project, *, quick: bool = False) -> list[Check]:
    """Look at everything Cloche depends on. Closes the records of killed runs; changes nothing else.

    quick: do not read every stored byte.
    """
    checks = [_shallow if quick and check is _store else check for check in CHECKS]
    return [one for check in checks for one in _guarded(check, project)]


def _guarded(check: Callable[[Project], Iterator[Check]], project: Project) -> list[Check]:
    try:
        return list(check(project))
    except ClocheError as error:
        return [Check(check.__name__.strip("_"), "error", error.message, error.hint)]


def _cloche(project: Project) -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("cloche", "ok", f"cloche {__version__} on Python {python}, layout {FORMAT}, project {project.root}")


def _settings(project: Project) -> Iterator[Check]:
    stages = len(project.settings.stages)
    yield Check("settings", "ok", f"cloche.toml is understood ({stages} stages)")


def _git(project: Project) -> Iterator[Check]:
    if project.git is None:
        hint = "type `git init`" if shutil.which("git") else "install git"
        yield Check("git", "warning", "no Git repository: code is recorded without commits", hint)
        return
    commit, branch = project.git.head()
    yield Check("git", "ok", f"on {branch or 'no branch'} at {commit[:12] or 'no commit yet'}")
    yield from _worktree(project)


def _worktree(project: Project) -> Iterator[Check]:
    if project.shared.folder != project.folder:
        yield Check("worktree", "ok", f"linked; it shares the store in {project.shared.folder}")
    elif linked_worktree(project.root) is not None:
        yield Check(
            "worktree",
            "warning",
            "linked, and with a store of its own, made before worktrees shared one",
            "push its runs to a remote, or move .cloche/ away, to share that of the main work tree",
        )


def _hooks(project: Project) -> Iterator[Check]:
    """Does data follow Git, and is `cloche.lock` merged by its lines?"""
    found = installed(project)
    if not found:
        return
    missing = [name for name, is_set in found.items() if not is_set]
    if len(missing) == len(found):
        yield Check("hooks", "ok", "none is set: data does not follow `git checkout`", "type `cloche install`")
    elif missing:
        yield Check("hooks", "ok", f"not set: {', '.join(missing)}", f"type `cloche install {' '.join(missing)}`")
    else:
        yield Check("hooks", "ok", "data follows Git, and cloche.lock has its merge driver")


def _catalog(project: Project) -> Iterator[Check]:
    problems = project.catalog.check()
    for problem in problems:
        yield Check("catalog", "error", problem, CATALOG)
    if not problems and not project.catalog.operations(1) and project.store.pack_names():
        hint = f"`cloche pull` brings what a remote has; else {CATALOG}" if all_remotes(project) else CATALOG
        yield Check("catalog", "warning", "it is empty, and the store is not: it names no runs", hint)
    elif not problems:
        yield Check("catalog", "ok", f"{len(project.catalog.ids(''))} runs, schema {project.catalog.version()}")


def _store(project: Project) -> Iterator[Check]:
    """Is every stored byte what it was, and does the store hold everything that the runs are made of?"""
    found = faults_of(project.store)
    for fault in found:
        yield Check("store", "error", fault.message, REPAIR)
    packs, size = project.store.size()
    if not found:
        yield Check("store", "ok", f"{packs} packs, {size / 1e6:.1f} MB, every object matches its digest")
    wholeness = Wholeness(project, {fault.digest for fault in found})
    yield from _content(project, wholeness)
    yield from _tracked(project, wholeness)
    yield from _other_locks(project, wholeness)


def _shallow(project: Project) -> Iterator[Check]:
    """What of `_store` can be told without reading every byte."""
    yield from _tracked(project, Wholeness(project))


def _content(project: Project, wholeness: Wholeness) -> Iterator[Check]:
    away = project.catalog.elsewhere()
    runs = (project.catalog.run(run) for run in project.catalog.ids(""))
    bad = {run.short: gone for run in runs if (gone := wholeness.gone(run))}
    for short, gone in bad.items():
        yield Check("content", "error", f"run {short}: the store does not hold {some(gone)}", REPAIR)
    if away:
        yield Check("content", "ok", f"{len(away)} runs have content on a remote only", "`cloche fetch` brings it here")
    if not bad:
        yield Check("content", "ok", "everything that the runs are made of is in the store")


def _other_locks(project: Project, wholeness: Wholeness) -> Iterator[Check]:
    """Does the store still hold what it has held of other commits and work trees?"""
    try:
        others = OtherLocks(project, project.tracked)
        lost = others.lost(wholeness)
    except ClocheError as error:
        yield Check("history", "error", error.message, error.hint)
        return
    for one in lost:
        named = shown(one.place, one.refs)
        yield Check("history", "error", f"{named}: the store does not hold {some(one.paths)}", REPAIR)
    count = others.not_here()
    if count:
        yield Check("history", "ok", f"not here: data of other commits, in {count} versions", NOT_HERE)
    if not lost:
        yield Check("history", "ok", "all data of other commits that was ever here is in the store")


def _tracked(project: Project, wholeness: Wholeness) -> Iterator[Check]:
    stays = in_place(project)
    copied = [item for item in project.tracked if not stays(item.path)]
    parts = {item.path: found for item in copied if (found := wholeness.missing(lock_roots([item])))}
    for path, gone in parts.items():
        there = stat_of(project.root, path) is not None
        yield Check(
            "data",
            "error" if there or not all_remotes(project) else "warning",
            f"cloche.lock names content that the store here does not hold: {some(gone)}",
            f"type `cloche add {path}` if what lies there now is right; else {REPAIR}" if there else NO_STORE,
        )
    if not parts:
        rest = len(project.tracked) - len(copied)
        where = f"{len(copied)} in the store, {rest} in place" if rest else "all in the store"
        yield Check("data", "ok", f"{len(project.tracked)} tracked data paths, {where}")


def _runs(project: Project) -> Iterator[Check]:
    for run in recover(project):
        yield Check("runs", "warning", f"run {run.short} was cut off; its record is closed now as killed")
    going = project.catalog.running()
    yield Check("runs", "ok", f"{len(going)} going" if going else "none is going")


def _operations(project: Project) -> Iterator[Check]:
    if project.stuck is not None:
        yield Check("operations", "error", project.stuck.message, project.stuck.hint)
    for operation in cut_off(project):
        yield Check(
            "operations",
            "error",
            f"operation {operation.number} ({operation.verb}) was cut off half-way",
            f"type `cloche undo {operation.number}` to put back what was there before",
        )


def _interpreter(project: Project) -> Iterator[Check]:
    environment, machine = see(project, command_of(project, None))
    if environment.interpreter is None:
        yield Check("python", "warning", "no Python was found that a run would use", "activate an environment")
        return
    count = len(environment.distributions)
    yield Check(
        "python", "ok", f"runs use Python {environment.interpreter.version} with {count} packages at {machine.python}"
    )


def _installer(project: Project) -> Iterator[Check]:
    uv = find_uv()
    if uv:
        yield Check("uv", "ok", "found: environments are put back with uv")
    else:
        yield Check(
            "uv", "warning", "not found: environments are put back with pip, slowly", "pip install 'cloche[restore]'"
        )


def _space(project: Project) -> Iterator[Check]:
    free = shutil.disk_usage(project.folder).free
    state: State = "warning" if free < LOW_ON_SPACE else "ok"
    yield Check("disk", state, f"{free / 1e9:.1f} GB free", "free some space" if state == "warning" else "")


CHECKS = (
    *(_cloche, _settings, _git, _hooks, _catalog, _store),
    *(_runs, _operations, _interpreter, _installer, _space),
)
