"""The remotes of a project: which there are, and one that is open."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property

from cloche.errors import Conflict, NotFound, RemoteError, SettingsError, UsageError
from cloche.model.digest import digest_parts
from cloche.model.settings import FILE_NAME, Remote
from cloche.model.settings_text import parse_settings
from cloche.model.suggestions import closest
from cloche.project.project import FOLDER, Project
from cloche.remotes.address import Address, parse_address
from cloche.remotes.backend import FORMAT, Backend
from cloche.remotes.opening import open_backend
from cloche.store.filesystem import FileSystem

LOCAL_FILE = "remotes.toml"
_MARK = b"cloche-remote-1\n"
_FORMAT = re.compile(rb"cloche-remote-1\n([0-9a-f]{32})\n")


@dataclass
class Place:
    """A remote that is open. id: by which it is known, wherever it is reached. fresh: everything is read of the remote
    itself, nothing of the cache."""

    name: str
    remote: Remote
    address: Address
    backend: Backend
    id: str = ""
    folder: str = ""
    fs: FileSystem = field(default_factory=FileSystem)
    fresh: bool = False

    @cached_property
    def cache(self) -> str:
        """The folder for what of the remote never changes. Anyone may delete it."""
        mark = digest_parts((self.address.url, self.remote.endpoint, self.id))[:16]
        return os.path.join(self.folder, "cache", "remotes", mark)


def local_remotes(project: Project) -> dict[str, Remote]:
    """Those that are known in this copy of the project only."""
    file = project.folder / LOCAL_FILE
    if not file.exists():
        return {}
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {file}: {error}", hint="delete it, and add the remotes again") from error
    return parse_settings(text, f"{FOLDER}/{LOCAL_FILE}").remotes


def all_remotes(project: Project) -> dict[str, Remote]:
    """All remotes by name; a local one goes before one of `cloche.toml` that has its name."""
    return {**project.settings.remotes, **local_remotes(project)}


def default_name(remotes: dict[str, Remote]) -> str:
    """The name of the remote that is meant where none is named; empty where there is none."""
    chosen = [name for name, one in remotes.items() if one.default]
    if len(chosen) == 1:
        return chosen[0]
    return next(iter(remotes)) if len(remotes) == 1 and not chosen else ""


def pick(project: Project, name: str) -> tuple[str, Remote]:
    """The remote of that name, or the default one. Raises NotFound."""
    remotes = all_remotes(project)
    if name in remotes:
        return name, remotes[name]
    if name:
        near = closest(name, remotes)
        hint = f"did you mean `{near}`?" if near else "type `cloche remote` to see them"
        raise NotFound(f"no remote is called {name}", hint=hint)
    if not remotes:
        raise NotFound("this project has no remote", hint="type `cloche remote add origin s3://BUCKET/FOLDER`")
    found = default_name(remotes)
    if not found:
        raise NotFound(
            f"which remote? There are {', '.join(remotes)}",
            hint=f"name one, or write `default = true` under it in {FILE_NAME}",
        )
    return found, remotes[found]


def connect(project: Project, name: str, remote: Remote) -> Place:
    """Open a remote, whatever is there."""
    address = parse_address(remote.url, str(project.root))
    if address.kind == "folder":
        _refuse_inside(project, address)
    disk = FileSystem()
    backend = open_backend(address, remote.endpoint, remote.region, disk=disk)
    return Place(name, remote, address, backend, folder=str(project.folder), fs=disk)


def open_remote(project: Project, name: str = "") -> Place:
    """Open a remote of the project, the default one where none is named. Raises RemoteError where it is none."""
    place = connect(project, *pick(project, name))
    place.id = read_id(place)
    return place


def read_id(place: Place) -> str:
    """By what a remote is known. Raises RemoteError where there is none at this place."""
    found = find_id(place)
    if not found:
        raise RemoteError(
            f"there is no remote of Cloche at {place.address.url}",
            hint=f"type `cloche remote add {place.name} {place.address.url}` to make one there",
        )
    return found


def find_id(place: Place) -> str:
    """By what a remote is known; empty where nothing is at this place. Raises RemoteError where something else is."""
    data = place.backend.get(FORMAT, 4096)
    if data is None:
        return ""
    found = _FORMAT.fullmatch(data)
    if found is None:
        if data.startswith(_MARK[:14]):
            raise RemoteError(f"{place.address.url} was made by a newer Cloche", hint="upgrade cloche")
        raise RemoteError(f"{place.address.url} holds a `{FORMAT}` that is not Cloche's", hint="choose another folder")
    return found[1].decode()


def new_format(project: Project) -> bytes:
    """The bytes that make a place a remote."""
    return _MARK + project.random(16).hex().encode() + b"\n"


def _refuse_inside(project: Project, address: Address) -> None:
    if os.path.realpath(address.path + os.sep).startswith(os.path.realpath(project.folder)):
        raise UsageError(f"{address.path} is the store of this project itself", hint="name another folder")
    if os.path.exists(address.path) and not os.path.isdir(address.path):
        raise Conflict(f"{address.path} is a file", hint="name a folder, which is made where there is none")
