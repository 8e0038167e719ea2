"""Turning files of the work tree into links to loose files, and links back into files of their own.

Content moves into the store by a second name for the same bytes, and only when that name is safe on the disk does the
first one give way to a link: at every moment the path shows its content.
"""

from __future__ import annotations

import contextlib
import os
import stat as modes
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cloche.errors import Damaged, StoreError
from cloche.model.settings import CheckoutMode
from cloche.store.filesystem import MANY, FileSystem, disk_error, token
from cloche.store.listing import Files, FileStat
from cloche.store.objects import Store
from cloche.store.placing import Placing
from cloche.store.reading import hash_file
from cloche.store.walk import behind, file_stat, os_path, stat_of

_TMP = ".cloche/tmp"
_TOGETHER = 1000

Progress = Callable[[int, int], None]


def link_files(root: Path, files: Mapping[str, tuple[FileStat, str]], store: Store, mode: CheckoutMode) -> int:
    """Make files links to loose files, as `mode` says; with `reflink` the files stay, and the store gets clones.

    files: by path text, the stat and digest of what was read. How many became links. Files that changed since, that
    are executable or empty, or that the disk has no links for stay as they are: they have to be recorded like any.
    Raises DiskFull, StoreError.
    """
    wanted = {path: one for path, one in files.items() if one[0].kind == "f" and one[0].size}
    linker = _Linker(root, store, mode, each=len(wanted) <= MANY)
    try:
        kept = {path: digest for path, (stat, digest) in wanted.items() if linker.keep(path, stat, digest)}
        linker.settle()
        linked = 0 if mode == "reflink" else sum(linker.replace(path, digest) for path, digest in kept.items())
    except OSError as error:
        raise disk_error(error, "move content into the store") from error
    store.loose.save()
    return linked


def unlink_files(root: Path, files: Files, store: Store) -> int:
    """Put files of their own in place of all links to loose files; how many there were. Raises as `unlink_file`."""
    loose = store.loose
    links = [path for path, stat in files.rows() if loose.find(stat, path) is not None] if loose.is_used() else []
    for path in links:
        unlink_file(root, path, store)
    return len(links)


def is_link(root: Path, path: str, store: Store) -> bool:
    """Whether what lies at a path text is a link, hard or symbolic, to a loose file."""
    at = os_path(root, path)
    try:
        found = os.lstat(at)
    except OSError:
        return False
    return bool(behind(path, at)) or (file_stat(found) is not None and store.loose.is_file(found))


def unlink_file(root: Path, path: str, store: Store) -> None:
    """Put an ordinary file, which may be written to, in place of a link. Raises Damaged where its content was changed
    through it, DiskFull, StoreError."""
    at, fs = os_path(root, path), store.fs
    stat = stat_of(root, path)
    digest = store.loose.find(stat, path) if stat is not None else None
    if digest is None:
        raise Damaged(f"{path} is a link to content that was changed, or is gone", hint="`cloche verify --repair`")
    beside = _beside(root, fs, at)
    try:
        fd = fs.create(beside)
        try:
            _copy(store, digest, fd)
            fs.sync(fd)
        finally:
            fs.close(fd)
        fs.rename(beside, at)
        fs.sync_folder(os.path.dirname(at))
    except OSError as error:
        fs.discard(beside)
        raise disk_error(error, f"make {path} a file of its own") from error
    except BaseException:
        fs.discard(beside)
        raise


def own_files(root: Path, paths: Sequence[str], fs: FileSystem) -> None:
    """Put copies, which may be written to, in place of files that have other names, but for those that somebody changes
    meanwhile. Raises DiskFull, StoreError."""
    for start in range(0, len(paths), _TOGETHER):
        made: dict[str, str] = {}
        seen: dict[str, FileStat | None] = {}
        try:
            for path in paths[start : start + _TOGETHER]:
                seen[path], made[path] = stat_of(root, path), _beside(root, fs, os_path(root, path))
                _duplicate(os_path(root, path), made[path], fs, each=len(paths) <= MANY)
            if len(paths) > MANY:
                fs.sync_all()
            for path, beside in made.items():
                if stat_of(root, path) == seen[path]:
                    fs.rename(beside, os_path(root, path))
            fs.sync_many({os.path.dirname(os_path(root, path)) for path in made})
        except OSError as error:
            raise disk_error(error, "make links files of their own") from error
        finally:
            for beside in made.values():
                fs.discard(beside)


