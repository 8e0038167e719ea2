"""Reading a file that others may be writing to: its bytes count only if it stood still meanwhile."""

from __future__ import annotations

import errno
import os
import stat as modes
import time
from collections.abc import Callable
from typing import NamedTuple

from blake3 import blake3

from cloche.errors import ChangedWhileReading, ClocheError, DiskFull, InputError
from cloche.model.digest import Digest
from cloche.model.paths import encode_path
from cloche.store.filesystem import disk_error
from cloche.store.listing import FileStat
from cloche.store.walk import file_stat, stat_record

# Seconds to wait before each attempt: long enough for a program to finish writing a small file.
_PAUSES = (0.0, 0.005, 0.02, 0.1, 0.25)
_BLOCK = 1 << 20
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe that took the file's place must not make us wait for its writer
)


class Gone(InputError):
    """The file was there when the folder was listed, and no longer when it was to be read."""


class Taken(NamedTuple):
    """The digest of what was read, and how many bytes that were."""

    digest: Digest
    length: int


class Takers(NamedTuple):
    """What to do with content. file: told a descriptor and the size it had when opened. link: told a link's target."""

    file: Callable[[int, int], Taken]
    link: Callable[[bytes], Digest]


def take(path: str, stat: FileStat, takers: Takers) -> tuple[Digest, FileStat]:
    """Hand the content of a file or link to `takers` until one reading saw it unchanged from begin to end.

    Returns the digest, and what the disk said about exactly those bytes. Raises ChangedWhileReading, InputError (gone,
    unreadable, no file), and what `takers` raise.
    """
    found: FileStat | None = stat
    if stat.kind != "l" and os.path.islink(path) and _stat(os.path.realpath(path)) == stat:
        path = os.path.realpath(path)  # whoever listed it looked through the link, and so do we
    for pause in _PAUSES:
        if pause:
            time.sleep(pause)
            found = _stat(path)
        if found is None or found.kind == "d":
            raise InputError(f"{encode_path(path)} is neither a file nor a link")
        taken = _take_link(path, takers) if found.kind == "l" else _take_file(path, takers)
        if taken is not None:
            return taken
    raise ChangedWhileReading(
        f"{encode_path(path)} kept changing while it was read", hint="wait until the program that writes it is done"
    )


def read_small(path: str, limit: int) -> tuple[bytes, bytes] | None:
    """The bytes of a regular file of at most `limit` that stood still, and its stat record. None for anything else and
    for whatever went wrong: `take` finds out and says what. Written for the speed of 100,000 files in a row."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError:
        return None
    try:
        before = os.fstat(fd)
        size = before.st_size
        if size > limit or not modes.S_ISREG(before.st_mode):
            return None
        data = os.read(fd, size + 1)
        after = os.fstat(fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    record = stat_record(before)
    return (data, record) if len(data) == size and stat_record(after) == record else None


def _take_link(path: str, takers: Takers) -> tuple[Digest, FileStat] | None:
    try:
        before = file_stat(os.lstat(path))
        target = os.fsencode(os.readlink(path))
        after = file_stat(os.lstat(path))
    except OSError as error:
        if error.errno == errno.EINVAL:  # no link any more
            return None
        raise _input_error(error, path) from error
    if before is None or before != after or before.kind != "l":
        return None
    return takers.link(target), before._replace(size=len(target))


def _take_file(path: str, takers: Takers) -> tuple[Digest, FileStat] | None:
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link or a socket took its place
            return None
        raise _input_error(error, path) from error
    try:
        before = file_stat(os.fstat(fd))
        if before is None or before.kind == "d":
            return None
        taken = takers.file(fd, before.size)
        after = file_stat(os.fstat(fd))
    except OSError as error:
        raise _input_error(error, path) from error
    finally:
        os.close(fd)
    return (taken.digest, before) if before == after and taken.length == before.size else None


def hash_file(path: str, stat: FileStat) -> tuple[Digest, FileStat]:
    """Digest of a file or link without storing it. As `take`."""
    return take(path, stat, _HASHING)


def hash_open(fd: int, size: int) -> Taken:
    """The digest of what can be read from a descriptor."""
    hasher = blake3()
    length = 0
    while block := os.read(fd, _BLOCK):
        hasher.update(block)
        length += len(block)
    return Taken(hasher.hexdigest(), length)


def why_unread(error: InputError) -> str:
    """Why a file could not be read, to stand behind its name."""
    cause = error.__cause__
    return (cause.strerror or str(cause)).lower() if isinstance(cause, OSError) else "it kept changing"


def _hash_bytes(data: bytes) -> Digest:
    return blake3(data).hexdigest()


_HASHING = Takers(hash_open, _hash_bytes)


def _stat(path: str) -> FileStat | None:
    try:
        return file_stat(os.lstat(path))
    except OSError as error:
        raise _input_error(error, path) from error


def _input_error(error: OSError, path: str) -> ClocheError:
    name = encode_path(path)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Gone(f"{name} is gone", hint="run it again once nothing deletes files")
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"cannot read {name}: permission denied", hint="make it readable, or leave it out")
    problem = disk_error(error, f"read {name}")
    return problem if isinstance(problem, DiskFull) else InputError(problem.message, hint=problem.hint)
