"""`cloche remove`: take runs out of the log."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cloche.errors import Busy, Conflict, UsageError
from cloche.model.operation import FactEffect
from cloche.model.run import ID_SHOWN
from cloche.project.alive import is_alive
from cloche.project.journal import perform
from cloche.project.project import Project
from cloche.project.revisions import find_id


class Removed(msgspec.Struct, frozen=True):
    """The ids of the runs that were (or would be) removed, and tags that went with them."""

    runs: tuple[str, ...]
    tags: tuple[str, ...] = ()
    dry_run: bool = False


def remove(project: Project, revisions: Sequence[str], *, with_tags: bool = False, dry_run: bool = False) -> Removed:
    """Take runs out of the log. Their content stays in the store, and `undo` brings them back.

    Raises NotFound, Busy for a run that is going, and Conflict for a tagged one unless `with_tags`.
    """
    if not revisions:
        raise UsageError("no run given", hint="name one: `cloche remove @`")
    with project.naming():
        runs = tuple(dict.fromkeys(find_id(project, revision) for revision in revisions))
        tagged = {tag: run for tag, run in project.catalog.facts("tag").items() if run in runs}
        for run in runs:
            if is_alive(project, run):
                raise Busy(f"run {run[:ID_SHOWN]} is still going", hint="stop it first (Ctrl-C where it was started)")
        if tagged and not with_tags:
            tag, run = next(iter(sorted(tagged.items())))
            raise Conflict(
                f"run {run[:ID_SHOWN]} is tagged {tag}",
                hint=f"type `cloche tag --delete {tag}` first, or remove it with --with-tags",
            )
        effects = [FactEffect("removed", run, None, "removed") for run in runs]
        effects += [FactEffect("tag", tag, run, None) for tag, run in sorted(tagged.items())]
        if not dry_run:
            perform(project, "remove", "removed " + ", ".join(run[:ID_SHOWN] for run in runs), effects=effects)
    return Removed(runs, tuple(sorted(tagged)), dry_run)
