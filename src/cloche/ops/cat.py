"""`cloche cat`: one file as a run holds it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from cloche.errors import InputError, UsageError
from cloche.model.paths import checked, decode_path, encode_path
from cloche.project.exchange import at_hand
from cloche.project.project import Project
from cloche.project.reach import Root
from cloche.project.revisions import WORK_TREE
from cloche.project.versions import Found, Version, find_version

_PIECE = 1 << 20


def cat(project: Project, revision: str, path: str) -> Iterator[bytes]:
    """The content of a file of a run, piece by piece; of a link, what it points to.

    Raises NotFound where the run has no such file or the store does not hold it, and InputError for a folder.
    """
    version = find_version(project, revision)
    found = version.pick(path, _listing(revision))
    _bring(project, version, found)
    with _opened(version, found, revision) as file:
        while piece := file.read(_PIECE):
            yield piece


def open_file(project: Project, revision: str, path: str) -> BinaryIO:
    """A file of a run as a file object that reads only what it is asked for; `.` stands for the work tree.

    Links are followed within the run. Raises as `cat` does; reading raises Damaged where a stored byte is not what it
    was.
    """
    path = _path_text(path)
    if revision == WORK_TREE:
        return _in_work_tree(project, path)
    version = find_version(project, revision)
    found = version.follow(path) or version.pick(path, _listing(revision))
    _bring(project, version, found)
    return cast("BinaryIO", _opened(version, found, revision))


def _bring(project: Project, version: Version, found: Found) -> None:
    """Where the content of a run is on a remote: fetch that of one file."""
    if version.name in project.catalog.elsewhere() and found.entry.kind != "d":
        optional = found.part == "read"
        root = Root(found.path, found.entry.kind, found.entry.digest, optional)
        at_hand(project, project.catalog.run(version.name), only=[root])


def _listing(revision: str) -> str:
    return f"type `cloche ls {revision}` to see its files"


def _opened(version: Version, found: Found, revision: str) -> io.BufferedIOBase:
    if found.entry.kind == "d":
        raise InputError(f"{found.path} is a folder", hint=f"type `cloche ls {revision} {found.path}` to see its files")
    return version.open(found)


def _in_work_tree(project: Project, path: str) -> BinaryIO:
    try:
        return open(project.root / decode_path(path), "rb")
    except OSError as error:
        raise InputError(f"cannot open {path}: {(error.strerror or str(error)).lower()}") from error


def _path_text(path: str) -> str:
    """A path as people write it: relative to the project, as path text or as the name itself."""
    plain = "/".join(part for part in path.split("/") if part not in ("", "."))
    if not plain or path.startswith("/"):
        raise UsageError(f"{path!r} names no file of the project", hint="give a path relative to the project")
    try:
        return checked(plain)
    except InputError:
        return checked(encode_path(plain))
