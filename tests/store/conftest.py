from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloche.store.objects import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A work tree whose files are old enough for the stat cache."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for files that are not part of a project."""
    folder = tmp_path / "files"
    os.makedirs(folder)
    return folder
