"""Locks of the operating system: they vanish with the process that held them, however it ended."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

from cloche.store.filesystem import FileSystem

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class Lock:
    """A lock file that this process holds until `release`. The file itself says nothing: it may stay or go.

    guards: whether it keeps others out; not on disks that know no locks (some cluster file systems).
    """

    def __init__(self, path: str, fd: int, *, guards: bool) -> None:
        self.path = path
        self.guards = guards
        self._fd = fd

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a process has to inherit to hold the lock, too, until it ends."""
        return (self._fd,) if self._fd >= 0 else ()

    def release(self) -> None:
        """Let go; calling it again does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def try_lock(path: str, fs: FileSystem, *, shared: bool = False) -> Lock | None:
    """The lock, or None while another holds it. shared: others may hold it too, if they share it (not on Windows).
    Raises OSError."""
    while True:
        fd = fs.open_lock(path)
        try:
            guards = _try(fd, shared=shared)
            if guards is None:
                os.close(fd)
                return None
            if not guards or _still_named(fd, path):
                return Lock(path, fd, guards=guards)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(fd)
            raise
        os.close(fd)


def _still_named(fd: int, path: str) -> bool:
    """Whether the file that was locked is the one by that name: its last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _try(fd: int, *, shared: bool) -> bool | None:
    """Whether the file is locked now; None while another holds it, False where there are no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return None
        if error.errno in _UNKNOWN:
            return False
        raise
    return True
