"""Every file that a run holds: what it was given, what it read besides, and what it wrote."""

from __future__ import annotations

from collections.abc import Iterator

from cloche.model.held import Belonged, Held
from cloche.model.paths import inside
from cloche.model.run import Output, Run
from cloche.model.snapshot import ConfigFile, Tracked
from cloche.model.tree import Entry
from cloche.project.journal import files_of, listing
from cloche.project.project import Project
from cloche.project.sides import observed_by


def contents(project: Project, run: Run, path: str = "", lost: list[str] | None = None) -> Iterator[Held]:
    """The files of a run at or below a path, sorted by part and path. A file that belongs to two parts comes twice.

    Folders that lie elsewhere are not opened, so that one file is found at once among millions. lost: gets the folders
    whose list cannot be read; without it, raises Damaged, NotFound.
    """
    snapshot = run.snapshot
    below = {one: entry for one, entry in listing(project, snapshot.code.tree, lost).items() if inside(one, path)}
    yield from _held("code", below)
    roots: list[tuple[Belonged, Output | Tracked | ConfigFile]] = [("config", one) for one in snapshot.config.files]
    roots += [*(("data", one) for one in snapshot.data.paths), *(("outputs", one) for one in run.outputs)]
    for part, root in roots:
        if inside(root.path, path) or inside(path, root.path):
            yield from _held(part, _files(project, root, path, lost))
    yield from _held(
        "read", {one: entry for one, entry in observed_by(project, run, lost).items() if inside(one, path)}
    )


def _files(
    project: Project, root: Output | Tracked | ConfigFile, path: str, lost: list[str] | None
) -> dict[str, Entry]:
    return {one: file for one, file in files_of(project, root, lost).items() if inside(one, path)}


def _held(part: Belonged, files: dict[str, Entry]) -> Iterator[Held]:
    for path in sorted(files):
        one = files[path]
        yield Held(path, part, one.kind, one.size, one.digest)
