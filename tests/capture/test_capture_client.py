from __future__ import annotations

import json
import os as client_os
import threading
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche import client
from cloche.capture.spool import Spool


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOCHE_RUN_FOLDER", str(tmp_path))
    monkeypatch.setenv("CLOCHE_RUN", "kkkk")
    monkeypatch.setattr(client, "_state", {"warned": False, "torn": False})
    return tmp_path


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLOCHE_RUN_FOLDER", "CLOCHE_RUN", "CLOCHE_PARAMS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("outside")
def test_outside_a_run_nothing_happens() -> None:
    assert client.log(loss=1.0) is False
    assert client.run_id() == ""
    assert client.params() == {}
    assert client.params({"train": {"lr": 0.1}}) == {"train": {"lr": 0.1}}
    with pytest.raises(TypeError, match="'loss'"):
        client.log(loss="high")


def test_numbers_of_every_kind(run: Path) -> None:
    values: dict[str, Any] = {
        "int": 3,
        "bool": True,
        "numpy": np.float32(0.5),
        "numpy int": np.int64(7),
        "one": np.array([2.0]),
        "decimal": Decimal("1.5"),
        "fraction": Fraction(1, 4),
        "inf": float("inf"),
        "-inf": float("-inf"),
        'é"\n😀': 1,
    }
    assert client.log(values, step=np.int64(4))  # type: ignore[arg-type]
    assert client.log(int=4, step=5.0)  # type: ignore[arg-type]
    found = Spool(run).read()
    assert found.metrics["int"] == 4.0
    assert found.series["int"].steps == [4, 5]
    expected = {"bool": 1.0, "numpy": 0.5, "numpy int": 7.0, "one": 2.0, "decimal": 1.5, "fraction": 0.25}
    assert expected.items() <= found.metrics.items()
    assert (found.metrics["inf"], found.metrics["-inf"]) == (float("inf"), float("-inf"))
    assert found.metrics['é"\n😀'] == 1.0


@pytest.mark.parametrize("value", ["0.5", None, [1.0], {"a": 1}, 1j, np.array([1.0, 2.0]), b"1", object(), 10**400])
def test_what_is_no_number_is_named(run: Path, value: Any) -> None:
    with pytest.raises(TypeError, match="'val/auc'"):
        client.log({"val/auc": value})
    assert not (run / client.FILE).exists()


@pytest.mark.parametrize("step", ["1", 1.5, object(), 2**63, float("nan")])
def test_what_is_no_step(run: Path, step: Any) -> None:
    with pytest.raises(TypeError, match="step is not a whole number"):
        client.log(a=1, step=step)
    assert not (run / client.FILE).exists()


def test_keys_must_be_text_and_nothing_is_nothing(run: Path) -> None:
    with pytest.raises(TypeError, match="the key 1 is not text"):
        client.log({1: 2.0})  # type: ignore[dict-item]
    assert client.log() is False
    assert not (run / client.FILE).exists()


def test_a_key_may_be_called_values(run: Path) -> None:
    assert client.log(values=1)
    assert Spool(run).read().metrics == {"values": 1.0}


def test_threads_do_not_mix_their_lines(run: Path) -> None:
    def work(name: str) -> None:
        for n in range(200):
            client.log({name: n}, step=n)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Spool(run).read()
    assert found.invalid == {}
    assert all(found.series[f"t{n}"].steps == list(range(200)) for n in range(8))


def test_a_missing_folder_warns_once_and_goes_on(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLOCHE_RUN_FOLDER", str(run / "gone"))
    assert [client.log(a=1), client.log(a=2)] == [False, False]
    assert capsys.readouterr().err.count("cloche: metrics cannot be recorded") == 1
    monkeypatch.setenv("CLOCHE_RUN_FOLDER", str(run))
    assert client.log(a=3)


def test_a_record_that_was_cut_short_spoils_only_itself(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = client_os.write
    monkeypatch.setattr(client_os, "write", lambda fd, data: real(fd, data[:20]))
    assert not client.log(a=1)
    monkeypatch.setattr(client_os, "write", real)
    assert client.log(a=2)
    found = Spool(run).read()
    assert found.series["a"].values == [2.0]
    assert found.invalid == {"series.jsonl": 1}


def test_each_call_gives_its_own_copy(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCHE_PARAMS", json.dumps({"train.layers": [8, 4], "b.yaml:train.lr": 0.1}))
    first = client.params()
    first["train"]["layers"].append(1)
    assert client.params() == {"train": {"layers": [8, 4]}, "b.yaml:train": {"lr": 0.1}}
    defaults = {"train": {"seed": 1, "layers": [1]}}
    assert client.params(defaults)["train"] == {"seed": 1, "layers": [8, 4]}
    assert defaults == {"train": {"seed": 1, "layers": [1]}}


def test_a_value_beside_a_table_keeps_its_dotted_name() -> None:
    assert client.nest({"a": 1, "a.b": 2, "c.d": 3}) == {"a": 1, "a.b": 2, "c": {"d": 3}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
)


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_its_own_reader_reads_what_json_writes(value: Any, ascii_only: bool, indent: int | None) -> None:
    assert client.read_json(json.dumps(value, ensure_ascii=ascii_only, indent=indent))[0] == value


@given(st.text(max_size=20))
def test_its_own_reader_refuses_what_is_no_json(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        return
    assert client.read_json(text)[0] == expected or expected != expected
