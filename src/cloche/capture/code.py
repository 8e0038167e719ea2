"""Which files of a project are its code."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import msgspec

from cloche.capture.secrets import secret_reason
from cloche.model.paths import decode_path, inside
from cloche.model.patterns import matcher
from cloche.model.settings import Settings
from cloche.model.snapshot import LeftOut

LOCK_FILE = "cloche.lock"
_CACHE_FOLDERS = frozenset(
    {
        *(".cache", ".cloche", ".eggs", ".git", ".hg", ".hypothesis", ".ipynb_checkpoints", ".mypy_cache", ".nox"),
        *(".pixi", ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv", "__pycache__", "__pypackages__"),
        "node_modules",
    }
)
_COMPILED = (".pyc", ".pyo")
_SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_SOURCE = (
    *(".c", ".cc", ".cfg", ".cpp", ".cu", ".cuh", ".cxx", ".h", ".hpp", ".ini", ".ipynb", ".java", ".jl", ".js", ".m"),
    *(".md", ".mk", ".pl", ".pxd", ".py", ".pyi", ".pyx", ".r", ".rb", ".rmd", ".rs", ".rst", ".scala", ".sh", ".sql"),
    *(".toml", ".ts", ".yaml", ".yml"),
)


_WRITTEN = frozenset(
    {"makefile", "dockerfile", "containerfile", "snakefile", "justfile", "readme", "license", "requirements"}
)
_WRITTEN_DOT = frozenset({".gitignore", ".gitattributes", ".dockerignore", ".python-version", ".editorconfig"})


class Classified(msgspec.Struct, frozen=True):
    """code: the paths that are code, sorted. left_out: files that are not recorded, and why."""

    code: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()


def is_cache_folder(name: str) -> bool:
    """Whether a folder of that name never holds code: caches, environments, the records of Git and Cloche."""
    return name in _CACHE_FOLDERS


def is_compiled(path: str) -> bool:
    """Whether a file is derived from another, or left there by the operating system."""
    name = path.rpartition("/")[2]
    return name.endswith(_COMPILED) or name in _SYSTEM_FILES


def folder_filter(root: Path) -> Callable[[str, str], bool]:
    """For walking a project without Git: whether a folder (path text, name) is to be skipped."""

    def skip(path: str, name: str) -> bool:
        return is_cache_folder(name) or is_environment(root, path)

    return skip


def is_environment(root: Path, path: str) -> bool:
    """Whether a folder is a virtual environment or a conda one."""
    folder = root / decode_path(path)
    return (folder / "pyvenv.cfg").exists() or (folder / "conda-meta").is_dir()


def plain_candidates(files: Iterable[str]) -> list[str]:
    """The files of a project without Git that may be code. files: path texts of everything that a walk with
    `folder_filter` found."""
    return [path for path in files if not is_compiled(path) and _CACHE_FOLDERS.isdisjoint(path.split("/")[:-1])]


def classify(
    root: Path,
    candidates: Iterable[str],
    settings: Settings,
    *,
    data: Collection[str] = (),
    config: Collection[str] = (),
    outputs: Collection[str] = (),
    tracked: Collection[str] = (),
) -> Classified:
    """Which candidates are code.

    data: tracked data paths (files or folders). config: parameter files. outputs: every path that a run ever wrote.
    tracked: what Git tracks. Not code are: data, config, `cloche.lock`, what `[code] ignore` names, declared outputs
    (`writes` of stages, metrics files), and outputs of earlier runs unless Git tracks them or they are source by
    their ending. Left out with a reason, among files that Git does not track: secrets (see `cloche.capture.secrets`)
    and environments that no .gitignore names.
    """
    elsewhere = _Elsewhere(settings, {*data, *config, LOCK_FILE})
    known, written = set(tracked), set(outputs)
    mine: list[str] = []
    loose: list[str] = []
    for path in candidates:
        if path in elsewhere:
            continue
        if path in known:
            mine.append(path)
        elif not _derived(path, written):
            loose.append(path)
    environments = {path.rpartition("/")[0] for path in loose if path.rpartition("/")[2] == "pyvenv.cfg"} - {""}
    left_out = [LeftOut(folder, "a virtual environment") for folder in environments]
    for path in loose:
        if environments and any(inside(path, folder) for folder in environments):
            continue
        reason = secret_reason(root, path)
        if reason:
            left_out.append(LeftOut(path, reason))
        else:
            mine.append(path)
    return Classified(tuple(sorted(set(mine))), tuple(sorted(left_out, key=lambda item: item.path)))


def is_source(path: str) -> bool:
    """Whether a file is, by its name, one that people write: code even where a run once wrote it."""
    name = path.rpartition("/")[2].lower()
    return name.endswith(_SOURCE) or name.partition(".")[0] in _WRITTEN or name in _WRITTEN_DOT


def _derived(path: str, outputs: Collection[str]) -> bool:
    *folders, name = path.split("/")
    if is_compiled(name) or not _CACHE_FOLDERS.isdisjoint(folders):
        return True
    return path in outputs and not is_source(name)


class _Elsewhere:
    """What belongs to another input than the code, or to the outputs."""

    def __init__(self, settings: Settings, paths: Iterable[str]) -> None:
        writes = (path for stage in settings.stages.values() for path in stage.writes)
        self._paths = {path.rstrip("/").removeprefix("./") for path in (*paths, *writes)}
        self._ignored = matcher(settings.code.ignore)
        self._is_metrics = matcher(settings.metric_patterns, anchored=True)

    def __contains__(self, path: str) -> bool:
        if self._ignored(path) or self._is_metrics(path):
            return True
        here = path
        while here:
            if here in self._paths:
                return True
            here = here.rpartition("/")[0]
        return "" in self._paths
