"""Loose files: whole contents as files of their own, so that the work tree can hold links to them, or clones of them.

`files/ab/<digest>`: read-only, one file a content, named by the digest of its bytes. `files/stat` is a stat cache of
them: a file whose stat is as it was is what its name says, any other is read again before anyone relies on it. A
hard link shows a loose file under a path of the work tree, so whoever writes through one is found out.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from blake3 import blake3

from cloche.errors import Damaged, NotFound
from cloche.model.digest import Digest
from cloche.store.filesystem import NO_LINKS, FileSystem, token
from cloche.store.listing import FileStat
from cloche.store.quarantine import Quarantine
from cloche.store.reading import hash_file
from cloche.store.stat_cache import LONG_SETTLED, StatCache
from cloche.store.walk import file_stat

READ_ONLY = 0o444
REPAIR = "`cloche verify --repair` takes the changed file out of the store and brings back what it can"
_WRITE = 0o222
_BLOCK = 1 << 20
_DIGITS = frozenset("0123456789abcdef")


class Loose:
    """The loose files of one store. For one thread. Raises OSError.

    edited: of files that were found to be no longer what their name says, the paths through which that was seen.
    """

    def __init__(self, folder: str, fs: FileSystem, quarantine: Quarantine) -> None:
        self.folder = folder
        self.edited: dict[Digest, list[str]] = {}
        self._fs = fs
        self._quarantine = quarantine
        self._cache = StatCache(Path(folder) / "stat", fs)
        self._inodes: dict[int, Digest] | None = None
        self._sizes: set[int] | None = None

    def path(self, digest: Digest) -> str:
        """The OS path of the loose file with this digest."""
        return f"{self.folder}/{digest[:2]}/{digest}"

    def holds(self, raw: bytes) -> bool:
        """Whether there is one. A file in quarantine comes back into use by this; one found to be edited is none."""
        if not self.is_used():
            return False
        digest = raw.hex()
        if digest in self.edited:
            return False
        return os.path.isfile(self.path(digest)) or self._release(digest)

    def is_used(self) -> bool:
        """Whether there can be any."""
        return os.path.isdir(self.folder)

    def has_size(self, size: int) -> bool:
        """Whether some file is of this size: others need not be looked for by their digest."""
        if self._sizes is None:
            self._sizes = {size for _, size in self.all()}
        return size in self._sizes

    def all(self) -> Iterator[tuple[Digest, int]]:
        """Every file with its size."""
        for entry in self._entries():
            with contextlib.suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False).st_size

    def marks(self) -> frozenset[str]:
        """What changes whenever a file comes or goes: to be believed of the same marks only."""
        found: set[str] = set()
        for shard in _shards(self.folder):
            with contextlib.suppress(FileNotFoundError):
                found.add(f"files/{shard.name}/{os.stat(shard.path).st_mtime_ns}")
        return frozenset(found)

    # Are they what they were?

    def find(self, stat: FileStat, path: str) -> Digest | None:
        """The digest of the file that this stat is of, itself or under another name; None for any other file, and for
        one that was edited. path: where the stat was seen."""
        if not stat.inode:
            return None
        digest = self._by_inode().get(stat.inode)
        if digest is None or self._stat(digest) != stat:
            return None
        if not self.is_sound(digest):
            self.edited[digest].append(path)
            return None
        return digest

    def is_edited(self, path: str) -> bool:
        """Whether a path was seen to be another name of an edited file. It is not to be remembered as anything else:
        whoever looks next has to see it too."""
        return any(path in paths for paths in self.edited.values())

    def is_file(self, found: os.stat_result) -> bool:
        """Whether this is one of them, edited or not."""
        return found.st_ino in self._by_inode()

    def is_sound(self, digest: Digest, *, again: bool = False) -> bool:
        """Whether a file is what its name says; it is read only where its stat is not as it was, or if asked to. One
        that can be written to becomes read-only."""
        stat = self._stat(digest)
        if stat is None:
            return False
        if not again and self._cache.get(_key(digest), stat) == digest and not self._is_open(digest):
            return True
        seen = hash_file(self.path(digest), stat)[0]
        if seen != digest:
            self.edited.setdefault(digest, [])
            return False
        self.protect(digest)
        return True

    def protect(self, digest: Digest) -> None:
        """Make a file read-only, and remember it as it is: what it holds was proven a moment ago."""
        if self._is_open(digest):
            with contextlib.suppress(OSError):  # somebody else's file
                self._fs.chmod(self.path(digest), READ_ONLY)
        stat, now = self._stat(digest), time.time_ns()
        if stat is not None:
            # Its change time moves with every link that is made. The time of its content tells whether it is settled:
            # no one can write to it without moving that.
            settled = stat.mtime_ns < now - LONG_SETTLED
            self._cache.put(_key(digest), stat, digest, stat.ctime_ns + 2 * LONG_SETTLED if settled else now)
            if self._inodes is not None:
                self._inodes[stat.inode] = digest
            if self._sizes is not None:
                self._sizes.add(stat.size)

    def save(self) -> None:
        """Write down what is known of the files."""
        self._cache.save()

    # Their content

    def stream(self, digest: Digest) -> Iterator[bytes]:
        """Content in pieces; that they are what they were is known before by the stat, for certain at the end. Raises
        NotFound, Damaged."""
        with self.open(digest) as file:
            whole = blake3()
            while block := os.read(file, _BLOCK):
                whole.update(block)
                yield block
            if whole.hexdigest() != digest:
                raise Damaged(f"{digest[:12]} was changed in the store", hint=REPAIR)

    @contextlib.contextmanager
    def open(self, digest: Digest) -> Iterator[int]:
        """A descriptor for reading a file. Raises NotFound, Damaged."""
        if not self.is_sound(digest):
            if digest in self.edited:
                raise Damaged(f"{digest[:12]} was changed through a link into the store", hint=REPAIR)
            raise NotFound(
                f"the store does not hold {digest[:12]}", hint="`cloche verify --repair` brings back what it can"
            )
        fd = os.open(self.path(digest), os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            yield fd
        finally:
            os.close(fd)

    # How they come and go

    def adopt(self, path: str, stat: FileStat, digest: Digest) -> bool:
        """Make the file at an OS path a loose file too, under both names; whether that could be. stat: of the bytes
        that have this digest. Wait for the disk, and for the name with `settle`, before the path is given away."""
        if sys.platform == "win32":  # its files have no owner that could be asked
            return False
        found = os.lstat(path)
        if file_stat(found) != stat or found.st_nlink != 1 or found.st_uid != os.geteuid():
            return False
        mode = found.st_mode & 0o7777
        self._fs.chmod(path, READ_ONLY)
        now = file_stat(os.lstat(path))
        try:
            if now is None or now._replace(kind=stat.kind, ctime_ns=stat.ctime_ns) != stat:
                raise BlockingIOError  # somebody is writing to it
            self._fs.make_folders(os.path.dirname(self.path(digest)))
            self._fs.link(path, self.path(digest))
        except OSError as error:
            self._fs.chmod(path, mode)
            if isinstance(error, FileExistsError):
                return True
            if error.errno in NO_LINKS:
                return False
            raise
        self.protect(digest)
        return True

    def put(self, digest: Digest, write: Callable[[str], None]) -> None:
        """A new loose file. write: told an OS path where to create it, with content that is proven."""
        target = self.path(digest)
        self._fs.make_folders(os.path.dirname(target))
        beside = f"{target}.{token()}"
        try:
            write(beside)
            self._fs.chmod(beside, READ_ONLY)
            self._fs.rename(beside, target)
        except BaseException:
            self._fs.discard(beside)
            raise
        self.settle(digest)
        self.protect(digest)

    def settle(self, digest: Digest) -> None:
        """Wait until the name of a file would survive a power cut."""
        self._fs.sync_folder(os.path.dirname(self.path(digest)))

    def set_aside(self, digest: Digest, now: int) -> None:
        """Put a file into quarantine. now: seconds since 1970."""
        self._quarantine.put_file(self.path(digest), now)

    def give_up(self, digest: Digest, folder: str) -> None:
        """Take an edited file out of the store: what holds it under another name keeps it, and may write to it again;
        else it goes to `folder`."""
        path = self.path(digest)
        if os.stat(path).st_nlink > 1:
            self._fs.chmod(path, 0o644)
            self._fs.unlink(path)
        else:
            self._fs.make_folders(folder)
            self._fs.rename(path, os.path.join(folder, digest))
        self.settle(digest)
        self._inodes = None
        self.edited.pop(digest, None)

    def _release(self, digest: Digest) -> bool:
        with contextlib.suppress(OSError):
            return self._quarantine.release_file(digest, self.path(digest))
        return False

    def _stat(self, digest: Digest) -> FileStat | None:
        try:
            return file_stat(os.lstat(self.path(digest)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _is_open(self, digest: Digest) -> bool:
        return bool(os.lstat(self.path(digest)).st_mode & _WRITE)

    def _by_inode(self) -> dict[int, Digest]:
        if self._inodes is None:
            self._inodes = {entry.inode(): entry.name for entry in self._entries()}
        return self._inodes

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        for shard in _shards(self.folder):
            with contextlib.suppress(FileNotFoundError), os.scandir(shard.path) as listing:
                yield from (one for one in listing if len(one.name) == 64 and _DIGITS.issuperset(one.name))


def _shards(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return sorted((one for one in listing if len(one.name) == 2), key=lambda one: one.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _key(digest: Digest) -> str:
    return f"{digest[:2]}/{digest}"
