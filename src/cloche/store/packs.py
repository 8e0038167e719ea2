"""Reading packs: which ones there are, where a digest lies, and the frame that lies there.

`Packs` sees the packs that it listed last; packs only ever appear (a pack that vanishes is noticed when it is opened).
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from blake3 import blake3

from cloche.errors import ClocheError, Damaged
from cloche.store import index
from cloche.store.codec import Decompressor
from cloche.store.digest_table import DigestTable
from cloche.store.filesystem import FileSystem, disk_error
from cloche.store.frames import HEADER, MAGIC, Place, check_magic, is_pack_name, open_frame, read_header
from cloche.store.quarantine import Quarantine
from cloche.store.recipes import RECIPE

ROW = struct.Struct("<32sIIIccI")  # a `Place`
_NUMBER = struct.Struct("<I")
_OPEN_FILES = 16
_BLOCK = 1 << 20
_LARGE = 4 << 20  # bytes of an index
_MANY = 1000
_FEW = 8  # digests that begin alike, not worth a table
_FEW_PACKS = 32
_WORTH = 8
READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Packs:
    """The packs of one store. Not for use by several threads.

    rebuilt: the packs whose index was found damaged, and written anew.
    """

    def __init__(self, folder: str, fs: FileSystem, quarantine: Quarantine | None = None) -> None:
        self.folder = folder
        self._fs = fs
        self._quarantine = quarantine
        self._files = _OpenFiles()
        self._zstd: Decompressor | None = None
        self.rebuilt: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """Start again from what is on the disk."""
        self._files.close()
        self._listed = False
        self._aside: dict[str, bytes] | None = None
        self._names: list[str] = []
        self._indexes: list[bytes] = []
        self._untable()

    def _untable(self) -> None:
        """Forget what was put where it is found by its digest: it is put there anew, as far as it is asked for."""
        self._table = DigestTable(ROW.size)
        self._tabled = [0] * 256  # of how many packs
        self._asked = [0] * 256

    def close(self) -> None:
        """Close the files that are open; they open again when needed."""
        self._files.close()

    @property
    def order(self) -> Sequence[str]:
        """The digests of the packs that were listed last, by the numbers that `Place.pack` has."""
        return self._names

    def path(self, name: str, ending: str = "pack") -> str:
        """The OS path of the pack with this digest, or of its index."""
        return os.path.join(self.folder, name[:2], f"{name}.{ending}")

    def names(self) -> frozenset[str]:
        """The digests of the packs on the disk, without opening any."""
        return frozenset(os.path.basename(path)[:64] for path in self.files() if path.endswith(".pack"))

    def files(self) -> Iterator[str]:
        """OS paths of all packs and indexes on the disk."""
        for shard in _listed(self.folder):
            folder = os.path.join(self.folder, shard)
            for name in _listed(folder):
                if name.endswith((".pack", ".index")) and is_pack_name(name.partition(".")[0]):
                    yield os.path.join(folder, name)

    def refresh(self) -> None:
        """See the packs that other processes have added, and no longer those that are gone."""
        names = self.names()
        if not names.issuperset(self._names):
            self.forget()
        for name in sorted(names.difference(self._names)):
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                self.add(name, self._load_index(name))
        self._listed = True
        self._aside = None

    def add(self, name: str, data: bytes) -> None:
        """See one more pack, whose index is `data`."""
        if name in self._names:
            return
        self._names.append(name)
        self._indexes.append(data)
        if len(data) > _LARGE:  # few of so many rows will be asked for
            self._untable()

    def places(self, digest: bytes) -> list[Place]:
        """Where a digest lies; more than one place if two writers stored it at once."""
        few = self._few(digest)
        return [Place(*ROW.unpack(row)) for row in (self._table.rows(digest) if few is None else few)]

    def row(self, digest: bytes) -> bytes:
        """The first of its places as the bytes of `ROW`, for those who look up very many; empty where there is none."""
        few = self._few(digest)
        return self._table.first(digest) if few is None else b"".join(few[:1])

    def holds(self, digest: bytes) -> bool:
        """Whether some pack that was listed holds the digest. One that is in quarantine comes back into use by this."""
        return self.in_use(digest) or self.take_out(digest)

    def in_use(self, digest: bytes) -> bool:
        """Whether some pack that was listed and is not in quarantine holds the digest."""
        few = self._few(digest)
        return digest in self._table if few is None else bool(few)

    def held(self, digests: set[bytes]) -> set[bytes]:
        """Those of the digests that `holds` is true of."""
        if not self._are_many(digests):
            return {digest for digest in digests if self.holds(digest)}
        found = self._among(digests, index.digests)
        return found | {digest for digest in digests - found if self.holds(digest)} if self._set_aside() else found

    def plain(self, digests: set[bytes]) -> set[bytes]:
        """Those of the digests that packs in use hold whole: none as a list of chunks."""
        if not self._are_many(digests):
            found = ((digest, self.places(digest)) for digest in digests)
            return {digest for digest, places in found if places and all(one.kind != RECIPE for one in places)}
        return self._among(digests, index.digests) - self._among(digests, _cut)

    def _are_many(self, digests: set[bytes]) -> bool:
        """Whether one look through every index costs less than to look for one digest after the other."""
        return len(digests) >= _MANY and len(digests) * _WORTH >= sum(map(index.count, self.indexes()))

    def _among(self, digests: set[bytes], those: Callable[[bytes], list[bytes]]) -> set[bytes]:
        """Those of the digests that are among `those` of some index."""
        return set[bytes]().union(*(digests.intersection(those(data)) for data in self.indexes()))

    # Quarantine

    def aside(self, name: str) -> Iterator[Place]:
        """What a pack in quarantine holds; nothing where it is gone."""
        data = self._set_aside().get(name, b"")
        return (Place(*index.RECORD.unpack(row)) for row in index.records(data)) if data else iter(())

    def take_out(self, digest: bytes) -> bool:
        """Bring a pack that holds the digest back from quarantine; whether there was one."""
        for name, data in self._set_aside().items():
            if any(row.startswith(digest) for row in index.bucket(data, digest[0])):
                return self.release(name)
        return False

    def release(self, name: str) -> bool:
        """Bring a pack back from quarantine; whether it was there. One that cannot be moved stays where it is."""
        aside = self._set_aside()
        try:
            there = self._quarantine is not None and self._quarantine.release(name, self.path(name, "")[:-1])
        except OSError:
            return False
        data = aside.pop(name)
        if there:
            self.add(name, data)
        return there

    def _set_aside(self) -> dict[str, bytes]:
        """The indexes of the packs in quarantine."""
        if self._aside is None:
            self._aside = {}
            for name, path in self._quarantine.names().items() if self._quarantine is not None else ():
                with contextlib.suppress(FileNotFoundError, Damaged):
                    self._aside[name] = index.check_index(_read_file(f"{path}.index"), bytes.fromhex(name))
        return self._aside

    def _few(self, digest: bytes) -> list[bytes] | None:
        """The rows of a digest, looked for in the indexes themselves while few are asked for. None: in the table is
        everything that begins as this digest does."""
        if not self._listed:
            self.refresh()
        first, count = digest[0], len(self._indexes)
        done = self._tabled[first]
        if done == count:
            return None
        self._asked[first] += 1
        fresh = ((number, self._indexes[number]) for number in range(done, count))
        if self._asked[first] <= _FEW and count - done <= _FEW_PACKS:
            found = ((number, index.find(data, digest)) for number, data in fresh)
            return [*self._table.rows(digest), *(row + _NUMBER.pack(number) for number, row in found if row)]
        for number, data in fresh:
            mark = _NUMBER.pack(number)
            self._table.update(row + mark for row in index.bucket(data, first))
        self._tabled[first] = count
        return None

    def read(self, place: Place) -> bytes:
        """The payload of a frame, proven. Raises Damaged, or FileNotFoundError where the pack is gone."""
        if place.pack >= len(self._names):
            raise FileNotFoundError
        try:
            fd = self._files.get(place.pack)
            if fd is None:
                fd = self._files.open(place.pack, self.path(self._names[place.pack]))
            data = read_at(fd, HEADER.size + place.stored, place.offset)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise disk_error(error, "read from the store") from error
        try:
            return open_frame(data, place, self._decompressor())
        except Damaged as error:
            raise Damaged(
                f"{error.message} (pack {self._names[place.pack][:12]})",
                hint="`cloche verify --repair` brings back what it can",
            ) from None

    def payload(self, place: Place) -> bytes:
        """The payload of a frame as it is stored, proven. Raises as `read`."""
        self.read(place)
        fd = self._files.get(place.pack)
        if fd is None:
            raise FileNotFoundError
        return read_at(fd, place.stored, place.offset + HEADER.size)

    def _decompressor(self) -> Decompressor:
        if self._zstd is None:
            self._zstd = Decompressor()
        return self._zstd

    def indexes(self) -> list[bytes]:
        """The index of each pack."""
        if not self._listed:
            self.refresh()
        return list(self._indexes)

    def contents(self) -> Iterator[tuple[str, Iterator[Place]]]:
        """Each pack's digest, and the places of its frames."""
        if not self._listed:
            self.refresh()
        for number, (name, data) in enumerate(zip(self._names, self._indexes, strict=True)):
            yield name, _places(data, number)

    def intact(self, name: str) -> bool:
        """Whether the bytes of a pack are those that gave it its name."""
        fd = os.open(self.path(name), READ)
        try:
            return _digest_of(fd).hexdigest() == name
        finally:
            os.close(fd)

    def _load_index(self, name: str) -> bytes:
        try:
            return index.check_index(_read_file(self.path(name, "index")), bytes.fromhex(name))
        except FileNotFoundError:
            pass
        except Damaged:
            self.rebuilt.add(name)
        data = self._rebuild(name)
        with contextlib.suppress(OSError):  # a disk that takes no index still serves its packs
            self._fs.replace_file(self.path(name, "index"), data)
        return data

    def _rebuild(self, name: str) -> bytes:
        fd = os.open(self.path(name), READ)
        try:
            trusted = _digest_of(fd).hexdigest() == name
            places = list(_scan(fd, trusted=trusted))
        finally:
            os.close(fd)
        return index.encode_index(bytes.fromhex(name), map(index.encode_record, places))


