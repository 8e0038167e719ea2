"""What lies in the work tree: files, links and empty folders with what the disk says about them."""

from __future__ import annotations

import operator
import os
import re
import stat as modes
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cloche.model.paths import decode_path, encode_names, encode_path, own_among
from cloche.model.tree import Kind
from cloche.store.listing import RECORD, Files, FileStat, Folder, pack_stat

# Windows has no execute bit, and its folder listings no file number: both are left out of every comparison there.
_EXECUTABLE = 0o100 if os.name == "posix" else 0
_NUMBERED = os.name == "posix"
_DIGEST = re.compile("[0-9a-f]{64}")
_NAME = operator.attrgetter("name")
STORE_FILES = ".cloche/store/files"
LOST = "it is a link into the store, which does not hold its content any more"


class Walked(NamedTuple):
    """What a walk found, by path text.

    files: files, links, and folders that hold nothing at all (kind `d`). unreadable: folders and names that could not
    be looked at, each with the reason. special: sockets, pipes and devices; they are never opened. reserved: what is
    Git's own or Cloche's below `start`, such as the `.git` of a cloned dataset; it is never looked into.
    """

    files: Files
    unreadable: list[tuple[str, str]]
    special: list[str]
    reserved: list[str]


def never(path: str, name: str) -> bool:
    """Skips no folder."""
    return False


def os_path(root: str | Path, path: str) -> str:
    """The OS path of a path text; the empty text is the root itself."""
    return f"{os.fspath(root)}/{decode_path(path)}" if path else os.fspath(root)


def file_stat(found: os.stat_result) -> FileStat | None:
    """The `FileStat` of what `os.lstat` returned; None for a socket, pipe or device."""
    mode = found.st_mode
    kind: Kind
    size = found.st_size
    if modes.S_ISREG(mode):
        kind = "x" if mode & _EXECUTABLE else "f"
    elif modes.S_ISLNK(mode):
        kind = "l"
    elif modes.S_ISDIR(mode):
        kind, size = "d", 0
    else:
        return None
    return FileStat(kind, size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino if _NUMBERED else 0)


def stat_record(found: os.stat_result) -> bytes:
    """The record (see `listing`) of a regular file."""
    kind = b"x" if found.st_mode & _EXECUTABLE else b"f"
    inode = found.st_ino if _NUMBERED else 0
    return RECORD.pack(kind, found.st_size, found.st_mtime_ns, found.st_ctime_ns, inode)


def stat_of(root: Path, path: str) -> FileStat | None:
    """What is at a path text now (a folder is of kind `d`, empty or not); None where nothing is, or no file."""
    try:
        return look_at(path, os_path(root, path))
    except (OSError, ValueError):
        return None


def store_link(path: str, digest: str) -> str:
    """What a link at a path text says that stands for content of the project's own store."""
    return f"{'../' * path.count('/')}{STORE_FILES}/{digest[:2]}/{digest}"


def behind(path: str, at: str) -> str:
    """The OS path of the loose file that a link stands for; empty for any other link. It may be gone.

    path: its path text. at: its OS path. Only the one way to write such a link counts, so that nothing else is ever
    taken for content of the store.
    """
    try:
        target = os.readlink(at)
    except OSError:
        return ""
    name = target.rpartition("/")[2]
    ours = _DIGEST.fullmatch(name) is not None and target == store_link(path, name)
    return os.path.realpath(at) if ours else ""


def look_at(path: str, at: str) -> FileStat | None:
    """What is at an OS path; a link into the store is the file that it stands for. Raises OSError, FileNotFoundError
    where such a file is gone."""
    stat = file_stat(os.lstat(at))
    real = behind(path, at) if stat is not None and stat.kind == "l" else ""
    return file_stat(os.lstat(real)) if real else stat


def walk(root: Path, start: str = "", *, skip: Callable[[str, str], bool] = never, through: bool = False) -> Walked:
    """Everything at or below `start`, which may be a file, a folder or nothing.

    skip: told a folder's path text and name, whether to leave it out. through: `start` itself may be a link to what is
    meant. Other links are never followed. The order is the same
    each time: a folder's own files by name, then its folders.
    """
    folders: dict[str, Folder] = {}
    found = Walked(Files(folders), [], [], [])
    top = os_path(root, start)
    try:
        first = file_stat(os.stat(top)) if through else look_at(start, top)
    except (FileNotFoundError, NotADirectoryError):
        return found
    except OSError as error:
        found.unreadable.append((start, _reason(error)))
        return found
    if first is None:
        found.special.append(start)
    elif first.kind != "d":
        above, _, name = start.rpartition("/")
        folders[above] = Folder(name, pack_stat(first))
    else:
        _descend(top, start, first, skip, found)
    return found


def _descend(top: str, start: str, first: FileStat, skip: Callable[[str, str], bool], found: Walked) -> None:
    pending = [(top, start, first)]
    while pending:
        folder, path, stat = pending.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=_NAME)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.unreadable.append((path, _reason(error)))
            continue
        if not entries and path:
            found.files.folders[path] = Folder("", b"", pack_stat(stat))
        pending += reversed(_look(entries, path, skip, found))


def _look(
    entries: list[os.DirEntry[str]], path: str, skip: Callable[[str, str], bool], found: Walked
) -> list[tuple[str, str, FileStat]]:
    """Record what is no folder; the folders to go on with."""
    below: list[tuple[str, str, FileStat]] = []
    names: list[str] = []
    stats: list[bytes] = []
    prefix = f"{path}/" if path else ""
    own = frozenset(own_among([entry.name for entry in entries]))
    for entry in entries:
        if entry.name in own:
            found.reserved.append(prefix + encode_path(entry.name))
            continue
        try:
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.unreadable.append((prefix + encode_path(entry.name), _reason(error)))
            continue
        if modes.S_ISREG(stat.st_mode):
            stats.append(stat_record(stat))
            names.append(entry.name)
            continue
        name = encode_path(entry.name)
        other = file_stat(stat)
        if other is None:
            found.special.append(prefix + name)
        elif other.kind == "l":
            linked = _look_behind(prefix + name, entry.path, found)
            stats += linked
            names += [entry.name] * len(linked)
        elif not skip(prefix + name, entry.name):
            below.append((entry.path, prefix + name, other))
    if names:
        found.files.folders[path] = Folder("/".join(encode_names(names)), b"".join(stats))
    return below


def _look_behind(path: str, at: str, found: Walked) -> list[bytes]:
    """The record of a link, or of the file in the store that it stands for; none where that is gone."""
    try:
        stat = look_at(path, at)
    except OSError:
        found.unreadable.append((path, LOST))
        return []
    return [pack_stat(stat)] if stat is not None else []


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
