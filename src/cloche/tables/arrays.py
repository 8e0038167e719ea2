"""Files of numpy's (`.npy`, `.npz`), compared without numpy: shape, dtype, digest, and how many elements differ.

The header of an array is a Python literal, read as one and never evaluated; arrays of Python objects are pickles, whose
bytes are compared and never loaded. Files are read piece by piece, so that they may be of any size.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from blake3 import blake3

from cloche.model.content import ArrayChange, ArrayDifference, ArrayFacts

MAGIC = b"\x93NUMPY"
MAX_HEADER = 65_536
MAX_MEMBERS = 10_000
MAX_UNPACKED = 4_000_000_000  # bytes of one file that was compressed
_PIECE = 1 << 20
_STEP = 1 << 16
_MOST_REORDERED = 1_000_000  # elements
_MOST_SUBTRACTED = 4_000_000
_NUMBERS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
_NUMBERS |= {"f2": "e", "f4": "f", "f8": "d"}
_WORDS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
_PLAIN = re.compile(r"[<>|=]([biufcSVmMU])(\d+)(?:\[[^\]]*\])?")
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError)


def is_array(path: str) -> bool:
    """Whether a file holds arrays of numpy's by its name."""
    return PurePosixPath(path.lower()).suffix in (".npy", ".npz")


class Unreadable(Exception):
    """A file that is no array. The text says why and goes behind its name."""


