"""Changing many files of the work tree as one: steps that can be taken back, and a journal of them on the disk.

`tmp/checkout/` below the project's `.cloche` holds, while a checkout is going (JSON, paths as path texts):

| file | what |
|---|---|
| `journal` | the list of steps. Written first: while only it is there, no file of the user has been touched |
| `moving` | inode, size and time of every staged file; the size of a whole folder is the time of writing this |
| `done` | empty. Written after the last step: what is left to do is to clean up |
| `0`, `1` ... | staged content; `0.old`, `1.old` ... what was at the path before |

`moving` is written when all new content is complete on the disk. `Journal.settle` reads them after a failure or in a
later process: it takes all steps back, or after `done` cleans up. A file that somebody changed since is never touched.
Staged files lie beside their target, under hidden names, where that is on another disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat as modes
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from cloche.errors import Damaged
from cloche.store.filesystem import FileSystem
from cloche.store.walk import os_path

FOLDER = ".cloche/tmp/checkout"

Identity = tuple[int, int, int]
Settled = Literal["nothing", "taken back", "done"]
_T = TypeVar("_T")


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of the work tree.

    act: `place` a staged file where nothing is; `swap` it for a file or link that is there; `remove` a file or link;
    `mode` sets permission bits; `mkdir` and `rmdir`. path, staged, kept: path texts; kept is where the old file goes.
    mode, old_mode: permission bits after and before.
    """

    act: Literal["place", "swap", "remove", "mode", "mkdir", "rmdir"]
    path: str
    staged: str = ""
    kept: str = ""
    mode: int = 0
    old_mode: int = 0


