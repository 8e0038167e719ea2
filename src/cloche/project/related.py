"""Whether a remote holds runs of this project, or of one that has nothing to do with it."""

from __future__ import annotations

from cloche.capture.git import ask_git
from cloche.errors import Conflict
from cloche.project.listing import Remotely
from cloche.project.project import Project
from cloche.project.remotes import Place


def refuse_unrelated(project: Project, place: Place, found: Remotely) -> None:
    """Raises Conflict where a push would mix this project with another one: all runs that the remote holds are unknown
    here, nothing was ever fetched from it, and Git knows none of the commits that they were made at."""
    runs = {shared.run.id: shared.run for bundle in found.bundles.values() for shared in bundle.runs}
    if not runs or not runs.keys().isdisjoint(project.catalog.ids("", hidden=True)):
        return
    if not project.catalog.merged().isdisjoint(found.listed):
        return
    if _knows_one(project, {run.snapshot.code.commit for run in runs.values()} - {""}):
        return
    raise Conflict(
        f"{place.name} holds {len(runs)} run{'s' if len(runs) > 1 else ''}, of which none is of this project",
        hint=f"push to a place of its own; if they belong together: `cloche fetch --no-data --remote {place.name}`, "
        "then push",
    )


def _knows_one(project: Project, commits: set[str]) -> bool:
    if project.git is None or not commits:
        return False
    asked = "".join(f"{one}\n" for one in sorted(commits) if one.isalnum()).encode()
    done = ask_git(project.root, "cat-file", "--batch-check=%(objecttype)", stdin=asked)
    return done is not None and b"commit" in done.stdout.split()