def _duplicate(at: str, beside: str, fs: FileSystem, *, each: bool) -> None:
    fd = fs.create(beside, 0o777 if os.stat(at).st_mode & modes.S_IXUSR else 0o666)
    try:
        try:
            fs.clone(at, fd)
        except OSError:
            with open(at, "rb", buffering=0) as source:
                while block := source.read(1 << 20):
                    fs.write(fd, block)
        if each:
            fs.sync(fd)
    finally:
        fs.close(fd)


def _copy(store: Store, digest: str, fd: int) -> None:
    try:
        store.fs.clone(store.loose.path(digest), fd)
    except OSError:
        for piece in store.loose.stream(digest):
            store.fs.write(fd, piece)


class _Linker:
    """each: wait for the disk after each file; else `settle` does, for all."""

    def __init__(self, root: Path, store: Store, mode: CheckoutMode, *, each: bool) -> None:
        self._root = root
        self._store = store
        self._fs = store.fs
        self._mode = mode
        self._placing = Placing(root, store, store.fs, mode)
        self._each = each
        self._adopted: set[str] = set()

    def keep(self, path: str, stat: FileStat, digest: str) -> bool:
        """Make sure that the content is a loose file; whether it is."""
        loose, at = self._store.loose, os_path(self._root, path)
        if loose.holds(bytes.fromhex(digest)):
            return loose.is_sound(digest)
        if self._mode != "reflink" and not os.path.islink(at):
            if self._each:
                self._sync(at)
            if loose.adopt(at, stat, digest):
                self._adopted.add(digest)
                return True
        with contextlib.suppress(StoreError):
            loose.put(digest, lambda beside: self._take(path, stat, digest, beside))
            return True
        return False

    def settle(self) -> None:
        """Wait until what was adopted would survive a power cut."""
        if self._adopted and not self._each:
            self._fs.sync_all()
        for digest in {digest[:2]: digest for digest in self._adopted}.values():
            self._store.loose.settle(digest)

    def replace(self, path: str, digest: str) -> bool:
        """Put a link in place of a file that holds the content of a loose file; whether there is one now."""
        at, loose = os_path(self._root, path), self._store.loose
        found = os.lstat(at)
        is_symlink = bool(behind(path, at))
        wanted = is_symlink if self._mode == "symlink" else not is_symlink and loose.is_file(found)
        if wanted:
            return True
        stat = stat_of(self._root, path)
        if stat is None or (loose.find(stat, path) or hash_file(at, stat)[0]) != digest:
            return False
        beside = _beside(self._root, self._fs, at)
        try:
            if self._placing.link(path, digest, beside) is None:
                return False
            self._fs.rename(beside, at)
        except OSError:
            self._fs.discard(beside)
            raise
        return True

    def _sync(self, at: str) -> None:
        fd = os.open(at, os.O_RDONLY)
        try:
            self._fs.sync(fd)
        finally:
            self._fs.close(fd)

    def _take(self, path: str, stat: FileStat, digest: str, beside: str) -> None:
        """Copy a file into the store: by a clone, or, but for `reflink`, byte by byte. Raises StoreError."""
        at = os_path(self._root, path)
        fd = self._fs.create(beside)
        try:
            try:
                self._fs.clone(at, fd)
            except OSError as error:
                if self._mode == "reflink":
                    raise StoreError("this disk has no clones") from error
                with open(at, "rb", buffering=0) as source:
                    while block := source.read(1 << 20):
                        self._fs.write(fd, block)
            self._fs.sync(fd)
        finally:
            self._fs.close(fd)
        written = file_stat(os.lstat(beside))
        if written is None or hash_file(beside, written)[0] != digest:
            raise StoreError(f"{path} changed while it was read")


def _beside(root: Path, fs: FileSystem, at: str) -> str:
    """A new OS path on the disk of `at`: in the project's own folder, since what a kill leaves there is nobody's data,
    or else beside `at`."""
    own, folder = os_path(root, _TMP), os.path.dirname(at)
    fs.make_folders(own)
    if os.stat(own).st_dev == os.stat(folder).st_dev:
        return f"{own}/link-{token()}"
    return f"{folder}/.cloche-{token()}"
