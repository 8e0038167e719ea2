"""What Git knows of a project, asked of the git binary: never through a shell, and running nothing of the repository's.

A `GitRepository` is one reading: `discover` asks Git for its state once, `candidates` once more, and all else is
answered from that. Read anew after the work tree may have changed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from cloche.errors import InputError
from cloche.model.paths import decode_path, encode_path

# A repository may come from anywhere: its hooks and monitors are not run, and nothing waits for a password.
_SAFELY = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
# Set where a hook or an alias of another repository runs cloche: they would lead to that one.
_FOREIGN = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX", "GIT_WORK_TREE",
)  # fmt: skip
_NO_REPOSITORY = "not a git repository"
_NO_WORK_TREE = "must be run in a work tree"
_GITLINK = "160000"


class _Listed(NamedTuple):
    """The paths (path texts) below one repository's project folder, without those of nested repositories.

    exact: tracked, and not marked so that Git would overlook a change. nested: submodules and repositories within.
    submodules: those of them that the index names.
    """

    tracked: set[str]
    exact: set[str]
    nested: set[str]
    submodules: set[str]


class _State:
    """What `git status` says: the paths below the project, as path texts.

    raw: the output of `git status --porcelain=v2 --branch -z`. prefix: the project within the repository. nested:
    untracked folders that are repositories of their own. Data that is about to be tracked may be a million untracked
    files: they are taken apart only when somebody asks for them.
    """

    def __init__(self, raw: bytes, prefix: bytes) -> None:
        self._raw = raw
        self._prefix = prefix
        self.commit = self.branch = ""
        self.changed: set[str] = set()
        self.nested: set[str] = set()
        for record in self._records():
            kind, _, rest = record.partition(b" ")
            if kind == b"#":
                key, _, value = rest.decode("utf-8", "surrogateescape").partition(" ")
                self.commit = value if key == "branch.oid" and value != "(initial)" else self.commit
                self.branch = encode_path(value) if key == "branch.head" and value != "(detached)" else self.branch
            elif kind in _FIELDS:
                self.changed.add(_below(rest.split(b" ", _FIELDS[kind])[-1], prefix))
            elif kind == b"?" and rest.endswith(b"/"):
                self.nested.add(_below(rest, prefix).rstrip("/"))

    @cached_property
    def untracked(self) -> set[str]:
        """Files that are neither tracked nor ignored."""
        loose = (one[2:] for one in self._records() if one.startswith(b"? ") and not one.endswith(b"/"))
        return {_below(name, self._prefix) for name in loose}

    def _records(self) -> Iterator[bytes]:
        return (match[0] for match in _RECORD.finditer(self._raw))


_RECORD = re.compile(rb"[^\0]+")
# How many fields stand before the path in a record of `git status`.
_FIELDS = {b"1": 7, b"u": 9}


class GitRepository:
    """The repository that a project is in. Every path is path text relative to the project, which may be a folder
    below the repository's own. Files of submodules and of repositories within the project count as well."""

    def __init__(self, root: Path, state: _State) -> None:
        self._root = root
        self._state = state
        self._listing: _Listed | None = None
        self._nested: dict[str, GitRepository] | None = None

    @classmethod
    def discover(cls, root: Path) -> GitRepository | None:
        """The repository that holds `root`; None outside one, in a bare repository, and where
        the repository ignores `root` as a whole. Raises InputError where there is no git binary, and where
        Git refuses to read it, with Git's advice."""
        top = top_of(root)
        if top is None:
            return None
        arguments = ("--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames", "--no-ahead-behind")
        done = ask_git(root, "status", *arguments, "--ignore-submodules=dirty", "--", ".")
        if done is None:
            raise InputError(
                f"{top} is a Git repository, and there is no `git` to read it: what it ignores would seem to be code",
                hint="install git, or put it on PATH",
            )
        if _ends_quietly(done, root):
            return None
        prefix = os.path.relpath(os.path.realpath(root), top)
        if prefix == os.curdir:
            prefix = ""
        elif _ignored_whole(root):
            return None
        return cls(root, _State(done.stdout, os.fsencode(prefix.replace(os.sep, "/")) + b"/" if prefix else b""))

    @staticmethod
    def files_below(folder: Path) -> list[str] | None:
        """The files below a folder that Git tracks or would track, as path texts; None where there is no Git."""
        if top_of(folder) is None:
            return None
        done = ask_git(folder, "ls-files", "-z", "-c", "-o", "--exclude-standard")
        if done is None or done.returncode or (not done.stdout and _ignored_whole(folder)):
            return None
        return sorted({encode_path(os.fsdecode(name)) for name in done.stdout.split(b"\0") if name})

    def head(self) -> tuple[str, str]:
        """The commit and the branch: no commit before the first, no branch where HEAD is detached."""
        return self._state.commit, self._state.branch

    def candidates(self) -> list[str]:
        """What Git tracks, on disk or not, and what it would track: untracked and not ignored. Sorted."""
        found = self._listed().tracked | self._state.untracked
        for path, nested in self._inner().items():
            found.update(f"{path}/{below}" for below in nested.candidates())
        return sorted(found)

    def tracked(self) -> set[str]:
        """What Git tracks, on disk or not."""
        found = set(self._listed().tracked)
        for path, nested in self._inner().items():
            found.update(f"{path}/{below}" for below in nested.tracked())
        return found

    def own(self) -> tuple[set[str], set[str]]:
        """What the index of this repository itself names: files, and the submodules among them apart."""
        return self._listed().tracked, self._listed().submodules

    def changed(self) -> set[str]:
        """The paths that differ from HEAD: modified, deleted, added, or untracked and not ignored."""
        found = self._state.changed | self._state.untracked
        for path, nested in self._inner().items():
            found.update(f"{path}/{below}" for below in nested.changed())
        return found

    def dirty(self, paths: Iterable[str] | None = None) -> bool:
        """Whether any of `paths` differs from HEAD, or without paths: anything does. Paths that Git does not know,
        and every path before the first commit, differ."""
        if paths is None:
            return not self._state.commit or bool(self.changed())
        wanted = set(paths)
        return wanted != self.matches_head(wanted)

    def matches_head(self, paths: Iterable[str]) -> set[str]:
        """Those of `paths` whose content in the work tree is HEAD's, so that Git can give it back.

        Files that Git was told to overlook (`assume-unchanged`, `skip-worktree`) never count.
        """
        if not self._state.commit:
            return set()
        wanted = set(paths)
        matching = (wanted & self._listed().exact) - self._state.changed
        for path, nested in self._inner().items():
            start = f"{path}/"
            below = {name[len(start) :] for name in wanted if name.startswith(start)}
            matching.update(start + name for name in nested.matches_head(below))
        return matching

    def ignored(self, paths: Collection[str]) -> set[str]:
        """Those of `paths` that .gitignore or Git's other lists of patterns name. Tracked ones are not ignored."""
        if not paths:
            return set()
        names = b"".join(os.fsencode(decode_path(path)) + b"\0" for path in paths)
        done = ask_git(self._root, "check-ignore", "-z", "--stdin", stdin=names)
        if done is None or done.returncode > 1:
            return set()
        return {encode_path(os.fsdecode(name)) for name in done.stdout.split(b"\0") if name}

    def ignore_rules(self, paths: Collection[str]) -> dict[str, tuple[str, str]]:
        """Why Git ignores those of `paths` that it does: the file of patterns (a path text, empty for one outside the
        project) and the pattern."""
        if not paths:
            return {}
        names = b"".join(os.fsencode(decode_path(path)) + b"\0" for path in paths)
        done = ask_git(self._root, "check-ignore", "-z", "-v", "--stdin", stdin=names)
        fields = [os.fsdecode(field) for field in done.stdout.split(b"\0")[:-1]] if done is not None else []
        rules = zip(fields[0::4], fields[2::4], fields[3::4], strict=False)
        return {encode_path(path): (self._within(source), pattern) for source, pattern, path in rules}

    def _within(self, file: str) -> str:
        place = os.path.relpath(os.path.join(os.path.realpath(self._root), file), os.path.realpath(self._root))
        return "" if place.startswith((os.pardir, ".git" + os.sep)) else encode_path(place.replace(os.sep, "/"))

    def resolve(self, revision: str) -> str | None:
        """The full hash of the commit that a revision names; None where there is no such commit."""
        if not revision or revision.startswith("-") or "\0" in revision:
            return None
        done = ask_git(self._root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        return done.stdout.decode("ascii", "replace").strip() or None if done and not done.returncode else None

    def _listed(self) -> _Listed:
        if self._listing is None:
            done = ask_git(self._root, "ls-files", "-z", "-v", "-s", "--", ".")
            if done is None or done.returncode:
                raise _refusal(done.stderr if done else b"", self._root)
            self._listing = _parse_listing(done.stdout, self._state)
        return self._listing

    def _inner(self) -> dict[str, GitRepository]:
        if self._nested is None:
            self._nested = {}
            for path in sorted(self._listed().nested):
                folder = self._root / decode_path(path)
                # A submodule that is not checked out has nothing to record, and a linked worktree is another version.
                found = GitRepository.discover(folder) if _is_part(folder) else None
                if found is not None:
                    self._nested[path] = found
        return self._nested


def _is_part(folder: Path) -> bool:
    """Whether a repository within another one is there and its own, and not a linked worktree (`git worktree add`)."""
    git = folder / ".git"
    if not git.is_file():
        return git.exists()
    place = git.read_bytes()[:16_384].partition(b"gitdir: ")[2].strip()
    return not place or not os.path.exists(os.path.join(folder, os.fsdecode(place), "commondir"))


def _below(name: bytes, prefix: bytes) -> str:
    return encode_path(os.fsdecode(name.removeprefix(prefix)))


def _parse_listing(raw: bytes, state: _State) -> _Listed:
    listed = _Listed(set(), set(), set(state.nested), set())
    for record in raw.split(b"\0"):
        if not record:
            continue
        about, _, name = record.partition(b"\t")
        tag, mode, *_ = about.decode("ascii").split(" ")
        path = encode_path(os.fsdecode(name))
        if mode == _GITLINK:
            listed.nested.add(path)
            listed.submodules.add(path)
            continue
        listed.tracked.add(path)
        if tag == "H":
            listed.exact.add(path)
    return listed


def top_of(root: Path) -> str | None:
    """The nearest folder, here or above, with a `.git`; None where there is none. No process is started."""
    here = os.path.realpath(root)
    while not os.path.lexists(os.path.join(here, ".git")):
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above
    return here


def safe_command(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """The words and variables that run git as this package does: nothing of the repository's is run, nothing waits."""
    variables = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    variables |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    return ["git", *_SAFELY, *arguments], variables


def ask_git(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes] | None:
    """Run git in a folder, without hooks and with what it says in English; None where there is no git binary."""
    command, variables = safe_command(*arguments)
    try:
        return subprocess.run(command, cwd=folder, env=variables, input=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        if not folder.is_dir():
            raise InputError(f"{encode_path(str(folder))} is not a folder") from None
        return None
    except OSError as error:
        raise InputError(f"git cannot be started: {error.strerror}", hint="see that `git --version` works") from error


def _ignored_whole(folder: Path) -> bool:
    done = ask_git(folder, "check-ignore", "--quiet", ".")
    return done is not None and done.returncode == 0


def _ends_quietly(done: subprocess.CompletedProcess[bytes], root: Path) -> bool:
    """Whether Git says that there is no work tree here. Raises InputError for any other failure."""
    if not done.returncode:
        return False
    text = done.stderr.decode("utf-8", "replace")
    if _NO_WORK_TREE in text or (_NO_REPOSITORY in text and not _is_broken(root)):
        return True
    raise _refusal(done.stderr, root)


def _is_broken(root: Path) -> bool:
    """Whether the `.git` here or above was meant to be one: what it ignores would seem to be code without it."""
    git = os.path.join(top_of(root) or root, ".git")
    return os.path.isfile(git) or os.path.isdir(os.path.join(git, "objects"))


def _refusal(stderr: bytes, root: Path) -> InputError:
    lines = [line.strip() for line in _lines(stderr)]
    advice = next((line for line in lines if line.startswith("git config --global --add safe.directory")), "")
    if advice:
        return InputError("Git refuses to read this repository: it belongs to another user", hint=advice)
    reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0] if lines else "no reason")
    message = f"Git cannot read the repository of {encode_path(str(root))}: {reason.partition(': ')[2] or reason}"
    return InputError(message, hint="`git status` there must work first")


def _lines(raw: bytes) -> Iterator[str]:
    yield from raw.decode("utf-8", "replace").splitlines()
