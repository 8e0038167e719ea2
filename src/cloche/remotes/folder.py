"""A remote that is a folder: on this disk, on a stick, on a share. Needs no extra package."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from cloche.errors import RemoteError
from cloche.remotes.backend import CannotCreate, Listed, too_large

_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class FolderBackend:
    """Objects are files; each is written beside its place, synced, and renamed."""

    listable = True
    writable = True

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Backend`."""
        pending = [prefix]
        while pending:
            at = pending.pop()
            with _translated(self.folder, "list"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
                with os.scandir(os.path.join(self.folder, at)) as listing:
                    found = [(one.name, one.is_dir(follow_symlinks=False), one.stat().st_size) for one in listing]
                pending += [f"{at}/{name}" for name, is_folder, _ in found if is_folder]
                yield from (Listed(f"{at}/{name}", size) for name, is_folder, size in found if not is_folder)

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
            _make_folders(os.path.dirname(target))
            beside = f"{target}.{os.urandom(8).hex()}.tmp"
            try:
                _write(beside, data)
                if create:
                    os.link(beside, target)
                    os.unlink(beside)
                else:
                    os.replace(beside, target)
                _sync_folder(os.path.dirname(target))
            except FileExistsError:
                _discard(beside)
                return False
            except OSError as error:
                _discard(beside)
                if create and error.errno in _NO_LINKS:
                    raise CannotCreate(f"{self.folder} is on a disk that has no hard links") from error
                raise
            except BaseException:
                _discard(beside)
                raise
        return True

    def delete(self, name: str) -> None:
        """See `Backend`."""
        with _translated(self.folder, f"delete {name} of"), contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, name))

    def close(self) -> None:
        """See `Backend`."""


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _make_folders(path: str) -> None:
    """Create a folder and those above it; their names last, as what will be in them has to."""
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    _make_folders(above)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
    _sync_folder(above)


def _sync_folder(path: str) -> None:
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


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
