"""`cloche fetch`: take runs and their content from a remote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cloche.errors import UsageError
from cloche.project.exchange import Fetched, exchange
from cloche.project.project import Project
from cloche.project.remotes import open_remote

Progress = Callable[[int, int], None]


def fetch(
    project: Project,
    revisions: Sequence[str] = (),
    *,
    remote: str = "",
    data: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Fetched:
    """Take the records of all runs that are new, and the content of those named (none: of all, and what `cloche.lock`
    names). The work tree stays as it is.

    data: False takes records only; content then comes when a verb needs it. Raises RemoteError.
    """
    if revisions and not data:
        raise UsageError("--no-data takes the records of all runs", hint="leave the names or --no-data out")
    place = open_remote(project, remote)
    try:
        lock = data and not revisions
        return exchange(project, place, revisions, data=data, lock=lock, dry_run=dry_run, progress=progress)
    finally:
        place.backend.close()
