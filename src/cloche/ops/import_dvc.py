"""`cloche import dvc`: carry over a DVC repository. DVC need not be installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from cloche.dvc.config import Remote
from cloche.dvc.words import Skipped
from cloche.errors import InputError
from cloche.project.creating import create
from cloche.project.dvc_repository import Repository, find_repository, project_of
from cloche.project.dvc_settings import ImportedStage
from cloche.project.importing import ImportedData, ImportedRun, carry_over, preview
from cloche.project.project import Project, real

Progress = Callable[[int, int], None]


class Imported(msgspec.Struct, frozen=True):
    """What was, or with dry_run would be, carried over.

    root: the project; created: whether it was made one. repository: the folder of `.dvc/`. tags: name to id of the run.
    remotes: those of DVC's config. files: what was written in the work tree. skipped: what could not be carried over,
    one by one, with the reason. operation: its number for `undo`, 0 where nothing changed. unlinked: links into DVC's
    cache that became files of their own.
    """

    root: str
    repository: str
    created: bool
    stages: tuple[ImportedStage, ...]
    data: tuple[ImportedData, ...]
    runs: tuple[ImportedRun, ...]
    tags: dict[str, str]
    remotes: tuple[Remote, ...]
    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    operation: int = 0
    dry_run: bool = False
    unlinked: tuple[str, ...] = ()


def import_dvc(
    folder: Path = Path(),
    *,
    history: bool = True,
    caches: Sequence[Path] = (),
    dry_run: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Imported:
    """Carry over the DVC repository that `folder` lies in, or the only one below it.

    Its stages go to `cloche.toml`, the data that it tracks to `cloche.lock`, and with `history` each commit that
    changed a `dvc.lock` or tracked data, and each experiment, becomes a run. What is there already stays, but links
    into DVC's cache become files. caches: further folders of DVC's objects. Where there is no project yet, the
    repository becomes one. DVC's own files stay as they are.

    Raises NotFound where there is no DVC repository, Ambiguous where there are several, and Conflict where the project
    is a part of the repository only.
    """
    for cache in caches:
        if not cache.is_dir():
            raise InputError(f"there is no folder {cache}", hint="name a folder that holds a cache of DVC")
    found = find_repository(folder)
    root = project_of(real(folder), found)
    more = [real(cache) for cache in caches]
    if dry_run:
        project = Project(root)
        carried = preview(project, Repository(project, found, more), history=history)
        created = not (root / "cloche.toml").exists()
    else:
        project, created = create(root)
        project.settle()
        carried = carry_over(project, Repository(project, found, more), history=history, progress=progress)
        project.close()
    facts = {field: getattr(carried, field) for field in carried.__struct_fields__}
    return Imported(root=str(root), repository=str(found), created=created, dry_run=dry_run, **facts)
