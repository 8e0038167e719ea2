"""The clone of a remote that is not whole yet: `.cloche/cloning` says of which, until its data is in place."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path

import msgspec

from cloche.errors import StoreError
from cloche.model.settings import Remote
from cloche.project.project import FOLDER

_MARK = "cloning"


def begin(root: Path, source: Remote) -> None:
    """Note that a folder is to become the clone of a remote. Raises StoreError."""
    try:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        beside = root / FOLDER / f"{_MARK}.{os.getpid()}"
        beside.write_bytes(msgspec.json.encode(source))
        os.replace(beside, root / FOLDER / _MARK)
    except OSError as error:
        raise StoreError(f"cannot create {root}: {error.strerror}", hint="name a folder that can be made") from error


def unfinished(root: Path) -> Remote | None:
    """The remote that a folder was to become the clone of, where that was cut off."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((root / FOLDER / _MARK).read_bytes(), type=Remote)
    return None


def finish(root: Path) -> None:
    """Note that the clone is whole."""
    (root / FOLDER / _MARK).unlink(missing_ok=True)


def to_go_on(root: Path) -> str:
    """What to type for a clone that was cut off to go on where it stopped; empty for any other folder."""
    source = unfinished(root)
    if source is None:
        return ""
    options = {"--endpoint": source.endpoint, "--region": source.region}
    words = [source.url, str(root), *(word for pair in options.items() if pair[1] for word in pair)]
    return f"cloche clone {shlex.join(words)}"
