"""How content comes into the work tree: as a link to a loose file or a clone of one where that is asked for, and
written out everywhere else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from cloche.errors import Damaged
from cloche.model.settings import CheckoutMode
from cloche.store.filesystem import NO_LINKS, FileSystem
from cloche.store.listing import pack_stat
from cloche.store.locks import Lock
from cloche.store.loose import REPAIR
from cloche.store.objects import Store
from cloche.store.walk import STORE_FILES, file_stat, os_path, stat_record, store_link

LINKS = ("hardlink", "symlink")


class Placing:
    """Places content the way that `mode` says where `fits` holds for the path text. Raises OSError, Damaged, NotFound.

    Executable and empty files are always written out: a link would share its permission bits with all others.
    held: the lock under which it is done, if there is one.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        fs: FileSystem,
        mode: CheckoutMode = "copy",
        fits: Callable[[str], bool] = lambda path: False,
        held: Lock | None = None,
    ) -> None:
        self.held = held
        self._root = root
        self._store = store
        self._fs = fs
        self._mode = mode
        self._fits = fits
        self._reachable = False
        self._can_clone = mode != "copy" and store.loose.is_used()

    @property
    def is_linking(self) -> bool:
        """Whether files that fit come as links."""
        return self._mode in LINKS

    @property
    def can_link(self) -> bool:
        """Whether any file comes as a link or clone."""
        return self._mode in LINKS or self._can_clone

    def links(self, path: str) -> bool:
        """Whether files at a path text become links, which take no room."""
        return self._mode in LINKS and self._fits(path)

    def place(self, path: str, kind: str, digest: str, size: int, at: str) -> bytes | None:
        """Make the OS path `at`, which is to be renamed to the path text, a link or clone; its stat record. None where
        it has to be written out."""
        if kind != "f" or not size or not self.can_link or not self._fits(path):
            return None
        loose = self._store.loose
        if self._mode in LINKS:
            self.keep(digest)
        elif not loose.holds(bytes.fromhex(digest)):
            return None
        if not loose.is_sound(digest):
            raise Damaged(f"{digest[:12]} was changed through a link into the store", hint=REPAIR)
        return self.link(path, digest, at) if self._mode in LINKS else self._clone(digest, at)

    def keep(self, digest: str) -> None:
        """Make sure that there is a loose file of this content, from packs if need be."""
        if not self._store.loose.holds(bytes.fromhex(digest)):
            self._store.loose.put(digest, lambda at: self._write(digest, at))

    def link(self, path: str, digest: str, at: str) -> bytes | None:
        """A link to a loose file; its stat record, None where the disk has no such links."""
        loose = self._store.loose
        if self._mode == "symlink":
            self._make_reachable()
            self._fs.symlink(store_link(path, digest), at)
        else:
            known = loose.is_sound(digest)
            try:
                self._fs.link(loose.path(digest), at)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                return None
            if known:
                loose.protect(digest)  # the new name moved its change time
        stat = file_stat(os.lstat(loose.path(digest)))
        return pack_stat(stat) if stat is not None else None

    def _clone(self, digest: str, at: str) -> bytes | None:
        fd = self._fs.create(at)
        try:
            self._fs.clone(self._store.loose.path(digest), fd)
            self._fs.sync(fd)
            return stat_record(os.fstat(fd))
        except OSError:
            self._can_clone = False
        finally:
            self._fs.close(fd)
        self._fs.unlink(at)
        return None

    def _write(self, digest: str, at: str) -> None:
        fd = self._fs.create(at)
        try:
            for piece in self._store.stream(digest):
                self._fs.write(fd, piece)
            self._fs.sync(fd)
        finally:
            self._fs.close(fd)

    def _make_reachable(self) -> None:
        """In a linked worktree the store lies elsewhere, and links lead there by one link in its `.cloche/`."""
        if self._reachable:
            return
        here, there = os_path(self._root, STORE_FILES), self._store.loose.folder
        self._fs.make_folders(there)
        if os.path.realpath(here) != os.path.realpath(there):
            self._fs.make_folders(os.path.dirname(here))
            if os.path.islink(here):
                self._fs.unlink(here)
            start = os.path.realpath(os.path.dirname(here))
            with contextlib.suppress(FileExistsError):
                self._fs.symlink(os.path.relpath(os.path.realpath(there), start), here)
        self._reachable = True
