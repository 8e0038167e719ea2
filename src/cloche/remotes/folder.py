"""A remote that is a folder: on this disk, on a stick, on a share. Needs no extra package."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from typing import IO, Protocol

from cloche.errors import RemoteError
from cloche.remotes.backend import CannotCreate, Listed, Unfit, probe_folder, too_large

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_ABSENT = (FileNotFoundError, NotADirectoryError)


class Disk(Protocol):
    """The steps of `store.filesystem.FileSystem` that are taken here."""

    def write_file(self, path: str, data: bytes) -> None:
        """See `FileSystem`."""
        ...

    def make_folders(self, path: str) -> None:
        """See `FileSystem`."""
        ...

    def sync_folder(self, path: str) -> None:
        """See `FileSystem`."""
        ...

    def link(self, source: str, target: str) -> None:
        """See `FileSystem`."""
        ...

    def rename(self, source: str, target: str) -> None:
        """See `FileSystem`."""
        ...

    def unlink(self, path: str) -> None:
        """See `FileSystem`."""
        ...

    def rmdir(self, path: str) -> None:
        """See `FileSystem`."""
        ...

    def discard(self, path: str) -> None:
        """See `FileSystem`."""
        ...


class FolderBackend:
    """Objects are files; each is written beside its place, synced, and gets its name, which is synced too."""

    listable = True
    writable = True

    def __init__(self, folder: str, disk: Disk) -> None:
        self.folder = folder
        self._disk = disk

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Backend`."""
        pending = [prefix]
        while pending:
            at = pending.pop()
            with _translated(self.folder, "list"), contextlib.suppress(*_ABSENT):
                with os.scandir(os.path.join(self.folder, at)) as listing:
                    found = [(one.name, one.is_dir(follow_symlinks=False), _stat(one)) for one in listing]
                pending += [f"{at}/{name}" for name, is_folder, _ in found if is_folder]
                for name, is_folder, facts in found:
                    if not is_folder and facts is not None:
                        yield Listed(f"{at}/{name}", facts.st_size, facts.st_mtime)

    def top(self) -> Iterable[str]:
        """See `Backend`."""
        return os.listdir(self.folder) if os.path.isdir(self.folder) else []

    def get(self, name: str, most: int) -> bytes | None:
        """See `Backend`."""
        with _translated(self.folder, f"read {name} of"):
            try:
                with self._opened(name) as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > most:
                        raise too_large(name, most)
                    return file.read(size)
            except _ABSENT:
                return None

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        with _translated(self.folder, f"read {name} of"), self._opened(name) as file:
            file.seek(start)
            return file.read(length)

    def _opened(self, name: str) -> IO[bytes]:
        path = os.path.join(self.folder, name)
        if not stat.S_ISREG(os.stat(path).st_mode):  # a device or pipe may never end
            raise Unfit(f"{name} of {self.folder} is no file", hint="`cloche push --repair` mends it")
        return open(path, "rb")

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`."""
        target = os.path.join(self.folder, name)
        with _translated(self.folder, f"write {name} to"):
            if create and os.path.lexists(target) and not _is_folder(target):
                return False
            self._disk.make_folders(os.path.dirname(target))
            beside = f"{target}.{os.urandom(8).hex()}.tmp"
            try:
                self._disk.write_file(beside, data)
                if _is_folder(target):
                    self._disk.rename(target, f"{beside[:-4]}.folder")  # not ours to delete
                if create:
                    self._disk.link(beside, target)
                    self._disk.unlink(beside)
                else:
                    self._disk.rename(beside, target)
                self._disk.sync_folder(os.path.dirname(target))
            except FileExistsError:
                self._disk.discard(beside)
                return False
            except OSError as error:
                self._disk.discard(beside)
                if create and error.errno in _NO_LINKS:
                    raise CannotCreate(f"{self.folder} is on a disk that has no hard links") from error
                raise
            except BaseException:
                self._disk.discard(beside)
                raise
        return True

    def delete(self, name: str) -> None:
        """See `Backend`."""
        with _translated(self.folder, f"delete {name} of"), contextlib.suppress(*_ABSENT):
            target = os.path.join(self.folder, name)
            if not _is_folder(target):
                self._disk.unlink(target)
            if folder := probe_folder(name):
                with contextlib.suppress(OSError):  # not its last
                    self._disk.rmdir(os.path.join(self.folder, folder))

    def close(self) -> None:
        """See `Backend`."""


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _stat(one: os.DirEntry[str]) -> os.stat_result | None:
    """None for what went away since it was listed, and for links that lead nowhere."""
    try:
        return one.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise


@contextlib.contextmanager
def _translated(folder: str, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        hint = "is the disk or share mounted, and yours to read and write?"
        if error.errno == errno.ENOSPC:
            hint = "free some space there, then run it again: what was sent stays"
        raise RemoteError(f"cannot {doing} {folder}: {why}", hint=hint) from error
