"""Recording files: their digests, and with them their content in the store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cloche.errors import InputError
from cloche.model.digest import Digest
from cloche.model.paths import encode_path
from cloche.model.tree import EMPTY_DIGEST, Entry
from cloche.store.folders import FolderRecorder
from cloche.store.listing import Files, FileStat
from cloche.store.meter import Meter, Progress
from cloche.store.objects import Store
from cloche.store.reading import Gone, hash_file, why_unread
from cloche.store.recorded import Recorded
from cloche.store.stat_cache import StatCache
from cloche.store.walk import os_path
from cloche.store.writing import Writer

_Reader = Callable[[str, FileStat], tuple[Digest, FileStat]]


class _Read(NamedTuple):
    stat: FileStat
    digest: Digest
    at_ns: int


def record_path(
    root: Path,
    path: str,
    files: Files,
    store: Store,
    cache: StatCache,
    *,
    keep: bool = True,
    content: bool = True,
    progress: Progress | None = None,
    unread: list[tuple[str, str]] | None = None,
) -> Recorded:
    """Record everything at or below a path, as `files` lists it, with its trees.

    Like `record_files`, and faster and smaller for many files: a folder in which nothing changed is not taken apart.
    content: whether contents are kept too, and not trees alone. What the cache knew of other files in these folders,
    which `files` leaves out, is forgotten. unread: as for `record_files`.
    """
    single = files.get(path)
    if single is not None and single.kind != "d":
        entries = record_files(
            root, {path: single}, store, cache, keep=keep and content, progress=progress, unread=unread
        )
        return Recorded.of_file(path, entries.get(path), single)
    if keep:
        cache.trust_marks(store.marks())
    if not keep:
        recorded = FolderRecorder(root, store, cache, None, progress, unread=unread).record(path, files)
    else:
        recorded = _store_path(root, path, files, store, cache, progress, content=content, unread=unread)
        cache.rely_on(store.marks())
    cache.drop_missing(lambda at: _names_in(root, at))
    cache.save()
    store.loose.save()
    return recorded


def _store_path(
    root: Path,
    path: str,
    files: Files,
    store: Store,
    cache: StatCache,
    progress: Progress | None,
    *,
    content: bool,
    unread: list[tuple[str, str]] | None,
) -> Recorded:
    """What the writer knows goes with it, before the cache is saved: both are large."""
    with store.writer() as writer:
        return FolderRecorder(root, store, cache, writer, progress, content=content, unread=unread).record(path, files)


def record_files(
    root: Path,
    files: Mapping[str, FileStat],
    store: Store,
    cache: StatCache,
    *,
    keep: bool = True,
    progress: Progress | None = None,
    unread: list[tuple[str, str]] | None = None,
) -> dict[str, Entry]:
    """The entries of files by path text, in the order given; what the cache knows is not read again.

    keep: whether content that the store does not hold goes in, in one commit; without it files are only hashed.
    progress: told the bytes read so far and those to be read in all. A file that vanished since it was listed is left
    out, as if it had been listed a moment later. unread: gets the files that cannot be read, each with the reason;
    they are left out then, and errors without it. The cache is saved.

    Raises ChangedWhileReading, InputError (unreadable), DiskFull, StoreError; the store is then as it was.
    """
    if keep:
        cache.trust_marks(store.marks())
    known = {path: _known(path, stat, store, cache) for path, stat in files.items() if stat.kind != "d"}
    absent = _not_stored(known, store, cache) if keep else set()
    to_read = {path: files[path] for path, digest in known.items() if digest is None or path in absent}
    read = _read(root, to_read, store, cache, keep=keep, progress=progress, unread=unread)
    _remember(root, read, store, cache, keep=keep)
    entries: dict[str, Entry] = {}
    for path, stat in files.items():
        name = path.rpartition("/")[2]
        if stat.kind == "d":
            entries[path] = Entry(name, "d", EMPTY_DIGEST, 0, 0)
        elif path not in to_read:
            entries[path] = Entry(name, stat.kind, known[path] or "", stat.size)
        elif path in read:
            fresh = read[path]
            entries[path] = Entry(name, fresh.stat.kind, fresh.digest, fresh.stat.size)
    return entries


def _known(path: str, stat: FileStat, store: Store, cache: StatCache) -> Digest | None:
    """The digest of a file that was read before, or that is one of the store's own."""
    known = cache.get(path, stat)
    if known is None:
        known = store.loose.find(stat, path)
        if known is not None:
            cache.put(path, stat, known, time.time_ns())
    return known


def _not_stored(known: Mapping[str, Digest | None], store: Store, cache: StatCache) -> set[str]:
    """Paths whose digest is known but whose content the store does not hold; the others are marked."""
    doubtful = {path: digest for path, digest in known.items() if digest is not None and not cache.is_stored(path)}
    if not doubtful:
        return set()
    missing = store.missing(set(doubtful.values()))
    absent = {path for path, digest in doubtful.items() if digest in missing}
    for path in doubtful.keys() - absent:
        cache.mark_stored(path)
    return absent


def _read(
    root: Path,
    files: Mapping[str, FileStat],
    store: Store,
    cache: StatCache,
    *,
    keep: bool,
    progress: Progress | None,
    unread: list[tuple[str, str]] | None,
) -> dict[str, _Read]:
    if not files:
        return {}
    meter = Meter(progress, sum(stat.size for stat in files.values()))
    if not keep:
        return dict(_read_each(root, files, meter, lambda path: hash_file, unread))
    with store.writer() as writer:
        return dict(_read_each(root, files, meter, lambda path: _storing(writer, cache.previous(path), meter), unread))


def _storing(writer: Writer, previous: Digest | None, meter: Meter) -> _Reader:
    return lambda path, stat: writer.add_file(path, stat, previous=previous, progress=meter.within)


def _read_each(
    root: Path,
    files: Mapping[str, FileStat],
    meter: Meter,
    reader_for: Callable[[str], _Reader],
    unread: list[tuple[str, str]] | None,
) -> Iterator[tuple[str, _Read]]:
    """Every file that is still there, read."""
    for path, stat in files.items():
        at_ns = time.time_ns()
        try:
            digest, seen = reader_for(path)(os_path(root, path), stat)
            yield path, _Read(seen, digest, at_ns)
        except Gone:
            pass
        except InputError as error:
            if unread is None:
                raise
            unread.append((path, why_unread(error)))
        meter.finish(stat.size)


def _remember(root: Path, read: Mapping[str, _Read], store: Store, cache: StatCache, *, keep: bool) -> None:
    for path, fresh in read.items():
        if store.loose.is_edited(path):
            continue
        cache.put(path, fresh.stat, fresh.digest, fresh.at_ns, stored=keep)
    if keep and read:
        cache.rely_on(store.marks())
    cache.drop_missing(lambda at: _names_in(root, at))
    cache.save()
    store.loose.save()


def _names_in(root: Path, at: str) -> frozenset[str]:
    try:
        return frozenset(map(encode_path, os.listdir(os_path(root, at))))
    except OSError:
        return frozenset()
