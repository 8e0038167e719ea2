"""The folder `.cloche/`, and what linked worktrees of one repository (`git worktree add`) have in common.

The main work tree's `.cloche/` holds store, catalog and the runs that are going. A linked worktree has a `.cloche/` of
its own, with a file `shared` in place of these, and its own caches, lock and checkout journal: two worktrees never wait
for each other to change files. Where the repository is bare, the common part lies in its Git folder, in `cloche/`.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from cloche.capture.worktrees import Linked, linked_worktree, shown
from cloche.errors import Conflict, NewerVersion, StoreError
from cloche.store.filesystem import FileSystem

FOLDER = ".cloche"
FORMAT = 1
POINTER = "shared"
_MAGIC = "cloche-shared-1"
_OWN = ("cache", "tmp")
_COMMON = ("store", "runs", *_OWN)


class Shared(NamedTuple):
    """What worktrees share. folder: where store, catalog and runs lie. worktree: the name of this one in records,
    empty for the main work tree."""

    folder: Path
    worktree: str = ""


def prepare(root: Path, random: bytes) -> None:
    """Create `.cloche/` of a work tree where it is missing, and check that this Cloche understands it.

    random: some bytes to name a linked worktree by.
    """
    folder = root / FOLDER
    if is_ready(folder):
        return
    linked = linked_worktree(root)
    if linked is None:
        _create(folder, _COMMON)
        return
    common = _common(linked, root)
    if not is_ready(common):
        _create(common, _COMMON)
    _create(folder, _OWN, f"{_MAGIC}\n{random.hex()}\n{shown(common, folder)}\n")


def shared(root: Path) -> Shared:
    """What the work tree at `root` shares with others. Raises StoreError where it is gone.

    Where it lies is asked of Git each time, so that repositories may be moved; nothing that lies in `.cloche/` can
    lead to a folder of somebody else.
    """
    folder = root / FOLDER
    text = _pointer(folder)
    if text is None:
        return Shared(folder)
    linked = linked_worktree(root)
    if linked is None:
        raise StoreError(
            f"{folder} shares the store of another worktree, and Git does not know this folder as a worktree any more",
            hint="type `git worktree repair` in the main work tree; delete .cloche/ here to give the connection up",
        )
    common = _common(linked, root)
    if not is_ready(common):
        raise StoreError(
            f"the store that this worktree shares is gone: there is no {common}",
            hint="put it back; delete .cloche/ here to begin with an empty store",
        )
    lines = text.split("\n")
    if len(lines) < 3 or lines[0] != _MAGIC or not lines[1].isalnum():
        raise StoreError(f"{folder / POINTER} is damaged", hint=f"delete {folder}: the store itself lies in {common}")
    if lines[2] != shown(common, folder):
        _write(folder, f"{_MAGIC}\n{lines[1]}\n{shown(common, folder)}\n", replace=True)
    return Shared(common, lines[1])


def _common(linked: Linked, root: Path) -> Path:
    """Where the common part of a project at `root` lies."""
    inner = Path(os.path.relpath(os.path.realpath(root), linked.top))
    if linked.main is None:
        return linked.common / "cloche" / inner
    return linked.main / inner / FOLDER


def is_ready(folder: Path) -> bool:
    """Whether the folder is there, and of a format that this Cloche understands. Raises StoreError, NewerVersion."""
    marker = folder / "format"
    try:
        found = marker.read_text("ascii").strip()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {marker}: {error}", hint="type `cloche doctor`") from error
    if not found.isdigit():
        raise StoreError(f"{marker} says {found[:20]!r} where a number belongs", hint=f"write {FORMAT} into it")
    if int(found) > FORMAT:
        raise NewerVersion(
            f"{folder} has format {found}; this Cloche understands up to {FORMAT}",
            hint="upgrade cloche, then try again",
        )
    return True


def _create(folder: Path, inner: tuple[str, ...], pointer: str = "") -> None:
    if folder.exists() and not folder.is_dir():
        raise Conflict(f"{folder} is a file", hint="move it away: Cloche keeps its store there")
    fs = FileSystem()  # what is made here lasts: all that is recorded will rely on it
    try:
        for name in ("", *inner):
            fs.make_folders(os.fspath(folder / name))
        fs.replace_file(os.fspath(folder / ".gitignore"), b"*\n")
        if pointer:
            _write(folder, pointer)
        fs.replace_file(os.fspath(folder / "format"), f"{FORMAT}\n".encode("ascii"))
    except OSError as error:
        raise StoreError(f"cannot create {folder}: {error}", hint="make the folder writable") from error


def _write(folder: Path, text: str, *, replace: bool = False) -> None:
    """Write the pointer whole; of two processes that begin at once, the first one's stays."""
    beside = folder / f"{POINTER}.{os.getpid()}"
    beside.write_text(text, "utf-8")
    try:
        if replace:
            os.replace(beside, folder / POINTER)
        elif not (folder / POINTER).exists():
            os.link(beside, folder / POINTER)
    except FileExistsError:
        pass
    except OSError:  # a disk without hard links
        os.replace(beside, folder / POINTER)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def _pointer(folder: Path) -> str | None:
    try:
        return (folder / POINTER).read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {folder / POINTER}: {error}", hint="make it readable") from error
