"""What every suite shares: projects to type commands in. `tests/shell.py` has the type of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from shell import TRAIN, Shell, variables

# Whoever starts the tests in the background, as `nohup` does, has Ctrl-C ignored, and all that they start inherits it.
for number in [getattr(signal, name) for name in ("SIGINT", "SIGQUIT", "SIGHUP") if hasattr(signal, name)]:
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def folder(tmp_path: Path) -> Shell:
    """An empty folder that is no project."""
    place = tmp_path / "work"
    place.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    return Shell(place, variables(home))


@pytest.fixture
def plain(folder: Shell, a_plain_project: Shell) -> Shell:
    """A project without Git."""
    return a_plain_project.copied_to(folder)


@pytest.fixture
def project(folder: Shell, a_project: Shell) -> Shell:
    """A project in a Git repository without commits."""
    return a_project.copied_to(folder)


@pytest.fixture
def model(folder: Shell, a_model: Shell) -> Shell:
    """A project that trains: code, data, config, and one commit."""
    return a_model.copied_to(folder)


@pytest.fixture
def python() -> Callable[[str], list[str]]:
    """The words that run a piece of Python in the interpreter under test."""
    return lambda code: [sys.executable, "-c", code]


# Made once, since making them takes longer than most tests. A status leaves a warm cache of the environment.


@pytest.fixture(scope="session")
def an_empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Shell]:
    """Makes folders that last as long as the tests."""

    def make() -> Shell:
        place = tmp_path_factory.mktemp("lasting")
        (place / "work").mkdir()
        (place / "home").mkdir()
        return Shell(place / "work", variables(place / "home"))

    return make


@pytest.fixture(scope="session")
def a_plain_project(an_empty_folder: Callable[[], Shell]) -> Shell:
    """What `plain` is a copy of."""
    made = an_empty_folder()
    made.cloche("init")
    made.cloche("status")
    return made


@pytest.fixture(scope="session")
def a_project(an_empty_folder: Callable[[], Shell]) -> Shell:
    """What `project` is a copy of."""
    made = an_empty_folder()
    made("git", "init", "--quiet", "--initial-branch=main")
    made.cloche("init")
    made.cloche("status")
    return made


@pytest.fixture(scope="session")
def a_model(an_empty_folder: Callable[[], Shell], a_project: Shell) -> Shell:
    """What `model` is a copy of."""
    made = a_project.copied_to(an_empty_folder())
    made.write("train.py", TRAIN)
    made.write("params.toml", "seed = 7\n\n[train]\nfactor = 2  # doubled\nname = 'linear'\n")
    made.write("data/points.csv", "id,x\n1,1.5\n2,2.5\n3,4\n")
    made.write(".gitignore", "*.bin\n")
    made.cloche("add", "data")
    made.commit("a first model")
    return made


settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):  # what is found here must be found on the developer's machine as well
    settings.load_profile("ci")
