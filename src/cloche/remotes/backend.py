"""What every remote can do, and the names that its objects have.

| object | what |
|---|---|
| `format` | `cloche-remote-1`, a line end, 32 hexadecimal digits by which the remote is known, a line end |
| `packs/ab/<digest>.pack`, `.index` | as in a store |
| `bundles/<digest>.bundle` | records; named by the digest of its bytes (see `bundles`) |
| `inventory` | the bundles that there are, for places that cannot list; only a hint |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from cloche.errors import RemoteError
from cloche.model.digest import Digest

FORMAT = "format"
INVENTORY = "inventory"
PACKS = "packs"
BUNDLES = "bundles"
PROBES = "probe-"
_LEFT = re.compile(r"\.[0-9a-f]{16}\.tmp")
_ASTRAY = re.compile(r"(?:packs|bundles)/(?:.*/)?[0-9a-f]{64}\.(pack|index|bundle)")
_NAME = re.compile(r"packs/([0-9a-f]{2})/(\1[0-9a-f]{62})\.(pack|index)|bundles/([0-9a-f]{64})\.(bundle)")


class Listed(NamedTuple):
    """An object of a remote. name: relative to the remote, with `/`. size: bytes. changed: seconds since 1970, 0 where
    the place does not say."""

    name: str
    size: int
    changed: float = 0.0


class Passing(RemoteError):
    """A failure that may be gone the next time: the network, a server that is busy."""


class Unfit(RemoteError):
    """What has the name of an object cannot be one: it is too large, or no file."""


class Backend(Protocol):
    """One place. Its methods may be called by several threads at once.

    listable: whether `list` tells everything; a plain web server cannot. writable: whether it can be written to at all.
    Every method raises RemoteError, as Passing where trying again may help.
    """

    listable: bool
    writable: bool

    def list(self, prefix: str) -> Iterable[Listed]:
        """Every object below a folder of the remote; none where there is no such folder."""
        ...

    def top(self) -> Iterable[str]:
        """Names of files and folders at the top, whosever they are; some, where there are many."""
        ...

    def get(self, name: str, most: int) -> bytes | None:
        """An object, whole; None where there is none. Raises Unfit for one of more than `most` bytes, unread, and for
        what is no file."""
        ...

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """`length` bytes of an object from `start` on; fewer where it ends before, none where a place that cannot be
        listed holds no such object. Raises Unfit for what is no file."""
        ...

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """Write an object, whole or not at all. create: only where there is none, which the place itself decides;
        False where there is one. Raises CannotCreate where it cannot decide that."""
        ...

    def delete(self, name: str) -> None:
        """Take an object away; nothing where there is none. With the last one of a probe goes its folder."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class CannotCreate(RemoteError):
    """The place cannot refuse to overwrite."""


def pack_name(digest: Digest, ending: str = "pack") -> str:
    """The name of a pack, or of its index."""
    return f"{PACKS}/{digest[:2]}/{digest}.{ending}"


def bundle_name(digest: Digest) -> str:
    """The name of a bundle."""
    return f"{BUNDLES}/{digest}.bundle"


def parse_name(name: str) -> tuple[Digest, str] | None:
    """Digest and ending of an object; None for a name that is none of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return found[2] or found[4], found[3] or found[5]


def is_left_over(name: str) -> bool:
    """Whether this is what a write that was cut off has left beside the place of one of our objects."""
    found = _LEFT.search(name)
    return found is not None and found.end() == len(name) and parse_name(name[: found.start()]) is not None


def astray(name: str) -> str:
    """The ending of what is called as an object of ours, but lies where none of that name does; else empty."""
    found = _ASTRAY.fullmatch(name)
    return found[1] if found is not None and parse_name(name) is None else ""


def probe_folder(name: str) -> str:
    """The folder of a probe that an object is in; empty for any other object."""
    folder = name.partition("/")[0]
    return folder if name.startswith(PROBES) and folder != name else ""


def too_large(name: str, most: int) -> Unfit:
    """What `get` raises for an object of more than `most` bytes."""
    return Unfit(f"{name} has more than {most:,} bytes, which it cannot have", hint="is this a remote of Cloche?")
