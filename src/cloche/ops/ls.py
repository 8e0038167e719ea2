"""`cloche ls`: the files of a run, or of a Git revision."""

from __future__ import annotations

from cloche.errors import NotFound
from cloche.model.held import Held
from cloche.model.paths import as_printed, inside
from cloche.model.suggestions import closest
from cloche.project.contents import contents
from cloche.project.project import Project
from cloche.project.versions import find_version

_PARTS = ("code", "config", "data", "outputs", "read")


def ls(project: Project, revision: str = "@", path: str = "", *, lost: list[str] | None = None) -> list[Held]:
    """The files of a run, or those of it at or below `path`; of a Git revision that no run was made at, what Git and
    its `cloche.lock` hold (without digests of what Git holds). Raises NotFound where it has none there. lost: gets the
    folders of a run at, below or above it whose list the store cannot read; without it, raises Damaged, NotFound."""
    version = find_version(project, revision)
    if version.is_commit:
        top = version.pick(path, f"type `cloche ls {revision}` to see its files").path if path else ""
        files = sorted(version.files(top), key=lambda one: (_PARTS.index(one.part), one.path))
        return [Held(one.path, one.part, one.entry.kind, max(one.entry.size, 0), one.entry.digest) for one in files]
    run = project.catalog.run(version.name)
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
