"""Another project: in a folder of this machine, in a Git repository anywhere, or on a remote. It is only read."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from cloche.capture.git_clone import clone, is_git_url, without_secrets
from cloche.capture.git_files import files_at, read_file
from cloche.errors import InputError, NotFound, RemoteError, UsageError
from cloche.model.paths import decode_path
from cloche.model.revision import Latest, WorkTree, parse_revision
from cloche.model.settings import FILE_NAME, Remote
from cloche.model.tree import Entry
from cloche.model.wording import some
from cloche.project.exchange import exchange
from cloche.project.fetching import bring, refuse_lost
from cloche.project.listing import look
from cloche.project.project import Project
from cloche.project.reach import Root
from cloche.project.remote_settings import write_remotes
from cloche.project.remotes import all_remotes, open_remote, remote_at
from cloche.project.revisions import find_id
from cloche.project.versions import Version, commit_version, run_version


class Source(NamedTuple):
    """A version of another project. url: as it may be shown. project: it, or where `cloned` what was made of its
    repository or remote, and goes when it was used."""

    url: str
    project: Project
    version: Version
    cloned: bool = False


@contextlib.contextmanager
def opened(url: str, revision: str = "") -> Iterator[Source]:
    """A version of the project at `url`: a folder of this machine, the address of a Git repository, or a remote.

    revision: a run or tag of a project on this machine or of a remote (that of a Git repository, too, where Git knows
    no such revision), or a Git revision; without one the newest commit
    of Git, and the last run where there is no Git. Raises NotFound, InputError, UsageError, RemoteError.
    """
    place = _folder(url)
    remote = remote_at(url)
    if remote is not None:
        with (
            tempfile.TemporaryDirectory(prefix="cloche-") as temporary,
            contextlib.closing(Project(Path(temporary))) as made,
        ):
            yield _shared(made, remote, revision)
        return
    project = Project.look(place) if place is not None else None
    if project is not None:
        with contextlib.closing(project):
            yield Source(str(project.root), project, _version(project, revision))
        return
    if place is not None and not place.exists():
        raise InputError(f"there is no folder {url}", hint="give the path of a project, or the address of its Git")
    with tempfile.TemporaryDirectory(prefix="cloche-") as temporary:
        yield _cloned(place.absolute().as_uri() if place is not None else url, revision, Path(temporary) / "clone")


def fetch_content(source: Source, entries: list[Entry], path: str) -> None:
    """Bring what lies at a path, and the store of a cloned project does not hold, from the project's remote. entries:
    what it is part of.

    Raises NotFound for a project on this machine, which is only read, and where there is no remote; RemoteError.
    """
    if not source.cloned:
        raise NotFound(
            f"the store of {source.url} does not hold that data",
            hint=f"type `cloche -C {shlex.quote(source.url)} fetch`, then try again",
        )
    source.project.prepare()
    if not all_remotes(source.project):
        raise NotFound(
            f"the data is not in {source.url} itself, and its {FILE_NAME} names no remote",
            hint="name a folder of this machine that holds the project and its data",
        )
    place = open_remote(source.project)
    try:
        known = look(place)
        roots = _roots(entries)
        refuse_lost(bring(source.project, place, roots, known=known, trees_only=True), "that data", place)
        here = source.version.at(path)
        if here is not None and here.entry.kind != "l":  # behind a link lies what nobody knows yet
            files = [one.entry for one in source.version.files(path) if not one.blob and one.part != "read"]
            roots = _roots(one for one in files if one.kind != "d")
        refuse_lost(bring(source.project, place, roots, known=known), "that data", place)
    finally:
        place.backend.close()


def _roots(entries: Iterable[Entry]) -> list[Root]:
    return [Root(entry.name, entry.kind, entry.digest) for entry in entries]


def _shared(project: Project, remote: Remote, revision: str) -> Source:
    """A run of a remote: its records come into a project that is made for them."""
    (project.root / FILE_NAME).write_text("", "utf-8")
    project.prepare()
    write_remotes(project, {"origin": remote}, local=True, summary="")
    return Source(remote.url, project, _run_there(project, revision or "@"), cloned=True)


def _run_there(project: Project, revision: str) -> Version:
    """A run that the remote of a project has, whose records come into it."""
    project.prepare()
    place = open_remote(project)
    try:
        exchange(project, place, data=False)
    finally:
        place.backend.close()
    return run_version(project, project.catalog.run(find_id(project, revision, commits=False)))


def _folder(url: str) -> Path | None:
    """The folder of this machine that an address names, if it names one."""
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    if not url or "\0" in url:
        raise UsageError("the address of the project is empty", hint="give a folder or the address of a Git repository")
    return None if is_git_url(url) and not os.path.exists(url) else Path(url)


def _version(project: Project, revision: str) -> Version:
    """A run where the name is that of one; of a Git revision, what Git itself holds."""
    wanted = revision or ("HEAD" if project.git is not None and project.git.head()[0] else "@")
    meaning = parse_revision(wanted)
    if isinstance(meaning, WorkTree):
        raise UsageError("`.` is the work tree, which is no version", hint="copy its files as they are: `cp`")
    git = project.git if not isinstance(meaning, Latest) else None
    commit = git.resolve(wanted) if git is not None else None
    if not project.has_catalog:
        if commit is None:
            raise NotFound(
                f"{project.root} has no run or Git revision `{wanted}`", hint="name a Git revision with --rev"
            )
        return commit_version(project, commit)
    try:
        return run_version(project, project.catalog.run(find_id(project, wanted, commits=False)))
    except NotFound:
        if commit is None:
            raise
        return commit_version(project, commit)


def _cloned(url: str, revision: str, folder: Path) -> Source:
    commit, unknown = _commit(url, revision, folder)
    files = list(files_at(folder, commit, sizes=False))
    settings = [file for file in files if file.path.rpartition("/")[2] == FILE_NAME and file.kind != "l"]
    roots = [file.path.removesuffix(FILE_NAME) for file in settings]
    if len(roots) > 1 and "" not in roots:
        raise InputError(
            f"{without_secrets(url)} holds several projects: {some(roots)}", hint="clone it, then name one"
        )
    root = folder if not roots or "" in roots else folder / decode_path(roots[0])
    root.mkdir(parents=True, exist_ok=True)
    project = Project(root)
    for file in settings:
        if file.path.removesuffix(FILE_NAME) == ("" if "" in roots else roots[0]):
            (root / FILE_NAME).write_bytes(read_file(folder, file.name))  # it names the remotes
    if unknown is not None:
        if not settings or not all_remotes(project):
            raise unknown
        try:
            return Source(without_secrets(url), project, _run_there(project, revision), cloned=True)
        except RemoteError as error:
            unknown.hint = f"{unknown.hint}; its remote could not be asked for a run: {error.message}"
            raise unknown from error
    return Source(without_secrets(url), project, commit_version(project, commit, sizes=False), cloned=True)


def _commit(url: str, revision: str, folder: Path) -> tuple[str, NotFound | None]:
    """Clone a repository; the commit to look at. Where Git has no such revision that is its newest one, with the error:
    it may be the name of a run, which the remote of the project knows."""
    if revision == ".":
        raise NotFound("`.` is the work tree, which is no version", hint="name a Git revision with --rev")
    if revision and isinstance(parse_revision(revision), Latest):
        what = f"`{revision}` is a run, and Git brings none of {without_secrets(url)}"
        return clone(url, "", folder), NotFound(what, hint="name a Git revision with --rev")
    try:
        return clone(url, revision, folder), None
    except NotFound as error:
        if not revision:
            raise
        return "HEAD", error
