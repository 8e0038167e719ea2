"""Small caches of what was learnt from files, each checked against the state of those files before it is believed.

A cache is a JSON file that anyone may delete. One that is damaged, or was written by another version, is empty; one
that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

Stamp = str
FINE_NS = 50_000_000
COARSE_NS = 2_000_000_000


def stamp(path: str) -> Stamp:
    """The state of a file or folder: changes whenever it does. Empty where there is none."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{state.st_ino}:{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}"


def settled(mark: Stamp, now_ns: int) -> bool:
    """Whether a file with this stamp, read at `now_ns`, cannot have changed since without its stamp changing."""
    if not mark:
        return True
    newest = max(int(part) for part in mark.split(":")[2:])
    grain = COARSE_NS if newest % 1_000_000_000 == 0 else FINE_NS
    return now_ns - newest > grain


def now() -> int:
    """The time in nanoseconds, as `settled` wants it: taken before the files are read."""
    return time.time_ns()


def load(file: Path, kind: type[T]) -> T | None:
    """What a cache holds; None where it holds nothing that can be understood."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None


def save(file: Path, value: object) -> None:
    """Replace a cache in one step. The newest of two writers wins."""
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(msgspec.json.encode(value))
        beside.replace(file)
    except (OSError, UnicodeError, msgspec.MsgspecError):
        with contextlib.suppress(OSError):
            beside.unlink()
