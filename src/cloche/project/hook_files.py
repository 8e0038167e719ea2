"""Putting lines into the hooks of Git, and taking them out again, so that hooks of others stay what they are."""

from __future__ import annotations

import contextlib
import os
import stat as modes
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from cloche.errors import Conflict, StoreError
from cloche.model.hooks import (
    KEPT,
    MADE,
    has_block,
    is_only_wrapper,
    is_strict,
    takes_lines,
    with_block,
    without_block,
    wrapper,
)
from cloche.store.filesystem import disk_error

Act = Literal["new", "joined", "wrapped", "updated", "unchanged", "removed", "absent"]


def put_lines(file: Path, place: str, lines: bytes, *, dry_run: bool = False) -> Act:
    """Have a hook do `lines` too. Raises Conflict, StoreError.

    `joined`: a script of a shell got them behind its first line. `wrapped`: what stood there is no such script, or is
    a link, or Git did not run it; it lies beside, under another name, and is called as it was.
    """
    text = _read(file)
    if text is not None and has_block(text, place):
        now = with_block(text, place, lines)
        if now == text and os.access(file, os.X_OK):
            return "unchanged"
        _write(file, now, dry_run)
        return "updated"
    if text is None:
        _write(file, MADE + lines, dry_run)
        return "new"
    if takes_lines(text) and not file.is_symlink() and os.access(file, os.X_OK):
        _write(file, with_block(text, place, lines), dry_run)
        return "joined"
    kept = _kept(file)
    if os.path.lexists(kept):
        raise Conflict(f"{kept} is in the way", hint="move it away: the hook that stands there now would get that name")
    if not dry_run:
        with _translated(file):
            file.rename(kept)
            try:
                _write(file, wrapper(file.name, lines), dry_run=False)
            except BaseException:
                kept.rename(file)
                raise
    return "wrapped"


def take_lines(file: Path, place: str, *, dry_run: bool = False) -> Act:
    """Take the lines of the project at `place` out of a hook; what stood there before them is there again."""
    text = _read(file)
    if text is None or not has_block(text, place):
        return "absent"
    rest = without_block(text, place)
    if dry_run:
        return "removed"
    with _translated(file):
        if rest == MADE:
            file.unlink()
        elif is_only_wrapper(file.name, rest) and os.path.lexists(_kept(file)):
            os.replace(_kept(file), file)
        else:
            _write(file, rest, dry_run=False)
    return "removed"


def holds_lines(file: Path, place: str) -> bool:
    """Whether a hook does what Cloche offers for the project at `place`, and Git runs it."""
    text = _read(file)
    return text is not None and has_block(text, place) and os.access(file, os.X_OK)


def stops_commits(file: Path, place: str) -> bool:
    """Whether a hook stops commits for the project at `place`, as `install --strict` sets it."""
    return is_strict(_read(file) or b"", place)


def _kept(file: Path) -> Path:
    return file.with_name(file.name + KEPT)


def _read(file: Path) -> bytes | None:
    """The bytes of a hook; None where there is none."""
    try:
        return file.read_bytes() if not file.is_dir() else b""
    except FileNotFoundError:
        return b"" if file.is_symlink() else None
    except OSError as error:
        raise StoreError(f"cannot read the hook {file}: {error.strerror}", hint="make it readable") from error


def _write(file: Path, text: bytes, dry_run: bool) -> None:
    """Replace a hook whole, with its permissions; a new one is one that Git runs."""
    if dry_run:
        return
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    with _translated(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777)
            with open(descriptor, "wb") as opened:
                opened.write(text)
            if os.path.lexists(file):
                beside.chmod(modes.S_IMODE(file.stat().st_mode) | modes.S_IXUSR)
            os.replace(beside, file)
        finally:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()


@contextlib.contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, f"change the hook {file}") from error
