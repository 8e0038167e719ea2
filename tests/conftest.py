"""What every suite shares: projects to type commands in. `tests/shell.py` has the type of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from shell import TRAIN, Shell, variables


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


settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):  # what is found here must be found on the developer's machine as well
    settings.load_profile("ci")
