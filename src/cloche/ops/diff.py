"""`cloche diff`: what differs between two runs, or between a run and the work tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import msgspec

from cloche.analysis.entries import diff_entries, moves
from cloche.analysis.environments import diff_environments
from cloche.analysis.metrics import diff_metrics
from cloche.analysis.text import diff_text
from cloche.analysis.values import diff_values
from cloche.errors import InputError, NotFound
from cloche.model.changes import PARTS, DataChange, Difference, Hunks, Part, PathChange, checked_parts
from cloche.model.content import Act
from cloche.model.paths import as_printed, decode_path, inside
from cloche.model.run import Run
from cloche.model.suggestions import closest
from cloche.model.tree import Entry
from cloche.project.comparing import Inside, Say, keys_of, look_inside
from cloche.project.exchange import at_hand
from cloche.project.project import Project
from cloche.project.recovery import recover
from cloche.project.revisions import WORK_TREE, find_id
from cloche.project.sides import Side, code_changes, data_changes, data_files, observed_changes, side


def diff(
    project: Project,
    a: str = "@",
    b: str = WORK_TREE,
    *,
    only: Sequence[Part] = (),
    paths: Sequence[str] = (),
    rows: bool = True,
    key: Sequence[str] = (),
    say: Say | None = None,
) -> Difference:
    """Compare two versions; `.` is the work tree. Stores nothing.

    only: these of the four inputs. paths: only code and data at or below these. rows: look inside of tables, arrays and
    images. key: columns that identify a row, in place of those in `[data] keys`. Raises NotFound for a run or path that
    is not there, and Ambiguous.
    """
    recover(project)
    first = side(project, a)
    second = side(project, b, like=first.run)
    if a == WORK_TREE:
        first = side(project, a, like=second.run)
    for one in (first, second):
        if one.run is not None:
            at_hand(project, one.run)
    parts = checked_parts(only) or PARTS
    paths = _held(project, first, second, paths)
    wanted = _wanted(paths)
    environment = diff_environments(first.environment, second.environment)
    keys = keys_of(project.settings.data.keys, key)
    data = _data(project, first, second, wanted, rows, keys, say) if "data" in parts else ()
    before, after = first.snapshot, second.snapshot
    found = Difference(
        a=first.name,
        b=second.name,
        same=tuple(part for part in _same(project, first, second) if part in parts),
        config=diff_values(before.config.values, after.config.values) if "config" in parts else (),
        data=data,
        code=_code(project, first, second, wanted) if "code" in parts else (),
        read=tuple(one for one in observed_changes(first, second) if wanted(one.path)) if "data" in parts else (),
    )
    unreadable = (*first.unread, *second.unread)
    if unreadable:
        found = msgspec.structs.replace(found, unreadable=unreadable)
    if "environment" in parts:
        found = msgspec.structs.replace(found, environment=environment)
    if first.run and second.run and not only and not paths:
        found = _results(found, first.run, second.run)
    return found


def split_words(project: Project, words: Sequence[str], paths: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """What was typed behind `cloche diff`, as A, B and paths of the project: runs as far as there are any, two at most,
    then paths. paths: those behind `--`, which are never taken for runs. What may be either is a run, as with Git.

    Raises NotFound for what is neither, and what finding a run raises.
    """
    revisions: list[str] = []
    for text in words[:2]:
        if not _is_revision(project, text, revisions[0] if revisions else "@"):
            break
        revisions.append(text)
    a, b = (*revisions, *("@", WORK_TREE)[len(revisions) :])
    return a, b, tuple(project.held_text(path) for path in (*words[len(revisions) :], *paths))


def _is_revision(project: Project, text: str, other: str) -> bool:
    """Whether a word names a run or the work tree; if not, it is a path that is here, or was in the `other` version."""
    if text == WORK_TREE:
        return True
    try:
        find_id(project, text)
    except NotFound as problem:
        path = _path(project, text)
        if path and os.path.lexists(project.root / decode_path(path)):
            if project.git is not None and project.git.resolve(text) is not None:
                hint = f"for the path type `cloche diff -- {text}`"
                raise NotFound(str(problem), hint=hint) from None
            return False
        known = _known(project, side(project, other)) if path and other != WORK_TREE and project.catalog.ids("") else ()
        if any(inside(one, path) for one in known):
            return False
        near = closest(path, known)
        if near:
            raise NotFound(
                f"no run, tag, Git revision or path is called `{text}`", hint=f"did you mean `{near}`?"
            ) from None
        raise
    return True


def _path(project: Project, text: str) -> str:
    """The path of the project that was typed; empty where it cannot be one."""
    try:
        return project.held_text(text)
    except InputError:
        return ""


def _known(project: Project, *sides: Side) -> set[str]:
    """Every path that a version has among its code, its data and what was read besides."""
    known = {path for one in sides for path in (*one.code, *one.data, *one.observed)}
    return known | {path for one in sides for tracked in one.data for path in data_files(project, one, tracked)}


def _held(project: Project, first: Side, second: Side, paths: Sequence[str]) -> list[str]:
    """The paths, as the sides have them. Raises NotFound for one that neither side has: a misspelt one would look as if
    nothing had changed."""
    if not paths:
        return []
    found: list[str] = []
    known = _known(project, first, second)
    for path in paths:
        meant = next((way for way in (path, as_printed(path)) if way and any(inside(one, way) for one in known)), "")
        found.append(meant)
        if not meant:
            near = closest(path, known | {one.rpartition("/")[0] for one in known} - {""})
            raise NotFound(
                f"neither side has {path} among its code and data",
                hint=f"did you mean `{near}`?" if near else "give a path as it stands below the project's folder",
            )
    return found


def _wanted(paths: Sequence[str]) -> Callable[[str], bool]:
    return lambda path: not paths or any(inside(path, one) for one in paths)


def _same(project: Project, first: Side, second: Side) -> tuple[Part, ...]:
    before, after = first.snapshot, second.snapshot
    equal: dict[Part, bool] = {
        "code": before.code.tree == after.code.tree or not code_changes(project, first, second),
        "data": before.data.digest == after.data.digest and not observed_changes(first, second),
        "config": not diff_values(before.config.values, after.config.values),
        "environment": before.environment == after.environment,
    }
    unread = [path for path, _ in (*first.unread, *second.unread)]
    tracked = [item.path for item in project.tracked]
    hidden = {"data" if any(inside(path, one) for one in tracked) else "code" for path in unread}
    return tuple(part for part in PARTS if equal[part] and part not in hidden)


def _results(found: Difference, first: Run, second: Run) -> Difference:
    outputs = diff_entries(
        {one.path: Entry(one.path, one.kind, one.digest, one.size, one.count) for one in first.outputs},
        {one.path: Entry(one.path, one.kind, one.digest, one.size, one.count) for one in second.outputs},
    )
    return msgspec.structs.replace(
        found,
        metrics=diff_metrics(first.metrics, second.metrics),
        outputs=outputs,
        command=None if first.command == second.command else (" ".join(first.command), " ".join(second.command)),
        resources=(first.resources, second.resources),
    )


def _code(project: Project, first: Side, second: Side, wanted: Callable[[str], bool]) -> tuple[Hunks, ...]:
    if first.snapshot.code.tree == second.snapshot.code.tree:
        return ()
    changes = [change for change in code_changes(project, first, second) if wanted(change.path)]
    return tuple(
        msgspec.structs.replace(
            diff_text(
                change.path,
                _content(project, first, change.path, change.before),
                _content(project, second, change.path, change.after),
            ),
            kinds=change.kinds,
        )
        for change in changes
    )


def _content(project: Project, of: Side, path: str, entry: Entry | None) -> bytes | None:
    if entry is None or entry.kind == "d":
        return None
    if of.taken is None:
        return project.store.read(entry.digest)
    file = project.root / decode_path(path)
    return os.fsencode(os.readlink(file)) if entry.kind == "l" else file.read_bytes()


def _data(
    project: Project,
    first: Side,
    second: Side,
    wanted: Callable[[str], bool],
    rows: bool,
    keys: Callable[[str], Sequence[str]],
    say: Say | None,
) -> tuple[DataChange, ...]:
    differ: dict[str, tuple[PathChange, ...]] = {}
    for path in sorted(first.data.keys() | second.data.keys()):
        if first.data.get(path) != second.data.get(path):
            differ[path] = tuple(one for one in data_changes(project, first, second, path) if wanted(one.path))
    moved = moves([change for files in differ.values() for change in files])
    ends = {path for pair in moved for path in pair}
    changes = []
    for path, files in differ.items():
        if not files:
            continue
        before, after = first.data.get(path), second.data.get(path)
        others = [change for change in files if change.path not in ends]
        within = look_inside(project, (first, second), others, keys, say) if rows else Inside()
        act: Act = "added" if before is None else "removed" if after is None else "changed"
        sizes = (before.size if before else 0, after.size if after else 0)
        changes.append(
            DataChange(
                path,
                act,
                files,
                within.tables,
                *sizes,
                uncompared=within.uncompared,
                arrays=within.arrays,
                images=within.images,
                unstored=within.unstored,
                lost=within.lost,
                moved=tuple(pair for pair in moved if any(inside(one, path) for one in pair)),
            )
        )
    return tuple(changes)
