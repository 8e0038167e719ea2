"""JSON lines: one object a line. Its keys are columns; a value is the JSON that it is, so that 1 and "1" differ."""

from __future__ import annotations

from cloche.tables.dialect import MAX_COLUMNS, Unreadable
from cloche.tables.engine import Engine, EngineError, literal
from cloche.tables.loading import Loaded, Side

# ruff: noqa: S608 - no name or value of a user's is ever part of the SQL, only c0, c1, … and fixed words


def load_json_lines(engine: Engine, side: Side, path: str, *, compressed: bool) -> Loaded:
    """Load a file of JSON lines. A key that a line does not have is missing there. Raises Unreadable."""
    raw = f"{side}_lines"
    try:
        engine.rows(f"CREATE OR REPLACE TABLE {raw} AS SELECT json FROM {_source(compressed)}", path)
        rows, strange = engine.row(f"SELECT count(*), count(*) FILTER (json_type(json) <> 'OBJECT') FROM {raw}")
        if strange:
            raise Unreadable("holds lines that are no JSON objects", lines=True)
        found = engine.rows(f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {raw} ORDER BY key")
        keys = [row[0] for row in found]
        if len(keys) > MAX_COLUMNS:
            raise Unreadable(f"has {len(keys)} keys, too many to compare row by row", lines=True)
        values = ", ".join(f"json_extract(json, ?)::VARCHAR AS c{at}" for at in range(len(keys)))
        if keys:
            engine.rows(f"CREATE TABLE {side} AS SELECT {values} FROM {raw}", *map(_pointer, keys))
        engine.rows(f"DROP TABLE {raw}")
    except EngineError:
        raise Unreadable("holds lines that are no JSON", lines=True) from None
    return Loaded(side, tuple(keys), ("VARCHAR",) * len(keys), int(rows))


def count_json_lines(engine: Engine, path: str, *, compressed: bool) -> int:
    """The objects of a file of JSON lines, without loading it. Raises Unreadable."""
    try:
        return int(engine.row(f"SELECT count(*) FROM {_source(compressed)}", path)[0])
    except EngineError:
        raise Unreadable("holds lines that are no JSON", lines=True) from None


def _source(compressed: bool) -> str:
    kind = literal("gzip" if compressed else "none")
    return f"read_ndjson_objects(?, compression = {kind}, ignore_errors = false)"


def _pointer(key: str) -> str:
    """A key as a JSON pointer, in which no character but these two means anything."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
