"""The other work trees that share this project's store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cloche.capture.worktrees import linked_worktree, work_trees
from cloche.errors import SettingsError
from cloche.model.lock import parse_lock
from cloche.model.snapshot import Tracked
from cloche.project.project import LOCK_FILE, Project


def neighbours(project: Project) -> list[Path]:
    """The same project in the other work trees of the repository, where it is there. Without Git: none."""
    if project.git is None:
        return []
    here = os.path.realpath(project.root)
    trees = [os.path.realpath(tree) for tree in work_trees(project.root)]
    linked = linked_worktree(project.root)
    own = [str(linked.top)] if linked is not None else [tree for tree in trees if _holds(tree, here)]
    if not own:
        return []
    inner = os.path.relpath(here, max(own, key=len))
    found = (Path(os.path.normpath(os.path.join(tree, inner))) for tree in trees)
    return [path for path in found if str(path) != here and path.is_dir()]


def locks_elsewhere(project: Project) -> Iterator[tuple[Path, tuple[Tracked, ...]]]:
    """What `cloche.lock` names in the other work trees now, committed or not, by where each lies: `gc` must keep it.

    Raises SettingsError where one cannot be read: what it names cannot be known.
    """
    for root in neighbours(project):
        file = root / LOCK_FILE
        try:
            text = file.read_text("utf-8")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise SettingsError(f"cannot read {file}: {error}", hint="make it readable") from error
        yield root, parse_lock(text)


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
