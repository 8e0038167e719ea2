"""What the stat cache knows of the files of one folder, as few objects as can be."""

from __future__ import annotations

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


def open_row(row: FolderRow) -> dict[str, Row]:
    """The files of a row by name."""
    size, digests = RECORD.size, row.digests
    return {
        name: (row.stats[at * size : (at + 1) * size], digests[at * _DIGEST : (at + 1) * _DIGEST], row.marks[at])
        for at, name in enumerate(row.names.split("/"))
    }


def close_row(files: dict[str, Row]) -> FolderRow:
    """The row of files by name; at least one."""
    names = sorted(files)
    rows = [files[name] for name in names]
    stats, digests = (b"".join(row[at] for row in rows) for at in (0, 1))  # type: ignore[misc]
    return FolderRow("/".join(names), stats, digests, bytes(row[2] for row in rows))
