"""The remotes of a project: which there are, and one that is open."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from cloche.errors import Conflict, NotFound, RemoteError, SettingsError, UsageError
from cloche.model.digest import digest_parts
from cloche.model.settings import FILE_NAME, Remote
from cloche.model.settings_text import parse_settings
from cloche.model.suggestions import closest
from cloche.project.project import FOLDER, Project, root_of
from cloche.remotes.address import Address, check_server, parse_address
from cloche.remotes.backend import BUNDLES, FORMAT, PACKS, PROBES, Backend, Unfit, parse_name
from cloche.remotes.opening import open_backend
from cloche.remotes.rehearsal import Rehearsal
from cloche.store.filesystem import FileSystem

LOCAL_FILE = "remotes.toml"
_MARK = b"cloche-remote-1\n"
_FORMAT = re.compile(rb"cloche-remote-1\n([0-9a-f]{32})\n")
_NEWER = re.compile(rb"cloche-remote-(?!1\n)[0-9]+\n")
TRIED = "creates"  # in the cache of a remote that refuses to overwrite: its id
_LARGEST = 4096
WORK_TREE = (FILE_NAME, FOLDER, ".git", "HEAD")
"""What a project or a Git repository has at its top."""
NOT_OTHERS = (".", PROBES, "lost+found")
"""How names begin that may be in the place of a new remote."""


class LostFormat(RemoteError):
    """There is a remote, but its `format`, by which it is known, is gone or damaged."""


class NewerFormat(RemoteError):
    """There is a remote, of a format that this Cloche does not know."""


@dataclass
class Place:
    """A remote that is open. id: by which it is known, wherever it is reached. local: only this copy of the project
    knows it. fresh: everything is read of the remote itself, nothing of the cache. rehearsed: what is done there only
    seems to be."""

    name: str
    remote: Remote
    address: Address
    backend: Backend
    id: str = ""
    folder: str = ""
    local: bool = False
    fs: FileSystem = field(default_factory=FileSystem)
    fresh: bool = False
    rehearsed: bool = False

    def read(self, name: str, most: int) -> bytes | None:
        """An object, whole; None where there is none, and no bytes where what is there cannot be one."""
        try:
            return self.backend.get(name, most)
        except Unfit:
            return b""

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """`length` bytes of an object from `start` on; fewer where it ends before, none where it cannot be one."""
        try:
            return self.backend.get_range(name, start, length)
        except Unfit:
            return b""

    def rehearse(self) -> None:
        """From now on nothing is written there, nor noted here: what follows finds the remote as if it were."""
        self.backend, self.rehearsed = Rehearsal(self.backend), True

    @property
    def cache(self) -> str:
        """The folder for what of the remote never changes. Anyone may delete it."""
        return self.cache_of(self.id)

    def cache_of(self, known_by: str) -> str:
        """That folder, were this the id of the remote."""
        mark = digest_parts((self.address.url, self.remote.endpoint, known_by))[:16]
        return os.path.join(self.folder, "cache", "remotes", mark)

    def to_add(self, *, single_writer: bool = False) -> str:
        """What to type to add the remote as it is. single_writer: or as one that only one person pushes to."""
        options = {"--endpoint": self.remote.endpoint, "--region": self.remote.region}
        flags = {
            "--local": self.local,
            "--default": self.remote.default,
            "--single-writer": single_writer or self.remote.single_writer,
        }
        words = [self.name, self.address.url, *(word for pair in options.items() if pair[1] for word in pair)]
        return f"cloche remote add {shlex.join([*words, *(flag for flag, holds in flags.items() if holds)])}"


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
    """All remotes by name; a local one goes before one of `cloche.toml` that has its name or is the default."""
    return merged(project.settings.remotes, local_remotes(project))


def merged(shared: dict[str, Remote], local: dict[str, Remote]) -> dict[str, Remote]:
    """Remotes of `cloche.toml` and those that this copy knows, as `all_remotes`."""
    if any(one.default for one in local.values()):
        shared = {name: replace(one, default=False) for name, one in shared.items()}
    return {**shared, **local}


def default_name(remotes: dict[str, Remote]) -> str:
    """The name of the remote that is meant where none is named: the one that says so, else the first; empty where
    there is none, or several say so."""
    chosen = [name for name, one in remotes.items() if one.default] or list(remotes)[:1]
    return chosen[0] if len(chosen) == 1 else ""


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
            hint=f"name one, or leave `default = true` under only one of them in {FILE_NAME}",
        )
    return found, remotes[found]


def connect(project: Project, name: str, remote: Remote, *, local: bool = False) -> Place:
    """Open a remote, whatever is there."""
    address = parse_address(remote.url, str(project.root))
    if address.kind == "folder":
        _refuse_inside(project, address)
    disk = FileSystem()
    backend = open_backend(address, remote.endpoint, remote.region, disk=disk)
    return Place(name, remote, address, backend, folder=str(project.folder), local=local, fs=disk)


def open_remote(project: Project, name: str = "") -> Place:
    """Open a remote of the project, the default one where none is named. Raises RemoteError where it is none."""
    place = open_unread(project, name)
    place.id = read_id(place)
    return place


def open_unread(project: Project, name: str) -> Place:
    """The same, without looking at what is there."""
    name, remote = pick(project, name)
    try:
        return connect(project, name, remote, local=name in local_remotes(project))
    except UsageError as error:
        hint = f"{error.hint}; `cloche remote remove {name}`, then add it again"
        raise UsageError(f"the remote {name}: {error.message}", hint=hint) from None


def remote_at(url: str, endpoint: str = "", region: str = "", doubts: list[RemoteError] | None = None) -> Remote | None:
    """The remote at an address that somebody typed; None for what is left to Git: its addresses, and work trees.

    doubts: gets why it is not certain that what is left to Git is no remote. Raises RemoteError and UsageError where
    Git could not be meant.
    """
    try:
        address = parse_address(url, os.getcwd())
    except UsageError:
        if endpoint or region or ("://" in url and not url.startswith(("http", "ssh", "git"))):
            raise
        return None  # user@host:path, or a token in the URL: Git's own business
    check_server(address, endpoint, region)
    git_too = address.kind in ("folder", "web")
    if address.scheme == "git" or address.url.startswith(("ssh://", "git+")):
        return None
    if address.kind == "folder" and is_work_tree(address.path):
        return None
    remote = Remote(address.url, endpoint=endpoint, region=region)
    place = connect(Project(Path.cwd()), "origin", remote)
    try:
        found = find_id(place)
    except (LostFormat, NewerFormat):
        raise
    except RemoteError as error:
        if not git_too:
            raise
        if doubts is not None:
            doubts.append(error)
        return None
    finally:
        place.backend.close()
    if not found and not git_too:
        raise RemoteError(f"there is no remote of Cloche at {url}", hint="check the URL")
    return remote if found else None


def read_id(place: Place) -> str:
    """By what a remote is known. Raises RemoteError where there is none at this place."""
    found = find_id(place)
    if not found:
        ask = "is the disk or share mounted? If it is" if place.address.kind == "folder" else "check the URL; if it is"
        raise RemoteError(
            f"there is no remote of Cloche at {place.address.url}",
            hint=f"{ask} to be made anew: `{place.to_add()}`",
        )
    return found


def find_id(place: Place) -> str:
    """By what a remote is known; empty where nothing is at this place. Raises RemoteError where something else is,
    LostFormat where only what it is known by is gone or damaged."""
    data = place.read(FORMAT, _LARGEST)
    found = _FORMAT.fullmatch(data or b"")
    if found is not None:
        return found[1].decode()
    if data is not None and _NEWER.match(data):
        raise NewerFormat(f"{place.address.url} was made by a newer Cloche", hint="upgrade cloche")
    if _holds_objects(place):
        how = "lost" if data is None else "damaged"
        raise LostFormat(
            f"{place.address.url} is a remote of Cloche whose file `{FORMAT}` is {how}",
            hint="`cloche push --repair`, typed in a project that has this remote, writes it again",
        )
    if data is not None:
        raise RemoteError(f"{place.address.url} holds a `{FORMAT}` that is not Cloche's", hint="choose another folder")
    return ""


def _holds_objects(place: Place) -> bool:
    """Whether bundles or packs are there."""
    if not place.backend.listable:
        return False
    return any(parse_name(one.name) for prefix in (BUNDLES, PACKS) for one in place.backend.list(prefix))


def known_id(place: Place) -> str:
    """By what the remote at this address was known here, as far as that was noted; else empty."""
    above = os.path.dirname(place.cache)
    for name in os.listdir(above) if os.path.isdir(above) else []:
        try:
            noted = Path(above, name, TRIED).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            continue
        if _FORMAT.fullmatch(format_of(noted)) and os.path.basename(place.cache_of(noted)) == name:
            return noted
    return ""


def format_of(known_by: str) -> bytes:
    """The bytes that make a place the remote of that id."""
    return _MARK + known_by.encode() + b"\n"


def refuse_work_tree(project: Project, address: Address, *, is_remote: bool) -> None:
    """Raises UsageError for a folder in which a remote would be taken for code, Conflict for one that holds other
    things. is_remote: what is there is one already."""
    path, root = os.path.realpath(address.path), os.path.realpath(project.root)
    if os.path.join(path, "").startswith(os.path.join(root, "")):
        raise UsageError(
            f"{address.path} lies in this project, whose runs would record it as code",
            hint="name a folder outside, such as ../remote",
        )
    if is_work_tree(path):
        raise Conflict(f"{address.path} is a project or Git repository itself", hint="name a new or empty folder")
    if is_remote:
        return
    above = root_of(Path(path))
    if above is not None:
        raise UsageError(
            f"{address.path} lies in the project {above}, whose runs would record it as code",
            hint="name a folder outside",
        )
    if os.path.isdir(path):
        others = sorted(name for name in os.listdir(path) if not name.startswith(NOT_OTHERS))
        if others:
            hint = f"name a new folder, such as {shlex.quote(os.path.join(address.path, 'cloche'))}"
            raise Conflict(f"{address.path} holds other things, such as {others[0]}", hint=hint)


def is_work_tree(path: str) -> bool:
    """Whether a folder is that of a project, or of a Git repository (also of a bare one)."""
    return any(os.path.lexists(os.path.join(path, name)) for name in WORK_TREE)


def _refuse_inside(project: Project, address: Address) -> None:
    if os.path.realpath(address.path + os.sep).startswith(os.path.realpath(project.folder)):
        raise UsageError(f"{address.path} is the store of this project itself", hint="name another folder")
    if os.path.exists(address.path) and not os.path.isdir(address.path):
        raise Conflict(f"{address.path} is a file", hint="name a folder, which is made where there is none")
