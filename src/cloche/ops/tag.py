"""`cloche tag`: give a run a name."""

from __future__ import annotations

import msgspec

from cloche.errors import Conflict, NotFound
from cloche.model.operation import FactEffect
from cloche.model.revision import check_tag
from cloche.model.run import ID_SHOWN
from cloche.model.suggestions import closest
from cloche.project.journal import perform
from cloche.project.project import Project
from cloche.project.revisions import find_id


class Tag(msgspec.Struct, frozen=True):
    """A tag and the run it names. before: the run that it named until now, empty for a new one."""

    name: str
    run: str
    before: str = ""


def tags(project: Project) -> list[Tag]:
    """All tags by name."""
    return [Tag(name, run) for name, run in sorted(project.catalog.facts("tag").items())]


def tag(project: Project, name: str, revision: str = "@", *, move: bool = False) -> Tag:
    """Name a run. Raises UsageError for a bad name, and Conflict for a taken one unless `move`."""
    check_tag(name)
    with project.naming():
        run = find_id(project, revision)
        before = project.catalog.fact("tag", name)
        if before == run:
            return Tag(name, run, before)
        if before is not None and not move:
            raise Conflict(
                f"tag {name} names run {before[:ID_SHOWN]} already",
                hint=f"type `cloche tag --move {name} {revision}` to move it",
            )
        effect = FactEffect("tag", name, before, run)
        perform(project, "tag", f"tagged {run[:ID_SHOWN]} as {name}", effects=[effect])
    return Tag(name, run, before or "")


def untag(project: Project, name: str) -> Tag:
    """Delete a tag. The run stays. Raises NotFound."""
    with project.naming():
        before = project.catalog.fact("tag", name)
        if before is None:
            near = closest(name, project.catalog.facts("tag"))
            hint = f"did you mean `{near}`?" if near else "type `cloche tag` to see the tags"
            raise NotFound(f"no tag is called {name}", hint=hint)
        perform(project, "tag", f"deleted tag {name}", effects=[FactEffect("tag", name, before, None)])
    return Tag(name, "", before)
