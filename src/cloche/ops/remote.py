"""`cloche remote`: the places that runs and data are shared through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from cloche.errors import Conflict, NotFound, UsageError, hide_secrets
from cloche.model.settings import Remote
from cloche.project.listing import inventory_problems, look, shelf
from cloche.project.probing import Probed, make, probe, refuse_occupied, refuse_overwriting
from cloche.project.project import Project
from cloche.project.remote_repair import damaged_packs, unmet
from cloche.project.remote_settings import write_remotes
from cloche.project.remotes import (
    Place,
    all_remotes,
    connect,
    default_name,
    find_id,
    local_remotes,
    open_remote,
    refuse_work_tree,
)
from cloche.remotes.address import Address, parse_address

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
        KnownRemote(name, _shown(one.url), name == chosen, name in local, one.single_writer)
        for name, one in sorted(remotes.items())
    ]


def add(
    project: Project,
    name: str,
    url: str,
    *,
    local: bool = False,
    default: bool = False,
    single_writer: bool | None = None,
    endpoint: str | None = None,
    region: str | None = None,
    base: Path | None = None,
) -> KnownRemote:
    """Try out a place, make it a remote unless it is one, and write it into `cloche.toml` (local: where Git does
    not see it). The first one is the default until another is added as such. Again with the same URL it changes the
    options that are given (not None), and keeps the others.

    Raises RemoteError where it cannot be used, Conflict where it would overwrite, the name is taken or the folder holds
    other things, and UsageError.
    """
    address = parse_address(url, str(base or project.root))
    with project.writing():
        remotes, here = all_remotes(project), local_remotes(project)
        before = (here if name in here else project.settings.remotes).get(name)
        if before is not None and not _is_at(project, before, address):
            raise Conflict(
                f"{name} is {_shown(before.url)} already",
                hint=f"choose another name, or type `cloche remote remove {name}`",
            )
        local = local or name in here
        old = before or Remote(address.url)
        new = Remote(
            address.url,
            default or old.default,
            old.single_writer if single_writer is None else single_writer,
            old.endpoint if endpoint is None else endpoint,
            old.region if region is None else region,
        )
        _prepare(project, connect(project, name, new, local=local))
        if before != new or local != (name in here):
            write_remotes(project, {name: new}, local=local, summary=f"added the remote {name}")
            project.refresh()
        _settle(project, name if default else default_name(remotes))
    chosen = default_name(all_remotes(project))
    return KnownRemote(name, address.url, chosen == name, local, new.single_writer)


def _prepare(project: Project, place: Place) -> None:
    """Try out a place, and make it a remote unless it is one."""
    try:
        if place.address.kind == "folder":
            refuse_work_tree(project, place.address, is_remote=bool(find_id(place)))
        else:
            refuse_occupied(place, is_remote=bool(find_id(place)))
        probed = probe(project, place)
        refuse_overwriting(place, probed)
        make(project, place, probed)
    finally:
        place.backend.close()


def _settle(project: Project, name: str) -> None:
    """Have a remote be the default one, if it is not; nothing for the empty name."""
    if not name or default_name(all_remotes(project)) == name:
        return
    here = local_remotes(project)
    for local, remotes in ((True, here), (False, project.settings.remotes)):
        wanted = {one: replace(remote, default=one == name) for one, remote in remotes.items()}
        changed = {one: remote for one, remote in wanted.items() if remote != remotes[one]}
        if changed and (local or name not in here):
            write_remotes(project, changed, local=local, summary=f"made {name} the default remote")
    project.refresh()


def _shown(url: str) -> str:
    """A URL as it is shown: one that somebody wrote down with a secret in it, without."""
    return hide_secrets(url.partition("?")[0] if "://" in url else url)


def _is_at(project: Project, known: Remote, address: Address) -> bool:
    try:
        return parse_address(known.url, str(project.root)) == address
    except UsageError:  # a secret in it, which somebody wrote there by hand
        return False


def remove(project: Project, name: str) -> KnownRemote:
    """Forget a remote. What it holds stays there. Raises NotFound."""
    with project.writing():
        known = {one.name: one for one in remote(project)}
        if name not in known:
            raise NotFound(f"no remote is called {name}", hint="type `cloche remote` to see them")
        write_remotes(project, {name: None}, local=known[name].local, summary=f"removed the remote {name}")
    return known[name]


def words_to_add(project: Project, name: str) -> list[str]:
    """What to type to have a remote again that only this copy of the project knows; nothing for any other."""
    known = local_remotes(project).get(name)
    if known is None:
        return []
    words = ["cloche", "remote", "add", "--local"]
    words += ["--default"] * known.default + ["--single-writer"] * known.single_writer
    words += ["--endpoint", known.endpoint] if known.endpoint else []
    words += ["--region", known.region] if known.region else []
    return [*words, name, _shown(known.url)]


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
    problems += [f"{one.name} lies where nothing looks for it" for one in found.astray]
    if place.backend.listable:
        problems += inventory_problems(place, found)
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
