"""Data that is tracked where it lies: its digests are recorded, and its content is not, since it is too big to be held
twice. It lies in the project, or elsewhere, and then a link stands for it in the work tree."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable
from typing import Any, Self

from cloche.errors import Conflict, InputError, SettingsError, StoreError
from cloche.model.changes import PathChange
from cloche.model.paths import above, decode_path, inside
from cloche.model.settings import FILE_NAME, is_address
from cloche.model.settings_text import parse_settings
from cloche.model.tree import Entry
from cloche.model.wording import some
from cloche.project.journal import read_bytes, text_change
from cloche.project.project import Project
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.listing import Files
from cloche.store.walk import Walked, never, os_path, walk


def in_place(project: Project) -> Callable[[str], bool]:
    """Tells which paths `cloche.toml` says are tracked in place; none where it cannot be read."""
    try:
        paths = project.settings.data.places
    except SettingsError:
        paths = ()
    return lambda path: any(inside(path, one) for one in paths)


def walk_data(project: Project, path: str, skip: Callable[[str, str], bool] = never) -> Walked:
    """What lies at a data path; of one that lies elsewhere, what is there. Nothing where the link to it is not there,
    but maybe something else, which is no data."""
    if is_elsewhere(project, path) and not is_link_to(project, path, project.settings.data.external[path]):
        return Walked(Files({}), [], [], [])
    return walk(project.root, path, skip=skip, through=is_elsewhere(project, path))


def is_elsewhere(project: Project, path: str) -> bool:
    """Whether data lies elsewhere on this machine, so that a link stands for it."""
    place = project.settings.data.external.get(path, "")
    return bool(place) and not is_address(place)


def is_far(place: str) -> bool:
    """Whether to look at a place asks another machine, which Windows tells by `//` who this user is."""
    return is_address(place) or place.startswith("//")


def lacking_links(project: Project, leave: Collection[str] = ()) -> dict[str, str]:
    """The links that stand for data elsewhere and are missing, as in a fresh clone, since they are not Git's: by path,
    what each leads to, which is there. leave: paths that are passed over, and not looked at."""
    return {
        path: place
        for path, place in project.settings.data.external.items()
        if not (path in leave or is_address(place) or is_link_to(project, path, place)) and os.path.exists(place)
    }


def back_in_place(project: Project, path: str) -> str:
    """How data that is tracked in place and not there can be had again."""
    place = project.settings.data.external.get(path)
    lies = bool(place) and os.path.lexists(os_path(project.root, path)) and not is_link_to(project, path, place or "")
    if path in lacking_links(project):
        makes = "`cloche revert --lock` makes the link"
        return f"move away what is there, which is not the link to {place}; then {makes}" if lies else f"{makes} again"
    return f"make {place} available" if place else "only you can put it back"


class Links:
    """Makes links to data elsewhere that are missing, for work that needs them. As a context: where the work fails,
    they go again, so that what is refused changes nothing. made: their paths."""

    def __init__(self, project: Project) -> None:
        self.made: list[str] = []
        self._project = project
        self._folders: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        root, fs = self._project.root, FileSystem()
        steps = [(fs.unlink, path) for path in reversed(self.made)]
        steps += [(fs.rmdir, folder) for folder in reversed(self._folders)]
        for take_away, path in steps if kind else ():
            with contextlib.suppress(OSError):
                take_away(os_path(root, path))

    def make(self, only: Iterable[str] | None = None) -> None:
        """Make those that are missing, all or of these paths. Raises Conflict where something else is there,
        StoreError."""
        root, fs = self._project.root, FileSystem()
        leave = () if only is None else self._project.settings.data.external.keys() - set(only)
        for path, place in lacking_links(self._project, leave).items():
            refuse_taken(self._project, path, place)
            self._folders += reversed([one for one in above(path) if not os.path.lexists(os_path(root, one))])
            try:
                fs.make_folders(os.path.dirname(os_path(root, path)))
                fs.symlink(place, os_path(root, path))
            except OSError as error:
                raise disk_error(error, f"make the link {path}") from error
            self.made.append(path)


def place_free_links(project: Project) -> tuple[tuple[str, ...], dict[str, str]]:
    """Make the links that are missing and have nothing in their way: those that were made, and by path why others
    could not be. None where `cloche.toml` cannot be read. No other machine is asked."""
    links = Links(project)
    stuck: dict[str, str] = {}
    with contextlib.suppress(SettingsError):
        far = {path for path, place in project.settings.data.external.items() if is_far(place)}
        for path in sorted(lacking_links(project, leave=far)):
            try:
                links.make([path])
            except (Conflict, StoreError) as error:
                stuck[path] = error.message
    return tuple(links.made), stuck


def refuse_taken(project: Project, path: str, place: str) -> None:
    """Raise Conflict where something other than the link to `place` is at a path, or a link leads out above it."""
    at = os_path(project.root, path)
    if os.path.lexists(at) and is_address(place):
        raise Conflict(f"{path} is here, and stands for {place}", hint="move it away, or name another path with --as")
    if os.path.lexists(at) and not _is_link_to(at, place):
        known = project.settings.data.external.get(path) == place
        raise Conflict(
            f"{path} is not the link to {place} that {FILE_NAME} names" if known else f"{path} is there already",
            hint="move what is there away, then try again" if known else "move it away, or name another path with --as",
        )
    for folder in above(path):
        if os.path.islink(os_path(project.root, folder)):
            raise Conflict(f"{folder} is a link, so {path} cannot be made", hint="name another path with --as")


def link_change(project: Project, path: str, place: str) -> list[PathChange]:
    """The change that makes the link to a place elsewhere; none where it is there."""
    refuse_taken(project, path, place)
    if is_address(place) or os.path.lexists(os_path(project.root, path)):
        return []
    with project.store.writer() as writer:
        digest = writer.add_bytes(os.fsencode(place))
    return [PathChange(path, None, Entry(path.rpartition("/")[2], "l", digest, len(os.fsencode(place))))]


def settings_change(
    project: Project, add: Iterable[str] = (), remove: Iterable[str] = (), external: dict[str, str] | None = None
) -> list[PathChange]:
    """The change of `cloche.toml` that makes paths tracked in place, or no longer; comments and order stay. None where
    it says so already. Raises SettingsError."""
    gone, elsewhere = set(remove), external or {}
    before = project.settings.data
    listed = tuple(path for path in before.in_place if path not in gone)
    listed += tuple(path for path in add if path not in listed and path not in elsewhere)
    kept = {path: place for path, place in before.external.items() if path not in gone} | elsewhere
    if (listed, kept) == (before.in_place, before.external):
        return []
    text = _edited(read_bytes(project, FILE_NAME).decode("utf-8"), listed, kept)
    after = parse_settings(text, FILE_NAME).data
    if (after.in_place, after.external) != (listed, kept):
        raise SettingsError(f"cannot write [data] of {FILE_NAME}", hint=f"write in_place = {list(listed)!r} into it")
    return [text_change(project, FILE_NAME, text)]


def refuse_copy(places: Iterable[str]) -> None:
    """Raise InputError for paths that lie elsewhere: there is nothing here to be copied into the store."""
    listed = sorted(places)
    if listed:
        raise InputError(
            f"{some(listed)} lies outside of the project", hint="copy it here first: `cloche untrack` it, then add it"
        )


def _edited(text: str, listed: tuple[str, ...], elsewhere: dict[str, str]) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text.removeprefix("\ufeff"))
    if "data" not in document:
        document["data"] = tomlkit.table()
    data = document["data"]
    if listed:
        data["in_place"] = list(listed)
    else:
        data.pop("in_place", None)
    if elsewhere:
        table = data.get("external")
        if table is None:
            data["external"] = table = tomlkit.table()
        for path in [*table]:
            if path not in elsewhere:
                del table[path]
        for path, place in elsewhere.items():
            if table.get(path) != place:
                table[path] = place
    else:
        data.pop("external", None)
    if not data:
        del document["data"]
    return tomlkit.dumps(document).rstrip("\n") + "\n"


def is_link_to(project: Project, path: str, place: str) -> bool:
    """Whether the link to a place elsewhere is at a path."""
    return _is_link_to(os_path(project.root, path), place)


def _is_link_to(at: str, place: str) -> bool:
    with contextlib.suppress(OSError):
        return os.readlink(at) == place
    return False


def elsewhere_of(argument: str, project: Project, base: str) -> str:
    """The absolute path or address that an argument names, if it lies outside of the project; else nothing."""
    if "://" in argument:
        return argument
    given = os.path.realpath(os.path.join(base, argument))
    root = os.path.realpath(project.root)
    return "" if given == root or given.startswith(root + os.sep) else given


def default_name(place: str) -> str:
    """What data elsewhere is called where nobody says: by its own name, below `data/`."""
    name = place.rstrip("/").rpartition("/")[2]
    return f"data/{name}" if name and decode_path(name) not in (".", "..") else ""
