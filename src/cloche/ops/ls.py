"""`cloche ls`: the files of a run."""

from __future__ import annotations

from cloche.errors import NotFound
from cloche.model.held import Held
from cloche.model.paths import as_printed, inside
from cloche.model.suggestions import closest
from cloche.project.contents import contents
from cloche.project.exchange import at_hand
from cloche.project.project import Project
from cloche.project.revisions import find_run


def ls(project: Project, revision: str = "@", path: str = "", *, lost: list[str] | None = None) -> list[Held]:
    """The files of a run, or those of it at or below `path`. Raises NotFound where it has none there. lost: gets the
    folders at, below or above it whose list the store cannot read; without it, raises Damaged, NotFound."""
    run = find_run(project, revision)
    at_hand(project, run, trees_only=True)
    gone: list[str] | None = None if lost is None else []
    found = list(contents(project, run, path, gone)) or list(contents(project, run, as_printed(path) or path, gone))
    if lost is not None:
        gone = [one for one in dict.fromkeys(gone or ()) if inside(one, path) or inside(path, one)]
        lost += gone
    if path and not found and not gone:
        near = closest(path, (one.path for one in contents(project, run)))
        hint = f"did you mean `{near}`?" if near else f"type `cloche ls {revision}` to see its files"
        raise NotFound(f"run {run.short} has no {path}", hint=hint)
    return found
