"""`cloche unlock`: put ordinary files in place of links into the store, so that they can be edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from cloche.errors import InputError, UsageError
from cloche.project.alive import refuse_while_going
from cloche.project.linked import refuse_edited
from cloche.project.project import Project
from cloche.store.linking import is_link, unlink_file
from cloche.store.walk import walk

Progress = Callable[[int, int], None]


class Unlocked(msgspec.Struct, frozen=True):
    """What `unlock` did (or would do): paths that are files of their own now, and their bytes."""

    paths: tuple[str, ...]
    size: int
    dry_run: bool = False


def unlock(
    project: Project,
    paths: Sequence[str],
    *,
    base: Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Unlocked:
    """Make every link into the store at or below `paths` a writable file. The content is the same; `add` makes it a
    link again. Raises InputError where nothing is there, Damaged where content was changed through a link."""
    if not paths:
        raise UsageError("no path given", hint="name a file or folder of data: `cloche unlock data/raw`")
    with project.writing():
        found: dict[str, int] = {}
        for name in dict.fromkeys(project.path_text(path, base) for path in paths):
            walked = walk(project.root, name)
            for path, why in walked.unreadable:
                raise InputError(f"cannot read {path}: {why}", hint="`cloche revert --lock` brings data back")
            if not walked.files:
                raise InputError(f"{name} does not exist", hint="check the spelling; paths are relative to this folder")
            files = ((path, stat) for path, stat in walked.files.rows() if stat.kind == "f")
            found |= {path: stat.size for path, stat in files if is_link(project.root, path, project.store)}
        if not dry_run and found:
            refuse_while_going(project, "the files that unlock would replace")
            done = 0
            for path, size in found.items():
                try:
                    unlink_file(project.root, path, project.store)
                finally:
                    refuse_edited(project)
                done += size
                if progress is not None:
                    progress(done, sum(found.values()))
            project.store.loose.save()
    return Unlocked(tuple(found), sum(found.values()), dry_run)
