"""`cloche get`: a file or folder of another project."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from cloche.errors import UsageError
from cloche.model.paths import decode_path
from cloche.model.tree import Kind
from cloche.project.elsewhere import Source, fetch_content, opened
from cloche.project.versions import Found, run_version
from cloche.store.export import Item, export, refuse_hostile, refuse_taken

Progress = Callable[[int, int], None]
_PIECE = 1 << 20


class GotFile(msgspec.Struct, frozen=True):
    """One file of what was fetched. size: 0 for a link or folder, and where Git has not said."""

    path: str
    kind: Kind
    size: int


class Got(msgspec.Struct, frozen=True):
    """What `get` did, or would do. version: the id of a run or the hash of a commit. path: in the other project. out:
    where it is now. files: relative to `out`, empty for `out` itself."""

    url: str
    version: str
    path: str
    out: str
    size: int
    files: tuple[GotFile, ...]
    dry_run: bool = False


def get(
    url: str,
    path: str,
    out: str | Path | None = None,
    *,
    revision: str = "",
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Got:
    """Bring a file or folder of another project here, without its history.

    url: a folder of this machine, the address of a Git repository, or a remote, of which only what is needed comes.
    path: in that project, as path text. out: where to put it, by default its own name in the current folder; into it
    where that is a folder. revision: a run, a tag or a Git revision (not of a remote) of the other project; without one
    the newest commit of Git, and the last run where there is no Git.
    force: whether what is there is replaced. A link is followed where it is `path` itself, and stays one below it.
    Raises NotFound, Conflict, InputError, UsageError, Damaged, StoreError.
    """
    plain = "/".join(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or ".." in plain.split("/"):
        raise UsageError(f"{path!r} does not lie in the other project", hint="give a path relative to that project")
    place = _place(plain, out)
    refuse_taken(place, replace=force)
    with opened(url, revision) as source:
        _fetch(source, plain)
        here = source.version.follow(plain) or source.version.pick(plain, _hint(source, plain))
        items = [_item(source, here.path, found) for found in source.version.files(here.path)]
        for item in items:
            refuse_hostile(item.path)
        if not dry_run:
            export(place, items, replace=force, progress=progress)
        listed = tuple(GotFile(item.path, item.kind, _size(place, item, dry_run)) for item in items)
        size = sum(one.size for one in listed)
        return Got(source.url, source.version.name, plain, place, size, listed, dry_run)


def _hint(source: Source, path: str) -> str:
    """What to do about a path that a version does not have: the last run may have it."""
    project = source.project
    if source.cloned:
        return "check the spelling; `cloche clone` brings all of it"
    last = project.catalog.latest() if project.has_catalog else None
    if last and last != source.version.name and run_version(project, project.catalog.run(last)).at(path):
        return "the last run of that project has it: add `--rev @`"
    return f"type `cloche -C {shlex.quote(str(project.root))} ls` to see the files of its last run" if last else ""


def _size(place: str, item: Item, dry_run: bool) -> int:
    """The size of a file, once it is here: Git does not always say before."""
    if item.size or dry_run or item.kind not in ("f", "x"):
        return item.size
    return os.stat(os.path.join(place, *decode_path(item.path).split("/")) if item.path else place).st_size


def _place(path: str, out: str | Path | None) -> str:
    name = path.rpartition("/")[2]
    given = os.fspath(out) if out is not None else ""
    if not given and not name:
        raise UsageError("where to put a whole project?", hint="name a folder with -o")
    into = not given or given.endswith(os.sep) or (bool(name) and os.path.isdir(given))
    return os.path.join(given, name) if into else given


def _fetch(source: Source, path: str) -> None:
    """Bring what the store of the other project lacks of a path."""
    lacking = source.version.lacking(path)
    if lacking:
        fetch_content(source, lacking, path)


def _item(source: Source, path: str, found: Found) -> Item:
    below = found.path[len(path) :].lstrip("/")
    size = max(found.entry.size, 0) if found.entry.kind in ("f", "x") else 0
    return Item(below, found.entry.kind, size, partial(_read, source, found))


def _read(source: Source, found: Found) -> Iterator[bytes]:
    with source.version.open(found) as file:
        while piece := file.read(_PIECE):
            yield piece
