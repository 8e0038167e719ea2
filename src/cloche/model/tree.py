"""Trees: directory listings by digest, and their canonical bytes.

The bytes of a tree are pinned (see docs/design.md, "Trees"): the magic `cloche-tree-1\\n`, then for each entry in the
byte order of its name: kind (1 byte: f, x, l, d), digest (32 bytes), size and count (8 bytes each, little endian),
length of the name (2 bytes, little endian), and the name as the file system's bytes. The digest of a tree is the
BLAKE3-256 of these bytes, so a name is bound to its content: two swapped files cannot pass for each other.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from itertools import islice
from operator import itemgetter, lt
from typing import Literal, NamedTuple, Protocol

import msgspec

from cloche.errors import Damaged, InputError
from cloche.model.digest import Digest, digest_bytes
from cloche.model.paths import decode_path, encode_path

MAGIC = b"cloche-tree-1\n"
_FIXED = struct.Struct("<c32sQQH")
_NO_NAMES = frozenset((b"", b".", b".."))
_KINDS = frozenset((b"f", b"x", b"l", b"d"))

Kind = Literal["f", "x", "l", "d"]


class Entry(msgspec.Struct, frozen=True):
    """One name in a tree.

    kind: `f` file, `x` executable file, `l` symbolic link (its content is the target), `d` directory (its digest is
    that of a tree). size: bytes of content, for a directory those of everything below. count: files and links at or
    below.
    """

    name: str
    kind: Kind
    digest: Digest
    size: int
    count: int = 1


class Located(Protocol):
    """Whatever says what lies at a path: tracked data, an output, a parameter file."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> Kind: ...  # noqa: D102
    @property
    def digest(self) -> Digest: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


def entry_of(item: Located) -> Entry:
    """What lies at a path, as an entry of the folder that it is in."""
    return Entry(item.path.rpartition("/")[2], item.kind, item.digest, item.size, getattr(item, "count", 1))


Tree = tuple[Entry, ...]
EMPTY: Tree = ()


def encode_tree(tree: Iterable[Entry]) -> bytes:
    """The canonical bytes of a tree. Raises InputError for a name that no directory can hold, or holds twice."""
    rows = sorted(((os.fsencode(decode_path(entry.name)), entry) for entry in tree), key=itemgetter(0))
    parts = [MAGIC]
    before = b""
    for name, entry in rows:
        if not _is_name(name) or name == before:
            raise InputError(f"impossible name in a directory: {entry.name!r}")
        before = name
        head = (entry.kind.encode(), bytes.fromhex(entry.digest), entry.size, entry.count, len(name))
        parts.append(_FIXED.pack(*head) + name)
    return b"".join(parts)


_Row = tuple[bytes, bytes, bytes, int, int]


class RawEntry(NamedTuple):
    """One name in a tree, as its bytes hold it. name: of the file system. digest: raw. files: how many."""

    name: bytes
    kind: bytes
    digest: bytes
    size: int
    files: int


def file_name(name: str) -> bytes:
    """The bytes of the file system that a name as path text stands for."""
    return os.fsencode(decode_path(name))


def encode_entries(entries: Iterable[RawEntry]) -> bytes:
    """The canonical bytes of a tree. Each name must be one that a directory can hold, and come once."""
    pack = _FIXED.pack
    rows = sorted(entries)
    return MAGIC + b"".join(
        [pack(kind, digest, size, files, len(name)) + name for name, kind, digest, size, files in rows]
    )


def raw_entries(data: bytes) -> list[RawEntry]:
    """The entries of a tree's canonical bytes. Raises Damaged where they are not those of a tree."""
    return [*map(RawEntry._make, _rows(data))]


def _rows(data: bytes) -> list[_Row]:
    if not data.startswith(MAGIC):
        raise Damaged("a directory listing in the store does not start as one")
    rows: list[_Row] = []
    at, end, fixed, unpack = len(MAGIC), len(data), _FIXED.size, _FIXED.unpack_from
    try:
        while at < end:
            kind, digest, size, count, length = unpack(data, at)
            at += fixed + length
            rows.append((data[at - length : at], kind, digest, size, count))
    except struct.error as error:
        raise Damaged("a directory listing in the store is cut short") from error
    names = [row[0] for row in rows]
    joined = b"\0".join(names)
    is_sound = (
        at == end
        and b"/" not in joined
        and joined.count(b"\0") == max(0, len(names) - 1)
        and _NO_NAMES.isdisjoint(names)
        and all(map(lt, names, islice(names, 1, None)))
        and _KINDS.issuperset([row[1] for row in rows])
    )
    if not is_sound:
        raise Damaged("a directory listing in the store has an impossible entry")
    return rows


def decode_tree(data: bytes) -> Tree:
    """The tree with these canonical bytes. Raises Damaged where they are not those of a tree."""
    return tuple(map(entry_from, raw_entries(data)))


def entry_from(raw: RawEntry) -> Entry:
    """A raw entry with its name as path text."""
    name, kind, digest, size, files = raw
    return Entry(encode_path(os.fsdecode(name)), kind.decode(), digest.hex(), size, files)  # type: ignore[arg-type]


def children(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and raw digest of each entry of a tree's canonical bytes. Raises Damaged as `raw_entries` does."""
    return [(row[1], row[2]) for row in _rows(data)]


def _is_name(name: bytes) -> bool:
    return name not in _NO_NAMES and b"/" not in name and b"\0" not in name


class Built(msgspec.Struct, frozen=True):
    """A directory built from a flat listing: its entry, and the bytes of every tree below by digest."""

    entry: Entry
    trees: dict[Digest, bytes]


def build_tree(files: Mapping[str, Entry], name: str = "") -> Built:
    """Build nested trees from entries keyed by their path text below one directory.

    An entry of kind `d` stands for an empty directory where it has no digest or that of the empty tree, and else for
    a whole tree that is built already. Directories that hold something need no entry of their own. Raises InputError
    where one path is both a file and the directory of another.

    >>> one = Entry("", "f", "00" * 32, 3)
    >>> build_tree({"a/b.txt": one}).entry.count
    1
    """
    folders: dict[str, dict[str, Entry]] = {"": {}}
    for path, entry in files.items():
        folder, _, leaf = path.rpartition("/")
        empty = entry.kind == "d" and entry.digest in ("", EMPTY_DIGEST)
        _open(folders, path if empty else folder)
        if not empty:
            folders[folder][leaf] = Entry(leaf, entry.kind, entry.digest, entry.size, entry.count)
    trees: dict[Digest, bytes] = {}
    for path in sorted(folders.keys() - {""}, key=_depth, reverse=True):
        folder, _, leaf = path.rpartition("/")
        if leaf in folders[folder]:
            raise InputError(f"{path} is both a file and a folder", hint="it changed while it was read: try again")
        folders[folder][leaf] = _fold(leaf, folders[path], trees)
    return Built(_fold(name, folders[""], trees), trees)


def _open(folders: dict[str, dict[str, Entry]], path: str) -> None:
    """Make room for a directory and for those above it."""
    while path not in folders:
        folders[path] = {}
        path = path.rpartition("/")[0]


def _depth(path: str) -> int:
    return path.count("/")


def _fold(name: str, entries: Mapping[str, Entry], trees: dict[Digest, bytes]) -> Entry:
    data = encode_tree(entries.values())
    digest = digest_bytes(data)
    trees[digest] = data
    size, count = sum(entry.size for entry in entries.values()), sum(entry.count for entry in entries.values())
    return Entry(name, "d", digest, size, count)


EMPTY_DIGEST = digest_bytes(MAGIC)
