"""The history of a Git repository, read as objects: one `git cat-file --batch` answers everything."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, Self

from cloche.capture.git import ask_git, safe_command
from cloche.errors import InputError
from cloche.model.paths import encode_path

_SEPARATOR = "%x00"


class Commit(NamedTuple):
    """A commit. parents: their hashes, in order. tree: of its files. time: when it was committed, since 1970."""

    hash: str
    parents: tuple[str, ...]
    tree: str
    time: float
    subject: str


class GitFile(NamedTuple):
    """A file of a tree. mode: as Git writes it: 100644, 100755, 120000 for a link, 160000 for a submodule."""

    mode: str
    object: str


class GitObjects:
    """The objects of the repository around `folder`. Use it in a `with` block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._trees: dict[str, dict[str, GitFile]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process.wait()
            self._process = None

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Every ref below these prefixes with the commit that it stands for."""
        form = "%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)"
        done = ask_git(self._folder, "for-each-ref", f"--format={form}", *prefixes)
        found: dict[str, str] = {}
        for line in (done.stdout if done else b"").decode("utf-8", "surrogateescape").splitlines():
            name, kind, target, peeled_kind, peeled = line.split("\0")
            if "commit" in (kind, peeled_kind):
                found[name] = peeled if peeled_kind == "commit" else target
        return found

    def tag_times(self) -> dict[str, float]:
        """When each Git tag was made, since 1970; of one without a time of its own, when its commit was."""
        done = ask_git(self._folder, "for-each-ref", "--format=%(refname:strip=2)%00%(creatordate:unix)", "refs/tags")
        lines = (done.stdout if done else b"").decode("utf-8", "surrogateescape").splitlines()
        rows = (line.split("\0") for line in lines)
        return {name: float(time or 0) for name, time in rows}

    def log(self, include: Iterable[str], exclude: Iterable[str] = ()) -> list[Commit]:
        """The commits that can be reached from `include` and not from `exclude` (options such as `--branches`, or
        hashes), parents before children. Raises InputError where Git cannot tell."""
        wanted = [*include]
        if not wanted:
            return []
        revisions = [*wanted, *(["--not", *exclude] if (exclude := [*exclude]) else [])]
        form = "--format=" + _SEPARATOR.join(("%H", "%P", "%T", "%ct", "%s"))
        done = ask_git(self._folder, "log", "--topo-order", "--reverse", "-z", "--no-show-signature", form, *revisions)
        if done is None or done.returncode:
            reason = (done.stderr if done else b"").decode("utf-8", "replace").strip().partition("\n")[0]
            raise InputError(f"Git cannot list the history: {reason}", hint="`git log --all` there must work first")
        fields = done.stdout.decode("utf-8", "replace").split("\0")
        rows = (fields[at : at + 5] for at in range(0, len(fields) - 4, 5))
        return [
            Commit(name, tuple(parents.split()), tree, float(time), text) for name, parents, tree, time, text in rows
        ]

    def read(self, name: str) -> bytes:
        """The content of an object. Raises InputError where it is not there (a shallow or partial clone)."""
        pipe_in, pipe_out = self._pipes()
        pipe_in.write(name.encode() + b"\n")
        pipe_in.flush()
        head = pipe_out.readline().split()
        if len(head) != 3:
            if not head:  # it gives up where an object of a partial clone is missing
                self._end()
            raise InputError(
                f"Git does not hold the object {name[:12]}",
                hint="this clone holds a part of the history only; import from a whole one",
            )
        data = pipe_out.read(int(head[2]))
        pipe_out.read(1)
        return data

    def tree(self, name: str) -> dict[str, GitFile]:
        """The entries of one folder by name (as the file system has it), folders included (mode 40000)."""
        known = self._trees.get(name)
        if known is None:
            known = self._trees[name] = dict(_entries(self.read(name), len(name) // 2))
        return known

    def folder(self, tree: str, path: str) -> str:
        """The tree of the folder at `path` (a name of the file system) below a tree; empty where there is none."""
        for part in path.split("/") if path else ():
            entry = self.tree(tree).get(part)
            if entry is None or entry.mode != "40000":
                return ""
            tree = entry.object
        return tree

    def files(self, tree: str) -> dict[str, GitFile]:
        """Every file, link and submodule below a tree by path text."""
        found: dict[str, GitFile] = {}
        ahead = [("", tree)]
        while ahead:
            prefix, name = ahead.pop()
            for entry, file in self.tree(name).items():
                if file.mode == "40000":
                    ahead.append((f"{prefix}{entry}/", file.object))
                else:
                    found[encode_path(prefix + entry)] = file
        return found

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            words, variables = safe_command("cat-file", "--batch")
            self._process = subprocess.Popen(
                words,
                cwd=self._folder,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None  # noqa: S101 - both were asked for
        assert pipe_out is not None  # noqa: S101
        return pipe_in, pipe_out


def _entries(data: bytes, length: int) -> Iterator[tuple[str, GitFile]]:
    at = 0
    while at < len(data):
        space, end = data.index(b" ", at), data.index(b"\0", at)
        name = os.fsdecode(data[space + 1 : end])
        yield name, GitFile(data[at:space].decode(), data[end + 1 : end + 1 + length].hex())
        at = end + 1 + length
