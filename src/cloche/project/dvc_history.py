"""The history of a DVC repository: which commits hold results or data of their own, and what their files are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cloche.capture.git_objects import Commit, GitFile, GitObjects
from cloche.dvc.refs import EXPERIMENTS, Experiment, aliases, experiments
from cloche.dvc.stagefile import is_stage_file, read_stage_file
from cloche.dvc.words import Unreadable
from cloche.errors import InputError
from cloche.model.paths import decode_path, encode_path
from cloche.project.dvc_state import LOCK, is_record

EVERYTHING = ("--branches", "--tags", "--remotes", "HEAD")
_FOLDER, _FILES = "40000", ("100644", "100755", "100664")
DEEPEST = 200
_CONFIG = ".dvc/config"

Signature = frozenset[tuple[str, str]]


class Result(NamedTuple):
    """A commit that holds results of its own: its locks are not those of a commit before it. experiment: the one that
    it belongs to. data: whether it is only its data that is new."""

    commit: Commit
    experiment: Experiment | None = None
    data: bool = False


class _Line:
    """One kind of news along the history. standing: the commit that each commit has its state from."""

    def __init__(self) -> None:
        self.signatures: dict[str, Signature] = {}
        self.standing: dict[str, str] = {}

    def is_new(self, commit: Commit, mine: Signature) -> bool:
        """Whether a commit, of which those before it were asked about, says what none of its parents says."""
        self.signatures[commit.hash] = mine
        same = [parent for parent in commit.parents if self.signatures.get(parent) == mine]
        if same and same[0] in self.standing:
            self.standing[commit.hash] = self.standing[same[0]]
        elif mine and not same:
            self.standing[commit.hash] = commit.hash
        return bool(mine) and not same


class History(NamedTuple):
    """results: parents first. tags: names for results, by the hash of their commit. lost: tags without a result."""

    results: list[Result]
    tags: dict[str, str]
    lost: list[str]


class CommitFiles:
    """The files of the project at a commit, as `dvc_state.Source`. tree: of the project's folder."""

    def __init__(self, objects: GitObjects, tree: str, records: Mapping[str, GitFile]) -> None:
        self._objects = objects
        self._tree = tree
        self._records = records

    def names(self) -> Collection[str]:
        """The files that may be DVC's."""
        return self._records.keys()

    def read(self, path: str) -> bytes | None:
        """A file; None where there is none, or a link."""
        folder, _, name = decode_path(path).rpartition("/")
        tree = self._objects.folder(self._tree, folder)
        file = self._objects.tree(tree).get(name) if tree else None
        with contextlib.suppress(InputError):  # a clone that holds only a part of the history
            return self._objects.read(file.object) if file is not None and file.mode in _FILES else None
        return None


