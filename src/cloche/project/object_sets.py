"""Data in an object store, tracked in place: read once, and known from then on by what the store says of each object.

`.cloche/cache/objects.json` holds by address and name what was said of an object (size, entity tag, time) when it was
read, and its digest. Who deletes it has everything read again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from blake3 import blake3

from cloche.capture.cache import load, save
from cloche.errors import InputError, RemoteError, UsageError
from cloche.model.digest import Digest
from cloche.model.paths import checked, encode_path
from cloche.model.tree import Entry, RawEntry, build_tree, raw_entries
from cloche.project.project import Project
from cloche.project.trees import store_trees
from cloche.remotes.address import parse_address
from cloche.remotes.cloud import CloudBackend, Seen
from cloche.store.listing import FileStat, Folder, pack_stat
from cloche.store.recorded import Recorded, RecordedFolder

CACHE = "objects.json"

Progress = Callable[[int, int], None]
_Known = dict[str, dict[str, tuple[str, Digest]]]


def tidy_url(project: Project, url: str) -> str:
    """The address of a set of objects. Raises UsageError, RemoteError."""
    return _open(project, url).address.url


def record_objects(
    project: Project, path: str, url: str, *, keep: bool, read: bool, progress: Progress | None = None
) -> Recorded:
    """Record the objects below an address under a data path. keep: the trees go into the store.

    read: read those that are not known; without it they count as different from everything. Raises RemoteError, and
    InputError for names that cannot be files.
    """
    backend = _open(project, url)
    cache = project.folder / "cache" / CACHE
    every = load(cache, _Known) or {}
    known = every.get(url, {})
    objects = {_path(path, one.name): one for one in backend.seen() if not one.name.endswith("/")}
    fresh = [one for one in objects.values() if known.get(one.name, ("", ""))[0] != one.mark]
    total, done = sum(one.size for one in fresh), 0
    found = dict(known)
    try:
        for one in fresh if read else ():
            found[one.name] = one.mark, _digest(backend, one)
            done += one.size
            if progress is not None:
                progress(done, total)
    finally:
        if found != known:
            save(cache, {**every, url: found})
    entries = {at: _entry(at, one, found) for at, one in objects.items()}
    return _recorded(project, path, entries, keep=keep and read)


def _open(project: Project, url: str) -> CloudBackend:
    address = parse_address(url, str(project.root))
    if address.kind != "cloud":
        raise UsageError(f"{url} is no object store", hint="s3://, gs:// and az:// can be tracked in place")
    if find_spec("obstore") is None:
        raise RemoteError(f"{url} needs the package obstore", hint="type `pip install 'cloche[remotes]'`")
    return CloudBackend(address)


def _path(path: str, name: str) -> str:
    with contextlib.suppress(InputError):
        return checked(f"{path}/{encode_path(name)}")
    raise InputError(f"the object {name!r} cannot be the name of a file", hint="name a prefix without it")


def _digest(backend: CloudBackend, one: Seen) -> Digest:
    hasher, length = blake3(), 0
    for piece in backend.pieces(one.name):
        hasher.update(piece)
        length += len(piece)
    if length != one.size:
        raise InputError(f"{one.name} changed while it was read", hint="run it again once nobody writes there")
    return hasher.hexdigest()


def _entry(path: str, one: Seen, found: Mapping[str, tuple[str, Digest]]) -> Entry:
    mark, digest = found.get(one.name, ("", ""))
    if mark != one.mark:  # not read: what stands for it is the digest of no file
        digest = blake3(f"not read: {one.name}\0{one.mark}".encode()).hexdigest()
    return Entry(path.rpartition("/")[2], "f", digest, one.size)


def _recorded(project: Project, path: str, entries: Mapping[str, Entry], *, keep: bool) -> Recorded:
    """What is there, in the shape that files of the work tree have."""
    if not entries:
        return Recorded(None, {}, {})
    by_folder: dict[str, dict[str, Entry]] = {}
    for at, entry in sorted(entries.items()):
        by_folder.setdefault(at.rpartition("/")[0], {})[entry.name] = entry
    folders = {
        at: RecordedFolder(
            Folder("/".join(files), b"".join(pack_stat(FileStat("f", one.size, 0, 0, 0)) for one in files.values())),
            b"".join(bytes.fromhex(one.digest) for one in files.values()),
        )
        for at, files in by_folder.items()
    }
    start = len(path) + 1
    built = build_tree({at[start:]: entry for at, entry in entries.items()}, path.rpartition("/")[2])
    if keep:
        store_trees(project, built.trees)
    inner: dict[str, list[RawEntry]] = {}
    pending = [(path, built.entry.digest)]
    while pending:
        at, digest = pending.pop()
        inner[at] = [one for one in raw_entries(built.trees[digest]) if one.kind == b"d"]
        pending += [(f"{at}/{encode_path(os.fsdecode(one.name))}", one.digest.hex()) for one in inner[at]]
    return Recorded(built.entry, folders, inner)
