"""`cloche add`: track data paths, or record their new content."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from cloche.errors import Conflict, InputError
from cloche.model.changes import PathChange
from cloche.model.lock import render_lock
from cloche.model.paths import decode_path, inside, is_reserved
from cloche.model.settings import FILE_NAME
from cloche.model.snapshot import Tracked
from cloche.model.wording import some
from cloche.project.ignore import with_ignored
from cloche.project.journal import perform, present, read_bytes, text_change
from cloche.project.links import links_outside
from cloche.project.project import FOLDER, LOCK_FILE, Project
from cloche.store.capture import record_path
from cloche.store.listing import Files
from cloche.store.walk import stat_of, walk

Progress = Callable[[int, int], None]


class AddedPath(msgspec.Struct, frozen=True):
    """One data path. state: `new`, `changed` or `unchanged` against `cloche.lock`. outside: links in it that lead out
    of the project; what they lead to is not recorded."""

    tracked: Tracked
    state: str
    outside: tuple[str, ...] = ()


class Added(msgspec.Struct, frozen=True):
    """What `add` did (or would do, with dry_run). ignored: `.gitignore` files that got a line."""

    paths: tuple[AddedPath, ...]
    ignored: tuple[str, ...] = ()
    dry_run: bool = False


def add(
    project: Project,
    paths: Sequence[str],
    *,
    base: Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Record the content of data paths and write them to `cloche.lock`. Without paths: all that are tracked already.

    `base` is the folder that relative paths start from. Raises InputError for a path that is missing, unreadable or
    outside the project, and Conflict for one that Git tracks or that overlaps another data path.
    """
    with project.writing():
        before = {item.path: item for item in project.tracked}
        names = list(dict.fromkeys(project.path_text(path, base) for path in paths)) or list(before)
        if not names:
            raise InputError("nothing is tracked yet", hint="name a data path: `cloche add data/`")
        _refuse(project, names, before)
        gone = [name for name in names if name in before and stat_of(project.root, name) is None]
        if gone:
            held = all(project.store.has(before[name].digest) for name in gone)
            back = "`cloche revert --lock` brings it back" if held else f"copy {FOLDER}/ from where it was added"
            forget = f"`cloche untrack {shlex.quote(decode_path(gone[0]))}` forgets it"
            raise InputError(f"tracked data is missing: {some(gone)}", hint=f"{back}; {forget}")
        rows = tuple(_record(project, name, before.get(name), not dry_run, progress) for name in sorted(names))
        project.cache.save()
        found = {row.tracked.path: row.tracked for row in rows}
        changes = _changes(project, before, found) if not dry_run else []
        if changes:
            perform(project, "add", "added " + ", ".join(names), changes)
    ignored = tuple(change.path for change in changes if change.path != LOCK_FILE)
    return Added(rows, ignored, dry_run)


def _record(project: Project, path: str, before: Tracked | None, keep: bool, progress: Progress | None) -> AddedPath:
    files = data_files(project, path)
    recorded = record_path(project.root, path, files, project.store, project.cache, keep=keep, progress=progress)
    entry = recorded.entry
    if entry is None:
        raise InputError(f"{path} is gone", hint="run it again once nothing deletes files")
    now = Tracked(path, entry.kind, entry.digest, entry.size, entry.count)
    state = "new" if before is None else "unchanged" if before == now else "changed"
    return AddedPath(now, state, links_outside(project, files.links()))


def data_files(project: Project, path: str) -> Files:
    """Every file, link and empty folder of a data path. Raises InputError where one is missing or unreadable."""
    reserved: list[str] = []

    def is_store(folder: str, name: str) -> bool:
        if is_reserved(name):
            reserved.append(folder)
        return is_reserved(name)

    walked = walk(project.root, path, skip=is_store)
    reserved += [at for at in walked.files if is_reserved(at)] if _may_hold_pointer(walked.files) else []
    if reserved:
        inner, _, name = reserved[0].rpartition("/")
        what = "a project of its own, and its store is" if name == FOLDER else f"a Git repository of its own; {name} is"
        raise Conflict(
            f"{inner} is {what} no data",
            hint=f"add the data there, with `cloche -C {shlex.quote(decode_path(inner))} add`, or a path beside it"
            if name == FOLDER
            else "add a path beside it, or move the repository away: what Git holds is not for Cloche to write",
        )
    if walked.unreadable:
        name, why = walked.unreadable[0]
        raise InputError(f"cannot read {name}: {why}", hint="make it readable, or add a smaller path")
    if walked.special:
        raise InputError(
            f"{walked.special[0]} is no file, folder or link (a socket, pipe or device)",
            hint="move it out of the data path",
        )
    if not walked.files:
        raise InputError(f"{path} does not exist", hint="check the spelling; paths are relative to this folder")
    return walked.files


def _may_hold_pointer(files: Files) -> bool:
    """Whether one of the names could be the `.git` of a submodule or worktree, which is a file."""
    return any("git" in folder.names.casefold() for folder in files.folders.values())


def _refuse(project: Project, names: Iterable[str], before: dict[str, Tracked]) -> None:
    git_tracked = project.git.tracked() if project.git is not None else frozenset[str]()
    for name in names:
        if name in (FILE_NAME, LOCK_FILE):
            raise Conflict(f"{name} describes the project; it is no data", hint="leave it to Git")
        near = next((path for path in before if path != name and (inside(path, name) or inside(name, path))), None)
        if near is not None:
            raise Conflict(
                f"{name} overlaps {near}, which is tracked already", hint=f"type `cloche untrack {near}` first"
            )
        clash = next((path for path in git_tracked if inside(path, name)), None)
        if clash is not None:
            raise Conflict(
                f"Git already tracks {clash}",
                hint=f"type `git rm -r --cached {name}` and try again: either Git or Cloche keeps a file",
            )
        if os.path.islink(os.path.join(project.root, decode_path(name))):
            raise Conflict(f"{name} is a symbolic link", hint="add the folder that it points to, or copy it here")


def _changes(project: Project, before: dict[str, Tracked], found: dict[str, Tracked]) -> list[PathChange]:
    after = {**before, **found}
    changes = []
    if after != before or not present(project, [LOCK_FILE]):
        changes.append(text_change(project, LOCK_FILE, render_lock(after.values())))
    if project.git is not None:
        new = [path for path in found if path not in before]
        visible = [path for path in new if path not in project.git.ignored(new)]
        for ignore_file, lines in with_ignored(visible, lambda path: read_bytes(project, path)).items():
            changes.append(text_change(project, ignore_file, lines))
    return changes