class Journal:
    """The journal of one project's work tree. Whoever uses it holds the checkout lock. Raises OSError."""

    def __init__(self, root: Path, fs: FileSystem) -> None:
        self._root = root
        self._fs = fs
        self.folder = os_path(root, FOLDER)

    def begin(self, steps: Sequence[Step]) -> None:
        """Note what is going to happen."""
        self._write("journal", msgspec.json.encode(steps))

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Take all steps. Everything that they stage must be complete. On failure call `settle`."""
        staged = {step.staged: _identity(self._path(step.staged)) for step in steps if step.staged}
        self._write("moving", msgspec.json.encode(staged))
        kept = False
        for step in steps:
            if step.act == "swap" and not kept:
                kept = True
                self._keep_all([one for one in steps if one.act == "swap"])
            self._take(step)
        self._sync_folders(step.path for step in steps)
        self._write("done", b"")

    def settle(self) -> Settled:
        """Take back, or clean up after, what an unfinished checkout left on the disk. Safe to repeat."""
        if not os.path.isdir(self.folder):
            return "nothing"
        done = os.path.lexists(self._named("done"))
        steps = self._read("journal", list[Step])
        if steps is not None:
            staged = self._read("moving", dict[str, Identity])
            if staged is not None and not done:
                for step in reversed(steps):
                    self._take_back(step, staged.get(step.staged))
                self._sync_folders(step.path for step in steps)
            self._drop(path for step in steps for path in (step.staged, step.kept))
        for name in os.listdir(self.folder):
            if name != "done":
                self._fs.clear(self._named(name))
        if done:  # it says not to take back, so it must not go before the rest has gone for good
            self._fs.sync_folder(self.folder)
            self._fs.clear(self._named("done"))
        return "done" if done else "nothing" if steps is None else "taken back"

    def _path(self, text: str) -> str:
        return os_path(self._root, text) if text else ""

    def _named(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _write(self, name: str, data: bytes) -> None:
        self._fs.replace_file(self._named(name), data)

    def _read(self, name: str, kind: type[_T]) -> _T | None:
        try:
            with open(self._named(name), "rb") as file:
                return msgspec.json.decode(file.read(), type=kind)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Damaged(
                f"what an interrupted checkout left in {FOLDER} cannot be read",
                hint=f"look at your files, then delete {FOLDER}",
            ) from error

    def _drop(self, paths: Iterable[str]) -> None:
        """Remove what lies beside its target, for good: only the journal knows of it. The rest goes with the folder."""
        beside = [path for path in paths if path and not path.startswith(FOLDER)]
        for path in beside:
            if os.path.lexists(self._path(path)):
                self._fs.clear(self._path(path))
        self._sync_folders(beside)

    # One step

    def _take(self, step: Step) -> None:
        path = os_path(self._root, step.path)
        fs = self._fs
        if step.act in ("place", "swap"):
            fs.rename(self._path(step.staged), path)
        elif step.act == "remove":
            fs.rename(path, self._path(step.kept))
        elif step.act == "mode":
            fs.chmod(path, step.mode)
        elif step.act == "mkdir":
            fs.mkdir(path)
        else:
            fs.rmdir(path)

    def _keep_all(self, steps: Sequence[Step]) -> None:
        """Give all old files that others are going to replace a second name, for good: a disk may remember the
        replacing and forget the name before it."""
        for step in steps:
            self._keep(os_path(self._root, step.path), self._path(step.kept))
        self._sync_folders(step.kept for step in steps)

    def _keep(self, path: str, kept: str) -> None:
        """A second name for the old file, so that its path is never empty; a move where there are no such names."""
        try:
            if os.path.islink(path):
                self._fs.symlink(os.readlink(path), kept)
            else:
                self._fs.link(path, kept)
        except OSError as error:
            if error.errno == errno.EXDEV or os.path.lexists(kept):
                raise
            self._fs.rename(path, kept)

    def _take_back(self, step: Step, placed: Identity | None) -> None:
        path = os_path(self._root, step.path)
        if step.act == "place":
            if not os.path.lexists(self._path(step.staged)) and _is_at(path, placed):
                self._fs.rename(path, self._path(step.staged))  # a whole folder is taken apart where nobody sees it
        elif step.act in ("swap", "remove"):
            kept = self._path(step.kept)
            if os.path.lexists(kept) and (not os.path.lexists(path) or _is_at(path, placed)):
                self._fs.rename(kept, path)
        elif step.act == "mode":
            changed = step.mode != step.old_mode and os.path.lexists(path)
            if changed and modes.S_IMODE(os.lstat(path).st_mode) == step.mode:
                self._fs.chmod(path, step.old_mode)
        elif step.act == "mkdir":
            if os.path.isdir(path) and not os.path.islink(path) and not os.listdir(path):
                self._fs.rmdir(path)
        elif not os.path.lexists(path):
            self._fs.mkdir(path)
            self._fs.chmod(path, step.old_mode)

    def _sync_folders(self, paths: Iterable[str]) -> None:
        """Make the names at these path texts last."""
        self._fs.sync_many({os.path.dirname(os_path(self._root, path)) for path in paths})


def _identity(path: str) -> Identity:
    """Of a file: inode, size, time. Of a whole folder: inode, the time now, time of its own listing."""
    found = os.lstat(path)
    size = time.time_ns() if modes.S_ISDIR(found.st_mode) else found.st_size
    return found.st_ino, size, found.st_mtime_ns


def _is_at(path: str, placed: Identity | None) -> bool:
    """Whether what was placed at a path is there, and nobody touched it since."""
    if placed is None:
        return False
    with contextlib.suppress(OSError):
        found = _identity(path)
        if os.path.isdir(path) and not os.path.islink(path):
            return (found[0], found[2]) == (placed[0], placed[2]) and _newest_below(path) <= placed[1]
        return found == placed
    return False


def _newest_below(folder: str) -> int:
    """The newest change time of anything below a folder."""
    newest = 0
    folders = [folder]
    for at in folders:  # it grows meanwhile
        with os.scandir(at) as listing:
            for one in listing:
                newest = max(newest, one.stat(follow_symlinks=False).st_ctime_ns)
                if one.is_dir(follow_symlinks=False):
                    folders.append(one.path)
    return newest
