"""How a text table is written: compression, encoding, delimiter, header. Told from its beginning.

DuckDB's own guess is not used: it skips lines that do not fit and so would lose rows without a word.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

SAMPLE = 1024 * 1024
MAX_COLUMNS = 1_000
BROKEN = (OSError, EOFError, zlib.error)  # what reading a file, compressed or not, may raise
_ROWS = 200
_DELIMITERS = ",;\t|"
_GZIP = b"\x1f\x8b"
MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NULL", "null", "None")  # as pandas reads them
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|\d{4}-\d\d-\d\d.*")


class Unreadable(Exception):
    """A file that is no regular table. The text says why and goes behind the name of the file. lines: whether it is
    still text that can be compared line by line. bad: where it says so of one line, which, by the rows above it, and
    how it begins."""

    def __init__(self, why: str, *, lines: bool = False, bad: tuple[int, str] | None = None) -> None:
        super().__init__(why)
        self.lines = lines
        self.bad = bad


@dataclass(frozen=True)
class Dialect:
    """columns: their names, made unique; empty for an empty file. first: the first row as it stands. header: whether
    that names the columns. encoding: as DuckDB calls it. long: whether lines above 2 MB are expected."""

    columns: tuple[str, ...]
    first: tuple[str, ...] = ()
    header: bool = True
    delimiter: str = ","
    encoding: str = "utf-8"
    compressed: bool = False
    long: bool = False


def read_dialect(file: Path, delimiter: str = "") -> Dialect:
    """The dialect of a text table. delimiter: where it is known. Raises Unreadable."""
    try:
        with open_text(file) as (stream, compressed):
            data = stream.read(SAMPLE)
    except BROKEN as error:
        raise Unreadable(reason(error)) from None
    text, encoding = _decode(data)
    whole = len(data) < SAMPLE
    delimiter = delimiter or _delimiter(text, whole)
    rows = _rows(text, delimiter, whole)
    if not rows and text.strip():
        raise Unreadable("has a first line that is too long or not closed", lines=True)
    if not rows:
        return Dialect((), delimiter=delimiter, encoding=encoding, compressed=compressed)
    first = tuple(rows[0])
    if len(first) > MAX_COLUMNS:
        raise Unreadable(f"has {len(first)} columns, too many to compare row by row", lines=True)
    header = _is_header(first, rows[1:])
    names = first if header else ("",) * len(first)
    return Dialect(_unique(names), first, header, delimiter, encoding, compressed)


@contextmanager
def open_text(file: Path) -> Iterator[tuple[BufferedIOBase, bool]]:
    """Open a file for reading bytes, through gzip where its content says so; and whether it does."""
    with open(file, "rb") as raw:
        if raw.peek(2)[:2] != _GZIP:
            yield raw, False
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream, True


def reason(error: Exception) -> str:
    """Why a file could not be read, in words."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return "is a damaged gzip file"


def _decode(data: bytes) -> tuple[str, str]:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            return data[: len(data) // 2 * 2].decode(encoding, "replace"), encoding
    if b"\0" in data:
        raise Unreadable("holds binary data")
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        return decoder.decode(data), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _rows(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    """The first rows, without the last one where the text is cut off."""
    lines = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line]
    lines = lines if whole else lines[:-1]
    found: list[list[str]] = []
    try:
        for row in csv.reader((f"{line}\n" for line in lines), delimiter=delimiter):
            found.append(row)
            if len(found) == _ROWS:
                break
    except csv.Error:
        pass
    return [row for row in found if row]


def _delimiter(text: str, whole: bool) -> str:
    """The character that cuts the most rows into the same number of values, more than one; it stands in the first row,
    too, or it belongs to the text of a single column."""
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        rows = _rows(text, delimiter, whole)
        if not rows or len(rows[0]) < 2:
            continue
        widths = Counter(map(len, rows))
        width, times = widths.most_common(1)[0]
        score = (times / widths.total(), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _is_header(first: tuple[str, ...], rest: list[list[str]]) -> bool:
    """Whether the first row names the columns.

    It does unless a value of it is a number or date; where such a value stands above text only, or the row counts 0,
    1, 2, … (as pandas names columns without names), it still does. Most tables have a header.
    """
    if not any(first):
        return False
    counted = [value for at, value in enumerate(first) if value or at]
    if len(first) > 1 and counted == [str(number) for number in range(len(counted))]:
        return True
    return not any(map(_NUMBER.fullmatch, first)) or _above_numbers(first, rest)


def _above_numbers(first: tuple[str, ...], rest: list[list[str]]) -> bool:
    """Whether some text of the first row stands above numbers only."""
    columns = (
        [row[at] for row in rest if len(row) > at and row[at] not in MISSING]
        for at, value in enumerate(first)
        if value not in MISSING and not _NUMBER.fullmatch(value)
    )
    return any(column and all(map(_NUMBER.fullmatch, column)) for column in columns)


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names for all columns: a nameless one is called by its place, a name that is there twice gets a number."""
    found: dict[str, None] = {}
    for at, given in enumerate(names):
        name = base = given or f"column{at}"
        number = 0
        while name in found or (number and name in names):
            number += 1
            name = f"{base}_{number}"
        found[name] = None
    return tuple(found)
