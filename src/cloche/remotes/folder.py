"""A remote that is a folder: on this disk, on a stick, on a share. Needs no extra package."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from typing import Protocol

from cloche.errors import RemoteError
from cloche.remotes.backend import CannotCreate, Listed, probe_folder, too_large

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


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
            with _translated(self.folder, "list"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
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
                with open(os.path.join(self.folder, name), "rb", buffering=0) as file:
                    if os.fstat(file.fileno()).st_size > most:
                        raise too_large(name, most)
                    return file.readall()
            except FileNotFoundError:
                return None

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        with _translated(self.folder, f"read {name} of"), open(os.path.join(self.folder, name), "rb") as file:
            file.seek(start)
            return file.read(length)

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`."""
        target = os.path.join(self.folder, name)
        with _translated(self.folder, f"write {name} to"):
            if create and os.path.lexists(target):
                return False
            self._disk.make_folders(os.path.dirname(target))
            beside = f"{target}.{os.urandom(8).hex()}.tmp"
            try:
                self._disk.write_file(beside, data)
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
        with _translated(self.folder, f"delete {name} of"), contextlib.suppress(FileNotFoundError):
            self._disk.unlink(os.path.join(self.folder, name))
            if folder := probe_folder(name):
                with contextlib.suppress(OSError):  # not its last
                    self._disk.rmdir(os.path.join(self.folder, folder))

    def close(self) -> None:
        """See `Backend`."""


def _stat(one: os.DirEntry[str]) -> os.stat_result | None:
    """None for what went away since it was listed."""
    try:
        return one.stat()
    except FileNotFoundError:
        return None


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
