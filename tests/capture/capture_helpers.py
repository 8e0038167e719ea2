"""Helpers of the tests of `cloche.capture`: Git, files, and the interpreters of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


def put(file: Path, text: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def interpreters() -> list[Path]:
    """The other CPythons of this machine, as pyenv keeps them, and the one that runs the tests."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(versions.glob("*/bin/python")) if versions.is_dir() else []
    return [python for python in found if not python.parts[-3].startswith(("2", "3.6", "3.7"))] or [
        Path(sys.executable)
    ]


def old_interpreters() -> list[Path]:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [python for start in ("2", "3.6", "3.7") for python in sorted(versions.glob(f"{start}*/bin/python"))]


def version_of(python: Path) -> str:
    return python.parts[-3] if len(python.parts) > 3 else "here"
