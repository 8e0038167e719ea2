"""Reading what the processes of a run recorded from inside: metrics, interpreters, opened files.

They append lines of JSON to `series.jsonl` (`cloche.log`) and `python.jsonl` (the bootstrap) in the run's folder. A
process may have been killed and a disk full at any moment: a last line without an end is passed over, and lines that
cannot be understood are counted, never fatal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cloche.capture.bootstrap.cloche_inside import FILE as PYTHON_FILE
from cloche.capture.environment import Seen, seen_from
from cloche.errors import InputError
from cloche.model.paths import encode_path
from cloche.model.run import Series

SERIES_FILE = "series.jsonl"


class Spooled(msgspec.Struct, frozen=True):
    """What a run recorded.

    series: by key, in the order of writing; where a call named no step, its process's calls are counted from 0 for
    each key. metrics: the last value of each key. processes: the interpreters, one for each start of a Python, without
    distributions. reads, writes: project files that were opened, as path texts; what C or Rust readers opened is not
    among them. read_first: those of the reads that were not opened for writing before, and when they were. complete:
    False where a process opened more files than it could list. invalid: lines that could not be understood, by file.
    """

    series: dict[str, Series] = {}
    metrics: dict[str, float] = {}
    processes: tuple[Seen, ...] = ()
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    read_first: dict[str, float] = {}
    complete: bool = True
    invalid: dict[str, int] = {}


class _Logged(msgspec.Struct):
    pid: int
    time: float
    values: dict[str, float | str]
    step: int | None = None


_logged = msgspec.json.Decoder(_Logged)


class Spool:
    """The folder in which a run that is going, or was cut off, keeps its records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> Spooled:
        """All that was recorded so far; empty where nothing was. Raises InputError where a file cannot be read."""
        invalid: dict[str, int] = {}
        series = self._read_series(invalid)
        processes: list[Seen] = []
        opened: dict[str, set[str]] = {"r": set(), "w": set()}
        read_first: dict[str, float] = {}
        complete = True
        for line in _lines(self.folder / PYTHON_FILE):
            try:
                record = json.loads(line)
                kind = record["kind"]
                if kind == "process":
                    processes.append(seen_from(record))
                elif kind == "open":
                    path = encode_path(record["path"])
                    if record["mode"] == "r" and path not in opened["w"]:
                        read_first.setdefault(path, float(record.get("time", 0)))
                    opened[record["mode"]].add(path)
                else:
                    complete = complete and kind != "more"
            except (ValueError, LookupError, TypeError, AttributeError):
                invalid[PYTHON_FILE] = invalid.get(PYTHON_FILE, 0) + 1
        return Spooled(
            series=series,
            metrics={key: item.values[-1] for key, item in series.items()},
            processes=tuple(processes),
            reads=frozenset(opened["r"]),
            writes=frozenset(opened["w"]),
            read_first=read_first,
            complete=complete,
            invalid=invalid,
        )

    def _read_series(self, invalid: dict[str, int]) -> dict[str, Series]:
        found: dict[str, Series] = {}
        counts: dict[tuple[str, int], int] = {}
        for line in _lines(self.folder / SERIES_FILE):
            try:
                logged = _logged.decode(line)
                values = {key: float(value) for key, value in logged.values.items()}
            except (ValueError, msgspec.MsgspecError):
                invalid[SERIES_FILE] = invalid.get(SERIES_FILE, 0) + 1
                continue
            for key, value in values.items():
                counted = counts.get((key, logged.pid), 0)
                counts[key, logged.pid] = counted + 1
                series = found.setdefault(key, Series([], [], []))
                series.steps.append(counted if logged.step is None else logged.step)
                series.values.append(value)
                series.times.append(logged.time)
        return found


def _lines(file: Path) -> Iterator[bytes]:
    """The lines of a file that are not empty. A last one without an end counts if it is whole."""
    try:
        with file.open("rb") as lines:
            for line in lines:
                text = line.strip()
                if text and (line.endswith(b"\n") or _is_json(text)):
                    yield text
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
