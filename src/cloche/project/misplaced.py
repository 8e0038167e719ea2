"""Objects of a remote that are whole, but called otherwise or elsewhere: put back where their digest belongs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection

from cloche.errors import ClocheError, RemoteError
from cloche.model.digest import Digest, digest_bytes
from cloche.project.remotes import Place
from cloche.remotes.backend import astray, bundle_name, pack_name
from cloche.remotes.bundles import decode_bundle
from cloche.store.pack_mending import index_of, is_true

Put = Callable[[str, bytes, str], None]


class Misplaced:
    """Where such objects lie. needed: digests of packs that something relies on; of any other pack everything in it is
    proven first."""

    def __init__(self, place: Place, needed: Collection[Digest]) -> None:
        self._place = place
        self._needed = needed
        self._lies: dict[str, tuple[str, int]] = {}  # by its own name: where it lies, and its size
        self._held: dict[str, str] = {}  # by where it lies: its own name

    def note(self, at: str, ending: str, data: bytes) -> None:
        """Have a look at what lies there and is not what it is called."""
        digest = digest_bytes(data)
        with contextlib.suppress(ClocheError):  # it is neither
            if ending == "bundle":
                decode_bundle(data, digest)
                name = bundle_name(digest)
            elif ending == "pack" and (is_true(data) or digest in self._needed):
                name = pack_name(digest)
            else:
                return
            self._lies[name] = (at, len(data))
            self._held[at] = name

    def holds(self, at: str) -> bool:
        """Whether what lies there is whole."""
        return at in self._held

    def put_back(self, sound: Collection[str], put: Put) -> set[str]:
        """Put all where they belong, but for those of which there is a sound one; their names."""
        done: set[str] = set()
        for first in self._lies:
            name, waiting = first, list[tuple[str, bytes]]()
            while name in self._lies and name not in done and name not in sound:
                done.add(name)
                waiting.append((name, self._read(name)))
                name = self._held.get(name, "")  # what lies in its place, and is to be put back before that is taken
            for name, data in reversed(waiting):
                self._put(name, data, put)
        return done

    def _read(self, name: str) -> bytes:
        at, size = self._lies[name]
        data = self._place.read(at, size) or b""
        if name not in (pack_name(digest_bytes(data)), bundle_name(digest_bytes(data))):
            raise RemoteError(f"{at} of {self._place.name} changed while it was read", hint="try again")
        return data

    def _put(self, name: str, data: bytes, put: Put) -> None:
        digest = digest_bytes(data)
        if name == pack_name(digest):
            self._place.backend.put(pack_name(digest, "index"), index_of(data))
        how = "which lay elsewhere" if astray(self._lies[name][0]) else "which had another name"
        put(name, data, f"{name.partition('s/')[0]} {digest[:12]}, {how}")
