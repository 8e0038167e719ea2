"""A project with an environment of its own, in which Cloche is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shell import Shell


@pytest.fixture
def venv(plain: Shell) -> Shell:
    """A project whose `python` is that of an empty virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", plain.folder / ".venv"], check=True)
    scripts = plain.folder / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    return Shell(plain.folder, {**plain.variables, "PATH": f"{scripts}{os.pathsep}{plain.variables['PATH']}"})
