"""Links into DVC's cache in the work tree: they become files of their own, so that neither tool writes to what the
other keeps, and nothing that is recorded is a mere link."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cloche.dvc.cache import Cache
from cloche.dvc.words import Item, Skipped, Unreadable
from cloche.model.changes import PathChange
from cloche.model.paths import above
from cloche.project.dvc_contents import Contents
from cloche.project.journal import present
from cloche.project.project import Project
from cloche.store.walk import os_path, walk

_OBJECT = re.compile(r"(?P<cache>.*?)(?P<new>/files/md5)?/(?P<md5>[0-9a-f]{2}/[0-9a-f]{30})")


class Links(NamedTuple):
    """symbolic: links to objects of DVC's, as items with the md5 that the object is named by. hard: path texts of files
    that are objects of DVC's under a second name. caches: where the symbolic ones lead."""

    symbolic: tuple[Item, ...] = ()
    hard: tuple[str, ...] = ()
    caches: tuple[Cache, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted([*(item.path for item in self.symbolic), *self.hard]))


def find_links(project: Project, paths: Iterable[str], caches: Sequence[Cache]) -> Links:
    """The links into DVC's cache at or below these paths. What Git tracks, and what no object is, is left alone."""
    git = project.git.tracked() if project.git is not None else set[str]()
    symbolic: dict[str, Item] = {}
    found: dict[Path, None] = {}
    files: dict[str, int] = {}
    wanted = set(paths)
    for start in sorted(path for path in wanted if wanted.isdisjoint(above(path))):
        if not _is_reached(project, start):
            continue
        for path, stat in walk(project.root, start).files.rows():
            if path in git:
                continue
            if stat.kind == "l" and (linked := _linked(project, path)) is not None:
                symbolic[path] = linked[0]
                found[linked[1]] = None
            elif stat.kind in ("f", "x"):
                files[path] = stat.inode
    known = {cache.folder for cache in caches}
    more = tuple(Cache(folder) for folder in found if folder not in known)
    shared = {at for cache in (*caches, *more) for at in cache.linked()} if files else set[tuple[int, int]]()
    inodes = {inode for _, inode in shared}
    near = [path for path, inode in files.items() if inode in inodes]
    hard = tuple(path for path in near if _number(os_path(project.root, path)) in shared)
    return Links(tuple(symbolic.values()), hard, more)


def link_changes(project: Project, links: Links, contents: Contents) -> tuple[list[PathChange], list[Skipped]]:
    """The changes that put files in place of symbolic links, and the links whose content cannot be had.

    What they lead to is taken only where it has the md5 that it is named by.
    """
    before = present(project, [item.path for item in links.symbolic])
    changes: list[PathChange] = []
    lost: list[Skipped] = []
    for item in links.symbolic:
        try:
            changes.append(PathChange(item.path, before.get(item.path), contents.entry(item)))
        except Unreadable as error:
            lost.append(Skipped("link", item.path, f"a link into DVC's cache stays: {error.message}"))
    return changes, lost


def _linked(project: Project, path: str) -> tuple[Item, Path] | None:
    """The object that a link leads to and its cache; None for any other link. The object may be gone."""
    at = os_path(project.root, path)
    real = os.path.realpath(at).replace(os.sep, "/")
    named = _OBJECT.fullmatch(real)
    if named is None:
        return None
    executable = os.path.isfile(real) and bool(os.stat(real).st_mode & 0o111)
    item = Item(path, named["md5"].replace("/", ""), legacy=not named["new"], executable=executable)
    return item, Path(named["cache"] or "/")


def _number(at: str) -> tuple[int, int]:
    found = os.lstat(at)
    return found.st_dev, found.st_ino


def _is_reached(project: Project, path: str) -> bool:
    """Whether no link stands on the way to a path."""
    root, above_it = os.path.realpath(project.root), os.path.dirname(os_path(project.root, path))
    way = os.path.relpath(above_it, os.path.abspath(project.root))
    return os.path.realpath(above_it) == os.path.normpath(os.path.join(root, way))
