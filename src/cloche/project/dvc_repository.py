"""A DVC repository on disk: where it is, its config, its caches, and its work tree."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from cloche.dvc.cache import Cache
from cloche.dvc.config import Config, Remote, read_config
from cloche.dvc.tables import MOST_BYTES
from cloche.errors import Ambiguous, Conflict, InputError, NotFound
from cloche.model.paths import decode_path, encode_path
from cloche.project.dvc_state import is_record
from cloche.project.project import Project, real, root_of
from cloche.project.view import SKIPPED

DVC = ".dvc"
_DEEP = 3
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def find_repository(start: Path) -> Path:
    """The DVC repository that `start` lies in, or else the only one below it. Raises NotFound and Ambiguous."""
    here = real(start)
    if not here.is_dir():
        raise InputError(f"{start} is not a folder", hint="name the folder of a DVC repository")
    found = next((folder for folder in (here, *here.parents) if (folder / DVC).is_dir()), None)
    if found is not None:
        return found
    below = _below(here)
    if len(below) > 1:
        names = ", ".join(str(folder.relative_to(here)) for folder in below[:5])
        raise Ambiguous(f"there are {len(below)} DVC repositories below {here}: {names}", hint="name one of them")
    if not below:
        raise NotFound(
            f"{here} is not in a DVC repository (no {DVC}/ here or in a folder above)",
            hint="type it in the repository, or name its folder: `cloche import dvc FOLDER`",
        )
    return below[0]


def project_of(start: Path, repository: Path) -> Path:
    """The folder of the project that a repository belongs to: where there is none yet, the repository itself.

    Raises Conflict where the project is only a part of the repository.
    """
    inner, outer = root_of(start), root_of(repository)
    if outer is None and inner is not None:
        raise Conflict(
            f"the project {inner} is only a part of the DVC repository {repository}",
            hint=f"a project for all of it: go to {repository}, and type `cloche import dvc`",
        )
    return outer or repository


def _below(here: Path) -> list[Path]:
    found: list[Path] = []
    for folder, names, _ in os.walk(here):
        if DVC in names:
            found.append(Path(folder))
        deep = len(Path(folder).relative_to(here).parts) >= _DEEP
        names[:] = [] if deep else sorted(name for name in names if name not in SKIPPED)
    return found


class Repository:
    """One DVC repository. folder: where `.dvc/` lies. more: further folders of caches that the user named."""

    def __init__(self, project: Project, folder: Path, more: Sequence[Path] = ()) -> None:
        self._project = project
        self._folder = folder
        self._more = tuple(more)

    @cached_property
    def root(self) -> str:
        """Where `.dvc/` lies, as a path text from the project."""
        place = os.path.relpath(self._folder, os.path.realpath(self._project.root)).replace(os.sep, "/")
        return "" if place == "." else encode_path(place)

    @cached_property
    def config(self) -> Config:
        """What `.dvc/config` says that matters here. `config.local` is not read."""
        data = read_file(self._folder / DVC / "config")
        return read_config((data or b"").decode("utf-8", "replace"))

    @property
    def shown_remotes(self) -> tuple[Remote, ...]:
        """The remotes, those that are folders with their place from the project's folder."""
        real = os.path.realpath(self._project.root)
        return tuple(
            msgspec.structs.replace(one, url=os.path.relpath(self._place(one.folder), real)) if one.folder else one
            for one in self.config.remotes
        )

    @property
    def caches(self) -> list[Cache]:
        """The folders of objects: DVC's own, and those that the user named."""
        own = self._place(self.config.cache) if self.config.cache else self._folder / DVC / "cache"
        return [Cache(folder) for folder in (own, *self._more)]

    @property
    def remotes(self) -> dict[str, Cache]:
        """By name the remotes that are folders of objects on this machine, the default one first."""
        places = {one.name: self._place(one.folder) for one in self.config.remotes if one.folder and not one.copies}
        names = sorted(places, key=lambda name: name != self.config.default)
        return {name: Cache(places[name]) for name in names if places[name].is_dir()}

    def _place(self, written: str) -> Path:
        return Path(os.path.normpath(self._folder / DVC / os.path.expanduser(written)))


class WorkFiles:
    """The work tree, as `dvc_state.Source`."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._root = os.path.realpath(project.root)

    @cached_property
    def _names(self) -> frozenset[str]:
        if self._project.git is not None:
            return frozenset(self._project.git.candidates())
        found: list[str] = []
        for folder, names, files in os.walk(self._root):
            place = os.path.relpath(folder, self._root).replace(os.sep, "/")
            prefix = "" if place == "." else f"{place}/"
            found += [encode_path(f"{prefix}{name}") for name in files if is_record(name)]
            found += [encode_path(f"{prefix}{DVC}/config")] if DVC in names else []
            names[:] = [name for name in names if name not in SKIPPED]
        return frozenset(found)

    def names(self) -> Collection[str]:
        """The files that may be DVC's."""
        return self._names

    def read(self, path: str) -> bytes | None:
        """A file; None where there is none, or a link that leads out of the project."""
        place = os.path.join(self._root, decode_path(path))
        inside = os.path.realpath(os.path.dirname(place)) + os.sep
        return read_file(Path(place)) if inside.startswith(self._root + os.sep) else None


def read_file(place: Path) -> bytes | None:
    """The bytes of a small regular file; None where there is none."""
    try:
        fd = os.open(place, _FLAGS)
    except OSError:
        return None
    with open(fd, "rb") as file:
        try:
            return file.read(MOST_BYTES + 1)
        except OSError:
            return None
