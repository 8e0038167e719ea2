"""Making a folder a project."""

from __future__ import annotations

import os
from pathlib import Path

from cloche.errors import Conflict, InputError
from cloche.model.settings import FILE_NAME
from cloche.model.settings_text import template
from cloche.project.journal import perform, text_change
from cloche.project.project import Project, root_of


def create(root: Path, *, named: str = "", nested: bool = False) -> tuple[Project, bool]:
    """The project in `root` (a real path), made where it is none yet, and whether it was made. named: as it was typed.

    Raises Conflict inside another project unless `nested`.
    """
    if os.path.lexists(root) and not os.path.isdir(root):
        raise InputError(f"{named or root} is not a folder", hint="name a folder, which is made where there is none")
    outer = root_of(root)
    if outer is not None and outer != root and not nested:
        raise Conflict(
            f"{root} already lies in the project {outer}",
            hint="work there, or type `cloche init --nested` for a project of its own",
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create {named or root}: {error.strerror}", hint="name another folder") from error
    project = Project(root)
    project.prepare()
    project.settle()  # one that was cut off half-way is taken back first
    existed = (root / FILE_NAME).exists()
    if not existed:
        with project.writing():
            perform(project, "init", f"made {root.name} a project", [text_change(project, FILE_NAME, template())])
    _ = project.settings
    return project, not existed
