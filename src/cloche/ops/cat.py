"""`cloche cat`: one file as a run holds it."""

from __future__ import annotations

from collections.abc import Iterator

from cloche.errors import InputError, NotFound
from cloche.ops.ls import ls
from cloche.project.exchange import at_hand
from cloche.project.project import Project
from cloche.project.reach import Root
from cloche.project.revisions import find_run

# Where a file is an input and was written too, the run's own version is the one it left.
_ORDER = ("outputs", "code", "config", "data", "read")


def cat(project: Project, revision: str, path: str) -> Iterator[bytes]:
    """The content of a file of a run, piece by piece; of a link, what it points to.

    Raises NotFound where the run has no such file or the store does not hold it, and InputError for a folder.
    """
    found = [one for one in ls(project, revision, path) if one.path == path and one.kind != "d"]
    if not found:
        raise InputError(f"{path} is a folder", hint=f"type `cloche ls {revision} {path}` to see its files")
    one = min(found, key=lambda held: _ORDER.index(held.part))
    at_hand(project, find_run(project, revision), only=[Root(path, one.kind, one.digest, optional=True)])
    if not project.store.has(one.digest):
        raise NotFound(
            f"the store here does not hold {path} as that run read it",
            hint="only its digest was taken: `cloche add` it",
        )
    yield from project.store.stream(one.digest)
