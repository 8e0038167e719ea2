"""`cloche init`: make a folder a project."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cloche.errors import Conflict, InputError
from cloche.model.settings import FILE_NAME
from cloche.model.settings_text import template
from cloche.project.journal import perform, text_change
from cloche.project.project import Project, real, root_of


class Initialised(msgspec.Struct, frozen=True):
    """What `init` did. created: files it wrote, relative to root. existed: whether this was a project already."""

    root: str
    created: tuple[str, ...]
    existed: bool


def init(folder: Path, *, nested: bool = False) -> Initialised:
    """Make `folder`, which is created where it is missing, a project: write `cloche.toml` and create `.cloche/`.

    Again in the same folder it changes nothing. Raises Conflict inside another project unless `nested`.
    """
    root = real(folder)
    if os.path.lexists(root) and not os.path.isdir(root):
        raise InputError(f"{folder} is not a folder", hint="name a folder, which is made where there is none")
    outer = root_of(root)
    if outer is not None and outer != root and not nested:
        raise Conflict(
            f"{root} already lies in the project {outer}",
            hint="work there, or type `cloche init --nested` for a project of its own",
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create {folder}: {error.strerror}", hint="name another folder") from error
    project = Project(root)
    existed = (root / FILE_NAME).exists()
    project.prepare()
    if not existed:
        with project.writing():
            perform(project, "init", f"made {root.name} a project", [text_change(project, FILE_NAME, template())])
    _ = project.settings
    return Initialised(str(root), () if existed else (FILE_NAME,), existed)
