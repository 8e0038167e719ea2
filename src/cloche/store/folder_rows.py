"""What the stat cache knows of the files of one folder, as few objects as can be."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from cloche.store.listing import RECORD

KNOWN, STORED, DOUBTED = 0, 1, 2

_DIGEST = 32

Row = tuple[bytes, bytes, int]
"""Of one file: stat record, raw digest, mark."""

KnownTree = tuple[bytes, int, int]
"""Of a folder: raw digest of its tree, bytes and files below."""


class FolderRow(msgspec.Struct, frozen=True, array_like=True):
    """names: with `/` between them. stats, digests, marks: one record, 32 bytes and one byte a file, in that order.

    tree: of the folder, if the digest of the entries of the folders in it is `below` (empty where there are none).
    kept: the store held it.
    """

    names: str
    stats: bytes
    digests: bytes
    marks: bytes
    below: bytes = b""
    tree: KnownTree | None = None
    kept: bool = False

    def unmarked(self) -> FolderRow:
        """The same, with no content known to be stored."""
        return msgspec.structs.replace(self, marks=self.marks.replace(bytes([STORED]), bytes([KNOWN])), kept=False)


class OpenRow:
    """The files of a folder, to look up and change."""

    def __init__(self, row: FolderRow | None) -> None:
        self._names = row.names.split("/") if row is not None else []
        self._index = dict(zip(self._names, range(len(self._names)), strict=True))
        self._stats = bytearray(row.stats if row is not None else b"")
        self._digests = bytearray(row.digests if row is not None else b"")
        self._marks = bytearray(row.marks if row is not None else b"")
        self._added = False

    def get(self, name: str) -> Row | None:
        """What is known of a file."""
        at = self._index.get(name)
        if at is None:
            return None
        stat = bytes(self._stats[at * RECORD.size : (at + 1) * RECORD.size])
        return stat, bytes(self._digests[at * _DIGEST : (at + 1) * _DIGEST]), self._marks[at]

    def put(self, name: str, row: Row) -> None:
        """Know a file."""
        stat, digest, mark = row
        at = self._index.setdefault(name, len(self._names))
        if at == len(self._names):
            self._names.append(name)
            self._marks.append(mark)
            self._added = True
        self._stats[at * RECORD.size : (at + 1) * RECORD.size] = stat
        self._digests[at * _DIGEST : (at + 1) * _DIGEST] = digest
        self._marks[at] = mark

    def keep(self, names: Collection[str]) -> None:
        """Forget all files but these."""
        rows = [(name, row) for name in self._names if name in names and (row := self.get(name)) is not None]
        self.__init__(None)  # type: ignore[misc]
        for name, row in rows:
            self.put(name, row)

    def close(self) -> FolderRow | None:
        """The row of them, in the order of their names; None where there are none."""
        if self._added:
            rows = [(name, row) for name in sorted(self._names) if (row := self.get(name)) is not None]
            self.__init__(None)  # type: ignore[misc]
            for name, row in rows:
                self.put(name, row)
            self._added = False
        if not self._names:
            return None
        return FolderRow("/".join(self._names), bytes(self._stats), bytes(self._digests), bytes(self._marks))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)
