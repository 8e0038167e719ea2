"""`cloche remote`: the places that runs and data are shared through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from cloche.errors import Conflict, NotFound, UsageError
from cloche.model.settings import Remote
from cloche.project.listing import inventory_problems, look, shelf
from cloche.project.probing import Probed, make, probe, refuse_overwriting
from cloche.project.project import Project
from cloche.project.remote_repair import damaged_packs, unmet
from cloche.project.remote_settings import write_remote
from cloche.project.remotes import all_remotes, connect, default_name, local_remotes, open_remote
from cloche.remotes.address import parse_address

Progress = Callable[[int, int], None]


class KnownRemote(msgspec.Struct, frozen=True):
    """A remote of the project. local: only this copy of the project knows it. default: meant where none is
    named."""

    name: str
    url: str
    default: bool = False
    local: bool = False
    single_writer: bool = False


class Tested(msgspec.Struct, frozen=True):
    """What a remote can do and holds. usable: it can be fetched from and is sound. size: bytes of its packs. problems:
    what is damaged there. left, left_size: what pushes that were cut off have left. read: packs were read too."""

    name: str
    can: Probed
    bundles: int = 0
    runs: int = 0
    packs: int = 0
    size: int = 0
    problems: tuple[str, ...] = ()
    left: int = 0
    left_size: int = 0
    read: bool = False


def remote(project: Project) -> list[KnownRemote]:
    """The remotes of the project by name."""
    remotes, local = all_remotes(project), local_remotes(project)
    chosen = default_name(remotes)
    return [
        KnownRemote(name, one.url, name == chosen, name in local, one.single_writer)
        for name, one in sorted(remotes.items())
    ]


def add(
    project: Project,
    name: str,
    url: str,
    *,
    local: bool = False,
    default: bool = False,
    single_writer: bool = False,
    endpoint: str = "",
    region: str = "",
    base: Path | None = None,
) -> KnownRemote:
    """Try out a place, make it a remote unless it is one, and write it into `cloche.toml` (local: where Git does
    not see it). Again with the same URL it changes the options.

    Raises RemoteError where it cannot be used, Conflict where it would overwrite or the name is taken, and UsageError.
    """
    address = parse_address(url, str(base or project.root))
    with project.writing():
        before = all_remotes(project).get(name)
        if before is not None and parse_address(before.url, str(project.root)) != address:
            raise Conflict(
                f"{name} is {before.url} already", hint=f"choose another name, or type `cloche remote remove {name}`"
            )
        new = Remote(address.url, default, single_writer, endpoint, region)
        place = connect(project, name, new)
        probed = probe(project, place)
        refuse_overwriting(place, probed)
        make(project, place, probed)
        if before != new:
            write_remote(project, name, new, local=local, summary=f"added the remote {name}")
            project.refresh()
        place.backend.close()
    return KnownRemote(name, address.url, default_name(all_remotes(project)) == name, local, single_writer)


def remove(project: Project, name: str) -> KnownRemote:
    """Forget a remote. What it holds stays there. Raises NotFound."""
    with project.writing():
        known = {one.name: one for one in remote(project)}
        if name not in known:
            raise NotFound(f"no remote is called {name}", hint="type `cloche remote` to see them")
        write_remote(project, name, None, local=known[name].local, summary=f"removed the remote {name}")
    return known[name]


def try_out(project: Project, name: str = "", *, data: bool = False, progress: Progress | None = None) -> Tested:
    """Try out everything that a remote must be able to do, and read every record and index. Raises RemoteError.

    data: read every pack as well.
    """
    place = open_remote(project, name)
    place.fresh = True
    can = probe(project, place)
    found = look(place)
    problems = list(found.problems)
    shelf(place, found.packs, problems)
    problems += unmet(found)
    if place.backend.listable:
        problems += inventory_problems(place, found.listed)
    if data:
        problems += damaged_packs(place, found, progress)
    runs = {shared.run.id for bundle in found.bundles.values() for shared in bundle.runs}
    size = sum(found.packs.values())
    place.backend.close()
    left = sum(one.size for one in found.left)
    packs, bundles = len(found.packs), len(found.listed)
    return Tested(place.name, can, bundles, len(runs), packs, size, tuple(problems), len(found.left), left, data)


def check_name(name: str) -> str:
    """`name` if it can be that of a remote; raises UsageError otherwise."""
    if not name or not all(char.isalnum() or char in "-_." for char in name) or name[0] in "-.":
        raise UsageError(f"{name!r} cannot be the name of a remote", hint="use letters, digits, `-` and `_`")
    return name
