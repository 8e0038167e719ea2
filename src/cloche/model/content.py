"""What changed inside of a file of data: rows of a table, elements of an array, an image."""

from __future__ import annotations

from typing import Literal

import msgspec

from cloche.model.digest import Digest

Act = Literal["added", "removed", "changed"]


class RowChange(msgspec.Struct, frozen=True):
    """One row as an example. key: its values in the columns that identify it; empty where rows count as a whole.
    before, after: the values that differ, of a row on one side only all of them; as text, long ones cut. None: missing.
    """

    act: Act
    key: dict[str, str | None] = {}
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}


class TableChange(msgspec.Struct, frozen=True):
    """How a table (CSV, TSV, Parquet, JSON lines) changed. rows: counts; changed rows are known only where a key is.
    columns: names; retyped: name to (type before, type after). examples: the first few rows of each kind. compared:
    what was: rows; or lines in place of rows, of text that cannot be cut into rows; or how many rows there are; or only
    the bytes, so that every count is 0 or of one side alone, and `note` says why."""

    path: str
    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    rows_changed: int | None = None
    key: tuple[str, ...] = ()
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    columns_retyped: dict[str, tuple[str, str]] = {}
    columns_changed: tuple[str, ...] = ()
    note: str = ""
    examples: tuple[RowChange, ...] = ()
    compared: Literal["rows", "lines", "counts", "bytes"] = "rows"


class ArrayFacts(msgspec.Struct, frozen=True):
    """An array of numpy's as its header says it. digest: of its data, without the header. fortran: the first index
    changes fastest in the data."""

    shape: tuple[int, ...]
    dtype: str
    digest: Digest
    fortran: bool = False


class ArrayDifference(msgspec.Struct, frozen=True):
    """How one array changed. name: within its `.npz`; empty in a `.npy`. before, after: None where it is not there.
    compared: how many elements both sides have at the same place; differing: how many of these differ in their bytes,
    None where they could not be compared. largest: by how much numbers differ at most, None where that is not known."""

    name: str
    before: ArrayFacts | None
    after: ArrayFacts | None
    compared: int = 0
    differing: int | None = None
    note: str = ""
    largest: float | None = None


class ArrayChange(msgspec.Struct, frozen=True):
    """How a file of numpy's (`.npy`, `.npz`) changed: the arrays that differ."""

    path: str
    arrays: tuple[ArrayDifference, ...] = ()
    note: str = ""


class ImageFacts(msgspec.Struct, frozen=True):
    """An image as its header says it. mode: `grey`, `RGB`, `palette` and the like. depth: bits of a value. digest: of
    the file."""

    format: str = ""
    width: int = 0
    height: int = 0
    mode: str = ""
    depth: int = 0
    digest: Digest = ""
    note: str = ""


class ImageChange(msgspec.Struct, frozen=True):
    """How an image changed. before, after: None where it is not there."""

    path: str
    before: ImageFacts | None
    after: ImageFacts | None
