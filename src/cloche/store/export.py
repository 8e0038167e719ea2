"""Writing stored content to a place outside any project: all of it under its name, or nothing.

Everything is written and proven beside its place first, under a name of its own, and renamed at the end.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from cloche.errors import Conflict, Damaged, DiskFull, InputError
from cloche.model.paths import above, decode_path, is_dangerous, refuse_unfit
from cloche.model.portable import twins
from cloche.model.tree import Kind
from cloche.store.filesystem import MANY, NO_LINKS, FileSystem, disk_error, token
from cloche.store.spelling import one_name

Progress = Callable[[int, int], None]

_LONGEST_LINK = 4096


class Item(NamedTuple):
    """A file, link or empty folder to write. path: below the place, empty for the place itself. read: opens its
    content, which raises where it is not what it was."""

    path: str
    kind: Kind
    size: int
    read: Callable[[], Iterable[bytes]]


def export(
    place: str,
    items: Sequence[Item],
    *,
    replace: bool = False,
    fs: FileSystem | None = None,
    progress: Progress | None = None,
) -> None:
    """Write items so that they make up `place`, an OS path, in one step at the end.

    replace: whether what is there goes; it goes only once everything else is written. Execute bits, links and empty
    folders are kept. Raises Conflict where something is there already, InputError for names and links that could do
    harm, Damaged, NotFound, DiskFull, StoreError. The place is then as it was.
    """
    disk = fs or FileSystem()
    for item in items:
        refuse_hostile(item.path)
    refuse_taken(place, replace=replace)
    folder = os.path.dirname(os.path.abspath(place))
    try:
        total = sum(item.size for item in items if item.kind != "d")
        if total > disk.free(folder):
            raise DiskFull(f"the disk has too little room: {total:,} bytes are needed", hint="free some space first")
        staging = os.path.join(folder, f".cloche-{token()}")
        disk.mkdir(staging)
        try:
            _write_all(os.path.join(staging, "new"), items, total, disk, progress)
            _put(staging, place, disk, replace=replace)
            disk.sync_folder(folder)
        finally:
            with contextlib.suppress(OSError):
                disk.clear(staging)
    except OSError as error:
        pair = twins(item.path for item in items) if error.errno == errno.EEXIST else []
        raise (one_name(*pair[0]) if pair else _translated(error, place)) from error


def refuse_taken(place: str, *, replace: bool) -> None:
    """Raises Conflict where something is at a place that must not be replaced, InputError where nothing can be."""
    if os.path.lexists(place) and not replace:
        raise Conflict(f"{place} is there already", hint="name another place with -o, or replace it with --force")
    if not os.path.isdir(os.path.dirname(os.path.abspath(place))):
        raise InputError(f"there is no folder to put {place} into", hint="make it first, or name another place with -o")


def refuse_hostile(path: str) -> None:
    """Raises InputError for a path, relative to a place, that could run something or leave that place."""
    refuse_unfit(path)
    for name in decode_path(path).split("/") if path else ():
        if name in ("", ".", "..") or is_dangerous(name):
            raise InputError(f"refused: {path} is no name for a file that comes from elsewhere")


def _write_all(new: str, items: Sequence[Item], total: int, fs: FileSystem, progress: Progress | None) -> None:
    _make_folders(new, items, fs)
    files = [item for item in items if item.kind in ("f", "x")]
    done = 0
    for item in files:
        for size in _write(_under(new, item.path), item, fs, durable=len(files) <= MANY):
            done += size
            if progress is not None:
                progress(min(done, total), total)
    # Links come last, so that nothing is ever written through one.
    links = [item for item in items if item.kind == "l"]
    for item in links:
        fs.symlink(_target(item), _under(new, item.path))
    for item in links:
        _refuse_outside(new, item)
    if len(files) > MANY:
        fs.sync_all()


def _make_folders(new: str, items: Sequence[Item], fs: FileSystem) -> None:
    folders = {folder for item in items for folder in above(item.path)}
    folders |= {item.path for item in items if item.kind == "d" and item.path}
    if len(items) != 1 or items[0].path or items[0].kind == "d":
        fs.mkdir(new)
    for folder in sorted(folders):
        fs.mkdir(_under(new, folder))


def _write(path: str, item: Item, fs: FileSystem, *, durable: bool) -> Iterator[int]:
    fd = fs.create(path, 0o777 if item.kind == "x" else 0o666)
    try:
        for piece in item.read():
            fs.write(fd, piece)
            yield len(piece)
        if durable:
            fs.sync(fd)
    finally:
        fs.close(fd)


def _target(item: Item) -> str:
    target = b"".join(item.read())
    if not target or b"\0" in target or len(target) > _LONGEST_LINK:
        raise Damaged(f"{item.path} is an impossible link")
    return os.fsdecode(target)


def _refuse_outside(new: str, item: Item) -> None:
    """A link that leads out of the place, itself or through others, could have anything read or overwritten."""
    path = _under(new, item.path)
    inside = os.path.realpath(new)
    if os.path.isabs(os.readlink(path)) or not _lies_in(os.path.realpath(path), inside):
        raise InputError(
            f"refused: {item.path} is a link to {os.readlink(path)}, which lies outside of what is fetched"
        )


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _put(staging: str, place: str, fs: FileSystem, *, replace: bool) -> None:
    new, old = os.path.join(staging, "new"), os.path.join(staging, "old")
    if not replace:
        _put_where_nothing_is(new, place, fs)
    elif not os.path.lexists(place) or not (os.path.isdir(new) or _is_folder(place)):
        fs.rename(new, place)
    else:
        fs.rename(place, old)
        try:
            fs.rename(new, place)
        except BaseException:
            fs.rename(old, place)
            raise


def _put_where_nothing_is(new: str, place: str, fs: FileSystem) -> None:
    """A second name fails where there is one already, in one step; for folders a look must do."""
    if not os.path.isdir(new):
        try:
            fs.link(new, place)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
        else:
            return
    refuse_taken(place, replace=False)
    fs.rename(new, place)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _under(new: str, path: str) -> str:
    return os.path.join(new, *decode_path(path).split("/")) if path else new


def _translated(error: OSError, place: str) -> Exception:
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
        return Conflict(
            f"{place} is there already, or two of its files have one name on this disk",
            hint="name another place with -o",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(f"cannot write {place}: {(error.strerror or '').lower()}", hint="name another place with -o")
    return disk_error(error, f"write {place}")
