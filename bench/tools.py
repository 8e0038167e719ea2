"""What is typed for each operation in each tool: one class a tool.

A verb returns the command lines that are timed; what it must prepare first (untimed) goes through `self.do`.
A tool that has no such verb raises Lacks with the reason, which is printed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from timing import Call, Taken, take

CLOCHE = Path(sys.executable).with_name("cloche")
BUCKET = "bench"


class Lacks(Exception):
    """The tool has no such verb; the text says what is missing."""


class Tool:
    """One tool in a folder of its own: `project` with the data in it, `store` where the tool keeps it elsewhere."""

    name: ClassVar[str] = ""
    used: ClassVar[str] = ""  # how it was set up, for the report

    def __init__(self, folder: Path, base: Mapping[str, str], bin_folder: Path, limit: float) -> None:
        self.folder, self.base, self.bin_folder, self.limit = folder, base, bin_folder, limit
        self.root = folder / "project"
        self.clone = folder / "clone"

    def version(self) -> str:
        """What the tool says of itself; empty where it is not installed."""
        return says([self.name, "--version"])

    def do(self, *words: str | Path, folder: Path | None = None) -> Taken:
        """Run one command, untimed."""
        return take([self.call(*words, folder=folder)], self.base, self.limit)

    def call(self, *words: str | Path, folder: Path | None = None) -> Call:
        return Call(words, folder or self.root)

    def create(self) -> None:
        """A new empty project."""
        self.root.mkdir(parents=True)

    def add(self, name: str) -> Sequence[Call]:
        """Take a file or folder into the store: what is new or changed."""
        raise Lacks("no such verb")

    def keep(self, number: int) -> None:
        """Make what was added version `number`."""

    def status(self) -> Sequence[Call]:
        """What changed?"""
        raise Lacks("no such verb")

    def switch(self, number: int) -> Sequence[Call]:
        """Bring the work tree to version `number`."""
        raise Lacks("no such verb")

    def restore(self, name: str) -> Sequence[Call]:
        """Bring back a file or folder that was deleted."""
        raise Lacks("no such verb")

    def remote(self, place: Path | str) -> None:
        """Set up a folder, or an S3 address `s3://...` at `self.endpoint`, as where push goes; untimed."""
        raise Lacks("no such verb")

    def push(self) -> Sequence[Call]:
        """Copy all to the remote."""
        raise Lacks("no such verb")

    def pull(self, name: str) -> Sequence[Call]:
        """From the remote into `self.clone`, where nothing is yet."""
        raise Lacks("no such verb")

    def stored(self) -> list[Path]:
        """The folders that hold the stored bytes."""
        return []


class Git(Tool):
    """Plain Git, as it comes."""

    name = "git"
    used = "default settings"
    quiet: ClassVar[Sequence[str]] = ("git", "-c", "gc.auto=0")  # no repacking in the background of a timing

    def create(self) -> None:
        super().create()
        self.do("git", "init", "--quiet", "--initial-branch=main")

    def add(self, name: str) -> Sequence[Call]:
        return [self.call("git", "add", name)]

    def keep(self, number: int) -> None:
        self.do("git", "add", "--all")
        self.do(*self.quiet, "commit", "--quiet", "--message", f"version {number}")
        self.do("git", "tag", "--force", f"v{number}")

    def status(self) -> Sequence[Call]:
        return [self.call("git", "status")]

    def switch(self, number: int) -> Sequence[Call]:
        return [self.call("git", "checkout", "--quiet", f"v{number}")]

    def restore(self, name: str) -> Sequence[Call]:
        return [self.call("git", "checkout", "--quiet", "--", name)]

    def remote(self, place: Path | str) -> None:
        if isinstance(place, str):
            raise Lacks("no S3")
        self.do("git", "init", "--quiet", "--bare", "--initial-branch=main", place)
        self.do("git", "remote", "remove", "origin") if self.do("git", "remote").printed else None
        self.do("git", "remote", "add", "origin", f"file://{place}")

    def push(self) -> Sequence[Call]:
        return [self.call(*self.quiet, "push", "--quiet", "origin", "HEAD:refs/heads/main")]

    def pull(self, name: str) -> Sequence[Call]:
        url = self.do("git", "remote", "get-url", "origin").printed.strip()
        return [self.call("git", "clone", "--quiet", url, self.clone)]

    def stored(self) -> list[Path]:
        return [self.root / ".git" / "objects"]


class GitLfs(Git):
    """Git with every data file in LFS; a folder as remote needs no server."""

    name = "git-lfs"
    used = "git lfs track for all data"

    def version(self) -> str:
        return says(["git", "lfs", "version"])

    def create(self) -> None:
        super().create()
        self.do("git", "lfs", "install", "--local")
        for name in ("many/**", "*.big", "*.csv", "*.model"):
            self.do("git", "lfs", "track", name)
        self.do("git", "add", ".gitattributes")

    def pull(self, name: str) -> Sequence[Call]:
        self.do("git", "lfs", "install", "--skip-repo")  # as a user who has it; the home folder is the benchmark's
        return super().pull(name)

    def stored(self) -> list[Path]:
        return [self.root / ".git" / "objects", self.root / ".git" / "lfs" / "objects"]


class BesideGit(Git):
    """A tool that keeps data itself and leaves a small file in Git that names it."""

    def url(self, place: Path | str) -> str:
        """Where it pushes to."""
        return str(place)

    def clone_git(self) -> Call:
        return self.call("git", "clone", "--quiet", self.root, self.clone)


class Cloche(BesideGit):
    """This program."""

    name = "cloche"
    used = "default settings"

    def version(self) -> str:
        return says([str(CLOCHE), "--version"])

    def create(self) -> None:
        super().create()
        self.do(CLOCHE, "init")

    def add(self, name: str) -> Sequence[Call]:
        return [self.call(CLOCHE, "add", name)]

    def status(self) -> Sequence[Call]:
        return [self.call(CLOCHE, "status")]

    def switch(self, number: int) -> Sequence[Call]:
        return [*super().switch(number), self.call(CLOCHE, "revert", "--lock")]

    def restore(self, name: str) -> Sequence[Call]:
        return [self.call(CLOCHE, "revert", "--lock")]

    def remote(self, place: Path | str) -> None:
        if subprocess.run([CLOCHE, "push", "--help"], capture_output=True, check=False).returncode:
            raise Lacks("not yet")
        if "origin" in self.do(CLOCHE, "remote", "list").printed:
            self.do(CLOCHE, "remote", "remove", "origin")
        self.do(CLOCHE, "remote", "add", "origin", self.url(place))
        self.do(*self.quiet, "commit", "--quiet", "--all", "--allow-empty", "--message", "remote")

    def push(self) -> Sequence[Call]:
        return [self.call(CLOCHE, "push")]

    def pull(self, name: str) -> Sequence[Call]:
        return [self.clone_git(), self.call(CLOCHE, "pull", folder=self.clone)]

    def stored(self) -> list[Path]:
        return [self.root / ".cloche" / "store"]


class Dvc(BesideGit):
    """DVC with its default cache type (reflink, else copy): files that can be edited, as the other tools give."""

    name = "dvc"
    used = "default cache type (reflink, else copy), no analytics, no update check"

    def dvc(self, *words: str | Path, folder: Path | None = None) -> Call:
        return self.call(self.bin_folder / "dvc", *words, folder=folder)

    def version(self) -> str:
        return says([str(self.bin_folder / "dvc"), "--version"])

    def create(self) -> None:
        super().create()
        for words in (["init"], ["config", "core.analytics", "false"], ["config", "core.check_update", "false"]):
            self.do(*self.dvc(*words, "--quiet").words)

    def add(self, name: str) -> Sequence[Call]:
        return [self.dvc("add", "--quiet", name)]

    def status(self) -> Sequence[Call]:
        return [self.dvc("status")]

    def switch(self, number: int) -> Sequence[Call]:
        return [*super().switch(number), self.dvc("checkout", "--quiet")]

    def restore(self, name: str) -> Sequence[Call]:
        return [self.dvc("checkout", "--quiet")]

    def remote(self, place: Path | str) -> None:
        self.do(*self.dvc("remote", "add", "--force", "--default", "origin", self.url(place), "--quiet").words)
        if isinstance(place, str):
            endpoint = self.base["AWS_ENDPOINT_URL"]
            self.do(*self.dvc("remote", "modify", "origin", "endpointurl", endpoint, "--quiet").words)
        self.do(*self.quiet, "commit", "--quiet", "--all", "--allow-empty", "--message", "remote")

    def push(self) -> Sequence[Call]:
        return [self.dvc("push", "--quiet")]

    def pull(self, name: str) -> Sequence[Call]:
        return [self.clone_git(), self.dvc("pull", "--quiet", folder=self.clone)]

    def stored(self) -> list[Path]:
        return [self.root / ".dvc" / "cache"]


def says(words: Sequence[str]) -> str:
    """What a command prints, empty where it is not there or fails."""
    if not shutil.which(words[0]):
        return ""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout.strip()
