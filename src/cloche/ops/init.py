"""`cloche init`: make a folder a project."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cloche.model.settings import FILE_NAME
from cloche.project.creating import create
from cloche.project.project import real


class Initialised(msgspec.Struct, frozen=True):
    """What `init` did. created: files it wrote, relative to root. existed: whether this was a project already."""

    root: str
    created: tuple[str, ...]
    existed: bool


def init(folder: Path, *, nested: bool = False) -> Initialised:
    """Make `folder`, which is created where it is missing, a project: write `cloche.toml` and create `.cloche/`.

    Again in the same folder it changes nothing. Raises Conflict inside another project unless `nested`.
    """
    project, made = create(real(folder), named=str(folder), nested=nested)
    return Initialised(str(project.root), (FILE_NAME,) if made else (), not made)