@dataclass
class _Array:
    """An array whose data is about to be read. items: how many elements. size: bytes of an element, 0 where they cannot
    be told apart."""

    stream: IO[bytes]
    shape: tuple[int, ...]
    dtype: str
    fortran: bool
    size: int
    left: int
    hasher: blake3 = field(default_factory=blake3)

    @property
    def items(self) -> int:
        return math.prod(self.shape)

    def read(self, size: int) -> bytes:
        """So many bytes of the data, or what is left of it. Raises Unreadable where less is there than there must."""
        wanted = min(size, self.left)
        pieces = []
        while wanted and (piece := self.stream.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        if wanted:
            raise Unreadable("is cut short")
        data = b"".join(pieces)
        self.left -= len(data)
        self.hasher.update(data)
        return data

    def facts(self) -> ArrayFacts:
        """What it is, once everything was read."""
        while self.read(_PIECE):
            pass
        return ArrayFacts(self.shape, self.dtype, self.hasher.hexdigest(), self.fortran)


def compare_arrays(before: Path | None, after: Path | None, name: str) -> ArrayChange:
    """How the file `name` changed from the file `before` to the file `after`; None where it is not there. Never raises
    for what is in a file: `note` says what could not be read, and why."""
    notes: list[str] = []
    sides: list[dict[str, _Open]] = []
    with ExitStack() as stack:
        for side, file in (("before", before), ("after", after)):
            try:
                sides.append(_members(file, name, stack) if file is not None else {})
            except (Unreadable, *_BROKEN) as error:
                notes.append(f"{side} {_reason(error)}")
                sides.append({})
        one, other = sides
        changes = [_compare(member, one.get(member), other.get(member)) for member in sorted(one.keys() | other.keys())]
    found = tuple(change for change in changes if change.before != change.after or change.note)
    return ArrayChange(name, found, "; ".join(notes))


_Open = Callable[[ExitStack], _Array]


def _members(file: Path, name: str, stack: ExitStack) -> dict[str, _Open]:
    """The arrays of a file by name, each opened when it is read."""
    if not name.lower().endswith(".npz"):
        size = file.stat().st_size
        return {"": lambda until: _parse(until.enter_context(open(file, "rb")), size)}
    archive = stack.enter_context(zipfile.ZipFile(file))
    listed = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if len(listed) > MAX_MEMBERS:
        raise Unreadable(f"holds {len(listed)} arrays, too many to compare")
    if sum(info.file_size for info in listed) > MAX_UNPACKED:
        raise Unreadable(f"holds more than {MAX_UNPACKED / 1e9:g} GB")
    return {info.filename.removesuffix(".npy"): _opener(archive, info) for info in listed}


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Open:
    return lambda until: _parse(until.enter_context(archive.open(info)), info.file_size)


def _parse(stream: IO[bytes], size: int) -> _Array:
    """The array that a stream of `size` bytes holds. Raises Unreadable."""
    head = stream.read(8)
    if not head.startswith(MAGIC) or len(head) < 8:
        raise Unreadable("is no array of numpy's")
    width = 2 if head[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > MAX_HEADER:
        raise Unreadable("has a header that is too long")
    text = stream.read(length).decode("latin-1" if head[6] < 3 else "utf-8", "replace")
    try:
        header = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise Unreadable("has a damaged header") from None
    shape, dtype, fortran = _header(header)
    left = size - 8 - width - length
    items = math.prod(shape)
    fixed = _size_of(dtype)
    if fixed is None:  # a record: as many bytes as the file has for each; objects are of any size
        fixed = left // items if items and left % items == 0 and "O" not in dtype else 0
    if left < 0 or (fixed and fixed * items != left):
        raise Unreadable("is not as long as its header says")
    return _Array(stream, shape, dtype, fortran, fixed, left)


def _header(header: object) -> tuple[tuple[int, ...], str, bool]:
    if not isinstance(header, Mapping):
        raise Unreadable("has a damaged header")
    shape, descr, fortran = (header.get(key) for key in ("shape", "descr", "fortran_order"))
    good = isinstance(shape, tuple) and len(shape) <= 64 and all(type(one) is int and one >= 0 for one in shape)
    if not good or not isinstance(shape, tuple) or not isinstance(descr, str | list) or not isinstance(fortran, bool):
        raise Unreadable("has a damaged header")
    return shape, descr if isinstance(descr, str) else repr(descr), fortran


def _size_of(dtype: str) -> int | None:
    """The bytes of an element; None where the dtype alone does not say it."""
    found = _PLAIN.fullmatch(dtype)
    return int(found[2]) * (4 if found[1] == "U" else 1) if found else None


def _compare(name: str, before: _Open | None, after: _Open | None) -> ArrayDifference:
    notes: list[str] = []
    compared, differing, largest = 0, None, None
    with ExitStack() as until:
        one, other = _opened(before, "before", until, notes), _opened(after, "after", until, notes)
        try:
            if one is not None and other is not None and _alike(one, other):
                compared = min(one.items, other.items)
                unlike = _Largest(one.dtype)
                for pair in _pairs(one, other, compared * one.size):
                    differing = (differing or 0) + _differing(*pair, one.size)
                    unlike.take(*pair)
                differing, largest = differing or 0, unlike.found
            elif one is not None and other is not None and _reordered(one, other):
                compared, differing = one.items, _differing(_in_order(one), _in_order(other), one.size)
            elif one is not None and other is not None and "O" in one.dtype + other.dtype:
                notes.append("holds Python objects, so only its bytes were compared")
        except (Unreadable, *_BROKEN) as error:
            return ArrayDifference(name, None, None, note="; ".join([*notes, f"a side {_reason(error)}"]))
        facts = [_facts(array, side, notes) for array, side in ((one, "before"), (other, "after"))]
    return ArrayDifference(name, facts[0], facts[1], compared, differing, "; ".join(notes), largest)


def _opened(opener: _Open | None, side: str, until: ExitStack, notes: list[str]) -> _Array | None:
    try:
        return opener(until) if opener is not None else None
    except (Unreadable, *_BROKEN) as error:
        notes.append(f"{side} {_reason(error)}")
        return None


def _facts(array: _Array | None, side: str, notes: list[str]) -> ArrayFacts | None:
    try:
        return array.facts() if array is not None else None
    except (Unreadable, *_BROKEN) as error:
        notes.append(f"{side} {_reason(error)}")
        return None


def _alike(one: _Array, other: _Array) -> bool:
    """Whether elements at the same place in both files are elements at the same place in both arrays: one of them may
    have grown by its first dimension."""
    if not one.size or (one.dtype, one.size, one.fortran) != (other.dtype, other.size, other.fortran):
        return False
    grown = bool(one.shape and other.shape) and one.shape[1:] == other.shape[1:] and not one.fortran
    return one.shape == other.shape or grown


def _reordered(one: _Array, other: _Array) -> bool:
    """Whether they differ in the order of their elements, and are small enough to be brought into the same one."""
    alike = (one.shape, one.dtype, one.size) == (other.shape, other.dtype, other.size)
    return alike and one.fortran != other.fortran and bool(one.size) and one.items <= _MOST_REORDERED


def _in_order(array: _Array) -> bytes:
    """The data with the last index changing fastest."""
    data = array.read(array.left)
    if not array.fortran:
        return data
    elements = [data[at : at + array.size] for at in range(0, len(data), array.size)]
    return b"".join(_transposed(elements, array.shape))


def _transposed(elements: list[bytes], shape: tuple[int, ...]) -> list[bytes]:
    if len(shape) < 2 or not elements:
        return elements
    return [one for at in range(shape[0]) for one in _transposed(elements[at :: shape[0]], shape[1:])]


class _Largest:
    """The largest difference between numbers at the same place. found: None where these are no numbers, where one of a
    pair is not a number, or after too many of them."""

    def __init__(self, dtype: str) -> None:
        plain = _PLAIN.fullmatch(dtype)
        letter = _NUMBERS.get(plain[1] + plain[2]) if plain else None
        self._format = letter and (">" if dtype.startswith(">") else "<") + letter
        self._left = _MOST_SUBTRACTED
        self.found: float | None = None

    def take(self, one: bytes, other: bytes) -> None:
        if self._format is None or one == other:
            return
        count = len(one) // struct.calcsize(self._format)
        self._left -= count
        if self._left < 0:
            self._format = self.found = None
            return
        pairs = (struct.unpack(f"{self._format[0]}{count}{self._format[1]}", data) for data in (one, other))
        differences = [abs(a - b) for a, b in zip(*pairs, strict=True) if a != b]
        if any(map(math.isnan, differences)):
            self._format = self.found = None
        elif differences:
            self.found = max(self.found or 0.0, float(max(differences)))


def _pairs(one: _Array, other: _Array, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The data of both, in pieces of whole elements."""
    step = max(1, _STEP // one.size) * one.size
    piece = max(1, _PIECE // step) * step
    while size:
        first, second = one.read(min(piece, size)), other.read(min(piece, size))
        size -= len(first)
        if first != second:
            for at in range(0, len(first), step):
                yield first[at : at + step], second[at : at + step]


def _differing(one: bytes, other: bytes, size: int) -> int:
    """How many elements of `size` bytes differ."""
    if one == other:
        return 0
    if size in _WORDS:
        words = (memoryview(data).cast(_WORDS[size]) for data in (one, other))
        return sum(map(operator.ne, *words))
    return sum(one[at : at + size] != other[at : at + size] for at in range(0, len(one), size))


def _reason(error: Exception) -> str:
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return "is a damaged file"
