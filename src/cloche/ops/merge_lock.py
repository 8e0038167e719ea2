"""`cloche merge-lock`: Git's merge driver for `cloche.lock`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cloche.analysis.merging import conflict_text, merge_locks
from cloche.errors import InputError, SettingsError
from cloche.model.digest import Digest
from cloche.model.lock import parse_lock, render_lock
from cloche.model.snapshot import Tracked
from cloche.model.tree import EMPTY_DIGEST, Tree
from cloche.project.project import Project
from cloche.project.trees import store_trees


class MergedLock(msgspec.Struct, frozen=True):
    """What a merge came to. conflicts: by tracked path, the files that both sides changed. unknown: paths that both
    sides changed, of which the store here does not hold every folder, so that they could not be
    compared. dropped: those of the conflicts that one side tracks no more."""

    paths: tuple[Tracked, ...]
    conflicts: dict[str, tuple[str, ...]] = {}
    unknown: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def merge_lock(project: Project, base: Path, ours: Path, theirs: Path) -> MergedLock:
    """Merge the `cloche.lock` of two sides into the file `ours`. A folder that both changed is merged file by file,
    and the new folder is stored; its files are those of either side. Where a file conflicts, `ours` gets Git's marks.

    Raises SettingsError where a side cannot be read, InputError where a file is not there.
    """
    before, one, other = (_read(file) for file in (base, ours, theirs))
    merged = merge_locks(before, one, other, lambda digest: _tree(project, digest))
    store_trees(project, merged.trees)
    text = conflict_text(merged, before, one, other) if merged.open else render_lock(merged.paths.values())
    try:
        ours.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise InputError(f"cannot write {ours}: {error.strerror}") from error
    dropped = tuple(path for path in merged.conflicts if path in before and (path in one) != (path in other))
    return MergedLock(tuple(merged.paths.values()), merged.conflicts, tuple(sorted(merged.unknown)), dropped)


def _tree(project: Project, digest: Digest) -> Tree:
    return () if digest == EMPTY_DIGEST else project.store.read_tree(digest)


def _read(file: Path) -> dict[str, Tracked]:
    """The paths of one side; none where it had no `cloche.lock`."""
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError("a side of the merge has a cloche.lock that is not UTF-8 text") from error
    return {item.path: item for item in parse_lock(text)} if text else {}
