"""`cloche add`: track data paths, or record their new content."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from cloche.errors import Conflict, InputError, UsageError
from cloche.model.changes import PathChange
from cloche.model.lock import describes_project, render_lock
from cloche.model.paths import decode_path, encode_path, inside
from cloche.model.portable import trouble
from cloche.model.settings import CheckoutMode, is_address
from cloche.model.snapshot import Tracked
from cloche.project.ignore import with_ignored
from cloche.project.in_place import (
    Links,
    default_name,
    elsewhere_of,
    in_place,
    is_elsewhere,
    is_link_to,
    link_change,
    refuse_copy,
    refuse_taken,
    settings_change,
)
from cloche.project.journal import perform, present, read_bytes, text_change
from cloche.project.linked import refuse_edited
from cloche.project.links import links_outside
from cloche.project.object_sets import record_objects, tidy_url
from cloche.project.other_locks import note_held
from cloche.project.project import FOLDER, LOCK_FILE, Project
from cloche.project.snapshots import missing_data, way_back
from cloche.project.view import gits
from cloche.store.capture import record_path
from cloche.store.linking import link_files, unlink_files
from cloche.store.listing import Files
from cloche.store.placing import LINKS
from cloche.store.recorded import Recorded
from cloche.store.walk import Walked, os_path, stat_of, walk

Progress = Callable[[int, int], None]
_LINK = "add the folder that it points to, or copy it here (`cloche import dvc` does so with links into DVC's cache)"
Place = Literal["", "in place", "copy"]


class AddedPath(msgspec.Struct, frozen=True):
    """One data path. state: `new`, `changed` or `unchanged` against `cloche.lock`. outside: links in it that lead out
    of the project, or into DVC's cache; what they lead to is not recorded. in_place: only its digests are recorded.
    repositories: the `.git` of repositories in it, which is left out. within: what was named, where that lies in this
    path. unlinked: how many links became files of their own, as `checkout` in `cloche.toml` wants it now. unfit: what
    keeps new data from being brought to other systems, in words; empty where nothing does."""

    tracked: Tracked
    state: str
    outside: tuple[str, ...] = ()
    in_place: bool = False
    repositories: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    unlinked: int = 0
    unfit: str = ""


class Added(msgspec.Struct, frozen=True):
    """What `add` did (or would do, with dry_run). ignored: `.gitignore` files that got a line. settings: whether
    `cloche.toml` was changed. absent: data tracked in place that is not there and stays as it was recorded, and what
    brings each back. links: to data elsewhere that were missing, and were made."""

    paths: tuple[AddedPath, ...]
    ignored: tuple[str, ...] = ()
    dry_run: bool = False
    settings: bool = False
    absent: dict[str, str] = {}
    links: tuple[str, ...] = ()


def add(
    project: Project,
    paths: Sequence[str],
    *,
    base: Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    place: Place = "",
    name: str = "",
) -> Added:
    """Record the content of data paths and write them to `cloche.lock`. Without paths: all that are tracked already,
    but for data tracked in place that is not there, where there is other data.

    `base` is the folder that relative paths start from. place: `in place` records digests and no content, and may name
    data outside of the project, called `name` here; `copy` takes that back. Raises InputError for a path that is
    missing, unreadable or outside the project, and Conflict for one that Git tracks or that overlaps another data path.
    """
    _refuse_words(paths, place, name)
    with project.writing(), Links(project) as made:
        before = {item.path: item for item in project.tracked}
        external = _external(project, paths, base, name) if place == "in place" else {}
        given = [path for path in paths if not external]
        within = _within(project, [project.path_text(path, base) for path in given], before if not place else {})
        names = [*within, *external] or list(before)
        if not names:
            raise _nothing(project)
        elsewhere = project.settings.data.external | external
        if place == "copy":
            refuse_copy(one for one in names if one in elsewhere)
        _refuse(project, names, before, elsewhere)
        if not dry_run:
            made.make(names)
        gone = _gone(project, [before[one] for one in names if one in before], external)
        if gone and (paths or len(gone) == len(names) or not all(map(in_place(project), (one.path for one in gone)))):
            raise missing_data(project, gone)
        absent = {one.path: way_back(project, one) for one in gone}
        names = [one for one in names if one not in absent]
        stays = _stays(project, names, place)
        rows = tuple(
            _record(project, one, before.get(one), _How(not dry_run, stays(one), external.get(one, "")), progress)
            for one in sorted(names)
        )
        rows = tuple(replace(row, within=within.get(row.tracked.path, ())) for row in rows)
        project.cache.save()
        refuse_edited(project)
        settings: list[PathChange] = []
        changes: list[PathChange] = []
        if not dry_run:
            changes = _changes(project, before, {row.tracked.path: row.tracked for row in rows})
            if place:
                listed, copied = (names, ()) if place == "in place" else ((), names)
                settings = settings_change(project, listed, copied, external)
            links = [change for path, where in external.items() for change in link_change(project, path, where)]
            note_held(project, (row.tracked for row in rows if not row.in_place))
            if changes or settings or links:
                how = f" {place}" if place == "in place" else ""
                perform(project, "add", f"added {', '.join(names)}{how}", [*changes, *settings, *links])
                project.refresh()
    ignored = tuple(change.path for change in changes if change.path != LOCK_FILE)
    return Added(rows, ignored, dry_run, bool(settings), absent, tuple(made.made))


class _How(NamedTuple):
    """keep: whether anything is stored. in_place: whether contents are not. place: where it lies, if not here."""

    keep: bool
    in_place: bool
    place: str


def _within(project: Project, names: Iterable[str], before: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The data paths to record, each with what was named below it: a file in a tracked folder means the folder."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        whole = next((path for path in before if path != name and inside(name, path)), None)
        if whole is None:
            found.setdefault(name, ())
        elif stat_of(project.root, name) is None:
            raise InputError(f"{name} does not exist", hint=f"`cloche add {_word(whole)}` records all")
        else:
            found[whole] = (*found.get(whole, ()), name)
    return found


def _nothing(project: Project) -> InputError:
    if project.git is not None and LOCK_FILE in project.git.tracked() and not present(project, [LOCK_FILE]):
        return InputError(
            f"{LOCK_FILE} is gone, so nothing is tracked", hint=f"`git restore {LOCK_FILE}` brings it back"
        )
    return InputError("nothing is tracked yet", hint="name a data path: `cloche add data/`")


def _refuse_words(paths: Sequence[str], place: Place, name: str) -> None:
    if place and not paths:
        raise UsageError("no path given", hint="name the data: `cloche add --in-place data/huge`")
    if name and (place != "in place" or len(paths) != 1):
        raise UsageError(
            "--as names one set of data that lies elsewhere", hint="cloche add --in-place /mnt/set --as data/set"
        )


def _external(project: Project, paths: Sequence[str], base: Path | None, name: str) -> dict[str, str]:
    """What is to be tracked where it lies, outside of the project, by the path that stands for it here."""
    places = [elsewhere_of(path, project, os.fspath(base or Path.cwd())) for path in paths]
    if not any(places):
        if name:
            raise UsageError(f"{paths[0]} lies in the project, where it has a name", hint="leave --as out")
        return {}
    if len(paths) > 1:
        raise UsageError("one set of data that lies elsewhere at a time", hint="type the command once for each")
    if is_address(places[0]):
        places = [tidy_url(project, places[0])]
    elif not os.path.exists(places[0]):
        raise InputError(f"{paths[0]} does not exist", hint="check the spelling")
    called = project.path_text(name or default_name(places[0]), base if name else project.root)
    refuse_taken(project, called, places[0])
    return {called: places[0]}


def _stays(project: Project, names: Sequence[str], place: Place) -> Callable[[str], bool]:
    before = in_place(project)
    return lambda path: place == "in place" if place and path in names else before(path)


def _gone(project: Project, items: Sequence[Tracked], given: Mapping[str, str]) -> list[Tracked]:
    external = project.settings.data.external | dict(given)
    here = [item for item in items if item.path not in given and not is_address(external.get(item.path, ""))]
    return [item for item in here if not os.path.exists(external.get(item.path) or os_path(project.root, item.path))]


def _record(project: Project, path: str, before: Tracked | None, how: _How, progress: Progress | None) -> AddedPath:
    place = how.place or project.settings.data.external.get(path, "")
    if is_address(place):
        recorded = record_objects(project, path, place, keep=how.keep, read=how.keep, progress=progress)
        return _as_row(path, recorded, before, how)
    if how.place or (place and not is_link_to(project, path, place)):  # which a dry run does not make
        return _record_elsewhere(project, path, before, how._replace(place=place), progress)
    walked = _walked(project.root, path, through=is_elsewhere(project, path))
    mode = project.settings.data.checkout
    unlinked = 0
    if how.keep and not how.in_place:
        unlinked = unlink_files(project.root, walked.files, project.store) if mode not in LINKS else 0
        if unlinked:
            walked = _walked(project.root, path, through=False)
        if mode not in ("auto", "copy"):
            walked = walked._replace(files=_linked(project, path, walked.files, mode, progress))
    return replace(_row(project, project.root, path, walked, before, how, progress), unlinked=unlinked)


def _record_elsewhere(
    project: Project, path: str, before: Tracked | None, how: _How, progress: Progress | None
) -> AddedPath:
    """Record what lies elsewhere, before there is a link to it: through one in a folder of our own."""
    with tempfile.TemporaryDirectory(dir=project.folder / "tmp") as folder:
        root = Path(folder)
        at = root / decode_path(path)
        at.parent.mkdir(parents=True, exist_ok=True)
        at.symlink_to(how.place)
        try:
            return _row(project, root, path, _walked(root, path, through=True), before, how, progress)
        except InputError as error:
            ours, theirs = encode_path(os.fspath(at)), encode_path(how.place)
            raise type(error)(error.message.replace(ours, theirs), hint=error.hint) from error


def _row(
    project: Project,
    root: Path,
    path: str,
    walked: Walked,
    before: Tracked | None,
    how: _How,
    progress: Progress | None,
) -> AddedPath:
    recorded = record_path(
        root,
        path,
        walked.files,
        project.store,
        project.cache,
        keep=how.keep,
        content=not how.in_place,
        progress=progress,
    )
    row = _as_row(path, recorded, before, how)
    if row.state != "unchanged":
        row = replace(row, unfit=trouble(walked.files.names()))
    return replace(row, outside=links_outside(project, walked.files.links()), repositories=tuple(gits(walked.reserved)))


def _as_row(path: str, recorded: Recorded, before: Tracked | None, how: _How) -> AddedPath:
    entry = recorded.entry
    if entry is None:
        raise InputError(f"{path} holds nothing", hint="check the spelling of the place; run it again")
    now = Tracked(path, entry.kind, entry.digest, entry.size, entry.count)
    state = "new" if before is None else "unchanged" if before == now else "changed"
    return AddedPath(now, state, in_place=how.in_place)


def _linked(project: Project, path: str, files: Files, mode: CheckoutMode, progress: Progress | None) -> Files:
    """Make the files of a data path links into the store; what is there then."""
    seen = record_path(project.root, path, files, project.store, project.cache, keep=False, progress=progress)
    refuse_edited(project)
    digests = {one: entry.digest for one, entry in seen.everything().items()}
    stats = {one: (stat, digests[one]) for one, stat in seen.files.rows() if one in digests}
    link_files(project.root, stats, project.store, mode)
    return _walked(project.root, path, through=is_elsewhere(project, path)).files


def _walked(root: Path, path: str, *, through: bool) -> Walked:
    """What lies at a data path. Raises InputError where something is missing or unreadable."""
    walked = walk(root, path, through=through)
    inner = next((at.rpartition("/")[0] for at in walked.reserved if at.rpartition("/")[2] == FOLDER), "")
    if inner:
        raise Conflict(
            f"{inner} is a project of its own, and its store is no data",
            hint=f"add the data there, with `cloche -C {_word(inner)} add`, or a path beside it",
        )
    if walked.unreadable:
        name, why = walked.unreadable[0]
        raise InputError(f"cannot read {name}: {why}", hint="make it readable, or add a smaller path")
    if walked.special:
        raise InputError(
            f"{walked.special[0]} is no file, folder or link (a socket, pipe or device)",
            hint="move it out of the data path",
        )
    if not walked.files:
        raise InputError(f"{path} does not exist", hint="check the spelling; paths are relative to this folder")
    return walked


def _refuse(
    project: Project, names: Iterable[str], before: Mapping[str, Tracked], elsewhere: Mapping[str, str]
) -> None:
    git_tracked, submodules = project.git.own() if project.git is not None else (set[str](), set[str]())
    for name in names:
        if describes_project(name):
            raise Conflict(f"{name} describes the project; it is no data", hint="leave it to Git")
        near = next((path for path in before if path != name and (inside(path, name) or inside(name, path))), None)
        if near is not None:
            raise Conflict(
                f"{name} overlaps {near}, which is tracked already", hint=f"type `cloche untrack {near}` first"
            )
        clash = next((path for path in git_tracked if inside(path, name)), None)
        if clash is not None:
            raise Conflict(
                f"Git already tracks {clash}",
                hint=f"type `git rm -r --cached {_word(name)}` and try again: either Git or Cloche keeps a file",
            )
        submodule = next((path for path in submodules if inside(path, name)), None)
        if submodule is not None:
            raise Conflict(
                f"{submodule} is a submodule: Git keeps what is in it",
                hint=f"add paths beside it, or type `git rm --cached -f {_word(submodule)}` first",
            )
        if name in elsewhere:
            refuse_taken(project, name, elsewhere[name])
        elif (stat := stat_of(project.root, name)) is not None and stat.kind == "l":
            raise Conflict(f"{name} is a symbolic link", hint=_LINK)


def _changes(project: Project, before: dict[str, Tracked], found: dict[str, Tracked]) -> list[PathChange]:
    after = {**before, **found}
    changes = []
    if after != before or not present(project, [LOCK_FILE]):
        changes.append(text_change(project, LOCK_FILE, render_lock(after.values())))
    if project.git is not None:
        new = [path for path in found if path not in before]
        visible = [path for path in new if path not in project.git.ignored(new)]
        for ignore_file, lines in with_ignored(visible, lambda path: read_bytes(project, path)).items():
            changes.append(text_change(project, ignore_file, lines))
    return changes


def _word(path: str) -> str:
    return shlex.quote(decode_path(path))
