"""`cloche clone`: a project of somebody else, with its data."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from cloche.capture.cloning import clone_repository
from cloche.errors import ClocheError, Conflict, InputError, NotAProject, RemoteError, UsageError
from cloche.model.lock import LOCK_NAME, render_lock
from cloche.model.run import Run
from cloche.model.settings import FILE_NAME, Remote
from cloche.model.snapshot import Tracked
from cloche.model.wording import some
from cloche.project.cloning import begin, finish, to_go_on, unfinished
from cloche.project.creating import create
from cloche.project.exchange import Fetched, exchange
from cloche.project.fetching import bring
from cloche.project.journal import perform, text_change
from cloche.project.locked import to_lock
from cloche.project.other_locks import note_held
from cloche.project.project import Project, real, root_of
from cloche.project.reach import Reached, lock_roots
from cloche.project.remote_settings import write_remotes
from cloche.project.remotes import (
    Place,
    all_remotes,
    connect,
    default_name,
    local_remotes,
    open_remote,
    read_id,
    remote_at,
)

Progress = Callable[[int, int], None]
_NAME = "origin"


class Cloned(msgspec.Struct, frozen=True):
    """What came. git: from a Git repository. fetched: None where no remote is named there. files: brought into the
    work tree. in_place: data paths of a remote alone that were not brought, since only their digests are recorded.
    links: to data elsewhere that were made; notes: what is tracked in place and not as `cloche.lock` names it. run: the
    newest one of a remote alone, empty where it holds none."""

    root: str
    git: bool
    fetched: Fetched | None = None
    files: int = 0
    in_place: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    run: str = ""


def clone(
    url: str,
    folder: str = "",
    *,
    data: bool = True,
    endpoint: str = "",
    region: str = "",
    progress: Progress | None = None,
) -> Cloned:
    """Clone a Git repository and pull from the remote that its cloche.toml names; or make a project of a remote alone,
    with the data of its newest run.

    A clone of a remote alone that was cut off goes on where it stopped.

    data: False brings the records of runs without their content, and of content only what `cloche.lock` names.
    endpoint, region: of a remote that speaks S3; the clone keeps them. Raises InputError, RemoteError, Conflict.
    """
    doubts: list[RemoteError] = []
    source = remote_at(url, endpoint, region, doubts)
    target = real(Path(folder or _name_of(url)))
    goes_on = source is not None and unfinished(target) == source
    if not goes_on and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            f"{target} is there already, and not empty", hint="name another folder: `cloche clone URL FOLDER`"
        )
    if source is None:
        _refuse_without_git(url)
        _clone_repository(url, target, doubts)
        return _pulled(target, data=data, progress=progress)
    created = not target.exists()
    try:
        return _alone(source, target, data=data, progress=progress)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"`{to_go_on(target)}` goes on where it stopped")
        raise
    except ClocheError as error:
        if goes_on or _has_records(target):
            error.hint = f"{error.hint}; `{to_go_on(target)}` goes on where it stopped"
        elif created:
            shutil.rmtree(target, ignore_errors=True)
        raise


def _clone_repository(url: str, target: Path, doubts: Iterable[RemoteError]) -> None:
    """As `clone_repository`; where Git cannot, and a remote may be there all the same, the error is its own."""
    try:
        clone_repository(url, target)
    except InputError as error:
        for doubt in doubts:
            doubt.hint = f"{doubt.hint}; `git clone` fails for it, too"
            raise doubt from error
        raise


def _has_records(root: Path) -> bool:
    """Whether something has come that would have to be fetched again."""
    project = Project(root)
    try:
        return project.has_catalog and bool(project.catalog.merged())
    finally:
        project.close()


def _refuse_without_git(url: str) -> None:
    """Raises InputError for a project on this machine that Git cannot clone."""
    if os.path.isfile(os.path.join(url, FILE_NAME)) and not os.path.lexists(os.path.join(url, ".git")):
        raise InputError(
            f"{url} is a project without Git, and no remote",
            hint="`cloche remote add` one there and `cloche push`, then clone that; "
            f"`cloche get {shlex.quote(url)} PATH` brings a file or folder",
        )


def _pulled(root: Path, *, data: bool, progress: Progress | None) -> Cloned:
    if root_of(root) != root:
        raise NotAProject(
            f"{root} is cloned, and is no project of Cloche (it has no {FILE_NAME})",
            hint=f"`cd {shlex.quote(root.name)}` and `cloche init` make it one",
        )
    project = Project.find(root)
    if not default_name(all_remotes(project)):
        return Cloned(str(root), git=True)
    try:
        place = open_remote(project)
        fetched = exchange(project, place, data=data, lock=True, progress=progress)
        plan = to_lock(project, "pull")
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"`cloche -C {shlex.quote(os.path.relpath(root))} pull` goes on where it stopped")
        raise
    except ClocheError as error:
        error.hint = f"the code is in {root.name}; {error.hint}; then `cd {shlex.quote(root.name)}` and `cloche pull`"
        raise
    finally:
        project.close()
    return Cloned(str(root), git=True, fetched=fetched, files=plan.count, links=plan.links, notes=plan.notes)


def _alone(source: Remote, root: Path, *, data: bool, progress: Progress | None) -> Cloned:
    """A project from a remote without a Git repository: the data of the newest run; its code comes by `revert`."""
    begin(root, source)
    project, _ = create(root, nested=True)
    if local_remotes(project).get(_NAME) != source:
        with project.writing():
            write_remotes(project, {_NAME: source}, local=True, summary="")
    project.refresh()
    place: Place = connect(project, _NAME, source, local=True)
    place.id = read_id(place)
    fetched = exchange(project, place, data=data, progress=progress)
    newest = project.catalog.latest()
    files = 0
    in_place: tuple[str, ...] = ()
    if newest is not None:
        run = project.catalog.run(newest)
        whole, problems = _data_of(project, place, run, progress)
        known = (one for one in problems if one not in fetched.problems)
        fetched = msgspec.structs.replace(fetched, problems=(*fetched.problems, *known))
        lock = [text_change(project, LOCK_NAME, render_lock(whole))]
        with project.writing():
            note_held(project, whole)
            perform(project, "clone", f"took {LOCK_NAME} of run {run.short}", lock)
        files, in_place = to_lock(project, "pull").count, run.snapshot.data.in_place
    project.close()
    finish(root)
    return Cloned(str(root), git=False, fetched=fetched, files=files, in_place=in_place, run=newest or "")


def _data_of(
    project: Project, place: Place, run: Run, progress: Progress | None
) -> tuple[list[Tracked], tuple[str, ...]]:
    """The data paths of a run, brought here, that are whole; and what is wrong with the others. Those tracked in place
    are left to `revert`, which brings the `cloche.toml` that says so."""
    in_place = run.snapshot.data.in_place
    paths = [one for one in run.snapshot.data.paths if one.path not in in_place]
    brought = bring(project, place, lock_roots(paths), progress=progress)
    whole: list[Tracked] = []
    lost: list[str] = []
    for one in paths:
        reached = Reached(project.store)
        reached.add(lock_roots([one]))
        if reached.missing or one.digest in brought.lost:
            lost.append(one.path)
        else:
            whole.append(one)
    if not lost:
        return whole, brought.problems
    hint = f"`cloche push --repair` from where run {run.short} is puts them there; then `cloche revert {run.short}`"
    return whole, (*brought.problems, f"{place.name} does not hold all of {some(lost)} of run {run.short}: {hint}")


def _name_of(url: str) -> str:
    """The folder that a URL suggests, as Git does it.

    >>> _name_of("https://example.org/me/flights.git"), _name_of("s3://bucket/flights/")
    ('flights', 'flights')
    """
    name = url.rstrip("/").replace("\\", "/").removesuffix("/.git").rpartition("/")[2].rpartition(":")[2]
    name = name.removesuffix(".git")
    if not name or name in (".", ".."):
        raise UsageError(f"{url} suggests no name for the folder", hint="name it: `cloche clone URL FOLDER`")
    return name
