"""Repositories of DVC's own making, made once for all processes of a test run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc_repositories import alone, make_old_repository, make_repository, with_dvc

from shell import Shell, variables


def made(factory: pytest.TempPathFactory, name: str, dvc: str, make: Callable[[Shell], None]) -> Path:
    base = factory.getbasetemp()
    common = base.parent if base.name.startswith("popen-") else base
    place = common / name
    with alone(common / f"{name}.lock"):
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)
            for folder in ("work", "home"):
                (place / folder).mkdir(parents=True)
            make(with_dvc(Shell(place / "work", variables(place / "home")), dvc))
            (place / "done").touch()
    return place


def copied(place: Path, folder: Shell) -> Shell:
    for part in ("work", "remote"):
        if (place / part).is_dir():
            shutil.copytree(place / part, folder.folder.parent / part, symlinks=True, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def a_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory, "dvc3-repository", "dvc3", make_repository)


@pytest.fixture(scope="session")
def an_old_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory, "dvc2-repository", "dvc2", make_old_repository)


@pytest.fixture
def repository(folder: Shell, a_repository: Path) -> Shell:
    """A repository of DVC 3, which is no project yet. DVC itself is not on the PATH."""
    return copied(a_repository, folder)


@pytest.fixture
def old_repository(folder: Shell, an_old_repository: Path) -> Shell:
    """A repository of DVC 2."""
    return copied(an_old_repository, folder)


@pytest.fixture
def bare(folder: Shell) -> Shell:
    """A DVC repository that nothing is in yet, for files that are written by hand."""
    folder("git", "init", "--quiet", "--initial-branch=main")
    folder.write(".dvc/config", "")
    folder.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    return folder
