"""Operations on the work tree: nothing is overwritten that was not stored first, and everything can be undone.

The order is the safety: (1) what is there now goes into the store, (2) what shall be there goes into the store,
(3) the operation is written to the log as `started`, (4) the files are brought over, (5) the catalog facts change and
the operation becomes `done`. Killed before (3): nothing happened. Killed after it: `undo` puts back what was there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from cloche.analysis.environments import diff_distributions
from cloche.environments import apply_packages
from cloche.errors import ClocheError, Damaged
from cloche.model.changes import PathChange
from cloche.model.operation import Effect, FactEffect, FilesEffect, Operation, PackagesEffect
from cloche.model.paths import above, decode_path, is_reserved, own_among
from cloche.model.plan import Belongs, PlannedFile
from cloche.model.tree import EMPTY_DIGEST, Entry, Kind, Located, entry_of
from cloche.model.wording import some
from cloche.project.interpreters import see_python
from cloche.project.linked import checkout_mode, is_data
from cloche.project.partial import naming_lost
from cloche.project.placed import note_changed
from cloche.project.project import Project
from cloche.project.trees import tree_of
from cloche.store.capture import record_files
from cloche.store.checkout import apply_files, expand
from cloche.store.listing import FileStat
from cloche.store.walk import os_path, stat_of, walk


def perform(
    project: Project,
    verb: str,
    summary: str,
    changes: Sequence[PathChange] = (),
    effects: Sequence[Effect] = (),
    undoes: int = 0,
) -> Operation:
    """Do one operation: bring files over, set facts, log it. `changes` say what is expected before and wanted after.

    The content of every `after` must be in the store. The content of every `before` is put there if it is not.
    What is Git's own or Cloche's is left as it is (see `parted`). Raises Conflict where the work tree is not as
    `before` says, and Damaged with the paths of what the store has lost.
    """
    own = own_among([change.path for change in changes])
    files = tuple(change for change in changes if change.before != change.after and change.path not in own)
    files += _filled(project, files)
    if files:
        _keep(project, [change.path for change in files])
        effects = (*effects, files_effect(project, files))
    operation = project.catalog.start_operation(
        verb, summary, tuple(effects), project.clock(), undoes, project.shared.worktree
    )
    try:
        with naming_lost(project, files):
            _bring(project, files, effects)
    except BaseException as error:
        # Files were put back, whatever stopped it; an installer that was interrupted may have left anything.
        if isinstance(error, ClocheError) or not any(isinstance(effect, PackagesEffect) for effect in effects):
            project.catalog.drop_operation(operation.number)
        raise
    conclude(project, operation)
    if files:
        note_changed(project, [change.path for change in files])
    return operation


def conclude(project: Project, operation: Operation) -> None:
    """Log that an operation is done, once its files and packages are in place."""
    with project.catalog.transaction():
        for effect in operation.effects:
            if isinstance(effect, FactEffect):
                project.catalog.set_fact(effect.fact, effect.key, effect.after, operation.created)
        project.catalog.finish_operation(operation.number)
        if operation.undoes:
            project.catalog.mark_undone(operation.undoes, operation.number)
            again = project.catalog.operation(operation.undoes).undoes
            if again:  # undoing an undo: what that one reversed holds again
                project.catalog.mark_undone(again, 0)


def _bring(project: Project, files: Sequence[PathChange], effects: Sequence[Effect]) -> None:
    """Packages first, since they are likelier to fail; then the files. A failure puts back what was done."""
    packages = [effect for effect in effects if isinstance(effect, PackagesEffect)]
    for effect in packages:
        _install(project, effect)
    if not files:
        return
    try:
        mode, fits = checkout_mode(project), is_data(project, files)
        apply_files(project.root, project.store, files, project.cache, mode=mode, fits=fits)
    except ClocheError:
        for effect in packages:
            _install(project, PackagesEffect(effect.python, before=effect.after, after=effect.before))
        raise
    project.cache.save()


def _install(project: Project, effect: PackagesEffect) -> None:
    before = {one.name: one for one in effect.before}
    after = {one.name: one for one in effect.after}
    changes = diff_distributions(before.values(), after.values())
    python = decode_path(effect.python)
    apply_packages(effect.python, changes, lambda: see_python(project, python)[0], project.root)


def present(project: Project, paths: Iterable[str], *, keep: bool = False) -> dict[str, Entry]:
    """What lies at these paths now: every file, link and empty folder at or below them. keep: store the content."""
    stats: dict[str, FileStat] = {}
    for path in paths:
        stat = stat_of(project.root, path)
        if stat is None:
            continue
        stats |= dict(walk(project.root, path).files.rows()) if stat.kind == "d" else {path: stat}
    return record_files(project.root, stats, project.store, project.cache, keep=keep)


def in_the_way(project: Project, paths: Iterable[str]) -> dict[str, Entry]:
    """What lies at these paths now, and files and links that stand where a folder above one of them has to be."""
    stats: dict[str, FileStat | None] = {}
    found: dict[str, None] = {}
    for path in paths:
        for folder in reversed(list(above(path))):
            if folder not in stats:
                stats[folder] = stat_of(project.root, folder)
            stat = stats[folder]
            if stat is None or stat.kind != "d":
                found[folder] = None
                break
        else:
            found[path] = None
    return present(project, found)


def _keep(project: Project, paths: Iterable[str]) -> None:
    """Store what lies at these paths now, and make sure that it can be put back. Raises Damaged."""
    for path, entry in present(project, paths, keep=True).items():
        if entry.kind != "d" and not project.store.is_sound(entry.digest):
            raise Damaged(f"the stored copy of {path} is damaged, so it could not be put back after this")


def _filled(project: Project, changes: Sequence[PathChange]) -> tuple[PathChange, ...]:
    """Folders that are empty now and get content. To be empty was their state, and `undo` brings it back."""
    named = {change.path for change in changes}
    looked: dict[str, bool] = {}
    for change in changes:
        for folder in above(change.path) if change.after is not None else ():
            if folder in looked:
                break
            looked[folder] = folder not in named and _is_empty_folder(os_path(project.root, folder))
    return tuple(
        PathChange(folder, Entry(folder.rpartition("/")[2], "d", EMPTY_DIGEST, 0, 0), None)
        for folder, empty in looked.items()
        if empty
    )


def _is_empty_folder(path: str) -> bool:
    try:
        return not os.path.islink(path) and not os.listdir(path)
    except OSError:
        return False


def text_change(project: Project, path: str, text: str | bytes | None) -> PathChange:
    """The change that gives a small file new content (None deletes it). The content goes into the store.

    An executable bit stays; a link is replaced by a file.
    """
    before = present(project, [path]).get(path)
    if text is None:
        return PathChange(path, before, None)
    data = text.encode("utf-8") if isinstance(text, str) else text
    with project.store.writer() as writer:
        digest = writer.add_bytes(data)
    kind: Kind = "x" if before is not None and before.kind == "x" else "f"
    return PathChange(path, before, Entry(path.rpartition("/")[2], kind, digest, len(data)))


def files_effect(project: Project, changes: Iterable[PathChange]) -> FilesEffect:
    """The effect of these changes, as two trees of the affected paths; both trees go into the store."""
    listed = tuple(changes)
    before = {change.path: change.before for change in listed if change.before is not None}
    after = {change.path: change.after for change in listed if change.after is not None}
    return FilesEffect(*(tree_of(project, files, keep=True).digest for files in (before, after)))


def effect_changes(project: Project, effect: FilesEffect) -> tuple[PathChange, ...]:
    """The changes that a files effect made, path by path."""
    before, after = listing(project, effect.before), listing(project, effect.after)
    return tuple(PathChange(path, before.get(path), after.get(path)) for path in sorted(before.keys() | after.keys()))


def listing(project: Project, tree: str, lost: list[str] | None = None) -> dict[str, Entry]:
    """Every file, link and empty folder of a stored tree by path. lost: gets the folders that cannot be read."""
    if tree == EMPTY_DIGEST:
        return {}
    return expand(project.store, Entry("", "d", tree, 0, 0), "", lost)


def files_of(project: Project, item: Located, lost: list[str] | None = None) -> dict[str, Entry]:
    """Every file, link and empty folder of what is on record at a path, by path. Contents are not read. lost: gets the
    folders that cannot be read; without it, raises Damaged, NotFound."""
    return expand(project.store, entry_of(item), item.path, lost)


def towards(project: Project, now: Mapping[str, Entry], wanted: Mapping[str, Entry]) -> list[PathChange]:
    """Changes from what is there to what is wanted. A file in the way counts, whatever it belongs to."""
    own = own_among(wanted)
    here = {**in_the_way(project, [path for path in wanted if path not in now and path not in own]), **now}
    return [PathChange(path, here.get(path), wanted.get(path)) for path in here.keys() | wanted.keys()]


def planned(project: Project, change: PathChange, part: Belongs) -> PlannedFile:
    """A change for a plan, which tells whether what is there now is recorded already."""
    return PlannedFile(change, part, change.before is None or project.store.has(change.before.digest))


def parted(files: Iterable[PlannedFile]) -> tuple[tuple[PlannedFile, ...], tuple[str, ...]]:
    """Those of the planned changes that are to be made, and what to say of the others: early versions of Cloche
    recorded the `.git` of repositories within data, and nobody writes there."""
    listed = tuple(files)
    own = own_among([one.change.path for one in listed])
    tops = sorted({next(one for one in (*reversed([*above(path)]), path) if is_reserved(one)) for path in own})
    notes = (f"{some(tops)}, which is Git's own and never written to",) if own else ()
    return tuple(one for one in listed if one.change.path not in own), notes


def read_bytes(project: Project, path: str) -> bytes:
    """The bytes of a small file of the work tree; empty where there is none."""
    file = project.root / decode_path(path)
    return file.read_bytes() if file.is_file() else b""
