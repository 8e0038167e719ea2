"""`cloche status`: what changed since a run (by default the last one)."""

from __future__ import annotations

import msgspec

from cloche.analysis.environments import diff_environments
from cloche.analysis.values import diff_values
from cloche.model.changes import EnvironmentChange, PathChange, ValueChange
from cloche.model.paths import inside
from cloche.model.run import Run
from cloche.model.settings import is_address
from cloche.model.snapshot import LeftOut
from cloche.project.alive import is_alive
from cloche.project.in_place import in_place
from cloche.project.linked import Edited, edited
from cloche.project.project import LOCK_FILE, Project
from cloche.project.recovery import cut_off
from cloche.project.remotes import all_remotes, default_name
from cloche.project.revisions import find_run
from cloche.project.sides import Side, code_changes, data_changes, observed_changes, run_side, work_side
from cloche.project.snapshots import Progress, way_back
from cloche.project.view import View, look


class DataState(msgspec.Struct, frozen=True):
    """A tracked data path. lock: `same`, `changed` or `missing` against `cloche.lock`, or `unknown`, where some of it
    cannot be read. since: the files that differ
    from the base run; empty where there is none. held: whether the store here has the content that `cloche.lock` names.
    in_place: only its digests are recorded. back: where it is missing, what brings it back.
    """

    path: str
    lock: str
    files: int
    size: int
    since: tuple[PathChange, ...] = ()
    held: bool = True
    in_place: bool = False
    back: str = ""


class Status(msgspec.Struct, frozen=True):
    """The work tree against a base run.

    base: its id, empty when there is no run yet. clean: whether all four inputs are as in the base. files: how many
    code files there are. going: runs that are going. cut_off: numbers of operations that were cut off half-way.
    read: files that the base was seen to read beyond its inputs, and that differ. edited: content that somebody changed
    in the store, through a link. remote: the remote that is meant where none is named, or any there is. repositories:
    the `.git` of repositories within data, which is left out of it. unread: files of the inputs here that could not be
    read: whether these have changed is not known. lock_gone: Git tracks a `cloche.lock`, and there is none.
    """

    base: str
    clean: bool
    commit: str
    branch: str
    files: int
    code: tuple[PathChange, ...] = ()
    data: tuple[DataState, ...] = ()
    forgotten: tuple[str, ...] = ()
    config: tuple[ValueChange, ...] = ()
    environment: EnvironmentChange = EnvironmentChange()
    left_out: tuple[LeftOut, ...] = ()
    special: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    going: tuple[str, ...] = ()
    cut_off: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    read: tuple[PathChange, ...] = ()
    edited: tuple[Edited, ...] = ()
    remote: str = ""
    repositories: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    lock_gone: bool = False


def status(project: Project, base: str = "", *, progress: Progress | None = None) -> Status:
    """Compare the work tree with a run. Stores nothing. Raises NotFound for an unknown run."""
    newest = project.catalog.latest()
    run = find_run(project, base) if base else project.catalog.run(newest) if newest else None
    view = look(project)
    now = work_side(project, like=run, view=view, progress=progress)
    going = tuple(one.id for one in project.catalog.running() if is_alive(project, one.id))
    remotes = all_remotes(project)
    found = Status(
        base=run.id if run else "",
        clean=False,
        commit=view.commit,
        branch=view.branch,
        files=len(view.code),
        data=_data(project, view, now, None),
        left_out=view.left_out,
        special=view.special,
        unreadable=now.unreadable,
        edited=edited(project),
        repositories=view.repositories,
        lock_gone=LOCK_FILE in (view.git_tracked or ()) and not (project.root / LOCK_FILE).exists(),
        unread=tuple(path for path, _ in now.unread if not is_address(project.settings.data.external.get(path, ""))),
        going=going,
        cut_off=tuple(one.number for one in cut_off(project)),
        remote=default_name(remotes) or next(iter(remotes), ""),
    )
    return _against(project, found, view, now, run) if run else found


def _against(project: Project, found: Status, view: View, now: Side, run: Run) -> Status:
    then = run_side(project, run)
    code = code_changes(project, then, now)
    data = _data(project, view, now, then)
    config = diff_values(then.snapshot.config.values, now.snapshot.config.values)
    environment = diff_environments(then.environment, now.environment)
    forgotten = tuple(sorted(then.data.keys() - {item.path for item in view.tracked}))
    read = observed_changes(then, now)
    same_data = not forgotten and not view.missing and now.snapshot.data.paths == then.snapshot.data.paths
    same_rest = not code and not config and not environment.packages and not environment.facts
    return msgspec.structs.replace(
        found,
        clean=same_rest and same_data and not read and not now.unread,
        read=read,
        code=code,
        data=data,
        forgotten=forgotten,
        config=config,
        environment=environment,
        tags=tuple(sorted(tag for tag, of in project.catalog.facts("tag").items() if of == run.id)),
    )


def _data(project: Project, view: View, now: Side, then: Side | None) -> tuple[DataState, ...]:
    states = []
    for locked in view.tracked:
        here = now.data.get(locked.path)
        hidden = any(inside(path, locked.path) for path, _ in now.unreadable)
        lock = "unknown" if hidden else "missing" if here is None else "same" if here == locked else "changed"
        since: tuple[PathChange, ...] = ()
        if then is not None and then.data.get(locked.path) != here:
            since = data_changes(project, then, now, locked.path)
        stays = in_place(project)(locked.path)
        held = lock == "same" or stays or project.store.has(locked.digest)
        size = (here.count, here.size) if here else (0, 0)
        back = way_back(project, locked) if lock == "missing" else ""
        states.append(DataState(locked.path, lock, *size, since, held, stays, back))
    return tuple(states)
