"""`cloche diff`: what differs between two runs, or between a run and the work tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import msgspec

from cloche.analysis.entries import diff_entries
from cloche.analysis.environments import diff_environments
from cloche.analysis.metrics import diff_metrics
from cloche.analysis.text import diff_text
from cloche.analysis.values import diff_values
from cloche.errors import NotFound
from cloche.model.changes import PARTS, DataChange, Difference, Hunks, Part, checked_parts
from cloche.model.content import Act
from cloche.model.paths import as_printed, decode_path, inside
from cloche.model.run import Run
from cloche.model.suggestions import closest
from cloche.model.tree import Entry
from cloche.project.comparing import Inside, Say, keys_of, look_inside
from cloche.project.exchange import at_hand
from cloche.project.project import Project
from cloche.project.recovery import recover
from cloche.project.revisions import WORK_TREE
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
    paths = _known(project, first, second, paths)
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


def _known(project: Project, first: Side, second: Side, paths: Sequence[str]) -> list[str]:
    """The paths, as the sides have them. Raises NotFound for one that neither side has: a misspelt one would look as if
    nothing had changed."""
    if not paths:
        return []
    found: list[str] = []
    both = (first, second)
    known = {path for one in both for path in (*one.code, *one.data)}
    known |= {path for one in both for path in one.observed}
    known |= {path for one in both for tracked in one.data for path in data_files(project, one, tracked)}
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
    changes = []
    for path in sorted(first.data.keys() | second.data.keys()):
        before, after = first.data.get(path), second.data.get(path)
        if before == after:
            continue
        files = data_changes(project, first, second, path)
        files = tuple(change for change in files if wanted(change.path))
        if not files:
            continue
        within = look_inside(project, (first, second), files, keys, say) if rows else Inside()
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
            )
        )
    return tuple(changes)
