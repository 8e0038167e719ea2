"""Bringing the two files of a comparison into DuckDB."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from cloche.tables.dialect import Dialect, Unreadable
from cloche.tables.engine import Engine, EngineError, literal

Side = Literal["before", "after"]

_DELIMITERS = {".csv": "", ".tsv": "\t", ".tab": "\t"}
_PARQUET = (".parquet", ".pq")
_WIDTH = re.compile(r"CSV Error on Line: (\d+).*Expected Number of Columns: (\d+) Found: (\d+)", re.DOTALL)
_QUOTE = re.compile(r"CSV Error on Line: (\d+).*unterminated quote", re.DOTALL)


def suffix(name: str) -> str:
    """What kind of table a name says it is: `.csv`, `.tsv`, `.tab`, `.parquet`, `.pq`; empty for no table."""
    path = PurePosixPath(name.lower())
    inner = PurePosixPath(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if inner in _DELIMITERS or (inner in _PARQUET and path.suffix != ".gz"):
        return inner
    return ""


def is_parquet(name: str) -> bool:
    """Whether the name is that of a Parquet file."""
    return suffix(name) in _PARQUET


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
    try:
        return _load_text(engine, side, path, dialect)
    except EngineError as error:
        if dialect.encoding == "utf-8" and "not utf-8" in str(error):
            return load_text(engine, side, path, replace(dialect, encoding="latin-1"))
        raise Unreadable(_why(str(error))) from None


def _load_text(engine: Engine, side: Side, path: str, dialect: Dialect) -> Loaded:
    width = len(dialect.columns)
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(width))
    engine.rows(f"DROP TABLE IF EXISTS {side}")  # noqa: S608
    engine.rows(
        f"CREATE TABLE {side} AS SELECT * FROM read_csv(?, auto_detect = false, delim = {literal(dialect.delimiter)}, "  # noqa: S608
        f"""quote = '"', escape = '"', header = {dialect.header}, columns = {{{columns}}}, """
        f"encoding = '{dialect.encoding}', compression = '{'gzip' if dialect.compressed else 'none'}', "
        "hive_partitioning = false)",
        path,
    )
    note = f"{side} is not UTF-8 and was read as Latin-1" if dialect.encoding == "latin-1" else ""
    return Loaded(side, dialect.columns, ("VARCHAR",) * width, _count(engine, side), note)


def load_parquet(engine: Engine, side: Side, path: str) -> Loaded:
    """Load a Parquet file with its types. Raises Unreadable."""
    try:
        described = engine.rows("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", path)
        names = ", ".join(f"c{at}" for at in range(len(described)))
        engine.rows(
            f"CREATE TABLE {side} AS SELECT * FROM read_parquet(?, hive_partitioning = false) AS t({names})",  # noqa: S608
            path,
        )
        types = tuple(row[1].replace('"NULL"', "NULL") for row in described)
        return Loaded(side, tuple(row[0] for row in described), types, _count(engine, side))
    except EngineError as error:
        raise Unreadable(_why(str(error))) from None


def _count(engine: Engine, side: Side) -> int:
    return int(engine.row(f"SELECT count(*) FROM {side}")[0])  # noqa: S608


def _why(message: str) -> str:
    """The reason in a message of DuckDB's."""
    width, quote = _WIDTH.search(message), _QUOTE.search(message)
    if width:
        values = "1 value" if width[3] == "1" else f"{width[3]} values"
        return f"has {values} on line {width[1]} where {width[2]} were expected"
    if quote:
        return f"has a quote on line {quote[1]} that is not closed, or text behind one"
    if "state machine reached an invalid state" in message:
        return "mixes line ends or quotes in a way that cannot be cut into rows"
    return f"cannot be read: {message.splitlines()[0]}"
