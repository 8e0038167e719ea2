"""A run that is going: its folder and lock, what it wrote so far, and what was noticed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloche.capture.code import is_source
from cloche.capture.secrets import secret_reason
from cloche.errors import InputError
from cloche.model.paths import inside
from cloche.model.patterns import matcher
from cloche.model.run import Finding, Output, Place, Run, run_id
from cloche.model.tree import Entry
from cloche.model.wording import some
from cloche.project.alive import RUN_LOCK, WORKTREE
from cloche.project.holding import held
from cloche.project.in_place import in_place
from cloche.project.project import LOCK_FILE, Project
from cloche.project.snapshots import Taken
from cloche.project.trees import entry_at
from cloche.project.view import walk_project
from cloche.store.capture import record_files
from cloche.store.listing import Files, FileStat


@dataclass
class Going:
    """State of one run between its beginning and its end. files: the work tree as it was last looked at. closed: its
    record is complete. unsettled: an input was changed while the run was going. left_over: the last
    command left in its output folder what an earlier run wrote. observed: what was read
    beyond the four inputs. earlier: outputs of earlier runs as they were at the beginning."""

    project: Project
    taken: Taken
    run: Run
    folder: Path
    files: Files
    outputs: dict[str, Output] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    closed: bool = False
    unsettled: bool = False
    left_over: bool = False
    observed: dict[str, Entry] = field(default_factory=dict)
    earlier: dict[str, Entry] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """The file that the output of every command of the run is appended to."""
        return self.folder / "log"

    def notice(
        self, check: str, message: str, *, hint: str = "", place: Place | None = None, error: bool = False
    ) -> None:
        """Add a finding."""
        self.findings.append(Finding(check, "error" if error else "warning", message, place or Place(), hint))


@contextlib.contextmanager
def going(project: Project, taken: Taken, run: Run) -> Iterator[Going]:
    """Record that a run began; while the context lasts, the run's lock shows others that it is alive.

    The run's folder goes when the record is complete. Anything else leaves it for `recover`.
    """
    folder = project.runs_folder / run.id
    folder.mkdir(parents=True)
    if project.shared.worktree:
        (folder / WORKTREE).write_text(project.shared.worktree, "ascii")
    now = Going(project, taken, run, folder, taken.view.files)
    try:
        with held(folder / RUN_LOCK, "this run"):
            project.catalog.add_run(run, taken.environment)
            yield now
    finally:
        if now.closed:
            shutil.rmtree(folder, ignore_errors=True)


def new_id(project: Project) -> str:
    """An id that no run has."""
    return run_id(project.random(8))


def settle(
    run: Going, writes: Sequence[str] = (), reads: Collection[str] = (), *, put: bool = False
) -> dict[str, Output]:
    """Look at the work tree after a command: what it wrote becomes outputs, changed inputs become findings.

    writes, reads: paths that the command declares to write, and that it declares or was seen only to read. What lay
    there before and was not touched is no output of this command, unless `put` says that it was brought there as one.
    """
    project, before = run.project, run.files
    walked = walk_project(project, run.taken.view.tracked)
    after = walked.files
    fresh, lost_sight = after.changed(before), before.gone(after)
    changed = {path: stat for path, stat in fresh.items() if stat.kind != "d"}
    expected = _expected(project, writes)
    inputs = {path: stat for path, stat in changed.items() if not expected(path) and _is_input(run, path, reads)}
    gone = [path for path in lost_sight if run.taken.holds(path) and not expected(path)]
    _report_inputs(run, inputs, gone)
    ignored = matcher(project.settings.outputs.ignore)
    written = {path: stat for path, stat in changed.items() if path not in inputs and not ignored(path)}
    written = {path: stat for path, stat in written.items() if not _is_ours(path)}
    touched = [*fresh, *lost_sight]
    roots = [root for root in writes if put or any(inside(path, root) for path in touched)]
    whole = {path: stat for root in roots for path, stat in after.below(root).rows()}
    found = _without_secrets(run, written | whole)
    if not put:
        _report_left_over(run, found)
    lost: list[str] = []
    entries = _record(run, found, lost)
    _report_closed(run, walked.unreadable)
    run.files = after
    outputs = _group(project, entries, [root for root in roots if not any(inside(path, root) for path in lost)])
    run.outputs |= outputs
    return outputs


def _record(run: Going, files: Mapping[str, FileStat], lost: list[str]) -> dict[str, Entry]:
    """Record files. One that cannot be read or keeps changing becomes a finding and goes to `lost`; the others stay."""
    project = run.project
    stays = in_place(project)
    here = {path: stat for path, stat in files.items() if stays(path)}
    try:
        known = record_files(project.root, here, project.store, project.cache, keep=False) if here else {}
        rest = {path: stat for path, stat in files.items() if path not in here} if here else files
        return known | record_files(project.root, rest, project.store, project.cache)
    except InputError as error:
        listed = list(files.items())
        if len(listed) > 1:
            half = len(listed) // 2
            return _record(run, dict(listed[:half]), lost) | _record(run, dict(listed[half:]), lost)
        [path] = files
        lost.append(path)
        message = f"{path} could not be recorded: {error.message}"
        run.notice("output-lost", message, hint=error.hint, place=Place(file=path), error=True)
        return {}


def _report_closed(run: Going, unreadable: Sequence[tuple[str, str]]) -> None:
    """Folders that can no longer be looked into: what the command wrote there is not seen."""
    for path, why in unreadable:
        if (path, why) not in run.taken.view.unreadable:
            message = f"cannot look into {path}: {why}; what the run wrote there is not recorded"
            run.notice("output-lost", message, hint="make it readable", place=Place(file=path), error=True)


def _report_left_over(run: Going, found: Mapping[str, FileStat]) -> None:
    """Files in a declared folder that lay there before the run: from an earlier one, most often."""
    view = run.taken.view
    same = [path for path, stat in found.items() if view.files.get(path) == stat and stat.kind != "d"]
    paths = sorted(path for path in same if path not in (view.git_tracked or ()) and path not in run.outputs)
    run.left_over = bool(paths)
    if paths:
        run.notice(
            "left-over",
            f"{some(paths)} was not written by this run, and is recorded as its output all the same",
            hint="if it is from an earlier run, delete it and run again, or have the stage empty the folder first",
            place=Place(file=paths[0]),
        )


def _without_secrets(run: Going, written: Mapping[str, FileStat]) -> dict[str, FileStat]:
    """What a command wrote, without files that look like secrets. Each of those becomes a finding."""
    reasons = {path: secret_reason(run.project.root, path) for path in written}
    for path, reason in reasons.items():
        if reason:
            run.notice(
                "left-out",
                f"the run wrote {path}, which is not recorded: it is {reason}"
                if reason.startswith(("named", "in a"))
                else f"the run wrote {path}, which is not recorded: it {reason}",
                hint="keep secrets out of the project",
                place=Place(file=path),
            )
    return {path: stat for path, stat in written.items() if not reasons[path]}


def _expected(project: Project, writes: Sequence[str]) -> Callable[[str], bool]:
    metric = matcher(project.settings.metric_patterns, anchored=True)
    return lambda path: metric(path) or any(inside(path, root) for root in writes)


def _is_ours(path: str) -> bool:
    """A file that `cloche add` and `cloche untrack` write, perhaps while a command runs."""
    return path == LOCK_FILE or path.rpartition("/")[2] == ".gitignore"


def _is_input(run: Going, path: str, reads: Collection[str]) -> bool:
    """Whether a changed path was an input: a declared read, data, config, or code that a person rather than a program
    writes."""
    view = run.taken.view
    if path in run.files and any(inside(path, read) for read in reads):
        return True
    if path not in view.code:
        return run.taken.holds(path)
    tracked = view.git_tracked is not None and path in view.git_tracked
    return tracked or is_source(path)


def _report_inputs(run: Going, inputs: Mapping[str, FileStat], gone: list[str]) -> None:
    now = _record(run, inputs, [])
    before = {path: run.taken.entry(path) for path in now}
    different = [path for path, one in before.items() if one is None or one.digest != now[path].digest]
    # An input that was written with the same content may have had another one when it was read.
    run.unsettled = run.unsettled or bool(inputs or gone)
    for paths, did in ((sorted(different), "changed"), (sorted(gone), "disappeared")):
        if paths:
            run.notice(
                "input-changed",
                f"{some(paths)} {did} while the run was going; the snapshot holds what was there at the start",
                hint="run again if it mattered; what the program itself writes belongs in `writes`, or out of Git",
                place=Place(file=paths[0]),
            )


def _group(project: Project, entries: Mapping[str, Entry], writes: Sequence[str]) -> dict[str, Output]:
    """One output for each declared path, and one for each other file."""
    metric = matcher(project.settings.metric_patterns, anchored=True)
    outputs: dict[str, Output] = {}
    for root in writes:
        below = {path: entry for path, entry in entries.items() if inside(path, root)}
        if below:
            entry = entry_at(project, root, below)
            outputs[root] = Output(root, entry.kind, entry.digest, entry.size, entry.count, declared=True)
    for path, entry in entries.items():
        if not any(inside(path, root) for root in writes):
            outputs[path] = Output(path, entry.kind, entry.digest, entry.size, declared=metric(path))
    return outputs
