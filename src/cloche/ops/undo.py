"""`cloche undo`: reverse an operation. Undoing is an operation too, and can itself be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from cloche.errors import Conflict, NotFound
from cloche.model.changes import PathChange
from cloche.model.lock import lines_of
from cloche.model.operation import Effect, FactEffect, FilesEffect, Operation, PackagesEffect
from cloche.model.paths import inside
from cloche.model.settings import FILE_NAME
from cloche.model.snapshot import Tracked
from cloche.model.tree import Entry
from cloche.model.wording import some
from cloche.project.alive import refuse_while_going
from cloche.project.in_place import in_place
from cloche.project.journal import effect_changes, in_the_way, perform, present, read_bytes
from cloche.project.project import LOCK_FILE, Project
from cloche.project.remote_settings import forget_doubled
from cloche.project.wholeness import Wholeness


class Undone(msgspec.Struct, frozen=True):
    """What was (or would be) reversed. files: the paths that are brought back. number: of the new operation, 0 for a
    preview. incomplete: runs that are back in the log, and whose content `gc` has deleted meanwhile."""

    operation: Operation
    files: tuple[PathChange, ...]
    number: int
    dry_run: bool = False
    incomplete: tuple[str, ...] = ()


def undo(project: Project, number: int | None = None, *, force: bool = False, dry_run: bool = False) -> Undone:
    """Reverse operation `number`; without one, the newest that is not undone yet.

    Raises NotFound when there is none, and Conflict where something was changed since, unless `force` (what is there
    now is stored first, so that this can be undone as well).
    """
    with project.naming():
        operation = _pick(project, number)
        changes = _files(project, operation, force)
        _refuse_given_up(project, operation, changes)
        effects = [_reversed(effect) for effect in operation.effects if not isinstance(effect, FilesEffect)]
        _check_facts(project, operation, effects, force)
        incomplete = _incomplete(project, effects)
        if dry_run:
            return Undone(operation, changes, 0, dry_run=True, incomplete=incomplete)
        if changes and not force:
            refuse_while_going(project, "the files that undo would change")
        summary = f"undid {operation.verb} ({operation.number}): {operation.summary}"
        done = perform(project, "undo", summary, changes, effects, undoes=operation.number)
        if any(change.path == FILE_NAME for change in changes):
            project.refresh()
            forget_doubled(project)
    return Undone(operation, changes, done.number, incomplete=incomplete)


def _incomplete(project: Project, effects: Iterable[Effect]) -> tuple[str, ...]:
    back = [one.key for one in effects if isinstance(one, FactEffect) and one.fact == "removed" and one.after is None]
    wholeness = Wholeness(project)
    return tuple(run for run in back if wholeness.gone(project.catalog.run(run)))


def _pick(project: Project, number: int | None) -> Operation:
    has_runs = bool(project.catalog.ids("", hidden=True))
    listed = {operation.number: operation for operation in project.catalog.operations()}
    if number is not None:
        operation = project.catalog.operation(number)
        _refuse_elsewhere(project, operation)
        if operation.verb == "init" and has_runs:
            raise Conflict(
                f"operation {number} made this folder a project, and the project has runs",
                hint="to give the project up, delete cloche.toml, cloche.lock and .cloche/ yourself",
            )
        if _is_undone(operation, listed):
            raise Conflict(
                f"operation {number} was undone already, by operation {operation.undone}",
                hint=f"type `cloche undo {operation.undone}` to do it again",
            )
        return operation
    for operation in listed.values():
        if operation.worktree != project.shared.worktree:
            continue
        if not (operation.verb == "init" and has_runs) and not operation.undoes and not _is_undone(operation, listed):
            return operation
    raise NotFound("there is nothing to undo", hint="type `cloche history` to see the operations")


def _refuse_elsewhere(project: Project, operation: Operation) -> None:
    """Files and packages were changed in one worktree, and are brought back there; tags and notes belong to all."""
    here = operation.worktree == project.shared.worktree
    if not here and not all(isinstance(effect, FactEffect) for effect in operation.effects):
        raise Conflict(
            f"operation {operation.number} ({operation.verb}) was done in another worktree of this repository",
            hint="undo it there: `git worktree list` shows them",
        )


def _is_undone(operation: Operation, listed: Mapping[int, Operation]) -> bool:
    """Whether an operation was undone, and its undoing was not undone in turn."""
    undone = False
    while operation.undone:
        undone, operation = not undone, listed[operation.undone]
    return undone


def _files(project: Project, operation: Operation, force: bool) -> tuple[PathChange, ...]:
    """What to write and delete. Of an operation that was cut off, each file may be as before it or as after it."""
    made = _made(project, operation)
    now = present(project, [change.path for change in made], keep=True)
    cut_off = operation.state == "started"
    differs = [
        change.path
        for change in made
        if now.get(change.path) != change.after and not (cut_off and now.get(change.path) == change.before)
    ]
    others = _in_the_way(project, made)
    differs += others
    if differs and not force:
        raise Conflict(
            f"changed since operation {operation.number}: {some(differs)}",
            hint=f"type `cloche undo {operation.number} --force` to go back all the same (it can be undone, too)",
        )
    changes = [PathChange(change.path, now.get(change.path), change.before) for change in made]
    changes += [PathChange(path, entry, None) for path, entry in others.items()]
    return tuple(change for change in changes if change.before != change.after)


def _made(project: Project, operation: Operation) -> list[PathChange]:
    effects = [effect for effect in operation.effects if isinstance(effect, FilesEffect)]
    try:
        return [change for effect in effects for change in effect_changes(project, effect)]
    except NotFound as error:
        raise _given_up(operation) from error


def _refuse_given_up(project: Project, operation: Operation, changes: Iterable[PathChange]) -> None:
    """A `cloche.lock` that was brought back would name data that is gone. Where that of today does so already, as in a
    clone that never had its data, it is no worse."""
    for change in changes:
        if change.path == LOCK_FILE and change.after is not None:
            then = lines_of(project.store.read(change.after.digest).decode("utf-8", "replace"))
            now = lines_of(read_bytes(project, LOCK_FILE).decode("utf-8", "replace"))
            stays = in_place(project)
            if _missing(project, then, stays) and not _missing(project, now, stays):
                raise _given_up(operation)


def _missing(project: Project, tracked: Iterable[Tracked], stays: Callable[[str], bool]) -> set[str]:
    return project.store.missing(item.digest for item in tracked if not stays(item.path))


def _given_up(operation: Operation) -> NotFound:
    return NotFound(
        f"operation {operation.number} ({operation.verb}) cannot be undone: the store does not hold all that was there"
        " before and after it",
        hint="`cloche gc` deletes that after its grace time, and `cloche verify` tells of damage",
    )


def _in_the_way(project: Project, made: Iterable[PathChange]) -> dict[str, Entry]:
    """What came since and stands where files are to be brought back: a file for a folder, a folder for a file."""
    back = {change.path: change.before for change in made if change.before is not None}
    folders = [path for path, entry in back.items() if entry.kind == "d"]
    there = in_the_way(project, [path for path in back if path not in folders])
    above = in_the_way(project, folders)
    there |= {path: entry for path, entry in above.items() if not any(inside(path, folder) for folder in folders)}
    known = {change.path for change in made}
    return {path: entry for path, entry in there.items() if path not in known}


def _check_facts(project: Project, operation: Operation, effects: Iterable[Effect], force: bool) -> None:
    for effect in effects:
        if not isinstance(effect, FactEffect) or force or operation.state == "started":
            continue
        if project.catalog.fact(effect.fact, effect.key) != effect.before:
            raise Conflict(
                f"the {effect.fact} {effect.key} was changed since operation {operation.number}",
                hint=f"type `cloche undo {operation.number} --force` to go back all the same",
            )


def _reversed(effect: Effect) -> Effect:
    if isinstance(effect, FactEffect):
        return FactEffect(effect.fact, effect.key, effect.after, effect.before)
    if isinstance(effect, PackagesEffect):
        return PackagesEffect(effect.python, effect.after, effect.before)
    return FilesEffect(effect.after, effect.before)
