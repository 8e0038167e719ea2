"""DVC's caches: objects by md5, in the layouts of DVC 2 and 3, in its own folder and in remotes that are folders."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from cloche.dvc.paths import below
from cloche.dvc.words import FileOf, Unreadable

MOST_LISTED = 2 * 1024**3
_BLOCK = 1 << 20
_FIRST = 512
_FIRST_PART, _REST = re.compile("[0-9a-f]{2}"), re.compile("[0-9a-f]{30}")
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class Cache:
    """One folder of objects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def places(self, md5: str, *, folder: bool = False, legacy: bool) -> list[Path]:
        """Where an object may lie, the layout that it was recorded for first."""
        name = md5[2:] + (".dir" if folder else "")
        old, new = self.folder / md5[:2] / name, self.folder / "files" / "md5" / md5[:2] / name
        return [old, new] if legacy else [new, old]

    def find(self, md5: str, *, folder: bool = False, legacy: bool) -> Path | None:
        """The file of an object, which nobody has checked yet."""
        return next((place for place in self.places(md5, folder=folder, legacy=legacy) if is_file(place)), None)

    def linked(self) -> Iterator[tuple[int, int]]:
        """The objects that have a second name somewhere, by device and number on it."""
        for folder in (self.folder, self.folder / "files" / "md5"):
            for first in _entries(folder):
                if _FIRST_PART.fullmatch(first.name) and first.is_dir(follow_symlinks=False):
                    for one in _entries(Path(first.path)):
                        found = one.stat(follow_symlinks=False)
                        if found.st_nlink > 1 and _REST.fullmatch(one.name):
                            yield found.st_dev, found.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def is_file(place: Path) -> bool:
    """Whether a regular file lies there, and no link to one."""
    return os.path.isfile(place) and not os.path.islink(place)


def md5s(place: Path, *, legacy: bool) -> tuple[str, ...]:
    """The md5 of a file; with `legacy` also the one that DVC 2 gives it, for which CR LF is LF in texts.

    Raises OSError.
    """
    plain, unix = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    fd = os.open(place, _FLAGS)
    with open(fd, "rb", buffering=0) as file:
        block = file.read(_BLOCK)
        legacy = legacy and _is_text(block[:_FIRST])
        while block:
            plain.update(block)
            if legacy:
                unix.update(block.replace(b"\r\n", b"\n"))
            block = file.read(_BLOCK)
    return (plain.hexdigest(), unix.hexdigest()) if legacy else (plain.hexdigest(),)


def data_md5s(data: bytes, *, legacy: bool) -> tuple[str, ...]:
    """As `md5s`, of bytes."""
    plain = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if not legacy or not _is_text(data[:_FIRST]):
        return (plain,)
    return plain, hashlib.md5(data.replace(b"\r\n", b"\n"), usedforsecurity=False).hexdigest()


def _is_text(start: bytes) -> bool:
    """Whether DVC 2 takes a file that begins so for text."""
    return not start or (b"\0" not in start and len(start.translate(None, _TEXT)) <= 0.3 * len(start))


def read_folder(data: bytes, md5: str) -> tuple[FileOf, ...]:
    """The files that a `.dir` object lists. Raises Unreadable where it is damaged, or names what no folder holds."""
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
        raise Unreadable("the listing of the folder is damaged: it has not the md5 that it is named by")
    try:
        files = tuple(msgspec.json.decode(data, type=list[FileOf]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable("the listing of the folder is damaged") from None
    return checked_files(files)


def checked_files(files: Sequence[FileOf]) -> tuple[FileOf, ...]:
    """The files with their paths as path texts. Raises Unreadable for one that leads out of its folder."""
    found: dict[str, FileOf] = {}
    for file in files:
        path = below(file.relpath)
        if path is None:
            raise Unreadable(f"the listing of the folder names {file.relpath[:200]!r}, which is not in it")
        found[path] = FileOf(path, file.md5.lower(), file.isexec, file.size)
    return tuple(found.values())


def folder_md5(files: Iterable[tuple[str, str]]) -> str:
    """The md5 of a folder with these files, each a path below it with its md5."""
    rows = [{"md5": md5, "relpath": path} for path, md5 in sorted(files)]
    return hashlib.md5(json.dumps(rows, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
