from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.capture.spool import Spool, Spooled
from cloche.errors import InputError


def line(pid: int, step: int | None, **values: object) -> str:
    return json.dumps({"pid": pid, "time": 5.0, "step": step, "values": values}) + "\n"


def test_nothing_was_recorded(tmp_path: Path) -> None:
    assert Spool(tmp_path / "gone").read() == Spooled()


def test_series_of_several_processes(tmp_path: Path) -> None:
    text = line(1, None, a=1) + line(2, None, a=2) + line(1, None, a=3, b=1) + line(2, 9, a=4) + "\n"
    (tmp_path / "series.jsonl").write_text(text)
    found = Spool(tmp_path).read()
    assert found.series["a"].steps == [0, 0, 1, 9]
    assert found.series["a"].values == [1.0, 2.0, 3.0, 4.0]
    assert found.series["a"].times == [5.0] * 4
    assert found.metrics == {"a": 4.0, "b": 1.0}


def test_a_last_line_that_was_cut_off_is_no_error(tmp_path: Path) -> None:
    whole = line(1, 0, a=1)
    for cut in range(len(whole) - 1):
        (tmp_path / "series.jsonl").write_text(whole + whole[:cut])
        found = Spool(tmp_path).read()
        assert (found.series["a"].values, found.invalid) == ([1.0], {})
    (tmp_path / "series.jsonl").write_text(whole + whole[:-1])
    assert Spool(tmp_path).read().series["a"].values == [1.0, 1.0]


def test_lines_that_cannot_be_understood_are_counted(tmp_path: Path) -> None:
    bad = ["nonsense", "{}", '{"pid": "x"}', line(1, 0, a="high").strip(), "\udcff"]
    text = "\n".join([*bad, line(1, 0, a=1)])
    (tmp_path / "series.jsonl").write_text(text, errors="surrogateescape")
    records = ['{"kind": "open", "mode": "q", "path": "x"}', '{"kind": "process"}', "[]", '{"kind": "new in 2.0"}']
    records += ['{"kind": "open", "mode": "r", "path": "a\\udce9"}']
    (tmp_path / "python.jsonl").write_text("\n".join(records) + "\n")
    found = Spool(tmp_path).read()
    assert found.invalid == {"series.jsonl": 5, "python.jsonl": 3}
    assert found.metrics == {"a": 1.0}
    assert found.reads == {"a\\xe9"}


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "series.jsonl").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        Spool(tmp_path).read()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_can_be_read(tmp_path: Path, series: bytes, python: bytes) -> None:
    (tmp_path / "series.jsonl").write_bytes(series)
    (tmp_path / "python.jsonl").write_bytes(python)
    assert isinstance(Spool(tmp_path).read(), Spooled)
