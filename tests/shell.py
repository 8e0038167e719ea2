"""A folder to type commands in: an empty home, a Git that knows nobody's settings, and the real command."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forked

BIN = forked.BIN


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
        done = self._done(words, {**self.variables, **variables})
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        if status is not None:
            assert done.returncode == status, f"{words}\n{out}\n{err}"
        assert os.path.join("cloche", "cli", "") not in err, err  # a traceback of Cloche's own
        return Done(done.returncode, out, err)

    def _done(self, words: Sequence[str | bytes], variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        """How a program ended, with what it printed."""
        if words[0] == "cloche" and forked.serves(variables):
            return forked.run(words[1:], self.folder, variables, timeout=120)
        return subprocess.run(
            [forked.COMMAND if words[0] == "cloche" else words[0], *words[1:]],
            cwd=self.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def cloche(self, *words: str | bytes, status: int | None = 0, **variables: str) -> Done:
        """Run a `cloche` command."""
        return self("cloche", *words, status=status, **variables)

    def facts(self, *words: str) -> Any:
        """What a `cloche` command prints with --json."""
        return self.cloche(*words, "--json").json

    def run(
        self, *options: str, command: Sequence[str | bytes] = ("python", "train.py"), status: int | None = 0
    ) -> Any:
        """Run a command under Cloche, by default the training script; its record. `command=()` is the pipeline."""
        done = self.cloche("run", "--json", *options, *(["--", *command] if command else []), status=status)
        return json.loads(done.out.splitlines()[-1])

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file below the folder."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def read(self, path: str) -> str:
        """Read a file below the folder."""
        return (self.folder / path).read_text("utf-8")

    def data(self, path: str) -> bytes:
        """The bytes of a file below the folder."""
        return (self.folder / path).read_bytes()

    def files(self) -> dict[str, bytes]:
        """Every file of the folder with its bytes, links as their targets, without Git's and Cloche's own."""
        return {
            name: os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if (path.is_symlink() or path.is_file())
            and not {".git", ".cloche"} & set((name := path.relative_to(self.folder).as_posix()).split("/"))
        }

    def copied_to(self, other: Shell) -> Shell:
        """The other folder, with everything that is in this one."""
        shutil.copytree(self.folder, other.folder, symlinks=True, dirs_exist_ok=True)
        return other

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


TRAIN = """\
import csv, json, tomllib

params = tomllib.load(open("params.toml", "rb"))
rows = list(csv.DictReader(open("data/points.csv")))
total = sum(float(row["x"]) for row in rows) * params["train"]["factor"]
json.dump({"total": total, "rows": len(rows)}, open("metrics.json", "w"))
open("model.bin", "wb").write(repr(total).encode())
print("total", total)
"""


@contextlib.contextmanager
def growing(file: Path) -> Iterator[None]:
    """Meanwhile something is appended to a file without a pause."""
    stop = threading.Event()

    def grow() -> None:
        with file.open("ab", buffering=0) as out:
            while not stop.is_set():
                out.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
