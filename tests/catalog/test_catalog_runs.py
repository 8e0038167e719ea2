"""Runs, environments, stages and series: what goes in comes out, and a finished run never changes."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from catalog_samples import ENVIRONMENT, FULL, OTHER, A, B, C, a_run, run_number
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.catalog.catalog import Catalog
from cloche.catalog.documents import decode_series, encode_series
from cloche.errors import Conflict, Damaged, InputError, NotFound, StoreError
from cloche.model.run import Output, Resources, Run, Series, StageRun
from cloche.model.values import Value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
def catalog(file: Path) -> Iterator[Catalog]:
    with Catalog(file) as opened:
        yield opened


def test_a_run_comes_back_as_it_was(catalog: Catalog, file: Path) -> None:
    catalog.add_run(FULL, ENVIRONMENT)
    assert catalog.run(FULL.id) == FULL
    assert catalog.environment(FULL.snapshot.environment) == ENVIRONMENT
    with Catalog(file) as again:
        assert again.run(FULL.id) == FULL


def test_nan_is_kept(catalog: Catalog) -> None:
    catalog.add_run(a_run(1, metrics={"loss": math.nan}), ENVIRONMENT)
    assert math.isnan(catalog.run(run_number(1)).metrics["loss"])
    assert math.isnan(catalog.runs()[0].metrics["loss"])


VALUES: st.SearchStrategy[Value] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text()),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(
    params=st.dictionaries(st.text(), VALUES, max_size=5),
    metrics=st.dictionaries(st.text(), st.floats(allow_nan=False)),
)
def test_any_values_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, params: dict[str, Value], metrics: dict[str, float]
) -> None:
    run = a_run(1, params=params, metrics=metrics)
    with Catalog(tmp_path_factory.mktemp("catalog") / "catalog.db") as catalog:
        catalog.add_run(run, ENVIRONMENT)
        row = catalog.runs()[0]
        assert (row.params, row.metrics) == (params, metrics)
        assert [type(value) for value in row.params.values()] == [type(value) for value in params.values()]
        assert catalog.run(run.id) == run


def test_what_no_document_can_hold_does_not_lose_the_run(catalog: Catalog) -> None:
    run = a_run(1, params={"seed": 2**70, "huge": -(10**400), "text\udcff": ["\udcff", 2**64]}, command=("a\udcff",))
    catalog.add_run(run, ENVIRONMENT)
    kept = catalog.run(run.id)
    assert kept.command == ("a\\udcff",)
    assert kept.snapshot.config.values == {
        "seed": str(2**70),
        "huge": str(-(10**400)),
        "text\\udcff": ["\\udcff", str(2**64)],
    }
    assert catalog.check() == []


def test_a_record_of_an_older_cloche_still_reads(catalog: Catalog, file: Path) -> None:
    catalog.add_run(FULL, ENVIRONMENT)
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(a_run(77, environment=ENVIRONMENT)))
    required = {"id", "created", "status", "command", "snapshot"}
    document = msgspec.msgpack.encode({key: old[key] for key in required} | {"unknown": {"to": "this cloche"}})
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE run SET document = ?", (document,))
    connection.close()
    assert catalog.run(FULL.id) == a_run(77)
    assert catalog.runs()[0].metrics == {}


def test_an_id_is_recorded_once(catalog: Catalog) -> None:
    catalog.add_run(a_run(1), ENVIRONMENT)
    with pytest.raises(Conflict):
        catalog.add_run(a_run(1, message="another"), OTHER)
    assert catalog.run(run_number(1)).message == ""
    with pytest.raises(NotFound):
        catalog.environment(OTHER.digest)


def test_a_run_changes_only_while_it_runs(catalog: Catalog) -> None:
    going = a_run(1, status="running", params={"lr": 1}, metrics={"old": 1.0})
    catalog.add_run(going, ENVIRONMENT)
    assert catalog.running() == [going]
    done = a_run(1, status="killed", environment=OTHER, params={"lr": 2}, metrics={"new": 2.0}, ended=2.0, message="m")
    with pytest.raises(StoreError, match="not recorded"):
        catalog.update_run(done)
    catalog.update_run(done, OTHER)
    assert catalog.run(done.id) == done
    assert catalog.running() == []
    row = catalog.runs()[0]
    assert (row.status, row.metrics, row.params, row.environment) == ("killed", {"new": 2.0}, {"lr": 2}, OTHER.digest)
    with pytest.raises(Conflict, match="ended"):
        catalog.update_run(msgspec.structs.replace(done, message="changed"))
    assert catalog.run(done.id) == done
    assert catalog.check() == []


def test_unknown_runs_are_not_found(catalog: Catalog) -> None:
    for call in (
        lambda: catalog.run("kkkk"),
        lambda: catalog.run("\udcff"),
        lambda: catalog.update_run(a_run(9)),
        lambda: catalog.put_stages("kkkk", []),
        lambda: catalog.put_series("kkkk", {"a": Series()}),
        lambda: catalog.series("kkkk"),
        lambda: catalog.environment(A),
        lambda: catalog.set_fact("tag", "best", "kkkk"),
        lambda: catalog.set_fact("removed", "kkkk", "yes"),
        lambda: catalog.operation(1),
        lambda: catalog.operation(2**80),
        lambda: catalog.finish_operation(1),
        lambda: catalog.mark_undone(1, 2),
        lambda: catalog.drop_operation(1),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.hint


def test_naming_runs(catalog: Catalog) -> None:
    runs = [a_run(1, commit="c1"), a_run(2, commit="c2"), a_run(3, commit="c1"), a_run(2**60, created=5.0)]
    for run in runs:
        catalog.add_run(run, ENVIRONMENT)
    one, two, three, old = (run.id for run in runs)
    assert catalog.ids("") == [three, two, one, old]
    assert catalog.ids(one[:15]) == [three, two, one]
    assert catalog.ids(two) == [two]
    assert catalog.ids("K") == catalog.ids("%") == catalog.ids(one + "k") == catalog.ids("\udcff") == []
    assert [catalog.latest(nth) for nth in (0, 1, 3, 4, -1, 2**80)] == [three, two, old, None, None, None]
    assert catalog.run_of_commit("c1") == three
    assert catalog.run_of_commit("c") is None
    assert catalog.run_of_commit("") is None
    catalog.set_fact("removed", three, "removed")
    assert catalog.ids("") == [two, one, old]
    assert catalog.ids("", hidden=True) == [three, two, one, old]
    assert catalog.latest() == two
    assert catalog.run_of_commit("c1") == one


def test_the_newest_of_equals_is_the_last_recorded(catalog: Catalog) -> None:
    for number in (5, 1, 3):
        catalog.add_run(a_run(number, created=1.0), ENVIRONMENT)
    assert catalog.ids("") == [run_number(3), run_number(1), run_number(5)]
    assert [row.id for row in catalog.runs()] == catalog.ids("")


def test_rows_show_what_the_run_says(catalog: Catalog) -> None:
    catalog.add_run(FULL, ENVIRONMENT)
    catalog.set_fact("tag", "zebra", FULL.id)
    catalog.set_fact("tag", "best", FULL.id)
    for number in "12":
        catalog.set_fact("note", number, msgspec.json.encode({"run": FULL.id, "text": "seen"}).decode())
    (row,) = catalog.runs()
    assert msgspec.structs.asdict(row) == {
        "id": FULL.id,
        "created": FULL.created,
        "ended": FULL.ended,
        "status": "failed",
        "command": FULL.command,
        "message": "a\nmessage",
        "experiment": "flights",
        "commit": "c" * 40,
        "branch": "main",
        "dirty": True,
        "code": A,
        "data": FULL.snapshot.data.digest,
        "config": FULL.snapshot.config.digest,
        "environment": ENVIRONMENT.digest,
        "metrics": FULL.metrics,
        "params": FULL.snapshot.config.values,
        "tags": ("best", "zebra"),
        "notes": 2,
        "wall": 9.25,
        "outputs": 2,
        "findings": 1,
        "removed": False,
    }


def test_output_paths_name_the_newest(catalog: Catalog) -> None:
    def outputs(**digests: str) -> tuple[Output, ...]:
        return tuple(Output(path, "f", digest, 1) for path, digest in digests.items())

    stage = StageRun("s", "c", "finished", outputs=outputs(staged=C))
    catalog.add_run(a_run(2, outputs=outputs(model=B, log=B)), ENVIRONMENT)
    catalog.add_run(a_run(1, outputs=outputs(model=A, old=A), stages=(stage,)), ENVIRONMENT)
    assert catalog.output_paths() == {"model": B, "log": B, "old": A, "staged": C}
    catalog.set_fact("removed", run_number(2), "removed")
    assert catalog.output_paths()["log"] == B


def test_stages_are_found_by_key(catalog: Catalog) -> None:
    def stage(name: str, key: str, status: str = "finished") -> StageRun:
        return StageRun(name, "run it", status, key, resources=Resources(1.5), observed={"a": A})  # type: ignore[arg-type]

    for number in (1, 2, 3):
        catalog.add_run(a_run(number, status="running"), ENVIRONMENT)
    one, two, three = map(run_number, (1, 2, 3))
    catalog.put_stages(one, [stage("prepare", A), stage("train", B)])
    catalog.put_stages(two, [stage("prepare", A), stage("train", B, "failed"), stage("other", "")])
    catalog.put_stages(three, [stage("wrong", A)])
    catalog.put_stages(three, [stage("prepare", A)])
    assert catalog.stages_with_key(A) == [(run, stage("prepare", A)) for run in (three, two, one)]
    assert catalog.stages_with_key(B) == [(one, stage("train", B))]
    assert catalog.stages_with_key(C) == catalog.stages_with_key("") == []
    catalog.set_fact("removed", two, "removed")
    assert [run for run, _ in catalog.stages_with_key(A)] == [three, one]


def test_series_are_replaced_not_repeated(catalog: Catalog) -> None:
    catalog.add_run(a_run(1), ENVIRONMENT)
    run = run_number(1)
    loss = Series([0, 1, 10**12], [1.5, math.inf, -0.0], [1e9, 1e9 + 0.5, 1e9 + 1])
    for _ in range(2):
        catalog.put_series(run, {"loss": Series([0], [1.5], [1e9]), "auc": Series()})
        catalog.put_series(run, {"loss": loss})
        catalog.put_series(run, {})
    assert catalog.series(run) == {"auc": Series(), "loss": loss}
    with pytest.raises(InputError):
        catalog.put_series(run, {"loss": Series([0], [], []), "new": Series()})
    assert catalog.series(run) == {"auc": Series(), "loss": loss}


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63), st.floats(), st.floats(allow_nan=False))))
def test_any_series_survives(rows: list[tuple[int, float, float]]) -> None:
    series = Series(*map(list, zip(*rows, strict=True))) if rows else Series()
    found = decode_series(encode_series(series), "it")
    assert repr(found) == repr(series)


def test_a_long_series_is_small() -> None:
    count = 100_000
    series = Series(
        list(range(count)), [1 / (1 + step) for step in range(count)], [1e9 + step for step in range(count)]
    )
    assert len(encode_series(series)) < 24 * count * 0.7


def test_damaged_records_are_named(catalog: Catalog, file: Path) -> None:
    far = 2**60
    for number in (1, far):
        catalog.add_run(a_run(number), ENVIRONMENT)
        catalog.put_series(run_number(number), {"loss": Series([1], [2.0], [3.0])})
        catalog.put_stages(run_number(number), [StageRun("s", "c", "finished", A)])
    catalog.start_operation("add", "added", (), 1.0)
    assert catalog.check() == []
    with sqlite3.connect(file) as connection:
        for table in ("run", "stage", "operation", "environment", "series"):
            column = "effects" if table == "operation" else "document"
            connection.execute(f"UPDATE {table} SET {column} = x'c1' WHERE rowid = 1")
    connection.close()
    one = run_number(1)
    for call in (
        lambda: catalog.run(one),
        lambda: catalog.environment(ENVIRONMENT.digest),
        lambda: catalog.series(one),
    ):
        with pytest.raises(Damaged) as caught:
            call()
        assert "doctor" in caught.value.hint
    assert catalog.run(run_number(far)) == a_run(far)
    found = "\n".join(catalog.check())
    assert [word in found for word in (one[:8], "environment", "a stage of run", "operation 1")] == [True] * 4
    assert run_number(far)[:8] not in found


def test_a_run_that_says_to_be_another_one_is_found(catalog: Catalog, file: Path) -> None:
    catalog.add_run(a_run(1), ENVIRONMENT)
    catalog.add_run(a_run(2), ENVIRONMENT)
    assert isinstance(catalog.run(run_number(1)), Run)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE run SET document = (SELECT document FROM run WHERE seq = 2)")
    connection.close()
    assert len(catalog.check()) == 1
