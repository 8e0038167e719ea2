"""Taking a snapshot: the four inputs of a run, pinned and stored."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cloche.capture.config import read_config
from cloche.errors import InputError, RemoteError
from cloche.model.environment import Environment, Machine
from cloche.model.paths import decode_path, inside
from cloche.model.settings import is_address
from cloche.model.snapshot import Code, Config, ConfigFile, Data, Snapshot, Tracked
from cloche.model.tree import Entry
from cloche.model.values import Value
from cloche.model.wording import some
from cloche.project.in_place import back_in_place, in_place
from cloche.project.interpreters import see
from cloche.project.linked import refuse_edited
from cloche.project.object_sets import record_objects
from cloche.project.project import FOLDER, LOCK_FILE, Project
from cloche.project.remotes import all_remotes, default_name
from cloche.project.trees import tree_of
from cloche.project.view import View, look
from cloche.store.capture import record_files, record_path
from cloche.store.recorded import Recorded
from cloche.store.walk import stat_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Taken:
    """A snapshot with what it was made from. entries: what each file of code and config is, by path; data: what lies at
    each tracked data path."""

    snapshot: Snapshot
    environment: Environment
    machine: Machine
    view: View
    entries: dict[str, Entry]
    data: dict[str, Recorded]

    def entry(self, path: str) -> Entry | None:
        """What an input is: a file of code, data or config."""
        found = self.entries.get(path)
        return found or next((one[path] for one in self.data.values() if path in one), None)

    def holds(self, path: str) -> bool:
        """Whether a path is one of the inputs."""
        return self.entry(path) is not None

    @property
    def links(self) -> list[str]:
        """The inputs that are symbolic links."""
        loose = [path for path, entry in self.entries.items() if entry.kind == "l"]
        return loose + [path for one in self.data.values() for path in one.files.links()]

    @property
    def python(self) -> str:
        """Path of the interpreter that the command will most likely run; empty when there is none."""
        return self.machine.python


def take(
    project: Project,
    *,
    command: Sequence[str] | str = (),
    folder: str = "",
    overrides: Mapping[str, Value] | None = None,
    keep: bool = True,
    view: View | None = None,
    strict: bool = True,
    values: bool = True,
    progress: Progress | None = None,
) -> Taken:
    """Pin the four inputs as they are now.

    keep: store their content too (status and previews only hash). strict: raise InputError where an input is missing or
    cannot be read, instead of leaving it out (the view then names it as unreadable). values: read what the parameter
    files say, too, and not only their bytes; raises SettingsError where one cannot be understood.
    """
    view = view or look(project)
    if strict:
        refuse_missing(project, view)
    loose = view.code | view.config
    unread: list[tuple[str, str]] | None = None if strict else []
    entries = record_files(
        project.root, loose, project.store, project.cache, keep=keep, progress=progress, unread=unread
    )
    recorded = _data(project, view, unread, keep=keep, progress=progress)
    lost = [path for path, one in recorded.items() if one.entry is None]
    view = view.without({*(loose.keys() - entries.keys()), *lost}).also_unreadable(unread or ())
    if strict:
        refuse_missing(project, view)
    code = _code(project, view, entries, keep)
    stays = in_place(project)
    data = Data(
        tuple(
            Tracked(path, one.entry.kind, one.entry.digest, one.entry.size, one.entry.count)
            for path, one in recorded.items()
            if one.entry is not None
        ),
        tuple(path for path, one in recorded.items() if one.entry is not None and stays(path)),
    )
    config = _config(view, entries)
    if values:
        said = read_config(project.root, project.settings, overrides).values
        config = replace(config, values=said, overrides=dict(overrides or {}))
    environment, machine = see(project, command, folder)
    project.cache.save()
    snapshot = Snapshot(code, data, config, environment.digest)
    return Taken(snapshot, environment, machine, view, entries, recorded)


def _data(
    project: Project, view: View, unread: list[tuple[str, str]] | None, *, keep: bool, progress: Progress | None
) -> dict[str, Recorded]:
    """What lies at each data path. unread: gets what cannot be read. Without it that is an error, as is what was
    changed through a link; and what is new in object stores is read, too, which may take long."""
    root, store, cache, stays = project.root, project.store, project.cache, in_place(project)
    recorded = {
        path: record_path(
            root, path, files, store, cache, keep=keep, content=not stays(path), progress=progress, unread=unread
        )
        for path, files in view.data.items()
    }
    if unread is None:
        refuse_edited(project)
    external = project.settings.data.external
    for path in (item.path for item in view.tracked if is_address(external.get(item.path, ""))):
        try:
            recorded[path] = record_objects(
                project, path, external[path], keep=keep, read=unread is None, progress=progress
            )
        except RemoteError as error:
            if unread is None:
                raise
            unread.append((path, error.message))
    return {path: recorded[path] for path in sorted(recorded)}


def way_back(project: Project, item: Tracked) -> str:
    """How tracked data that is not there can be had again."""
    if in_place(project)(item.path):
        back = back_in_place(project, item.path)
        return f"it is tracked in place, and {back}" if back.startswith("only") else back
    if project.store.has(item.digest):
        return "`cloche revert --lock` brings it back"
    if default_name(all_remotes(project)):
        return "`cloche pull` fetches it"
    return f"copy {FOLDER}/ from where it was added"


def missing_data(project: Project, missing: Sequence[Tracked]) -> InputError:
    """The error that names tracked data that is not there, and for each what brings it back."""
    ways: dict[str, list[str]] = {}
    for item in missing:
        ways.setdefault(way_back(project, item), []).append(item.path)
    back = [f"{some(paths)}: {way}" for way, paths in ways.items()] if len(ways) > 1 else [*ways]
    one = shlex.quote(decode_path(missing[0].path)) if len(missing) == 1 else "PATH"
    return InputError(
        f"tracked data is missing: {some([item.path for item in missing])}",
        hint="; ".join([*back, f"`cloche untrack {one}` forgets it"]),
    )


def refuse_missing(project: Project, view: View) -> None:
    """Raise InputError where a tracked data path is gone or cannot be read."""
    bad = [(path, why) for path, why in view.unreadable if any(inside(path, one.path) for one in view.tracked)]
    if bad:
        raise InputError(f"cannot read {bad[0][0]}: {bad[0][1]}", hint="make it readable, then try again")
    if view.missing:
        raise missing_data(project, [item for item in view.tracked if item.path in view.missing])
    links = [path for path, files in view.data.items() if path in files and files[path].kind == "l"]
    if links:
        raise InputError(
            f"{links[0]} is tracked data, and a symbolic link now: what it leads to would not be recorded",
            hint=f"put the data itself there, or forget it: `cloche untrack {links[0]}`",
        )


def _code(project: Project, view: View, entries: Mapping[str, Entry], keep: bool) -> Code:
    tree = tree_of(project, {path: entries[path] for path in view.code}, keep=keep)
    return Code(
        tree=tree.digest,
        files=tree.count,
        size=tree.size,
        commit=view.commit,
        branch=view.branch,
        dirty=bool(view.commit) and _is_dirty(project, view),
        left_out=view.left_out,
    )


def _is_dirty(project: Project, view: View) -> bool:
    """Whether an input differs from the commit, so that Git alone could not give this version back."""
    inputs = view.code.keys() | view.config.keys() | {LOCK_FILE}
    changed = project.git.changed() if project.git is not None else ()
    return any(path in inputs or stat_of(project.root, path) is None for path in changed)


def _config(view: View, entries: Mapping[str, Entry]) -> Config:
    found = sorted((path, entries[path]) for path in view.config)
    return Config(tuple(ConfigFile(path, entry.kind, entry.digest, entry.size) for path, entry in found))
