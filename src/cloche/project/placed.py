"""What the data of this work tree was last made to be: how a hook tells a change of Git's from one of the user's.

`cache/followed` holds the bytes of the `cloche.lock` that was dealt with last, so that a hook can compare without
starting Cloche. `cache/placed` holds a `cloche.lock` of what then lay there, path by path. Both may be deleted: data
that lies there is then left alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from cloche.errors import SettingsError, StoreError
from cloche.model.lock import parse_lock, render_lock
from cloche.model.paths import above
from cloche.model.snapshot import Tracked
from cloche.project.project import LOCK_FILE, Project

FOLLOWED = "followed"
PLACED = "placed"


def placed(project: Project) -> dict[str, Tracked] | None:
    """What was put at each tracked path, or added there; None where nobody knows."""
    return _read(project, PLACED)


def note_placed(project: Project, items: Iterable[Tracked]) -> None:
    """Note what lies at the tracked paths, and that `cloche.lock` as it is now was dealt with."""
    with contextlib.suppress(OSError):  # without a note, data is left alone
        try:
            text = (project.root / LOCK_FILE).read_bytes()
        except FileNotFoundError:
            text = b""
        _replace(project, PLACED, render_lock(items).encode("utf-8"))
        _replace(project, FOLLOWED, text)


def note_changed(project: Project, paths: Iterable[str]) -> None:
    """Note that an operation of Cloche's has changed these files: where it changed data, or its line in `cloche.lock`,
    what lies there is what that line says."""
    with contextlib.suppress(SettingsError, StoreError):
        before, followed = placed(project), _read(project, FOLLOWED) or {}
        touched = {one for path in paths for one in (path, *above(path))}
        found = {item.path: item for item in project.tracked}
        for path, item in list(found.items()):
            if before is not None and followed.get(path) == item and path not in touched:
                found.pop(path)
                found |= {path: before[path]} if path in before else {}
        note_placed(project, found.values())


def _read(project: Project, name: str) -> dict[str, Tracked] | None:
    try:
        text = (project.folder / "cache" / name).read_text("utf-8")
        return {item.path: item for item in parse_lock(text, apart=False)}
    except (OSError, ValueError, SettingsError, StoreError):
        return None


def _replace(project: Project, name: str, data: bytes) -> None:
    file = project.folder / "cache" / name
    beside = file.with_name(f"{name}.{os.getpid()}")
    file.parent.mkdir(exist_ok=True)
    beside.write_bytes(data)
    os.replace(beside, file)
