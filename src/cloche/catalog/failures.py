"""Errors of SQLite as those of Cloche."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from cloche.errors import Busy, ClocheError, Damaged, DiskFull, StoreError, UsageError

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_CLOSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_ENLARGING = 4874  # SQLITE_IOERR_SHMSIZE: no room for the shared memory beside the file


@contextlib.contextmanager
def translated(file: Path) -> Iterator[None]:
    """Raise what SQLite reports about `file` as Busy, DiskFull, Damaged or StoreError."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        if "thread" in str(error):
            raise UsageError(
                "an open project belongs to the thread that opened it", hint="open it again there: cloche.open(...)"
            ) from error
        raise  # a wrong statement, or use after close: a mistake in this package or its caller
    except sqlite3.Error as error:
        raise _failure(file, error) from error


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another connection holds what was needed."""
    return _code(error) in _LOCKED


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _failure(file: Path, error: sqlite3.Error) -> ClocheError:
    code = _code(error)
    if code in _LOCKED:
        return Busy(f"another process is writing to {file}", hint="wait until it is done, then try again")
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == _ENLARGING:
        return DiskFull(f"no room on the disk for {file}", hint="free some space; nothing was changed")
    if code in _BROKEN:
        return Damaged(
            f"the catalog {file} is damaged: {error}",
            hint="put back a copy of that file from a backup; `cloche doctor` shows whether all is well then",
        )
    if code in _CLOSED:
        return StoreError(
            f"cannot open {file} for writing: {error}",
            hint="check that the file, its folder and the `-wal` and `-shm` files beside it are yours to write",
        )
    return StoreError(f"the catalog {file} cannot be used: {error}", hint="check the disk, then type `cloche doctor`")
