"""Bringing the two files of a comparison into DuckDB."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from cloche.tables.dialect import MAX_COLUMNS, Dialect, Unreadable
from cloche.tables.engine import Engine, EngineError, literal

# ruff: noqa: S608 - no name or value of a user's is ever part of the SQL, only c0, c1, … and fixed words

Side = Literal["before", "after"]

_DELIMITERS = {".csv": "", ".tsv": "\t", ".tab": "\t"}
_PARQUET = (".parquet", ".pq")
_JSON_LINES = (".jsonl", ".ndjson")
_WIDTH = re.compile(
    r"CSV Error on Line: (\d+)\nOriginal Line: (.*?)\nExpected Number of Columns: (\d+) Found: (\d+)", re.S
)
_QUOTE = re.compile(r"CSV Error on Line: (\d+)\nOriginal Line: (.*?)\nValue with unterminated quote", re.S)
_TOO_LONG = "Maximum line size"
_LONGEST = 64_000_000  # bytes of one line; DuckDB holds at least two in memory


def suffix(name: str) -> str:
    """What kind of table a name says it is: `.csv`, `.tsv`, `.tab`, `.jsonl`, `.ndjson`, `.parquet`, `.pq`; empty for
    no table."""
    path = PurePosixPath(name.lower())
    inner = PurePosixPath(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if inner in _DELIMITERS or inner in _JSON_LINES or (inner in _PARQUET and path.suffix != ".gz"):
        return inner
    return ""


def is_parquet(name: str) -> bool:
    """Whether the name is that of a Parquet file."""
    return suffix(name) in _PARQUET


def is_json_lines(name: str) -> bool:
    """Whether the name is that of a file of JSON lines."""
    return suffix(name) in _JSON_LINES


def delimiter_of(name: str) -> str:
    """The delimiter that the name promises; empty where it promises none."""
    return _DELIMITERS.get(suffix(name), "")


@dataclass(frozen=True)
class Loaded:
    """A table in DuckDB under the name of its side; its columns are called c0, c1, … there. types: as DuckDB calls
    them; all `VARCHAR` for text. columns: their real names."""

    side: Side
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: int
    note: str = ""


def load_text(engine: Engine, side: Side, path: str, dialect: Dialect) -> Loaded:
    """Load a text table with every value as the text it is. Raises Unreadable for one that is not regular."""
    if not dialect.columns:
        return Loaded(side, (), (), 0)
    engine.rows(f"DROP TABLE IF EXISTS {side}")
    try:
        engine.rows(f"CREATE TABLE {side} AS SELECT * FROM {_text(dialect)}", path)
    except EngineError as error:
        return load_text(engine, side, path, _other(dialect, error))
    rows = int(engine.row(f"SELECT count(*) FROM {side}")[0])
    note = f"{side} is not UTF-8 and was read as Latin-1" if dialect.encoding == "latin-1" else ""
    return Loaded(side, dialect.columns, ("VARCHAR",) * len(dialect.columns), rows, note)


def count_text(engine: Engine, path: str, dialect: Dialect) -> int:
    """The rows of a text table, without loading it. Raises Unreadable."""
    if not dialect.columns:
        return 0
    try:
        return int(engine.row(f"SELECT count(*) FROM {_text(dialect)}", path)[0])
    except EngineError as error:
        return count_text(engine, path, _other(dialect, error))


def _other(dialect: Dialect, error: EngineError) -> Dialect:
    """How else the file may be written, now that reading it so has failed. Raises Unreadable where that is all."""
    if dialect.encoding == "utf-8" and "not utf-8" in str(error):
        return replace(dialect, encoding="latin-1")
    if not dialect.long and _TOO_LONG in str(error):
        return replace(dialect, long=True)
    raise _unreadable(error) from None


def _text(dialect: Dialect) -> str:
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(dialect.columns)))
    size = f", max_line_size = {_LONGEST}, buffer_size = {2 * _LONGEST + 1}" if dialect.long else ""
    return (
        f"read_csv(?, auto_detect = false, delim = {literal(dialect.delimiter)}, quote = '\"', escape = '\"', "
        f"header = {dialect.header}, columns = {{{columns}}}, encoding = '{dialect.encoding}', "
        f"compression = '{'gzip' if dialect.compressed else 'none'}', hive_partitioning = false{size})"
    )


def load_parquet(engine: Engine, side: Side, path: str) -> Loaded:
    """Load a Parquet file with its types. Raises Unreadable."""
    try:
        described = engine.rows("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", path)
        if len(described) > MAX_COLUMNS:
            raise Unreadable(f"has {len(described)} columns, too many to compare row by row")
        names = ", ".join(f"c{at}" for at in range(len(described)))
        source = f"read_parquet(?, hive_partitioning = false) AS t({names})"
        engine.rows(f"CREATE TABLE {side} AS SELECT * FROM {source}", path)
        types = tuple(row[1].replace('"NULL"', "NULL") for row in described)
        rows = int(engine.row(f"SELECT count(*) FROM {side}")[0])
    except EngineError as error:
        raise _unreadable(error) from None
    return Loaded(side, tuple(row[0] for row in described), types, rows)


def count_parquet(engine: Engine, path: str) -> int:
    """The rows of a Parquet file, as it says itself. Raises Unreadable."""
    try:
        return int(engine.row("SELECT sum(num_rows) FROM parquet_file_metadata(?)", path)[0])
    except EngineError as error:
        raise _unreadable(error) from None


def _unreadable(error: EngineError) -> Unreadable:
    """What a message of DuckDB's means."""
    message = str(error)
    width, quote = _WIDTH.search(message), _QUOTE.search(message)
    if width:
        values = "1 value" if width[4] == "1" else f"{width[4]} values"
        expected = "1 was" if width[3] == "1" else f"{width[3]} were"
        bad = int(width[1]), width[2]
        return Unreadable(f"has {values} where {expected} expected", lines=True, bad=bad)
    if quote:
        bad = int(quote[1]), quote[2]
        return Unreadable("has a quote that is not closed, or text behind it", lines=True, bad=bad)
    if _TOO_LONG in message:
        return Unreadable(f"has a line of more than {_LONGEST // 10**6} MB", lines=True)
    if "CSV Error" in message or "state machine" in message:
        return Unreadable("mixes line ends or quotes in a way that cannot be cut into rows", lines=True)
    return Unreadable(f"cannot be read: {message.splitlines()[0]}")
