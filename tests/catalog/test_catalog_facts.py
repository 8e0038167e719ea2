"""Facts about runs, and the operation log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_samples import ENVIRONMENT, A, B, a_run, run_number

from cloche.catalog.catalog import Catalog
from cloche.errors import Conflict, NotFound, UsageError
from cloche.model.environment import Distribution
from cloche.model.operation import FactEffect, FilesEffect, Operation, PackagesEffect

ONE, TWO = run_number(1), run_number(2)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog.db") as opened:
        yield opened


@pytest.fixture(autouse=True)
def two_runs(catalog: Catalog) -> None:
    for number in (1, 2):
        catalog.add_run(a_run(number), ENVIRONMENT)


def note(run: str, text: str) -> str:
    return json.dumps({"number": 1, "run": run, "created": 1.0, "text": text})


def test_tags_move_and_go(catalog: Catalog) -> None:
    catalog.set_fact("tag", "best", ONE)
    catalog.set_fact("tag", "also 'best'", ONE)
    catalog.set_fact("tag", "best", TWO)
    assert catalog.fact("tag", "best") == TWO
    assert catalog.facts("tag") == {"also 'best'": ONE, "best": TWO}
    catalog.set_fact("tag", "best", None)
    catalog.set_fact("tag", "best", None)
    assert catalog.fact("tag", "best") is None
    assert [row.tags for row in catalog.runs()] == [(), ("also 'best'",)]


def test_kinds_of_facts_are_apart(catalog: Catalog) -> None:
    catalog.set_fact("tag", ONE, TWO)
    assert catalog.fact("removed", ONE) is None
    assert catalog.facts("note") == {}
    assert len(catalog.runs()) == 2


def test_a_fact_about_no_run_is_refused_and_changes_nothing(catalog: Catalog) -> None:
    catalog.set_fact("tag", "best", ONE)
    with pytest.raises(NotFound):
        catalog.set_fact("tag", "best", "nowhere")
    assert catalog.fact("tag", "best") == ONE


def test_notes_belong_to_their_run(catalog: Catalog) -> None:
    catalog.set_fact("note", "1", note(ONE, "looks odd"))
    catalog.set_fact("note", "2", note(ONE, "is fine"))
    assert [row.notes for row in catalog.runs()] == [0, 2]
    assert json.loads(catalog.facts("note")["1"])["text"] == "looks odd"
    catalog.set_fact("note", "1", None)
    assert [row.notes for row in catalog.runs()] == [0, 1]
    for wrong in ("", "text", "[]", '{"run": 1, "text": "x"}', '{"run": "k"}', "\udcff"):
        with pytest.raises(UsageError):
            catalog.set_fact("note", "3", wrong)


def test_removed_runs_are_hidden_until_they_come_back(catalog: Catalog) -> None:
    catalog.set_fact("removed", ONE, "removed")
    assert [row.id for row in catalog.runs()] == [TWO]
    assert [(row.id, row.removed) for row in catalog.runs(hidden=True)] == [(TWO, False), (ONE, True)]
    assert catalog.run(ONE) == a_run(1)
    catalog.set_fact("removed", ONE, None)
    assert [row.id for row in catalog.runs()] == [TWO, ONE]


EFFECTS = (
    FilesEffect(A, B),
    FactEffect("tag", "best", None, ONE),
    PackagesEffect("/bin/python", (Distribution("a", "1"),), ()),
)


def test_the_operation_log(catalog: Catalog) -> None:
    first = catalog.start_operation("revert", "reverted to kkkk", EFFECTS, 5.5)
    assert first == Operation(1, 5.5, "revert", "reverted to kkkk", "started", EFFECTS)
    assert catalog.operation(1) == first
    catalog.finish_operation(1)
    second = catalog.start_operation("undo", "undid 1", [EFFECTS[0]], 6.5, undoes=1)
    catalog.mark_undone(1, second.number)
    assert catalog.operations() == [
        Operation(2, 6.5, "undo", "undid 1", "started", EFFECTS[:1], undoes=1),
        Operation(1, 5.5, "revert", "reverted to kkkk", "done", EFFECTS, undone=2),
    ]
    assert [one.number for one in catalog.operations(1)] == [2]
    assert catalog.operations(0) == []
    catalog.mark_undone(1, 0)
    assert catalog.operation(1).undone == 0


def test_an_operation_without_effect_leaves_no_gap(catalog: Catalog) -> None:
    for verb in ("one", "two", "three"):
        catalog.start_operation(verb, verb, EFFECTS, 1.0)
    catalog.drop_operation(3)
    catalog.drop_operation(1)
    assert [(one.number, one.state, one.effects) for one in catalog.operations()] == [
        (2, "started", EFFECTS),
        (1, "done", ()),
    ]
    assert "nothing changed" in catalog.operation(1).summary
    with pytest.raises(NotFound):
        catalog.drop_operation(1)
    assert catalog.start_operation("four", "four", (), 1.0).number == 3


def test_a_transaction_is_all_or_nothing(catalog: Catalog) -> None:
    def write(error: BaseException) -> None:
        with catalog.transaction():
            catalog.add_run(a_run(3), ENVIRONMENT)
            catalog.set_fact("tag", "best", ONE)
            catalog.start_operation("run", "ran", (), 1.0)
            raise error

    with pytest.raises(KeyboardInterrupt):
        write(KeyboardInterrupt())
    assert len(catalog.runs()) == 2
    assert catalog.facts("tag") == {}
    assert catalog.start_operation("run", "ran", (), 1.0).number == 1


def test_a_failed_call_inside_a_transaction_takes_back_only_itself(catalog: Catalog) -> None:
    def write() -> None:
        with catalog.transaction():
            catalog.set_fact("tag", "inside", ONE)
            raise ValueError("mine")

    with catalog.transaction():
        catalog.set_fact("tag", "before", ONE)
        with pytest.raises(Conflict):
            catalog.add_run(a_run(1), ENVIRONMENT)
        with pytest.raises(ValueError, match="mine"):
            write()
        catalog.set_fact("tag", "after", TWO)
    assert catalog.facts("tag") == {"after": TWO, "before": ONE}
