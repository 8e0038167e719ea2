"""`cloche ls`: the files of a run."""

from __future__ import annotations

from cloche.errors import NotFound
from cloche.model.held import Held
from cloche.model.paths import as_printed
from cloche.model.suggestions import closest
from cloche.project.contents import contents
from cloche.project.exchange import at_hand
from cloche.project.project import Project
from cloche.project.revisions import find_run


def ls(project: Project, revision: str = "@", path: str = "") -> list[Held]:
    """The files of a run, or those of it at or below `path`. Raises NotFound where it has none there."""
    run = find_run(project, revision)
    at_hand(project, run, trees_only=True)
    found = list(contents(project, run, path)) or list(contents(project, run, as_printed(path) or path))
    if path and not found:
        near = closest(path, (one.path for one in contents(project, run)))
        hint = f"did you mean `{near}`?" if near else f"type `cloche ls {revision}` to see its files"
        raise NotFound(f"run {run.short} has no {path}", hint=hint)
    return found
