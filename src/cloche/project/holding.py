"""Waiting for a lock that another Cloche process may hold."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from cloche.errors import Busy
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.locks import try_lock

PAUSE = 0.02


@contextlib.contextmanager
def held(file: Path, what: str, wait: float = 0.0, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file. Waits up to `wait` seconds for `what`, who holds it now; then raises Busy. shared: together
    with others who share it."""
    until = time.monotonic() + wait
    while True:
        try:
            lock = try_lock(str(file), FileSystem(), shared=shared)
        except OSError as error:
            raise disk_error(error, f"lock {file}") from error
        if lock is not None:
            break
        if time.monotonic() >= until:
            raise Busy(f"{what} holds {file.name}", hint="wait for it to end, then try again")
        time.sleep(PAUSE)
    with lock:
        yield
