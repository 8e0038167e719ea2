"""Layer 7, the Python API: `cloche.open(".")` gives a project with one method for each verb.

Every method calls the same function as the command of that name and returns the struct that its `--json` prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from cloche.errors import UsageError
from cloche.model.changes import Difference, Part, checked_parts
from cloche.model.held import Held
from cloche.model.operation import Operation
from cloche.model.plan import Plan
from cloche.model.revision import parse_address
from cloche.model.run import Run, Series
from cloche.model.run_row import RunRow
from cloche.model.usage import Usage
from cloche.model.values import Value
from cloche.ops import (
    add,
    cat,
    checkout,
    diff,
    doctor,
    du,
    fetch,
    gc,
    history,
    import_dvc,
    install,
    log,
    ls,
    note,
    prune,
    pull,
    push,
    remove,
    revert,
    show,
    status,
    tag,
    undo,
    unlock,
    untrack,
    verify,
)
from cloche.ops import clone as clone_op
from cloche.ops import get as get_op
from cloche.ops import init as init_op
from cloche.ops import remote as remote_op
from cloche.ops import run as run_op
from cloche.ops.prune import Rules
from cloche.ops.tag import Tag
from cloche.project.exchange import Fetched
from cloche.project.notes import Note
from cloche.project.project import Project

_MODES = ("r", "rt", "rb")


def open(path: str | Path = ".") -> OpenProject:  # noqa: A001
    """The project that `path` lies in, with a warning where its catalog is gone. Raises cloche.ClocheError."""
    found = Project.find(Path(path))
    if found.has_lost_catalog():
        warnings.warn(f"{found.folder}/catalog.db is gone, and every record of a run with it", stacklevel=2)
    return OpenProject(found)


def init(path: str | Path = ".", *, nested: bool = False) -> OpenProject:
    """Make a folder a project, and open it. See `cloche init`."""
    init_op.init(Path(path), nested=nested)
    return open(path)


def clone(url: str, folder: str = "", *, data: bool = True, endpoint: str = "", region: str = "") -> OpenProject:
    """Clone a project of somebody else with its data, and open it. See `cloche clone`."""
    return open(clone_op.clone(url, folder, data=data, endpoint=endpoint, region=region).root)


def get(
    url: str | os.PathLike[str],
    path: str,
    out: str | os.PathLike[str] | None = None,
    *,
    revision: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> get_op.Got:
    """Bring a file or folder of another project here. See `cloche get`."""
    where = None if out is None else os.fspath(out)
    return get_op.get(os.fspath(url), path, where, revision=revision, force=force, dry_run=dry_run)


def open_file(
    name: str,
    mode: str = "rb",
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> IO[Any]:
    """Open one file of a run for reading: `cloche.open_file("champion:data/x.csv")`.

    name: `RUN:PATH`. RUN is what every command takes: `@`, `@~2`, the beginning of an id, a tag, `EXPERIMENT@TAG`, a
    Git revision (its last run, or where none was made there, what Git and `cloche.lock` hold), or `.` for the work
    tree. PATH is relative to the project. mode: `rb` for bytes, `r` for text (UTF-8 unless `encoding` says otherwise).
    project: a folder of the project, by default the current one.

    The file can be read from any place, and only what is read is fetched and decompressed, each piece proven by its
    digest. `@`, tags and branches are looked up once, when the file is opened; what it reads never changes after that.
    Any thread may open files; an open one belongs to one thread at a time. Raises cloche.ClocheError, reading too where
    a stored byte is not what it was.
    """
    if mode not in _MODES:
        raise UsageError(
            f"files of a run are for reading: mode {mode!r} is not one of {', '.join(_MODES)}",
            hint="write to a file of the project, and run `cloche add` or `cloche run`",
        )
    if "t" not in mode and "b" in mode and (encoding, errors, newline) != (None, None, None):
        raise UsageError("bytes have no encoding, errors or newline", hint='open the file with mode "r"')
    revision, path = parse_address(name)
    with contextlib.closing(Project.find(Path(project) if project is not None else Path())) as here:
        file = cat.open_file(here, revision, path)
    return file if "b" in mode else io.TextIOWrapper(file, encoding or "utf-8", errors, newline)


def _many(names: Sequence[str]) -> tuple[str, ...]:
    """Names, where one alone may be given without a list around it."""
    return (names,) if isinstance(names, str) else tuple(names)


def _parts(only: Sequence[Part]) -> tuple[Part, ...]:
    return checked_parts(_many(only))


class OpenProject:
    """A project and its verbs.

    Runs are named as on the command line: the beginning of an id, `@`, `@~2`, a tag, or a Git revision. Paths are
    relative to the root of the project. Every method raises cloche.ClocheError with a message and a hint. An open
    project belongs to the thread that opened it; another thread opens its own.
    """

    def __init__(self, project: Project) -> None:
        self._opened = project

    def close(self) -> None:
        """Close the files of the project. A later call opens them again; `with cloche.open(".") as project:` closes
        at its end."""
        self._opened.close()

    def __enter__(self) -> OpenProject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root(self) -> Path:
        """The folder that holds `cloche.toml`."""
        return self._opened.root

    @property
    def _project(self) -> Project:
        """The project as it is now: it may stay open for long while others change it."""
        self._opened.refresh()
        return self._opened

    def add(
        self, *paths: str, in_place: bool = False, name: str = "", copy: bool = False, dry_run: bool = False
    ) -> add.Added:
        """Track data paths, or record their new content. See `cloche add`; name is its --as."""
        if in_place and copy:
            raise UsageError("in_place and copy are opposites")
        place: add.Place = "in place" if in_place else "copy" if copy else ""
        return add.add(self._project, paths, base=self.root, dry_run=dry_run, place=place, name=name)

    def untrack(self, *paths: str, dry_run: bool = False) -> untrack.Untracked:
        """Stop tracking data paths. See `cloche untrack`."""
        return untrack.untrack(self._project, paths, base=self.root, dry_run=dry_run)

    def unlock(self, *paths: str, dry_run: bool = False) -> unlock.Unlocked:
        """Make links into the store files that can be edited. See `cloche unlock`."""
        return unlock.unlock(self._project, paths, base=self.root, dry_run=dry_run)

    def run(
        self,
        command: Sequence[str | os.PathLike[str]] = (),
        *,
        stages: Sequence[str] = (),
        force: bool = False,
        params: Mapping[str, Value] | None = None,
        message: str = "",
        experiment: str = "",
        folder: str = "",
    ) -> Run:
        """Run a command, or the pipeline. One that fails raises nothing: look at `status`. See `cloche run`."""
        if isinstance(command, str):
            raise UsageError("a command is a list of words", hint='write ["python", "train.py"]')
        words = tuple(os.fspath(word) for word in command)
        request = run_op.Request(words, _many(stages), force, dict(params or {}), message, experiment, folder)
        return run_op.run(self._project, request, say=lambda _line: None)

    def import_dvc(
        self, folder: str | Path = "", *, history: bool = True, caches: Sequence[str | Path] = (), dry_run: bool = False
    ) -> import_dvc.Imported:
        """Carry over a DVC repository: stages, data, and history as runs. See `cloche import dvc`."""
        places = tuple(Path(place) for place in ((caches,) if isinstance(caches, str | Path) else caches))
        return import_dvc.import_dvc(self.root / folder, history=history, caches=places, dry_run=dry_run)

    def status(self, base: str = "") -> status.Status:
        """What changed since a run (default: the last). See `cloche status`."""
        return status.status(self._project, base)

    def log(
        self,
        where: str = "",
        *,
        sort: Sequence[str] = (),
        limit: int | None = None,
        experiment: str = "",
        hidden: bool = False,
    ) -> list[RunRow]:
        """The runs that fit a filter. See `cloche log`."""
        return log.log(self._project, where, sort=_many(sort), limit=limit, experiment=experiment, hidden=hidden)

    def show(self, run: str = "@") -> show.Shown:
        """Everything about one run. See `cloche show`."""
        return show.show(self._project, run)

    def output_log(self, run: str = "@") -> Iterator[bytes]:
        """What a run printed, piece by piece. See `cloche show --log`."""
        return show.output_log(self._project, run)

    def series(self, run: str = "@") -> dict[str, Series]:
        """Every logged value by key. See `cloche show --series`."""
        return show.series(self._project, run)

    def ls(self, run: str = "@", path: str = "") -> list[Held]:
        """The files of a run or Git revision, or those at or below a path. See `cloche ls`."""
        return ls.ls(self._project, run, path)

    def cat(self, run: str, path: str) -> Iterator[bytes]:
        """The content of one file of a run, piece by piece. See `cloche cat`."""
        return cat.cat(self._project, run, path)

    def open_file(self, run: str, path: str) -> BinaryIO:
        """One file of a run, for reading bytes from any place. See `cloche.open_file`."""
        return cat.open_file(self._project, run, path)

    def du(self, *names: str, runs: bool = False) -> Usage:
        """How much the store takes, and what for. See `cloche du`."""
        return du.du(self._project, names, runs=runs, base=self.root)

    def diff(
        self,
        a: str = "@",
        b: str = ".",
        *,
        only: Sequence[Part] = (),
        paths: Sequence[str] = (),
        rows: bool = True,
        key: Sequence[str] = (),
    ) -> Difference:
        """What differs between two versions; `.` is the work tree. See `cloche diff`."""
        return diff.diff(self._project, a, b, only=_parts(only), paths=_many(paths), rows=rows, key=_many(key))

    def revert(
        self,
        run: str = "",
        *,
        only: Sequence[Part] = (),
        lock: bool = False,
        partial: bool = False,
        dry_run: bool = False,
    ) -> Plan:
        """Bring back what a run was given, or the data that `cloche.lock` names. See `cloche revert`."""
        return revert.revert(self._project, run, only=_parts(only), lock=lock, partial=partial, dry_run=dry_run)

    def checkout(self, run: str, *paths: str, partial: bool = False, dry_run: bool = False) -> Plan:
        """Bring some files of a run into the work tree. See `cloche checkout`."""
        return checkout.checkout(self._project, run, paths, partial=partial, dry_run=dry_run)

    def undo(self, number: int | None = None, *, force: bool = False, dry_run: bool = False) -> undo.Undone:
        """Reverse an operation (default: the newest). See `cloche undo`."""
        return undo.undo(self._project, number, force=force, dry_run=dry_run)

    def history(self, limit: int | None = None) -> list[Operation]:
        """The operation log, newest first. See `cloche history`."""
        return history.history(self._project, limit)

    def tag(self, name: str, run: str = "@", *, move: bool = False) -> Tag:
        """Name a run. See `cloche tag`."""
        return tag.tag(self._project, name, run, move=move)

    def untag(self, name: str) -> Tag:
        """Delete a tag. See `cloche tag --delete`."""
        return tag.untag(self._project, name)

    def tags(self) -> list[Tag]:
        """All tags."""
        return tag.tags(self._project)

    def note(self, text: str, run: str = "@") -> Note:
        """Attach a text to a run. See `cloche note`."""
        return note.note(self._project, text, run)

    def unnote(self, number: int) -> Note:
        """Delete a note. See `cloche note --delete`."""
        return note.unnote(self._project, number)

    def notes(self, run: str = "") -> list[Note]:
        """The notes of a run, or all. See `cloche note`."""
        return note.notes(self._project, run)

    def remove(self, *runs: str, with_tags: bool = False, dry_run: bool = False) -> remove.Removed:
        """Take runs out of the log. See `cloche remove`."""
        return remove.remove(self._project, runs, with_tags=with_tags, dry_run=dry_run)

    def remote(self) -> list[remote_op.KnownRemote]:
        """The remotes. See `cloche remote`."""
        return remote_op.remote(self._project)

    def remote_add(
        self,
        name: str,
        url: str,
        *,
        local: bool = False,
        default: bool = False,
        single_writer: bool | None = None,
        endpoint: str | None = None,
        region: str | None = None,
    ) -> remote_op.KnownRemote:
        """Try out a place, make it a remote unless it is one, and remember it. See `cloche remote add`."""
        return remote_op.add(
            self._project,
            remote_op.check_name(name),
            url,
            local=local,
            default=default,
            single_writer=single_writer,
            endpoint=endpoint,
            region=region,
        )

    def remote_remove(self, name: str) -> remote_op.KnownRemote:
        """Forget a remote. See `cloche remote remove`."""
        return remote_op.remove(self._project, name)

    def remote_test(self, name: str = "", *, data: bool = False) -> remote_op.Tested:
        """What a remote can do and holds. See `cloche remote test`."""
        return remote_op.try_out(self._project, name, data=data)

    def push(
        self, *runs: str, remote: str = "", data: bool = False, repair: bool = False, dry_run: bool = False
    ) -> push.Pushed:
        """Send runs and their content to a remote. See `cloche push`."""
        return push.push(self._project, runs, remote=remote, data=data, repair=repair, dry_run=dry_run)

    def fetch(self, *runs: str, remote: str = "", data: bool = True, dry_run: bool = False) -> Fetched:
        """Take runs and their content from a remote. See `cloche fetch`."""
        return fetch.fetch(self._project, runs, remote=remote, data=data, dry_run=dry_run)

    def pull(self, *, remote: str = "", data: bool = True, force: bool = False, dry_run: bool = False) -> pull.Pulled:
        """Fetch, and bring the tracked data to what `cloche.lock` names. See `cloche pull`."""
        return pull.pull(self._project, remote=remote, data=data, force=force, dry_run=dry_run)

    def prune(self, rules: Rules, *, experiment: str = "", where: str = "", dry_run: bool = False) -> prune.Pruned:
        """Take old runs out of the log by a rule. See `cloche prune`."""
        return prune.prune(self._project, rules, experiment=experiment, where=where, dry_run=dry_run)

    def gc(self, *, grace: float = 14.0, tips_only: bool = False, dry_run: bool = False) -> gc.Collected:
        """Free the space of what nothing needs any more. See `cloche gc`."""
        return gc.gc(self._project, grace=grace, tips_only=tips_only, dry_run=dry_run)

    def verify(
        self, *, sample: float = 1.0, since_last: bool = False, repair: bool = False, remotes: Sequence[str] = ()
    ) -> verify.Verified:
        """Read every stored byte again, or a share of them. See `cloche verify`."""
        here, named = self._project, _many(remotes)
        return verify.verify(here, sample=sample, since_last=since_last, repair=repair, remotes=named)

    def install(
        self, *hooks: str, remove: bool = False, strict: bool | None = None, dry_run: bool = False
    ) -> install.Installation:
        """Set Git's hooks and the merge driver, or take them out. See `cloche install`."""
        return install.install(self._project, hooks, remove=remove, strict=strict, dry_run=dry_run)

    def doctor(self, *, quick: bool = False) -> list[doctor.Check]:
        """Is everything in order? See `cloche doctor`."""
        return doctor.doctor(self._project, quick=quick)
