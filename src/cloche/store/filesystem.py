"""Every write of the store to a disk goes through `FileSystem`, so that tests can record it and make it fail.

Its methods are single steps that either happen or raise OSError; `disk_error` turns that into words for a user.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Collection, Iterable

from cloche.errors import ClocheError, Damaged, DiskFull, StoreError

if sys.platform != "win32":
    import fcntl

# From so many on, one wait for the whole disk is cheaper than one for each file.
MANY = 128

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES)
_CLONE = 0x40049409  # FICLONE of Linux
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_BINARY = getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | _BINARY


class FileSystem:
    """The real file system. Paths are OS paths as `os` functions take them."""

    def create(self, path: str, mode: int = 0o666) -> int:
        """A descriptor for writing a file that must not exist yet."""
        return os.open(path, _CREATE, mode)

    def open_lock(self, path: str) -> int:
        """A descriptor of a file to lock, created where it is missing. On a disk that is only read, what is there can
        be locked, too: for a look at what a verb would do."""
        more = getattr(os, "O_CLOEXEC", 0)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | more, 0o666)
        except OSError as error:
            if error.errno != errno.EROFS or not os.path.isfile(path):
                raise
            return os.open(path, os.O_RDONLY | more)

    def write(self, fd: int, data: bytes | memoryview) -> None:
        """Append all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]

    def sync(self, fd: int) -> None:
        """Wait until what was written to `fd` would survive a power cut."""
        if sys.platform == "darwin":  # fsync alone leaves the bytes in the drive's own cache
            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
                return
        os.fsync(fd)

    def sync_folder(self, path: str) -> None:
        """Wait until the names in a folder would survive a power cut; nothing where the system cannot."""
        if sys.platform == "win32":
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(fd)

    def sync_all(self) -> None:
        """Wait until everything written so far would survive a power cut: one call where many files were written."""
        if hasattr(os, "sync"):
            os.sync()

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def rename(self, source: str, target: str) -> None:
        """Give a file or link its new name, in place of what had it, in one step."""
        os.replace(source, target)

    def link(self, source: str, target: str) -> None:
        """A second name for a regular file."""
        os.link(source, target)

    def symlink(self, content: str, path: str) -> None:
        """A symbolic link that holds `content`."""
        os.symlink(content, path)

    def clone(self, source: str, fd: int) -> None:
        """Let the empty file `fd` share the blocks of `source`, until one of them is written to. Raises OSError where
        the disk, or the system, cannot."""
        if sys.platform == "linux":
            from_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(fd, _CLONE, from_fd)
            finally:
                os.close(from_fd)
        else:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def unlink(self, path: str) -> None:
        """Take a file's or link's name away."""
        os.unlink(path)

    def mkdir(self, path: str) -> None:
        """Create one folder."""
        os.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path)

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits of a file or folder."""
        os.chmod(path, mode)

    def free(self, folder: str) -> int:
        """Bytes that this user may still write to the disk that holds `folder`."""
        if hasattr(os, "statvfs"):
            found = os.statvfs(folder)
            return found.f_bavail * found.f_frsize
        import shutil

        return shutil.disk_usage(folder).free

    # Steps put together

    def make_folders(self, path: str) -> None:
        """Create a folder and those above it, where they are missing; the names survive a power cut."""
        if os.path.isdir(path):
            return
        above = os.path.dirname(path)
        self.make_folders(above)
        with contextlib.suppress(FileExistsError):
            self.mkdir(path)
        self.sync_folder(above)

    def sync_many(self, folders: Collection[str]) -> None:
        """Wait until the names in these folders would survive a power cut; those that are gone have none."""
        if len(folders) > MANY:
            self.sync_all()
            return
        for folder in folders:
            if os.path.isdir(folder):
                self.sync_folder(folder)

    def write_file(self, path: str, data: bytes | Iterable[bytes], *, durable: bool = True) -> None:
        """Create a file that must not exist yet, whole. On failure it is taken away again."""
        fd = self.create(path)
        try:
            try:
                for part in (data,) if isinstance(data, bytes) else data:
                    self.write(fd, part)
                if durable:
                    self.sync(fd)
            finally:
                self.close(fd)
        except BaseException:
            self.discard(path)
            raise

    def replace_file(self, path: str, data: bytes | Iterable[bytes], *, durable: bool = True) -> None:
        """Put a whole file in place of what is there, or leave that untouched."""
        beside = f"{path}.{token()}.tmp"
        self.write_file(beside, data, durable=durable)
        try:
            self.rename(beside, path)
        except BaseException:
            self.discard(beside)
            raise
        if durable:
            self.sync_folder(os.path.dirname(path))

    def clear(self, path: str) -> None:
        """Remove a file or link, or a folder with all that is in it, however deep; links are not followed."""
        if os.path.islink(path) or not os.path.isdir(path):
            self.unlink(path)
            return
        folders = [path]
        for folder in folders:  # it grows meanwhile
            with os.scandir(folder) as listing:
                names = list(listing)
            for one in names:
                if one.is_dir(follow_symlinks=False):
                    folders.append(one.path)
                else:
                    self.unlink(one.path)
        for folder in reversed(folders):
            self.rmdir(folder)

    def discard(self, path: str) -> None:
        """Take a file away if it is there and can be; used where the reason to give up is already known."""
        with contextlib.suppress(OSError):
            self.unlink(path)


def token() -> str:
    """A name that no other process chooses."""
    return os.urandom(8).hex()


def disk_error(error: OSError, doing: str) -> ClocheError:
    """What a failed step means to a user. doing: what was attempted, as in "write to the store".

    Raise the result `from error`.
    """
    reason = (error.strerror or str(error)).lower()
    if error.errno in _FULL:
        return DiskFull(f"cannot {doing}: no space left on the disk", hint="free some space, then run it again")
    if error.errno == errno.EIO:
        return Damaged(f"cannot {doing}: {reason}", hint="the disk reports an error; check it before going on")
    return StoreError(f"cannot {doing}: {reason}", hint="check the permissions of the project folder and `.cloche/`")
