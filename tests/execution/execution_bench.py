"""Starts commands as a user would: through Cloche, and directly to compare."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec
import pytest

from cloche.execution import Execution

DRIVER = str(Path(__file__).with_name("driver.py"))


class Bench:
    """Starts commands through Cloche, and directly, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.result = folder / "result.json"
        self.log = folder / "log"

    def words(self, command: Sequence[str] | str, log: str = "") -> list[str]:
        given = ["-c", command] if isinstance(command, str) else list(command)
        return [sys.executable, "-I", DRIVER, str(self.result), log or str(self.log), *given]

    def direct(self, command: Sequence[str] | str) -> list[str]:
        return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)

    def run(self, command: Sequence[str] | str, **how: object) -> subprocess.CompletedProcess[bytes]:
        self.result.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        return _run(self.words(command), self.folder, how)

    def run_directly(self, command: Sequence[str] | str, **how: object) -> subprocess.CompletedProcess[bytes]:
        return _run(self.direct(command), self.folder, how)

    def start(
        self, command: Sequence[str] | str, stdout: int | IO[bytes] = subprocess.PIPE, log: str = ""
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.words(command, log),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            start_new_session=True,
        )

    @property
    def execution(self) -> Execution:
        return msgspec.json.decode(self.result.read_bytes(), type=Execution)


def _run(words: list[str], folder: Path, how: dict[str, object]) -> subprocess.CompletedProcess[bytes]:
    settings: dict[str, object] = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 30}
    if "stdout" in how or "stderr" in how:
        del settings["capture_output"]
    return subprocess.run(words, cwd=folder, check=False, **{**settings, **how})  # type: ignore[call-overload,no-any-return]


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals, pseudo-terminals and /bin/sh")
