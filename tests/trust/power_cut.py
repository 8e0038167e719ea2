"""A disk that is cut off from power: what of the store's writes it may hold then.

`recording` notes every step that goes through `FileSystem`, and every commit of the catalog, while they really happen.
`Cut` plays a part of them on a model of a disk on which nothing lasts but what was waited for: the bytes of a file by
`sync`, the names in a folder by `sync_folder`, the catalog by its commit. What was not waited for may be there, be
there in part, or not be there, whatever was written before or after it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import stat as modes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from cloche.catalog.database import Database
from cloche.store import journal
from cloche.store.filesystem import FileSystem

CATALOG = ".cloche/catalog.db"
BESIDE_CATALOG = (f"{CATALOG}-wal", f"{CATALOG}-shm", f"{CATALOG}-journal")
Step = tuple[Any, ...]
Seen = tuple[int, int]  # inode and time of what really lay on the disk
Bits = Literal["dropped", "kept", "torn"]


# Recording


class Log:
    """Steps in the order in which they were taken; paths are relative to the root. catalog: of the project there."""

    def __init__(self, root: Path, catalog: str) -> None:
        self.root = os.fspath(root)
        self.catalog = catalog
        self.steps: list[Step] = []
        self._files: dict[int, int] = {}
        self._count = 0

    def inner(self, path: str) -> str | None:
        """The path below the root; None elsewhere."""
        found = os.path.relpath(os.path.abspath(path), self.root)
        return None if found.startswith("..") else "" if found == "." else found

    def add(self, name: str, *arguments: object) -> None:
        self.steps.append((name, *arguments))

    def opened(self, fd: int, path: str, mode: int) -> None:
        inner = self.inner(path)
        if inner is not None:
            self._count += 1
            self._files[fd] = self._count
            self.add("create", inner, self._count, mode)

    def file(self, fd: int) -> int | None:
        return self._files.get(fd)

    def closed(self, fd: int) -> None:
        self._files.pop(fd, None)

    def paths(self, name: str, *paths: str) -> None:
        """A step that is about names."""
        inner = [self.inner(path) for path in paths]
        if None not in inner:
            self.add(name, *inner)


def _seen(path: str) -> Seen:
    found = os.lstat(path)
    return found.st_ino, found.st_mtime_ns


@contextlib.contextmanager
def recording(root: Path, catalog: str = CATALOG) -> Iterator[Log]:
    """Note all that is done below a folder."""
    log = Log(root, catalog)
    with pytest.MonkeyPatch.context() as patch:
        for name, wrap in _WRAPPERS.items():
            patch.setattr(FileSystem, name, wrap(log, getattr(FileSystem, name)))
        patch.setattr(Database, "_execute", _committing(log, Database._execute))
        yield log


def _committing(log: Log, real: Callable[[Database, str], None]) -> Callable[[Database, str], None]:
    def execute(self: Database, sql: str) -> None:
        real(self, sql)
        if sql == "COMMIT" and log.inner(os.fspath(self.file)) == log.catalog:
            log.add("commit", self._connection.serialize())

    return execute


def _create(log: Log, real: Any) -> Any:
    def create(self: FileSystem, path: str, mode: int = 0o666) -> int:
        fd: int = real(self, path, mode)
        log.opened(fd, path, modes.S_IMODE(os.fstat(fd).st_mode))
        return fd

    return create


def _open_lock(log: Log, real: Any) -> Any:
    def open_lock(self: FileSystem, path: str) -> int:
        new = not os.path.lexists(path)
        fd: int = real(self, path)
        if new:
            log.opened(fd, path, 0o644)
            log.closed(fd)
        return fd

    return open_lock


def _write(log: Log, real: Any) -> Any:
    def write(self: FileSystem, fd: int, data: bytes | memoryview) -> None:
        real(self, fd, data)
        if log.file(fd) is not None:
            log.add("write", log.file(fd), bytes(data))

    return write


def _sync(log: Log, real: Any) -> Any:
    def sync(self: FileSystem, fd: int) -> None:
        if log.file(fd) is not None:
            log.add("sync", log.file(fd))

    return sync


def _sync_all(log: Log, real: Any) -> Any:
    return lambda self: log.add("sync_all")


def _close(log: Log, real: Any) -> Any:
    def close(self: FileSystem, fd: int) -> None:
        found = os.fstat(fd)
        if log.file(fd) is not None:
            log.add("seen", log.file(fd), (found.st_ino, found.st_mtime_ns))
            log.closed(fd)
        real(self, fd)

    return close


def _rename(log: Log, real: Any) -> Any:
    def rename(self: FileSystem, source: str, target: str) -> None:
        seen = _seen(source)
        real(self, source, target)
        a, b = log.inner(source), log.inner(target)
        if a is not None and b is not None:
            log.add("rename", a, b, seen)

    return rename


def _symlink(log: Log, real: Any) -> Any:
    def symlink(self: FileSystem, content: str, path: str) -> None:
        real(self, content, path)
        inner = log.inner(path)
        if inner is not None:
            log.add("symlink", content, inner, _seen(path))

    return symlink


def _clone(log: Log, real: Any) -> Any:
    def clone(self: FileSystem, source: str, fd: int) -> None:
        real(self, source, fd)
        if log.file(fd) is not None:
            log.add("write", log.file(fd), Path(source).read_bytes())

    return clone


def _chmod(log: Log, real: Any) -> Any:
    def chmod(self: FileSystem, path: str, mode: int) -> None:
        real(self, path, mode)
        inner = log.inner(path)
        if inner is not None:
            log.add("chmod", inner, mode)

    return chmod


def _names(name: str, *, real_too: bool = True) -> Any:
    def wrap(log: Log, real: Any) -> Any:
        def call(self: FileSystem, *paths: str) -> None:
            if real_too:
                real(self, *paths)
            log.paths(name, *paths)

        return call

    return wrap


_WRAPPERS: dict[str, Any] = {
    "create": _create,
    "open_lock": _open_lock,
    "write": _write,
    "sync": _sync,
    "sync_folder": _names("sync_folder", real_too=False),
    "sync_all": _sync_all,
    "close": _close,
    "rename": _rename,
    "symlink": _symlink,
    "clone": _clone,
    "chmod": _chmod,
    "link": _names("link"),
    "unlink": _names("unlink"),
    "mkdir": _names("mkdir"),
    "rmdir": _names("rmdir"),
}


# The model of a disk


@dataclass(eq=False)
class Node:
    """A file, link or folder. safe: bytes that last; late: writes that may not. names: of a folder, as they last."""

    kind: str
    mode: int = 0o644
    safe: bytes = b""
    late: list[bytes] = field(default_factory=list)
    target: str = ""
    names: dict[str, Node] = field(default_factory=dict)
    now: dict[str, Node] = field(default_factory=dict)
    seen: Seen | None = None


class _Unknown(Exception):
    """Something that lies in a folder whose making was not noted."""


class Change(NamedTuple):
    """A change of names that happens as one: in each folder, a name and what it stands for then. first: what has
    happened wherever this has: no disk lets a folder go that still holds something."""

    names: tuple[tuple[Node, str, Node | None], ...]
    first: tuple[Change, ...] = ()


def read_disk(root: Path) -> Node:
    """What really lies in a folder now, as something that lasts. The catalog is left out."""
    top = Node("d")
    with os.scandir(root) as listing:
        for one in listing:
            path = Path(one.path)
            if one.is_symlink():
                node = Node("l", target=os.readlink(path))
            elif one.is_dir():
                node = read_disk(path)
            elif one.name.startswith("catalog.db"):
                continue
            else:
                node = Node("f", modes.S_IMODE(path.stat().st_mode), path.read_bytes())
            top.names[one.name] = top.now[one.name] = node
    return top


class Cut:
    """A disk after some steps. `leave` says what a power cut leaves of them."""

    def __init__(self, disk: Node, catalog: bytes) -> None:
        self.top = disk
        self.catalog = catalog
        self._files: dict[int, Node] = {}
        self._late: list[Change] = []
        self._touched: list[Node] = []

    def take(self, step: Step) -> None:
        """One more step. Files in folders that others than the store made (those of a run that is going) are left out:
        they may be gone."""
        with contextlib.suppress(_Unknown):
            getattr(self, f"_{step[0]}")(*step[1:])

    def leave(self, chance: random.Random, names: Bits, bits: Bits) -> Node:
        """What is there when power comes back."""
        for node in self._touched:
            node.safe += _left(node.late, chance, bits)
            node.late = []
        for change in self._late:
            if names == "kept" or (names == "torn" and chance.random() < 0.5):
                _apply(change)
        return self.top

    def at(self, path: str) -> Node:
        node = self.top
        for part in path.split("/") if path else ():
            if part not in node.now:
                raise _Unknown(path)
            node = node.now[part]
        return node

    def _file(self, number: int) -> Node:
        if number not in self._files:
            raise _Unknown
        return self._files[number]

    def _name(self, path: str, node: Node | None) -> tuple[Node, str, Node | None]:
        above, _, name = path.rpartition("/")
        folder = self.at(above)
        if node is None:
            folder.now.pop(name, None)
        else:
            folder.now[name] = node
        return folder, name, node

    def _change(self, *names: tuple[Node, str, Node | None]) -> None:
        self._late.append(Change(names))

    def _create(self, path: str, number: int, mode: int) -> None:
        node = Node("f", mode)
        self._change(self._name(path, node))
        self._files[number] = node
        self._touched.append(node)

    def _write(self, number: int, data: bytes) -> None:
        self._file(number).late.append(data)

    def _sync(self, number: int) -> None:
        self._settle(self._file(number))

    def _settle(self, node: Node) -> None:
        node.safe += b"".join(node.late)
        node.late = []

    def _seen(self, number: int, seen: Seen) -> None:
        self._file(number).seen = seen

    def _sync_folder(self, path: str) -> None:
        folder = self.at(path)
        for change in self._about(folder):
            _apply(change)
            at = self._late.index(change)
            names = {(id(one), name) for one, name, _ in change.names}
            earlier = [one._replace(names=_without(one, names)) for one in self._late[:at]]
            self._late[: at + 1] = [one for one in earlier if one.names]

    def _about(self, folder: Node) -> list[Change]:
        """What changed the names in a folder, and may not last."""
        return [one for one in self._late if any(at is folder for at, _, _ in one.names)]

    def _sync_all(self) -> None:
        for node in self._touched:
            self._settle(node)
        for change in self._late:
            _apply(change)
        self._late.clear()

    def _rename(self, source: str, target: str, seen: Seen) -> None:
        node = self.at(source)
        node.seen = seen
        self._change(self._name(source, None), self._name(target, node))

    def _link(self, source: str, target: str) -> None:
        self._change(self._name(target, self.at(source)))

    def _symlink(self, content: str, path: str, seen: Seen) -> None:
        self._change(self._name(path, Node("l", target=content, seen=seen)))

    def _unlink(self, path: str) -> None:
        self._change(self._name(path, None))

    def _rmdir(self, path: str) -> None:
        first = tuple(self._about(self.at(path)))
        self._late.append(Change((self._name(path, None),), first))

    def _mkdir(self, path: str) -> None:
        self._change(self._name(path, Node("d", 0o755)))

    def _chmod(self, path: str, mode: int) -> None:
        self.at(path).mode = mode

    def _commit(self, catalog: bytes) -> None:
        self.catalog = catalog


def _without(change: Change, names: set[tuple[int, str]]) -> tuple[tuple[Node, str, Node | None], ...]:
    """What a change does to other names than those that a later one has settled."""
    return tuple(one for one in change.names if (id(one[0]), one[1]) not in names)


def _apply(change: Change) -> None:
    for earlier in change.first:
        _apply(earlier)
    for folder, name, node in change.names:
        if node is None:
            folder.names.pop(name, None)
        else:
            folder.names[name] = node


def _left(late: list[bytes], chance: random.Random, bits: Bits) -> bytes:
    if bits == "dropped":
        return b""
    if bits == "kept":
        return b"".join(late)
    kept = [data if chance.random() < 0.5 else bytes(len(data)) for data in late]
    if kept and chance.random() < 0.7:
        kept = kept[: chance.randint(1, len(kept))]
        kept[-1] = kept[-1][: len(kept[-1]) // 2]
    return b"".join(kept)


# Back to a real disk


class Rebuilt:
    """A folder brought to what a cut left. Files that are as they were are not touched, so that their times stay."""

    def __init__(self, root: Path, catalog: str = CATALOG) -> None:
        self.root = root
        self.catalog = catalog
        self._known: dict[int, Seen] = {}
        self._at = 0

    def bring(self, disk: Node, catalog: bytes) -> None:
        self._known.clear()
        self._folder(self.root, disk)
        place = self.root / self.catalog
        if catalog:
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(catalog)
        self._at = time.time_ns()

    def _folder(self, path: Path, node: Node) -> None:
        for name in os.listdir(path):
            inner = node.names.get(name)
            if inner is None or not _is_like(path / name, inner):
                _clear(path / name)
        for name, inner in node.names.items():
            place = path / name
            if not os.path.lexists(place):
                _make(place, inner)
            if inner.kind == "d":
                self._folder(place, inner)
            if inner.seen is not None:
                os.utime(place, ns=(inner.seen[1], inner.seen[1]), follow_symlinks=False)
                self._known[os.lstat(place).st_ino] = inner.seen

    def identity(self, real: Callable[[str], journal.Identity]) -> Callable[[str], journal.Identity]:
        """`journal._identity`, which takes a file for the one that it was before the cut."""

        def identity(path: str) -> journal.Identity:
            inode, size, at = real(path)
            return self._known.get(inode, (inode, 0))[0], size, at

        return identity

    def newest_below(self, real: Callable[[str], int]) -> Callable[[str], int]:
        """`journal._newest_below`, for which nothing is new that was made when the folder was rebuilt."""

        def newest_below(folder: str) -> int:
            found = real(folder)
            return 0 if found <= self._at else found

        return newest_below


def _is_like(path: Path, node: Node) -> bool:
    found = os.lstat(path)
    if modes.S_ISLNK(found.st_mode):
        return node.kind == "l" and os.readlink(path) == node.target
    if modes.S_ISDIR(found.st_mode):
        return node.kind == "d"
    same = node.kind == "f" and found.st_size == len(node.safe) and modes.S_IMODE(found.st_mode) == node.mode
    return same and path.read_bytes() == node.safe


def _make(path: Path, node: Node) -> None:
    if node.kind == "d":
        path.mkdir()
    elif node.kind == "l":
        path.symlink_to(node.target)
    else:
        path.write_bytes(node.safe)
        path.chmod(node.mode)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def read_catalog(root: Path) -> bytes:
    """The catalog as it is now; nothing where there is none."""
    if not (root / CATALOG).exists():
        return b""
    with contextlib.closing(sqlite3.connect(root / CATALOG)) as connection:
        return connection.serialize()


@contextlib.contextmanager
def fast(rebuilt: Rebuilt) -> Iterator[None]:
    """Nothing waits for the disk, and files that were rebuilt are taken for those that they stand for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileSystem, "sync", lambda *_: None)
        patch.setattr(FileSystem, "sync_folder", lambda *_: None)
        patch.setattr(FileSystem, "sync_all", lambda *_: None)
        patch.setattr(Database, "_execute", _careless(Database._execute))
        patch.setattr(journal, "_identity", rebuilt.identity(journal._identity))
        patch.setattr(journal, "_newest_below", rebuilt.newest_below(journal._newest_below))
        yield


def _careless(real: Callable[[Database, str], None]) -> Callable[[Database, str], None]:
    return lambda self, sql: real(self, sql.replace("synchronous = FULL", "synchronous = OFF"))
