"""The two sides of a comparison: a run, or the work tree as it is now, in the same shape."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from cloche.analysis.entries import diff_entries
from cloche.model.changes import PathChange
from cloche.model.environment import Environment
from cloche.model.paths import inside, own_among
from cloche.model.run import Run
from cloche.model.snapshot import Snapshot, Tracked
from cloche.model.tree import EMPTY_DIGEST, Entry, Located, entry_of, raw_entries
from cloche.project.exchange import at_hand
from cloche.project.journal import files_of, in_the_way, listing, present
from cloche.project.project import Project
from cloche.project.revisions import WORK_TREE, find_run
from cloche.project.snapshots import Progress, Taken, take
from cloche.project.view import View, look
from cloche.store.capture import record_path
from cloche.store.checkout import expand
from cloche.store.recorded import Recorded
from cloche.store.survey import is_whole
from cloche.store.tree_diff import Opener, diff_trees, naming_folder, opener_of
from cloche.store.walk import os_path, walk


@dataclass(frozen=True)
class Side:
    """One side. name: the run's id, or `.`. code: every code file. data: by tracked path; its files are read from
    the store, or for the work tree from `taken`. observed: what the run read beyond its inputs, or what lies
    there; left: what it made of these, where it changed them."""

    name: str
    snapshot: Snapshot
    environment: Environment
    run: Run | None = None
    code: dict[str, Entry] = field(default_factory=dict)
    taken: Taken | None = None
    observed: dict[str, Entry] = field(default_factory=dict)
    left: dict[str, Entry] = field(default_factory=dict)

    @property
    def unreadable(self) -> tuple[tuple[str, str], ...]:
        """What of the work tree could not be read, with reasons: whether it has changed is not known."""
        return self.taken.view.unreadable if self.taken is not None else ()

    @property
    def unread(self) -> tuple[tuple[str, str], ...]:
        """Those of these that are inputs."""
        return self.taken.view.unread if self.taken is not None else ()

    @property
    def data(self) -> dict[str, Tracked]:
        """The tracked data paths."""
        return {item.path: item for item in self.snapshot.data.paths}


def side(project: Project, revision: str, *, keep: bool = False, like: Run | None = None) -> Side:
    """The side that `revision` names. keep: store the work tree's content, so that it can be shown.

    like: for the work tree, the run whose command decides which interpreter is looked at.
    """
    if revision == WORK_TREE:
        return work_side(project, keep=keep, like=like)
    return run_side(project, find_run(project, revision))


def run_side(project: Project, run: Run) -> Side:
    """A recorded run as a side. Where its content is on a remote, its listings are fetched."""
    at_hand(project, run, trees_only=True)
    environment = project.catalog.environment(run.snapshot.environment)
    code = listing(project, run.snapshot.code.tree)
    observed = observed_by(project, run)
    return Side(run.id, run.snapshot, environment, run, code, None, observed, left_by(project, run, observed))


def left_by(project: Project, run: Run, observed: Collection[str]) -> dict[str, Entry]:
    """What a run wrote at these paths."""
    left: dict[str, Entry] = {}
    for one in run.outputs:
        if any(inside(path, one.path) for path in observed):
            left |= {path: found for path, found in files_of(project, one).items() if path in observed}
    return left


def work_side(
    project: Project,
    *,
    keep: bool = False,
    like: Run | None = None,
    view: View | None = None,
    values: bool = True,
    progress: Progress | None = None,
) -> Side:
    """The work tree as a side. values: with what the parameter files say, which raises SettingsError where one is
    broken."""
    command = command_of(project, like)
    taken = take(
        project, command=command, keep=keep, view=view or look(project), strict=False, values=values, progress=progress
    )
    code = {path: taken.entries[path] for path in taken.view.code}
    observed = present(project, observed_by(project, like)) if like is not None else {}
    return Side(WORK_TREE, taken.snapshot, taken.environment, None, code, taken, observed)


def observed_by(project: Project, run: Run, lost: list[str] | None = None) -> dict[str, Entry]:
    """What a run read beyond its inputs, file by file. lost: gets the folders that cannot be read."""
    found: dict[str, Entry] = {}
    for one in run.observed:
        found |= files_of(project, one, lost)
    return found


def code_changes(project: Project, first: Side, second: Side) -> tuple[PathChange, ...]:
    """The code files that differ. One that is code on one side only, since somebody committed it, and that the run of
    the other side wrote just so, does not."""
    changes = diff_entries(first.code, second.code)
    same: set[str] = set()
    for run, entries in ((first.run, second.code), (second.run, first.code)):
        alone = {one.path for one in changes if one.before is None or one.after is None} & entries.keys()
        wrote = left_by(project, run, alone) if run is not None and alone else {}
        same |= {path for path, one in wrote.items() if entries[path].digest == one.digest}
    return _seen(first, second, (one for one in changes if one.path not in same))


def _seen(first: Side, second: Side, changes: Iterable[PathChange]) -> tuple[PathChange, ...]:
    """Changes but for those of what cannot be read, which only seems to be gone."""
    hidden = [path for path, _ in (*first.unreadable, *second.unreadable)]
    return tuple(one for one in changes if not any(inside(one.path, path) for path in hidden))


def _is_left(work: Side, of: Side, path: str) -> bool:
    """Whether the work tree has a file as the run itself left it, after it had read and changed it."""
    return work.run is None and path in of.left and of.left[path].digest == work.observed[path].digest


def observed_changes(first: Side, second: Side) -> tuple[PathChange, ...]:
    """The files beyond the inputs that differ, among those that both sides read; the work tree reads what the other
    side read, and may have lost it."""
    one, other = first.observed, second.observed
    one = {path: second.observed[path] if _is_left(first, second, path) else entry for path, entry in one.items()}
    other = {path: first.observed[path] if _is_left(second, first, path) else entry for path, entry in other.items()}
    if first.run is not None and second.run is not None:
        both = one.keys() & other.keys()
        one, other = ({path: side[path] for path in both} for side in (one, other))
    return diff_entries(one, other)


def command_of(project: Project, run: Run | None) -> tuple[str, ...] | str:
    """What decides which interpreter the project uses: the command of a run, or the stages."""
    if run is not None and run.command:
        return run.command
    return "\n".join(stage.run for stage in project.settings.stages.values())


def data_changes(project: Project, first: Side, second: Side, path: str) -> tuple[PathChange, ...]:
    """The files of a tracked data path that differ between two sides."""
    (before, opens), (after, opens_other) = (_data_root(project, one, path) for one in (first, second))
    return _seen(first, second, diff_trees(path, before, after, (opens, opens_other)))


def data_towards(project: Project, item: Located, now: Recorded | None = None) -> list[PathChange]:
    """Changes from what lies at a data path to what is on record for it. A whole folder that is not there comes as
    one change, unless it holds what is Git's own and cannot come. A file that stands where a folder above has to be
    counts, too. now: what lies there, if that is known.
    """
    if now is None:
        files = walk(project.root, item.path).files
        now = record_path(project.root, item.path, files, project.store, project.cache, keep=False)
    openers = now.tree, opener_of(project.store)
    found = diff_trees(item.path, now.entry, entry_of(item), openers, whole=True)
    changes = [part for change in found for part in _apart(project, change)]
    blocking = in_the_way(project, [item.path]) if now.entry is None else {}
    return changes + [PathChange(path, entry, None) for path, entry in blocking.items()]


def _apart(project: Project, change: PathChange) -> list[PathChange]:
    """A folder that is to come whole; file by file where it holds what nobody writes, or where one is already, which
    holds nothing but that."""
    if change.before is not None or change.after is None or not is_whole(change.after):
        return [change]
    is_there = os.path.isdir(os_path(project.root, change.path))
    with naming_folder(change.path):
        if not is_there and not _holds_own(project, change.after):
            return [change]
    return [PathChange(path, None, entry) for path, entry in expand(project.store, change.after, change.path).items()]


def _holds_own(project: Project, folder: Entry) -> bool:
    """Whether a stored folder has something in it, however deep, that is Git's own or Cloche's."""
    pending, seen = [bytes.fromhex(folder.digest)], set[bytes]()
    while pending:
        digest = pending.pop()
        if digest in seen or digest.hex() == EMPTY_DIGEST:
            continue
        seen.add(digest)
        inside_it = raw_entries(project.store.read(digest.hex()))
        if own_among([os.fsdecode(one.name) for one in inside_it]):
            return True
        pending += [one.digest for one in inside_it if one.kind == b"d"]
    return False


def _data_root(project: Project, of: Side, path: str) -> tuple[Entry | None, Opener]:
    if of.taken is not None and path in of.taken.data:
        recorded = of.taken.data[path]
        return recorded.entry, recorded.tree
    item = of.data.get(path)
    return None if item is None else entry_of(item), opener_of(project.store)


def data_files(project: Project, of: Side, path: str) -> dict[str, Entry]:
    """Every file of a tracked data path on one side, by path."""
    item = of.data.get(path)
    if item is None:
        return {}
    if of.taken is not None:
        return of.taken.data[path].everything()
    return files_of(project, item)
