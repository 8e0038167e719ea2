"""Trying out what a remote can do: nothing is concluded from what it is called."""

from __future__ import annotations

import os
import shlex
from typing import NoReturn

import msgspec

from cloche.errors import Conflict, RemoteError
from cloche.project.project import Project
from cloche.project.remotes import NOT_OTHERS, TRIED, WORK_TREE, Place, find_id, format_of
from cloche.remotes.backend import FORMAT, PROBES, CannotCreate

_LARGEST = 4096


class Probed(msgspec.Struct, frozen=True):
    """What a remote can do. id: empty where nothing is there yet. creates: it refuses to overwrite when asked to, so
    that several people may push."""

    url: str
    id: str
    listable: bool
    writable: bool
    creates: bool
    why: str = ""


def probe(project: Project, place: Place) -> Probed:
    """Read, write, create twice, list and delete a small object. Raises RemoteError where it cannot even be read."""
    found = find_id(place)
    backend = place.backend
    if not backend.writable:
        return Probed(place.address.url, found, backend.listable, writable=False, creates=False)
    folder = f"{PROBES}{project.random(8).hex()}"
    name, data = f"{folder}/object", project.random(64)
    try:
        backend.put(name, data)
    except RemoteError as error:
        return Probed(place.address.url, found, backend.listable, writable=False, creates=False, why=error.message)
    try:
        if backend.get(name, _LARGEST) != data or [one.name for one in backend.list(folder)] != [name]:
            raise RemoteError(f"{place.address.url} does not give back what was written", hint="it cannot be a remote")
        creates, why = _creates(place, name, folder, data)
    finally:
        backend.delete(name)
        backend.delete(f"{folder}/second")
    return Probed(place.address.url, found, backend.listable, writable=True, creates=creates, why=why)


def _creates(place: Place, name: str, folder: str, data: bytes) -> tuple[bool, str]:
    """Whether what is there is left alone, and what is not there is written."""
    try:
        written = place.backend.put(f"{folder}/second", data, create=True)
        refused = not place.backend.put(name, data[::-1], create=True)
    except CannotCreate as error:
        return False, error.message
    intact = place.backend.get(name, _LARGEST) == data
    holds = written and refused and intact
    return holds, "" if holds else f"{place.address.url} overwrites although it is asked not to"


def make(project: Project, place: Place, probed: Probed) -> str:
    """Make a place a remote, unless it is one; its id. Raises RemoteError where it cannot be written to."""
    if probed.id:
        return probed.id
    if not probed.writable:
        raise RemoteError(
            f"{place.address.url} is no remote of Cloche yet, and cannot be written to"
            + (f": {probed.why}" if probed.why else ""),
            hint="give yourself leave to write there, or have somebody else push first",
        )
    place.backend.put(FORMAT, format_of(project.random(16).hex()), create=probed.creates)
    found = find_id(place)
    if not found:
        raise RemoteError(f"{place.address.url} does not keep what is written", hint="it cannot be a remote")
    return found


def refuse_unsafe(project: Project, place: Place) -> None:
    """Raises Conflict where several people could overwrite each other's work. Tried once for each remote."""
    if place.remote.single_writer:
        return
    mark = os.path.join(place.cache, TRIED)
    if os.path.exists(mark):
        return
    probed = probe(project, place)
    if not probed.writable:
        refuse_read_only(place, probed.why)
    refuse_overwriting(place, probed)
    os.makedirs(place.cache, exist_ok=True)
    place.fs.replace_file(mark, place.id.encode(), durable=False)


def refuse_read_only(place: Place, why: str = "") -> NoReturn:
    """Raises RemoteError. why: what the place said of being written to."""
    raise RemoteError(
        f"{place.address.url} cannot be written to" + (f": {why}" if why else ""),
        hint="push to another remote, or to the place that this one serves",
    )


def refuse_occupied(place: Place, *, is_remote: bool) -> None:
    """Raises Conflict for a place that is a work tree, or is no remote and holds other things."""
    names = sorted(place.backend.top())
    if any(name in WORK_TREE for name in names):
        raise Conflict(f"{place.address.url} is a project or Git repository itself", hint="name a new or empty place")
    others = [name for name in names if not name.startswith(NOT_OTHERS)]
    if others and not is_remote:
        raise Conflict(
            f"{place.address.url} holds other things, such as {others[0]}",
            hint=f"name a new place, such as {shlex.quote(place.address.url + '/cloche')}",
        )


def refuse_overwriting(place: Place, probed: Probed) -> None:
    """Raises Conflict where the remote overwrites."""
    if probed.writable and not probed.creates and not place.remote.single_writer:
        raise Conflict(
            f"{probed.why}: two who push at once could harm each other",
            hint=f"if only you push there: `{place.to_add(single_writer=True)}`",
        )
