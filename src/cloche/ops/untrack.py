"""`cloche untrack`: stop tracking data paths. The files stay where they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cloche.errors import NotFound, UsageError
from cloche.model.changes import PathChange
from cloche.model.lock import render_lock
from cloche.model.suggestions import closest
from cloche.project.ignore import without_ignored
from cloche.project.in_place import is_link_to, settings_change
from cloche.project.journal import perform, present, read_bytes, text_change
from cloche.project.project import LOCK_FILE, Project


class Untracked(msgspec.Struct, frozen=True):
    """What `untrack` did (or would do): paths that are tracked no more, and `.gitignore` files that lost their line.
    links: those that stood for data elsewhere and go, by path, with what each led to."""

    paths: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    dry_run: bool = False
    links: dict[str, str] = {}


def untrack(project: Project, paths: Sequence[str], *, base: Path | None = None, dry_run: bool = False) -> Untracked:
    """Take data paths out of `cloche.lock`. Runs that used them keep their content; of data that lies elsewhere, the
    link to it goes. Raises NotFound."""
    if not paths:
        raise UsageError("no path given", hint="name a tracked path: `cloche untrack data/raw`")
    with project.writing():
        before = {item.path: item for item in project.tracked}
        names = list(dict.fromkeys(project.path_text(path, base) for path in paths))
        for name in names:
            if name not in before:
                near = closest(name, before)
                raise NotFound(
                    f"{name} is not tracked",
                    hint=f"did you mean `{near}`?" if near else "`cloche status` lists what is",
                )
        after = [item for path, item in before.items() if path not in names]
        changes = [text_change(project, LOCK_FILE, render_lock(after))]
        changes += settings_change(project, remove=names)
        external = {path: place for path, place in project.settings.data.external.items() if path in names}
        links = present(project, (path for path, place in external.items() if is_link_to(project, path, place)))
        changes += [PathChange(path, entry, None) for path, entry in links.items()]
        for file, lines in without_ignored(names, lambda path: read_bytes(project, path)).items():
            changes.append(text_change(project, file, lines))
        if not dry_run:
            perform(project, "untrack", "untracked " + ", ".join(names), changes)
            project.refresh()
    ignored = tuple(change.path for change in changes if change.path.rpartition("/")[2] == ".gitignore")
    return Untracked(tuple(names), ignored, dry_run, {path: external[path] for path in links})
