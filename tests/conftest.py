"""What every suite shares: an empty home, a Git that knows nobody's settings, and the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, decoded."""
        return json.loads(self.out)


@dataclass
class Shell:
    """A folder to type commands in."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str | bytes, status: int | None = 0, **variables: str) -> Done:
        """Run a program and check how it ends; `cloche` is the one under test."""
        program = str(BIN / "cloche") if words[0] == "cloche" else words[0]
        done = subprocess.run(
            [program, *words[1:]],
            cwd=self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        if status is not None:
            assert done.returncode == status, f"{words}\n{out}\n{err}"
        assert "Traceback (most recent call last)" not in err or words[0] != "cloche", err
        return Done(done.returncode, out, err)

    def cloche(self, *words: str | bytes, status: int | None = 0, **variables: str) -> Done:
        """Run a `cloche` command."""
        return self("cloche", *words, status=status, **variables)

    def facts(self, *words: str) -> Any:
        """What a `cloche` command prints with --json."""
        return self.cloche(*words, "--json").json

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file below the folder."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def read(self, path: str) -> str:
        """Read a file below the folder."""
        return (self.folder / path).read_text("utf-8")

    def commit(self, message: str = "a step") -> str:
        """Commit everything to Git; the commit's hash."""
        self("git", "add", "-A")
        self("git", "commit", "--quiet", "--allow-empty", "-m", message)
        return self("git", "rev-parse", "HEAD").out.strip()


def variables(home: Path) -> dict[str, str]:
    """What a command sees: a PATH that starts with this interpreter, and nothing of the developer's."""
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "SYSTEMROOT", "TEMP") if name in os.environ}
    git = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }
    return kept | git | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}


@pytest.fixture
def folder(tmp_path: Path) -> Shell:
    """An empty folder that is no project."""
    place = tmp_path / "work"
    place.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    return Shell(place, variables(home))


@pytest.fixture
def plain(folder: Shell) -> Shell:
    """A project without Git."""
    folder.cloche("init")
    return folder


@pytest.fixture
def project(folder: Shell) -> Shell:
    """A project in a Git repository without commits."""
    folder("git", "init", "--quiet", "--initial-branch=main")
    folder.cloche("init")
    return folder


@pytest.fixture
def python() -> Callable[[str], list[str]]:
    """The words that run a piece of Python in the interpreter under test."""
    return lambda code: [sys.executable, "-c", code]


TRAIN = """\
import csv, json, tomllib

params = tomllib.load(open("params.toml", "rb"))
rows = list(csv.DictReader(open("data/points.csv")))
total = sum(float(row["x"]) for row in rows) * params["train"]["factor"]
json.dump({"total": total, "rows": len(rows)}, open("metrics.json", "w"))
open("model.bin", "wb").write(repr(total).encode())
print("total", total)
"""


@pytest.fixture
def model(project: Shell) -> Shell:
    """A project that trains: code, data, config, and one commit."""
    project.write("train.py", TRAIN)
    project.write("params.toml", "seed = 7\n\n[train]\nfactor = 2  # doubled\nname = 'linear'\n")
    project.write("data/points.csv", "id,x\n1,1.5\n2,2.5\n3,4\n")
    project.write(".gitignore", "*.bin\n")
    project.cloche("add", "data")
    project.commit("a first model")
    return project


def run(shell: Shell, *options: str, script: str = "train.py", **more: str) -> Mapping[str, Any]:
    """Run the training script and return its record."""
    done = shell.cloche("run", "--json", *options, "--", "python", script, **more)
    record: Mapping[str, Any] = json.loads(done.out[done.out.index("{\n") :])
    return record
