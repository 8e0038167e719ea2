"""What a command was seen to read that none of the four inputs holds: outputs of earlier runs, and what Git ignores."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Collection, Sequence

from cloche.capture.code import is_compiled
from cloche.capture.interpreter import starts_python
from cloche.capture.secrets import secret_reason
from cloche.capture.spool import Spooled
from cloche.errors import InputError
from cloche.model.paths import above, decode_path, inside
from cloche.model.run import Output, Place
from cloche.model.settings import Stage
from cloche.model.tree import Entry
from cloche.model.wording import some
from cloche.project.going import Going
from cloche.project.journal import present
from cloche.project.naming import named_paths
from cloche.project.project import Project
from cloche.project.snapshots import Taken
from cloche.project.trees import entry_at
from cloche.store.capture import record_files
from cloche.store.listing import FileStat

_MAYBE = re.compile(r"\|\||&&|\bif\b|\bcase\b")  # a part of the command may not have been run
_BLIND = re.compile(r"PYTHONPATH=|\s-[A-Za-z]*[EIS]")
_METADATA = (".egg-info", ".dist-info")  # of packages: part of the environment
MOST_LISTED = 100
CLOCK = 0.01  # seconds that the time of a file may lag behind
SMALL = 10_000_000  # bytes


def earlier_outputs(project: Project, taken: Taken) -> dict[str, Entry]:
    """What lies in the work tree from earlier runs, before a command may overwrite it. Small files are stored as they
    are; of large ones, which a run has stored once, only the digest is taken."""
    written = taken.view.outputs
    small: dict[str, FileStat] = {}
    large: dict[str, FileStat] = {}
    for path, stat in taken.view.loose.rows():
        if path in taken.entries or stat.kind == "d" or written.isdisjoint((path, *above(path))):
            continue
        (small if stat.size <= SMALL else large)[path] = stat
    found: dict[str, Entry] = {}
    for files, keep in ((small, True), (large, False)):
        with contextlib.suppress(InputError):  # one that cannot be read: the command may not need it either
            found |= record_files(project.root, files, project.store, project.cache, keep=keep)
    return found


def observe(
    run: Going, who: str, spooled: Spooled, stage: Stage | None = None, made: Collection[str] = frozenset()
) -> bool:
    """Put on record what was read and lay there before the run began, but belongs to no input. Whether all of it is
    still what it was.

    stage: with what it says that it reads and writes. made: paths that earlier stages of this run wrote. The content of
    outputs of earlier runs is kept; of anything else only the digest is, and a finding says so. Secrets are passed
    over.
    """
    written = run.taken.view.outputs
    declared = stage.reads if stage is not None else ()
    paths = [path for path in _read(run, spooled.reads, declared) if path not in run.observed]
    earlier = [path for path in paths if not written.isdisjoint((path, *above(path)))]
    hidden = sorted(set(paths) - set(earlier))
    run.observed |= present(run.project, earlier, keep=True) | present(run.project, hidden)
    named = {finding.place.file for finding in run.findings if finding.check == "not-recorded"}
    hidden = [path for path in hidden if path not in named]
    if hidden:
        run.notice(
            "not-recorded",
            f"{who} read {some(hidden)}, which Git ignores and Cloche does not track: no version holds the content",
            hint=f"type `cloche add {_typed(_common(hidden))}`, unless the program can make it anew",
            place=Place(file=hidden[0]),
        )
    return _observe_changed(run, who, spooled, stage, made)


def _observe_changed(run: Going, who: str, spooled: Spooled, stage: Stage | None, made: Collection[str]) -> bool:
    """What was read and then changed, by the command itself (a checkpoint that it goes on from) or by somebody else."""
    view = run.taken.view
    read = [path for path in sorted(spooled.read_first) if path in view.files and not run.taken.holds(path)]
    touched = [path for path in read if run.files.get(path) != view.files[path] and _counts(run, path, made)]
    free = None if stage is None else stage.writes
    after = [path for path in touched if not _written_first(run, spooled, path, free)]
    now = present(run.project, [path for path in after if path in run.earlier])
    changed = [path for path in after if path not in now or now[path].digest != run.earlier[path].digest]
    if changed:
        run.observed |= {path: run.earlier[path] for path in changed if path in run.earlier}
        lost = [path for path in changed if path not in run.earlier]
        held = "" if lost else "; what it was before is on record, too"
        run.notice(
            "read-and-changed",
            f"{who} read {some(changed)}, which changed while it ran{held}",
            hint=f"type `cloche add {_typed(lost[0])}` to have the state before each run on record"
            if lost
            else f"`cloche revert {run.run.short} --only code,data,config` brings back what it began with",
            place=Place(file=changed[0]),
        )
    return not changed


def _typed(path: str) -> str:
    """A path as one types it for a shell."""
    name = decode_path(path)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def _common(paths: Sequence[str]) -> str:
    """The file itself, or the innermost folder that holds all of them; else the first of them."""
    shared = set.intersection(*({path, *above(path)} for path in paths))
    return max(shared, key=len, default=paths[0])


def _written_first(run: Going, spooled: Spooled, path: str, writes: Sequence[str] | None) -> bool:
    """Whether a file that Python only read had been written before that, by another program of the same command. Of a
    stage that is so only for what it declares to write: anything else may be somebody's edit. None: no stage."""
    stat = run.files.get(path)
    if path in spooled.writes or stat is None:
        return False
    ours = writes is None or any(inside(path, one) for one in writes)
    return ours and stat.ctime_ns / 1e9 + CLOCK < spooled.read_first[path]