def _cut(data: bytes) -> list[bytes]:
    """The digests of what an index names that was cut into chunks."""
    kinds = index.kinds(data)
    if RECIPE not in kinds:
        return []
    return [digest for digest, kind in zip(index.digests(data), kinds, strict=True) if kind == RECIPE[0]]


def _places(data: bytes, number: int) -> Iterator[Place]:
    """What an index names."""
    return (Place._make((*index.RECORD.unpack(row), number)) for row in index.records(data))


class _OpenFiles:
    """The packs that were read last, open. They close with the object."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, int] = OrderedDict()
        self._last = -1

    def get(self, number: int) -> int | None:
        if number != self._last and number in self._open:
            self._open.move_to_end(number)
            self._last = number
        return self._open.get(number)

    def open(self, number: int, path: str) -> int:
        fd = self._open[number] = os.open(path, READ)
        self._last = number
        if len(self._open) > _OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def __del__(self) -> None:
        self.close()


def _scan(fd: int, *, trusted: bool) -> Iterator[Place]:
    """The frames of a pack. Of one whose bytes are not what they were, those that are still good and can be reached."""
    size = os.fstat(fd).st_size
    offset = len(MAGIC)
    decompressor = Decompressor()
    try:
        check_magic(read_at(fd, offset, 0))
    except Damaged:
        return
    while offset < size:
        try:
            place = read_header(read_at(fd, HEADER.size, offset), offset)
        except Damaged:
            return
        if place.end > size:
            return
        if trusted or _is_good(fd, place, decompressor):
            yield place
        offset = place.end


def _is_good(fd: int, place: Place, decompressor: Decompressor) -> bool:
    try:
        open_frame(read_at(fd, HEADER.size + place.stored, place.offset), place, decompressor)
    except ClocheError:
        return False
    return True


def _digest_of(fd: int) -> blake3:
    hasher = blake3()
    offset = 0
    while block := read_at(fd, _BLOCK, offset):
        hasher.update(block)
        offset += len(block)
    return hasher


def read_at(fd: int, length: int, offset: int) -> bytes:
    """Up to `length` bytes from an offset on; fewer only at the end of the file."""
    if sys.platform != "win32":
        data = os.pread(fd, length, offset)
    else:
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, length)
    while 0 < len(data) < length:  # a system may hand out less than there is
        more = read_at(fd, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def _read_file(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