class HistoryReader:
    """Reads the history of the Git repository around a project. root: where `.dvc/` lies, from the project."""

    def __init__(self, objects: GitObjects, project: Path, root: str) -> None:
        self.objects = objects
        self._root = root
        self._place = _place_in_git(project)
        self._known: dict[str, dict[str, GitFile]] = {}
        self._said: dict[str, tuple[bool, str]] = {}

    def read(self) -> History:
        """Every commit with results or data of its own, and the names that DVC's refs give them."""
        refs = self.objects.refs("refs/tags", EXPERIMENTS)
        found = experiments(refs)
        locks, data = _Line(), _Line()
        results: list[Result] = []
        tips = {one.commit: one for one in found}
        for commit in self.objects.log(EVERYTHING):
            has_locks, has_data = self._news(commit, locks, data)
            if has_locks or has_data:
                results.append(Result(commit, tips.get(commit.hash), data=not has_locks))
        commits = {one.hash: one for one in self.objects.log([one.commit for one in found], EVERYTHING)}
        owners = _owners(found, commits)
        for commit in commits.values():
            owner = owners[commit.hash]
            has_locks, has_data = self._news(commit, locks, data)
            if commit.hash == owner.commit and locks.signatures[commit.hash]:
                locks.standing[commit.hash] = commit.hash
                has_locks = True
            if has_locks or has_data:
                results.append(Result(commit, owner, data=not has_locks))
        return History(results, *self._tags(found, refs, {**data.standing, **locks.standing}))

    def files(self, commit: Commit) -> dict[str, GitFile]:
        """Every file of the project at a commit by path text."""
        tree = self.objects.folder(commit.tree, self._place)
        return self.objects.files(tree) if tree else {}

    def source(self, commit: Commit) -> CommitFiles:
        """The project at a commit."""
        tree = self.objects.folder(commit.tree, self._place)
        return CommitFiles(self.objects, tree, self._records(tree) if tree else {})

    def _news(self, commit: Commit, locks: _Line, data: _Line) -> tuple[bool, bool]:
        """Whether the locks of a commit are new, and whether the data that it tracks is."""
        tree = self.objects.folder(commit.tree, self._place)
        records = self._records(tree) if tree else {}
        prefix = f"{self._root}/" if self._root else ""
        says_locks: set[tuple[str, str]] = set()
        says_data: set[tuple[str, str]] = set()
        for path, file in records.items():
            name = path.rpartition("/")[2]
            if not path.startswith(prefix):
                continue
            if name == LOCK:
                says_locks.add((path, file.object))
            elif is_stage_file(name) and file.mode in _FILES:
                has_command, outs = self._says(name, file)
                (says_locks if has_command else says_data).add((path, file.object if has_command else outs))
        return locks.is_new(commit, frozenset(says_locks)), data.is_new(commit, frozenset(says_data))

    def _says(self, name: str, file: GitFile) -> tuple[bool, str]:
        """Whether a stage file has a command and so says what it ran with; and the data that it tracks."""
        if file.object not in self._said:
            self._said[file.object] = False, ""
            with contextlib.suppress(Unreadable, InputError):
                said = read_stage_file(name, self.objects.read(file.object))
                outs = [(out.path, out.md5, *((one.relpath, one.md5) for one in out.files)) for out in said.outs]
                self._said[file.object] = bool(said.command), repr((said.folder, outs) if outs else "")
        return self._said[file.object]

    def _records(self, tree: str, depth: int = 0) -> dict[str, GitFile]:
        """DVC's files at or below a folder by path text below it."""
        known = self._known.get(tree)
        if known is None:
            known = {}
            for name, file in self.objects.tree(tree).items():
                if file.mode != _FOLDER:
                    if is_record(name):
                        known[encode_path(name)] = file
                elif name == ".dvc":
                    config = self.objects.tree(file.object).get("config")
                    known |= {_CONFIG: config} if config is not None else {}
                elif depth < DEEPEST:
                    below = self._records(file.object, depth + 1)
                    known |= {f"{encode_path(name)}/{path}": one for path, one in below.items()}
            self._known[tree] = known
        return known

    def _tags(
        self, found: Iterable[Experiment], refs: Mapping[str, str], standing: Mapping[str, str]
    ) -> tuple[dict[str, str], list[str]]:
        times = self.objects.tag_times()
        tags = {
            name.removeprefix("refs/tags/"): commit for name, commit in refs.items() if name.startswith("refs/tags/")
        }
        wanted = aliases((name, commit, times.get(name, 0.0)) for name, commit in tags.items())
        for one in found:
            wanted.setdefault(one.name, one.commit)
        named = {name: standing[commit] for name, commit in wanted.items() if commit in standing}
        return named, sorted(wanted.keys() - named.keys())


def _owners(found: Iterable[Experiment], commits: Mapping[str, Commit]) -> dict[str, Experiment]:
    """The experiment that each of these commits was made for."""
    owners: dict[str, Experiment] = {}
    for one in found:
        here = one.commit
        while here in commits and here not in owners:
            owners[here] = one
            here = next(iter(commits[here].parents), "")
    for commit in commits:  # what only a merge within an experiment brought in
        owners.setdefault(commit, next(iter(found)))
    return owners


def _place_in_git(project: Path) -> str:
    """The project's folder within its Git repository, as a name of the file system."""
    here = os.path.realpath(project)
    top = here
    while not os.path.lexists(os.path.join(top, ".git")):
        above = os.path.dirname(top)
        if above == top:
            raise InputError(f"{project} is in no Git repository")
        top = above
    place = os.path.relpath(here, top).replace(os.sep, "/")
    return "" if place == "." else place
