"""What lies in the work tree right now, sorted into code, data, config and the rest. Reads stats, not contents."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from cloche.capture.code import classify, plain_candidates
from cloche.capture.config import config_files
from cloche.model.paths import decode_path, inside, is_reserved
from cloche.model.settings import is_address
from cloche.model.snapshot import LeftOut, Tracked
from cloche.project.in_place import walk_data
from cloche.project.project import FOLDER, Project
from cloche.store.listing import Files, FileStat
from cloche.store.walk import Walked, stat_of, walk

# Folders that tools make and that no one calls part of the project. Tracked data inside them is seen all the same.
SKIPPED = frozenset(
    {
        *(".git", ".hg", ".svn", FOLDER, "__pycache__", "node_modules", ".ipynb_checkpoints", ".mypy_cache", ".idea"),
        *(".pytest_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".eggs", ".dvc", ".vscode"),
    }
)
ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True)
class View:
    """The work tree at one moment.

    files: every file, link and empty folder that was looked at; loose: those that are no tracked data. code, data,
    config: those that belong to an input; data by tracked path. missing: tracked data paths that are not there.
    unreadable: what could not be looked at, or read; unread: those of these that are inputs, once they were to be read.
    git_tracked: what Git tracks, None without Git. repositories: the `.git` of repositories within data, left out.
    """

    files: Files
    loose: Files
    code: dict[str, FileStat]
    data: dict[str, Files]
    config: dict[str, FileStat]
    tracked: tuple[Tracked, ...]
    missing: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    repositories: tuple[str, ...] = ()
    special: tuple[str, ...] = ()
    git_tracked: frozenset[str] | None = None
    commit: str = ""
    branch: str = ""
    outputs: frozenset[str] = field(default=frozenset())

    def without(self, gone: Collection[str]) -> View:
        """The same moment, but for code, config and whole data paths that were gone when they were to be read."""
        if not gone:
            return self
        return replace(
            self,
            code=_less(self.code, gone),
            config=_less(self.config, gone),
            data={path: files for path, files in self.data.items() if path not in gone},
            missing=(*self.missing, *(path for path in self.data if path in gone)),
        )

    def also_unreadable(self, paths: Iterable[tuple[str, str]]) -> View:
        """The same moment, with files whose content could not be read, either."""
        fresh = tuple(paths)
        data = [one for one in self.unreadable if any(inside(one[0], item.path) for item in self.tracked)]
        return replace(self, unreadable=(*self.unreadable, *fresh), unread=(*data, *fresh))


def look(project: Project) -> View:
    """Look at the whole work tree."""
    tracked = project.tracked
    walked = walk_project(project, tracked)
    data = {item.path: walked.files.below(item.path) for item in tracked}
    external = project.settings.data.external
    for path in external.keys() & data.keys():  # seen through the link that stands for it
        there = walk_data(project, path)
        data[path] = there.files
        walked.unreadable.extend(there.unreadable)
        walked.reserved.extend(there.reserved)
    loose = walked.files.outside(data)
    config = {path: walked.files.get(path) for path in config_files(project.root, project.settings)}
    found_config = {path: stat for path, stat in config.items() if stat is not None}
    git_tracked = frozenset(project.git.tracked()) if project.git is not None else None
    written = frozenset(project.catalog.output_paths()) - (git_tracked or frozenset())
    sorted_out = classify(
        project.root,
        _candidates(project, walked.files, loose, git_tracked),
        project.settings,
        data=[item.path for item in tracked],
        config=list(found_config),
        outputs=written,
        tracked=git_tracked or (),
    )
    commit, branch = project.git.head() if project.git is not None else ("", "")
    return View(
        files=walked.files,
        loose=loose,
        code={path: stat for path in sorted_out.code if (stat := _stat(project, walked.files, path)) is not None},
        data={path: files for path, files in data.items() if files},
        config=found_config,
        tracked=tracked,
        missing=tuple(path for path, files in data.items() if not files and not is_address(external.get(path, ""))),
        left_out=sorted_out.left_out,
        unreadable=tuple(walked.unreadable),
        repositories=tuple(path for path in gits(walked.reserved) if any(inside(path, one) for one in data)),
        special=tuple(walked.special),
        git_tracked=git_tracked,
        commit=commit,
        branch=branch,
        outputs=written,
    )


def _less(files: Mapping[str, FileStat], gone: Collection[str]) -> dict[str, FileStat]:
    return {path: stat for path, stat in files.items() if path not in gone}


def _candidates(project: Project, files: Files, loose: Files, git_tracked: Collection[str] | None) -> list[str]:
    """Files that may be code: what Git would track, or without Git everything that was walked."""
    if project.git is None:
        return plain_candidates(path for path, stat in loose.rows() if stat.kind != "d")
    known = git_tracked or ()
    # A tracked file in a folder that was not walked (a committed node_modules) counts; an untracked one does not.
    found = [path for path in project.git.candidates() if path in files or path in known]
    return [path for path in found if not is_reserved(path)]  # someone committed `.cloche/`


def _stat(project: Project, files: Mapping[str, FileStat], path: str) -> FileStat | None:
    """The stat of a candidate; None where it was deleted, or is the folder of a submodule."""
    stat = files.get(path) or stat_of(project.root, path)
    return None if stat is None or stat.kind == "d" else stat


def walk_project(project: Project, tracked: tuple[Tracked, ...]) -> Walked:
    """Walk the project without what no one calls a part of it. Tracked data paths are walked whole."""
    root, data = project.root, [item.path for item in tracked]

    def skip(path: str, name: str) -> bool:
        if any(inside(path, one) or inside(one, path) for one in data):
            return False
        return name in SKIPPED or _is_foreign(os.path.join(root, decode_path(path)))

    return walk(root, skip=skip)


def gits(reserved: Iterable[str]) -> list[str]:
    """Those of the paths that a walk left out which are Git's."""
    return [path for path in reserved if path.rpartition("/")[2] != FOLDER]


def _is_foreign(folder: str) -> bool:
    """Whether a folder is a virtual environment or a project of its own."""
    return any(os.path.exists(os.path.join(folder, mark)) for mark in (*ENVIRONMENT_MARKS, FOLDER))
