"""What symbolic links lead to: no record holds it, but a result may depend on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from cloche.model.digest import Digest, digest_parts
from cloche.model.paths import encode_path
from cloche.project.project import Project
from cloche.project.trees import entry_at
from cloche.store.capture import record_files
from cloche.store.stat_cache import StatCache
from cloche.store.walk import os_path, walk

CACHE = "links"
_NO_CONTENT = frozenset({".dvc", ".git"})  # folders that no snapshot holds


def behind_links(project: Project, links: Iterable[str]) -> Digest:
    """The digest of what these links lead to, and of what links in there lead to in turn; empty where there is none.

    Contents are hashed and not stored. A link to a folder that it lies in adds nothing. links: path texts.
    """
    pending = [os_path(project.root, link) for link in links]
    known: dict[str, str] = {}
    cache = StatCache(project.folder / "cache" / CACHE)
    while pending:
        link = pending.pop()
        target = os.path.realpath(link)
        if target in known or not os.path.exists(target) or _holds(target, link):
            continue
        root = Path(target).anchor
        start = encode_path(os.path.relpath(target, root).replace(os.sep, "/"))
        entries = record_files(Path(root), dict(walk(Path(root), start).files.rows()), project.store, cache, keep=False)
        known[target] = entry_at(project, start, entries, keep=False).digest
        pending += [os_path(Path(root), path) for path, entry in entries.items() if entry.kind == "l"]
    # By content, not by place: the same data elsewhere is the same.
    return digest_parts(sorted(known.values())) if known else ""


def links_outside(project: Project, links: Sequence[str]) -> tuple[str, ...]:
    """The path texts of those links that lead to something outside of the project, or in DVC's or Git's own folder."""
    root = os.path.realpath(project.root) if links else ""
    return tuple(path for path in links if _leads_out(os.path.realpath(os_path(project.root, path)), root))


def through_links(project: Project, paths: Iterable[str]) -> frozenset[str]:
    """The same paths, with those of them that lead through links within the project added as what they lead to."""
    given = frozenset(paths)
    root = os.path.realpath(project.root)
    real = {os.path.realpath(os_path(project.root, path)) for path in given}
    inner = (os.path.relpath(path, root) for path in real if path.startswith(root + os.sep))
    return given | {encode_path(path.replace(os.sep, "/")) for path in inner}


def _leads_out(target: str, root: str) -> bool:
    inner = target[len(root) :].split(os.sep) if target == root or target.startswith(root + os.sep) else None
    return (inner is None or not _NO_CONTENT.isdisjoint(inner)) and os.path.exists(target)


def _holds(folder: str, path: str) -> bool:
    place = os.path.realpath(os.path.dirname(path))
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)
