"""Peers that keep snapshots of their own, what a user would do by hand, and how peers are installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from timing import Call
from tools import Cloche, Dvc, Git, GitLfs, Lacks, Tool, says

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "build" / "peers"
PACKAGES = ("dvc", "dvc-s3", "oxenai", "moto[server]")


def install() -> Path:
    """A virtual environment in build/ with the peers of PyPI; its folder of commands. What fails is left out."""
    commands = PEERS / "bin"
    uv = Path(sys.executable).with_name("uv")
    if not commands.exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, PEERS], check=True)
    done = PEERS / "installed"
    if not done.exists() or done.read_text() != str(PACKAGES):
        for package in PACKAGES:
            call: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", commands / "python", package]
            if subprocess.run(call, check=False).returncode:
                print(f"bench: {package} cannot be installed", file=sys.stderr)
        done.write_text(str(PACKAGES))
    return commands


class Oxen(Tool):
    """Oxen by its Python package: the command line and the server that push needs are not on PyPI."""

    name = "oxen"
    used = "its Python package, one process an operation"

    def oxen(self, code: str) -> Call:
        return self.call(self.bin_folder / "python", "-c", f"from oxen import Repo, user; repo = Repo('.'); {code}")

    def version(self) -> str:
        python = self.bin_folder / "python"
        return says([str(python), "-c", "from importlib.metadata import version; print(version('oxenai'))"])

    def create(self) -> None:
        super().create()
        self.do(*self.oxen("user.config_user('bench', 'bench@example.org'); repo.init()").words)

    def add(self, name: str) -> Sequence[Call]:
        return [self.oxen(f"repo.add({name!r})")]

    def keep(self, number: int) -> None:
        # Oxen checks branches out: one for each version, beside the one that the work goes on in.
        branch = f"repo.checkout('v{number}', create=True); repo.checkout('main')"
        self.do(*self.oxen(f"repo.commit('version {number}'); {branch}").words)

    def status(self) -> Sequence[Call]:
        return [self.oxen("print(repo.status())")]

    def switch(self, number: int) -> Sequence[Call]:
        return [self.oxen(f"repo.checkout('v{number}')")]

    def restore(self, name: str) -> Sequence[Call]:
        return [self.oxen(f"repo.restore({name!r})")]

    def remote(self, place: Path | str) -> None:
        raise Lacks("needs its own server")

    def stored(self) -> list[Path]:
        return [self.root / ".oxen"]


class Restic(Tool):
    """restic; push is `restic copy` to a second repository."""

    name = "restic"
    used = "default compression; push is `copy` to a second repository"
    far = ""

    def version(self) -> str:
        return says(["restic", "version"])

    def restic(self, *words: str | Path) -> Call:
        return self.call("restic", "--quiet", "--repo", *words)

    @property
    def store(self) -> Path:
        """The repository."""
        return self.folder / "store"

    def create(self) -> None:
        super().create()
        self.do(*self.restic(self.store, "init").words)

    def add(self, name: str) -> Sequence[Call]:
        return [self.restic(self.store, "backup", name)]

    def restore(self, name: str) -> Sequence[Call]:
        return [self.restic(self.store, "restore", "latest", "--target", self.root)]

    def remote(self, place: Path | str) -> None:
        s3 = isinstance(place, str)
        self.far = f"s3:{self.base['AWS_ENDPOINT_URL']}/{str(place).removeprefix('s3://')}" if s3 else str(place)
        self.do(*self.restic(self.far, "init", "--from-repo", self.store, "--copy-chunker-params").words)

    def push(self) -> Sequence[Call]:
        return [self.restic(self.far, "copy", "--from-repo", self.store)]

    def pull(self, name: str) -> Sequence[Call]:
        return [self.restic(self.far, "restore", "latest", "--target", self.clone)]

    def stored(self) -> list[Path]:
        return [self.store]


class Borg(Tool):
    """BorgBackup without encryption, which the others do not have either."""

    name = "borg"
    used = "default compression (lz4), no encryption"
    number = 0

    @property
    def store(self) -> Path:
        """The repository."""
        return self.folder / "store"

    def create(self) -> None:
        super().create()
        self.number = 0
        self.do("borg", "init", "--encryption", "none", self.store)

    def add(self, name: str) -> Sequence[Call]:
        self.number += 1
        return [self.call("borg", "create", f"{self.store}::{self.number}", name)]

    def restore(self, name: str) -> Sequence[Call]:
        return [self.call("borg", "extract", f"{self.store}::{self.number}")]

    def stored(self) -> list[Path]:
        return [self.store]


class ByHand(Tool):
    """What the work itself costs: copying a folder back, reading and hashing a file once."""

    name = "by hand"
    used = "`cp -r`; one thread of BLAKE3 over `read` of 1 MiB each"
    code: ClassVar[str] = (
        "import os, sys; from blake3 import blake3\n"
        "total, file = blake3(), os.open(sys.argv[1], os.O_RDONLY)\n"
        "while block := os.read(file, 1 << 20): total.update(block)\n"
        "print(total.hexdigest())"
    )

    def version(self) -> str:
        return "cp"

    def add(self, name: str) -> Sequence[Call]:
        if (self.root / name).is_dir():
            raise Lacks("no meaning")
        return [self.call(sys.executable, "-c", self.code, name)]

    def restore(self, name: str) -> Sequence[Call]:
        return [self.call("cp", "-r", self.folder / "kept" / name, self.root / name)]


ALL: Sequence[type[Tool]] = (Cloche, Dvc, Git, GitLfs, Oxen, Restic, Borg, ByHand)
