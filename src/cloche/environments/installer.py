"""uv and pip, which install and remove packages."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cloche.errors import PackageError

LAST_LINES = 8
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def find_uv() -> tuple[str, ...]:
    """How to call uv: the one on PATH, beside our own interpreter, or installed as a module. Empty where it is not."""
    beside = Path(sys.executable).parent
    found = shutil.which("uv") or shutil.which("uv", path=str(beside))
    if found:
        return (found,)
    return (sys.executable, "-I", "-m", "uv") if importlib.util.find_spec("uv") else ()


class Installer:
    """Installs into and removes from the environment of one interpreter, with uv where there is one, else its pip.

    Settings that the user has for either (where packages come from, credentials, certificates) apply. folder: where
    it runs, so that those of the project apply.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self._python = python
        self._folder = folder
        self._uv = find_uv()
        if not self._uv and call([python, "-I", "-m", "pip", "--version"], folder).returncode:
            raise PackageError(
                f"neither uv nor the pip of {python} is there to install packages",
                hint="install uv, or: pip install uv",
            )

    def remove(self, names: Sequence[str]) -> None:
        """Remove packages. Raises PackageError."""
        if self._uv:
            self._must([*self._uv, "pip", "uninstall", "--python", self._python, *names])
        else:
            self._must([*self._pip("uninstall"), "--yes", *names])

    def install(self, requirements: Sequence[str], again: Sequence[str] = ()) -> None:
        """Install exactly these, and nothing that they depend on. again: names of those among them that are there in
        the same version, from elsewhere. Raises PackageError with what the installer said last."""
        if not self._uv:
            self._must([*self._pip("install"), "--no-deps", *(["--force-reinstall"] if again else []), *requirements])
            return
        words = [*self._uv, "pip", "install", "--python", self._python, "--no-deps"]
        for name in again:
            words += ["--reinstall-package", name]
        done = self._call([*words, *requirements])
        # Without a network uv wants to look for news all the same, though its cache may have everything.
        if done.returncode and self._call([*words, "--offline", *requirements]).returncode:
            raise failed(done)

    def _pip(self, verb: str) -> list[str]:
        return [self._python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", verb]

    def _must(self, words: Sequence[str]) -> None:
        done = self._call(words)
        if done.returncode:
            raise failed(done)

    def _call(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return call(words, self._folder)


def call(words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool and take its output. Raises PackageError where it cannot be started."""
    # One environment changed by hand must not change others through links into uv's cache.
    variables = {"UV_LINK_MODE": "copy", **os.environ, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    for name in ("UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        variables.pop(name, None)
    try:
        return subprocess.run(
            words,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise PackageError(f"{words[0]} cannot be started: {error.strerror}") from error


def failed(done: subprocess.CompletedProcess[str]) -> PackageError:
    """The error that an installer ended with, in its own last words, without credentials."""
    lines = [line.rstrip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    words = "\n".join(lines[-LAST_LINES:]) or f"it ended with status {done.returncode}"
    return PackageError(
        f"the packages could not be installed:\n{_CREDENTIALS.sub('', words)}",
        hint="check the network and where packages come from, then try again",
    )