def _read(run: Going, reads: frozenset[str], declared: Sequence[str]) -> list[str]:
    view = run.taken.view
    found = {path for path in reads if path in view.files}
    if declared:
        found |= {path for path in view.loose if any(inside(path, one) for one in declared)}
    return [
        path
        for path in sorted(found)
        if not run.taken.holds(path)
        and view.files[path].kind != "d"
        and run.files.get(path) == view.files[path]
        and _counts(run, path, run.outputs.keys())
    ]


def _counts(run: Going, path: str, made: Collection[str]) -> bool:
    """Not what this run made, nor what is left out of every record, nor what follows from another file."""
    left_out = {one.path for one in run.taken.view.left_out}
    ours = any(one in made or one in left_out or one.endswith(_METADATA) for one in (path, *above(path)))
    return not ours and not is_compiled(path) and not secret_reason(run.project.root, path)


def only_read(run: Going, spooled: Spooled) -> frozenset[str]:
    """Inputs that were opened for reading and never for writing: where one of them changed, somebody else did it."""
    return frozenset(path for path in spooled.reads - spooled.writes if run.taken.holds(path))


def observed_outputs(run: Going) -> tuple[Output, ...]:
    """What was observed, for the record: file by file, or, where that are many, by folder of the project. The tree of
    such a folder names just the files that were read."""
    files = run.observed
    tops = {path.partition("/")[0] for path in files if "/" in path} if len(files) > MOST_LISTED else set[str]()
    listed = {path: entry for path, entry in files.items() if path.partition("/")[0] not in tops}
    for top in sorted(tops):
        listed[top] = entry_at(run.project, top, {path: one for path, one in files.items() if inside(path, top)})
    return tuple(Output(path, one.kind, one.digest, one.size, one.count) for path, one in listed.items())


def notice_unseen(run: Going, spooled: Spooled, command: Sequence[str] | str, folder: str) -> bool:
    """Say so where a Python ran and told nothing: what it read is not known. Whether that is so."""
    text = command if isinstance(command, str) else " ".join(command)
    certain = starts_python(command) and (_BLIND.search(text) or not _MAYBE.search(text))
    if not certain or spooled.processes or not run.folder.is_dir():
        return False
    scripts = [path for path in named_paths(run.project, command, folder) if path.endswith(".py")]
    name = next((path for path in scripts if path in run.taken.view.files), "the Python program")
    run.notice(
        "not-observed",
        f"{name} could not be observed: the command sets PYTHONPATH, or starts Python with -E, -I or -S",
        hint="set PYTHONPATH outside of the command: what is not observed is never taken from an earlier run",
        place=Place(file=name if name in scripts else ""),
    )
    return True
