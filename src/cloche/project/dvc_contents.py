"""Contents that DVC knows by md5, found in its caches or the work tree, checked, and taken into the store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cloche.dvc.cache import MOST_LISTED, Cache, checked_files, folder_md5, is_file, md5s, read_folder
from cloche.dvc.paths import below
from cloche.dvc.words import FileOf, Item, Unreadable
from cloche.errors import InputError
from cloche.model.digest import Digest
from cloche.model.paths import decode_path
from cloche.model.tree import Built, Entry, build_tree
from cloche.project.project import Project
from cloche.store.walk import file_stat, walk
from cloche.store.writing import Writer

Progress = Callable[[int, int], None]

BATCH_BYTES = 1 << 30
BATCH_FILES = 20_000


class Key(NamedTuple):
    """What DVC knows a file by. legacy: its md5 may be that of a text with other line ends."""

    md5: str
    legacy: bool


class Held(NamedTuple):
    """A file that the store holds."""

    digest: Digest
    size: int


class Contents:
    """Finds and takes the contents of items.

    caches: where objects lie, DVC's own cache first. remotes: by name those remotes that are folders here.
    """

    def __init__(self, project: Project, caches: Sequence[Cache], remotes: Mapping[str, Cache]) -> None:
        self._project = project
        self._caches = tuple(caches)
        self._remotes = dict(remotes)
        self._held: dict[Key, Held] = {}
        self._listings: dict[Key, tuple[FileOf, ...] | str] = {}
        self._places: dict[Key, tuple[Path, ...]] = {}

    def take(self, items: Iterable[Item], progress: Progress) -> None:
        """Take what can be found of these items into the store. progress: told bytes done, and to be done in all."""
        wanted = {key: places for item in items for key, places in self._wanted(item) if key not in self._held}
        sizes = {key: _size(places[0]) for key, places in wanted.items() if places}
        total, done = sum(sizes.values()), 0
        ahead = sorted(sizes, key=lambda key: str(wanted[key][0]), reverse=True)
        while ahead:
            with self._project.store.writer() as writer:
                bytes_left, files_left = BATCH_BYTES, BATCH_FILES
                while ahead and bytes_left > 0 and files_left > 0:
                    key = ahead.pop()
                    any(self._take_file(writer, key, place) for place in wanted[key])
                    done, bytes_left, files_left = done + sizes[key], bytes_left - sizes[key], files_left - 1
                    progress(done, total)

    def entry(self, item: Item) -> Entry:
        """What an item is, once taken. The trees of a folder are not stored: see `trees`. Raises Unreadable."""
        name = item.path.rpartition("/")[2]
        if not item.folder:
            held = self._file(item)
            return Entry(name, "x" if item.executable else "f", held.digest, held.size)
        return self._built(item, name).entry

    def files(self, item: Item) -> dict[str, Entry]:
        """The files of a folder by path below it. Raises Unreadable."""
        found: dict[str, Entry] = {}
        lost: dict[str, list[str]] = {}
        for file in self.listing(item):
            key = Key(file.md5, item.legacy)
            held = self._held.get(key)
            if held is None:
                why = "damaged" if self._is_cached(item, key) else "not"
                lost.setdefault(why, []).append(file.relpath)
            else:
                leaf = file.relpath.rpartition("/")[2]
                found[file.relpath] = Entry(leaf, "x" if file.isexec else "f", held.digest, held.size)
        if lost:
            total = sum(map(len, lost.values())) + len(found)
            told = (f"{len(n)} of its {total} files are {why} in the cache, such as {n[0]}" for why, n in lost.items())
            raise Unreadable("; ".join(told))
        return found

    def trees(self, item: Item) -> dict[Digest, bytes]:
        """The trees of a folder, to be stored. Raises Unreadable."""
        return self._built(item, "").trees

    def _built(self, item: Item, name: str) -> Built:
        try:
            return build_tree(self.files(item), name)
        except InputError as error:
            raise Unreadable(f"the listing of the folder is impossible: {error.message}") from None

    def missing(self, item: Item) -> str:
        """Why an item cannot be had; empty where it can be. Looks only whether objects are there."""
        if not item.md5 and not item.files:
            return "DVC has not recorded what it holds"
        try:
            if item.folder:
                self.listing(item)
            lost = [key for key, places in self._wanted(item) if not places and key not in self._held]
            if item.folder and lost:
                return f"{len(lost)} of its files are not in the cache"
        except Unreadable as error:
            return error.message
        return self._where(item) if lost else ""

    def doubt(self, item: Item) -> str:
        """What is doubtful about an item that was taken; empty for nothing."""
        if not item.legacy or item.size is None:
            return ""
        entry = self.entry(item)
        if entry.size == item.size:
            return ""
        return (
            f"it has {entry.size} bytes where DVC recorded {item.size}: "
            "DVC 2 keeps texts that differ in line ends alone as one"
        )

    def listing(self, item: Item) -> tuple[FileOf, ...]:
        """The files of a folder. Raises Unreadable."""
        if item.files:
            return checked_files(item.files)
        key = Key(item.md5, item.legacy)
        if key not in self._listings:
            try:
                self._listings[key] = self._listed(item)
            except Unreadable as error:
                self._listings[key] = error.message
        found = self._listings[key]
        if isinstance(found, str):
            raise Unreadable(found)
        return found

    def _listed(self, item: Item) -> tuple[FileOf, ...]:
        problem = self._where(item)
        for cache in self._caches_of(item):
            place = cache.find(item.md5, folder=True, legacy=item.legacy)
            if place is None:
                continue
            try:
                if place.stat().st_size > MOST_LISTED:
                    raise Unreadable("the listing of the folder is too large")
                return read_folder(place.read_bytes(), item.md5)
            except OSError as error:
                problem = f"the listing of the folder cannot be read: {error.strerror}"
            except Unreadable as error:
                problem = error.message
        return self._same_folder(item) or _refuse(problem)

    def _same_folder(self, item: Item) -> tuple[FileOf, ...]:
        """The files of the folder in the work tree, if it is the one that DVC recorded."""
        files = walk(self._project.root, item.path).files if _is_inside(self._project.root, item.path) else {}
        found: list[FileOf] = []
        for path in files:
            place = self._project.root / decode_path(path)
            relpath = decode_path(path)[len(decode_path(item.path)) + 1 :]
            if below(relpath) is None or not is_file(place):
                return ()
            with contextlib.suppress(OSError):
                sums = md5s(place, legacy=item.legacy)
                found.append(FileOf(relpath, sums[-1]))
                self._places[Key(sums[-1], item.legacy)] = (place,)
        same = folder_md5((file.relpath, file.md5) for file in found) == item.md5
        return checked_files(found) if found and same else ()

    def _wanted(self, item: Item) -> Iterator[tuple[Key, tuple[Path, ...]]]:
        """The files of an item, each with where its content may be."""
        if not item.md5 and not item.files:
            return
        if not item.folder:
            yield Key(item.md5, item.legacy), self._find(item, Key(item.md5, item.legacy), item.path)
            return
        with contextlib.suppress(Unreadable):
            for file in self.listing(item):
                key = Key(file.md5, item.legacy)
                yield key, self._find(item, key, f"{item.path}/{file.relpath}")

    def _find(self, item: Item, key: Key, path: str) -> tuple[Path, ...]:
        if not self._places.get(key) and key.md5:
            cached = (cache.find(key.md5, legacy=key.legacy) for cache in self._caches_of(item))
            self._places[key] = (*(place for place in cached if place is not None), *self._beside(path))
        return self._places.get(key, ())

    def _beside(self, path: str) -> tuple[Path, ...]:
        """The file in the work tree, where it is one of the project's own. Whether it is the same is seen later."""
        place = self._project.root / decode_path(path)
        return (place,) if _is_inside(self._project.root, path) and is_file(place) else ()

    def _caches_of(self, item: Item) -> list[Cache]:
        """Where to look: where the item itself was pushed to counts before the other remotes."""
        own = [self._remotes[item.remote]] if item.remote in self._remotes else []
        others = [cache for name, cache in self._remotes.items() if name != item.remote]
        return [*self._caches, *own, *others]

    def _where(self, item: Item) -> str:
        """The reason where an object is in no cache."""
        if item.remote and item.remote not in self._remotes:
            return f"it is not in the cache; its own remote {item.remote} was not read"
        return "it is not in the cache"

    def _take_file(self, writer: Writer, key: Key, place: Path) -> bool:
        try:
            stat = file_stat(os.lstat(place))
            if stat is None or key.md5 not in md5s(place, legacy=key.legacy):
                return False
            digest, read = writer.add_file(str(place), stat)
        except (OSError, InputError):
            return False
        if read == stat:  # these are the bytes of which the md5 was taken
            self._held[key] = Held(digest, read.size)
        return read == stat

    def _file(self, item: Item) -> Held:
        key = Key(item.md5, item.legacy)
        if key not in self._held:
            if self._is_cached(item, key):
                raise Unreadable("its object in the cache is damaged: it has another md5")
            beside = ", and what is in its place has another md5" if self._places.get(key) else ""
            raise Unreadable(self._where(item) + beside)
        return self._held[key]

    def _is_cached(self, item: Item, key: Key) -> bool:
        """Whether an object of this name is there, whatever it holds."""
        return any(cache.find(key.md5, legacy=key.legacy) for cache in self._caches_of(item) if key.md5)


def _size(place: Path) -> int:
    try:
        return os.stat(place).st_size
    except OSError:
        return 0


def _is_inside(root: Path, path: str) -> bool:
    """Whether no link leads out of the project on the way to a path."""
    real = os.path.realpath(root)
    return os.path.realpath(os.path.join(real, decode_path(path))).startswith(real + os.sep)


def _refuse(problem: str) -> tuple[FileOf, ...]:
    raise Unreadable(problem)
