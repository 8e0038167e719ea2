"""Data that lies in the work tree as links into the store, and what protects it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import msgspec

from cloche.errors import ClocheError, Damaged, SettingsError
from cloche.model.changes import PathChange
from cloche.model.digest import Digest
from cloche.model.lock import parse_lock
from cloche.model.paths import encode_path, inside
from cloche.model.settings import CheckoutMode
from cloche.model.snapshot import Tracked
from cloche.model.wording import some
from cloche.project.neighbours import neighbours
from cloche.project.project import FOLDER, LOCK_FILE, Project
from cloche.store.loose import REPAIR
from cloche.store.placing import Placing
from cloche.store.walk import behind


class Edited(msgspec.Struct, frozen=True):
    """Content that somebody changed in the store, by writing through a link. paths: where that was seen."""

    digest: Digest
    paths: tuple[str, ...] = ()


def edited(project: Project) -> tuple[Edited, ...]:
    """What was found to be changed through links since the project was opened."""
    found = project.store.loose.edited
    return tuple(Edited(digest, tuple(sorted(set(paths)))) for digest, paths in sorted(found.items()))


def edited_paths(project: Project) -> tuple[str, ...]:
    """Where that was seen."""
    return tuple(sorted({path for one in edited(project) for path in one.paths}))


def refuse_edited(project: Project) -> None:
    """Raise Damaged where content was changed through a link: what it was is lost, and may be needed."""
    found = edited(project)
    if found:
        paths = edited_paths(project) or [one.digest[:12] for one in found]
        raise Damaged(
            f"{some(paths)} was changed through a link into the store, and with it what earlier versions need",
            hint=f"{REPAIR}; before the next edit type `cloche unlock PATH`",
        )


def checkout_mode(project: Project) -> CheckoutMode:
    """How data comes into the work tree; copies where `cloche.toml` cannot tell."""
    try:
        return project.settings.data.checkout
    except SettingsError:
        return "copy"


def is_data(project: Project, changes: Sequence[PathChange]) -> Callable[[str], bool]:
    """Tells which paths are tracked data, by `cloche.lock` before or after these changes: only data becomes links."""
    try:
        tracked = {item.path for item in project.tracked}
    except SettingsError:  # a merge left it with conflicts, and this may be what mends it
        tracked = set()
    for change in changes:
        if change.path == LOCK_FILE and change.after is not None:
            tracked |= {item.path for item in _locked(project, change.after.digest)}
    paths = tuple(tracked)
    return lambda path: any(inside(path, one) for one in paths)


def linked_digests(project: Project) -> set[Digest]:
    """What symbolic links in the work trees stand for, tracked or not: their content lies in the store alone."""
    found: set[Digest] = set()
    if not os.path.isdir(project.store.loose.folder):
        return found
    for root in (project.root, *neighbours(project)):
        top = os.fspath(root)
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if name not in (".git", FOLDER)]
            for name in names:
                at = os.path.join(folder, name)
                if os.path.islink(at):
                    real = behind(encode_path(os.path.relpath(at, top)), at)
                    found |= {os.path.basename(real)} if real else set()
    return found


def mend_links(project: Project) -> None:
    """Bring back loose files that symbolic links lead to, and that packs still hold. Raises Damaged, StoreError."""
    store = project.store
    placing = Placing(project.root, store, store.fs, "symlink")
    for digest in sorted(linked_digests(project)):
        if not store.loose.holds(bytes.fromhex(digest)) and store.has(digest):
            placing.keep(digest)
    store.loose.save()


def _locked(project: Project, digest: Digest) -> tuple[Tracked, ...]:
    try:
        return parse_lock(project.store.read(digest).decode("utf-8"))
    except (ClocheError, UnicodeDecodeError):
        return ()
