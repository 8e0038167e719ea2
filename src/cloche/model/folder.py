"""One folder of a tree, for looking up single names: its entries are not made before they are asked for."""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator

from cloche.errors import Damaged
from cloche.model.paths import decode_path, encode_path
from cloche.model.tree import _FIXED, MAGIC, Entry

_LENGTH = struct.Struct("<H")
_KINDS = b"fxld"
_DOTS = (b".", b"..")


class Folder:
    """The canonical bytes of a tree, checked. Raises Damaged where they are not those of a tree.

    Holds eight bytes for each entry beside the bytes themselves, so that a folder of a million files can be kept.
    """

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise Damaged("a directory listing in the store does not start as one")
        self._data = data
        self._starts = array("Q")
        at, end, fixed = len(MAGIC), len(data), _FIXED.size
        before = b""
        try:
            while at < end:
                after = at + fixed + _LENGTH.unpack_from(data, at + fixed - _LENGTH.size)[0]
                name = data[at + fixed : after]
                if name <= before or b"/" in name or b"\0" in name or name in _DOTS or data[at] not in _KINDS:
                    raise Damaged("a directory listing in the store has an impossible entry")
                before = name
                self._starts.append(at)
                at = after
        except struct.error:
            at = -1
        if at != end:
            raise Damaged("a directory listing in the store is cut short")

    @property
    def weight(self) -> int:
        """The bytes that it holds in memory, about."""
        return 256 + len(self._data) + self._starts.itemsize * len(self._starts)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Entry]:
        return (self._entry(at) for at in self._starts)

    def get(self, name: str) -> Entry | None:
        """The entry with this name, as path text."""
        wanted = os.fsencode(decode_path(name))
        at = bisect_left(self._starts, wanted, key=self._name)
        if at == len(self._starts) or self._name(self._starts[at]) != wanted:
            return None
        return self._entry(self._starts[at])

    def _name(self, at: int) -> bytes:
        length: int = _LENGTH.unpack_from(self._data, at + _FIXED.size - _LENGTH.size)[0]
        return self._data[at + _FIXED.size : at + _FIXED.size + length]

    def _entry(self, at: int) -> Entry:
        kind, digest, size, count, _ = _FIXED.unpack_from(self._data, at)
        name = encode_path(os.fsdecode(self._name(at)))
        return Entry(name, kind.decode(), digest.hex(), size, count)
