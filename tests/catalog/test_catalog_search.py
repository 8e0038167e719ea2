"""Searching and sorting: the SQL finds what the grammar says, and nothing a person types becomes SQL."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from catalog_samples import ENVIRONMENT, a_run, run_number
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.catalog.catalog import Catalog
from cloche.catalog.search import select_runs
from cloche.errors import UsageError
from cloche.model.conditions import (
    And,
    Comparison,
    Constant,
    Field,
    Not,
    Operator,
    Or,
    Order,
    Query,
    Term,
)
from cloche.model.query import parse
from cloche.model.run import Output, Resources, Run
from cloche.model.values import Value

NOON = datetime(2026, 7, 1, 12, 0, 30).timestamp()

RUNS: dict[int, Run] = {
    1: a_run(1, params={"lr": 0.1, "model": "gbm", "big": 2**53 + 1}, metrics={"auc": 0.9, "loss": math.nan}),
    2: a_run(
        2, params={"lr": 1, "model": "GBM", "on": True}, metrics={"auc": 0.5}, message="50% [done]*", commit="abc"
    ),
    3: a_run(3, params={"lr": "0.1", "model": None}, metrics={"loss": math.inf}, experiment="flights", status="failed"),
    4: a_run(
        4, created=NOON, outputs=(Output("model.bin", "f", "a" * 64, 3),), resources=Resources(90.0), exit_status=0
    ),
    5: a_run(
        5,
        created=NOON + 60,
        ended=NOON + 90,
        params={"lr": [1, 2], "day": "2026-05-01"},
        message="Größe",
        exit_status=1,
    ),
    6: a_run(6, status="running", metrics={"auc": 0.5}),
}
TAGS = {"best": 1, "also best": 1, "odd": 2}
NOTES = {"1": (3, "leak?")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with Catalog(tmp_path_factory.mktemp("search") / "catalog.db") as catalog:
        for run in RUNS.values():
            catalog.add_run(run, ENVIRONMENT)
        for tag, number in TAGS.items():
            catalog.set_fact("tag", tag, run_number(number))
        for key, (number, text) in NOTES.items():
            catalog.set_fact("note", key, json.dumps({"run": run_number(number), "text": text}))
        yield catalog


def numbers(catalog: Catalog, text: str, **options: object) -> list[int]:
    """The numbers of the runs that a search finds, in order."""
    of = {run_number(number): number for number in RUNS}
    return [of[row.id] for row in catalog.runs(parse(text), **options)]  # type: ignore[arg-type]


def found(catalog: Catalog, text: str) -> set[int]:
    return set(numbers(catalog, text))


EVERY = set(RUNS)
EXPECTED = [
    ("", EVERY),
    ("metrics.auc > 0.8 and params.lr = 0.1", {1}),
    ("metrics.auc >= 0.5", {1, 2, 6}),
    ("metrics.auc != 0.5", {1}),
    ("not metrics.auc = 0.5", {1, 3, 4, 5}),
    ("metrics.auc in (0.5, 0.9)", {1, 2, 6}),
    ("metrics.auc not in (0.5)", {1}),
    ("metrics.auc is null", {3, 4, 5}),
    ("metrics.loss is not null", {1, 3}),
    ("metrics.loss < inf", set()),
    ("metrics.loss = inf", {3}),
    ("metrics.loss != 1", {1, 3}),
    ("not metrics.loss <= inf and metrics.loss is not null", {1}),
    ("params.lr = 0.1", {1}),
    ("params.lr = '0.1'", {1, 3}),
    ("params.lr = 1", {2}),
    ("params.lr = 1.0", {2}),
    ("params.lr != 1", {1, 3, 5}),
    ("params.lr in (1, '0.1')", {1, 2, 3}),
    ("params.lr not in (1, '0.1')", {5}),
    ("params.lr < 0.5", {1}),
    ("params.lr like '[1%'", {5}),
    ("params.big = 9007199254740993", {1}),
    ("params.big = 9007199254740992", set()),
    ("params.big < 1000000000000000000000000000", {1}),
    ("params.on = true", {2}),
    ("params.on = 'true'", {2}),
    ("params.on = 1", set()),
    ("params.on != false", {2}),
    ("params.model = 'gbm'", {1}),
    ("params.model like 'G%'", {2}),
    ("params.model ilike 'g_M'", {1, 2}),
    ("params.model is null", {3, 4, 5, 6}),
    ("params.model is not null", {1, 2}),
    ("params.day >= '2026-01-01'", {5}),
    ("params.lr > '0'", {3}),
    ("tags.best is not null", {1}),
    ("tags.`also best` is null", {2, 3, 4, 5, 6}),
    ("tag = 'best'", {1}),
    ("tag != 'best'", {2, 3, 4, 5, 6}),
    ("tag in ('best', 'odd')", {1, 2}),
    ("tag not in ('odd', 'x')", {1, 3, 4, 5, 6}),
    ("tag like '%best'", {1}),
    ("tag is null", {3, 4, 5, 6}),
    ("note ilike 'LEAK%'", {3}),
    ("note is not null and note != 'leak?'", set()),
    ("output = 'model.bin'", {4}),
    ("output is not null", {4}),
    ("status = 'finished'", {1, 2, 4, 5}),
    ("status in ('FAILED', 'Running')", {3, 6}),
    ("status != 'finished'", {3, 6}),
    ("attributes.experiment = 'flights'", {3}),
    ("experiment is null", EVERY - {3}),
    ("commit = 'abc'", {2}),
    ("commit != 'abc'", EVERY - {2}),
    ("message like '50%[_one]*'", {2}),
    ("message like '50%[_one]'", set()),
    ("message like '5_% %'", {2}),
    ("message ilike 'GRÖSSE'", {5}),
    ("command like 'python %'", EVERY),
    ("wall > 60", {4}),
    ("wall is not null", EVERY),
    ("exit_status = 0", {4}),
    ("exit_status != 0", {5}),
    ("not exit_status != 0", EVERY - {5}),
    ("exit_status is null", {1, 2, 3, 6}),
    ("ended is null", EVERY - {5}),
    ("outputs = 1", {4}),
    (f"created = {NOON}", {4}),
    ("created >= '2026-07-01'", {4, 5}),
    ("created > '2026-07-01'", set()),
    ("created <= '2026-07-01'", EVERY),
    ("created < '2026-07-01'", {1, 2, 3, 6}),
    ("created = '2026-07-01'", {4, 5}),
    ("created != '2026-07-01'", {1, 2, 3, 6}),
    ("created = '2026-07-01 12:00'", {4}),
    ("created = '2026-07-01 12:00:30'", {4}),
    ("created = '2026-07-01 12:00:31'", set()),
    ("created in ('2026-07-01 12:01', '1999-01-01')", {5}),
    ("created not in ('2026-07-01 12:01')", EVERY - {5}),
    ("ended > '2026-07-01 12:01'", {5}),
    ("not ended > '2026-07-01 12:01'", EVERY - {5}),
    ("created < '1 day ago' or created > '1 day ago'", EVERY),
    ("id = 'kkkkkkkkkkkkkkkl' or id like '%m'", {1, 2}),
    ("tag = 'odd' or status = 'failed' and not note is null", {2, 3}),
    ("(tag = 'odd' or status = 'failed') and not note is null", {3}),
    ("message = ''' or 1=1 --'", set()),
]


@pytest.mark.parametrize(("text", "expected"), EXPECTED)
def test_a_search_finds(filled: Catalog, text: str, expected: set[int]) -> None:
    assert found(filled, text) == expected
    assert found(filled, f"not ({text})" if text else "tag = 'none'") == EVERY - expected


def test_an_hour_ago_is_counted_from_now() -> None:
    statement = select_runs("run.id", parse("created > '2 hours ago'"), now=lambda: 10_000.0)
    assert list(statement.parameters.values()) == [2800.0]


def test_limit_experiment_and_hidden(filled: Catalog) -> None:
    assert numbers(filled, "", limit=2) == [5, 4]
    assert numbers(filled, "", limit=0) == []
    assert len(numbers(filled, "", limit=10**30)) == len(RUNS)
    assert numbers(filled, "", experiment="flights") == [3]
    assert numbers(filled, "metrics.auc > 0", experiment="flights") == []
    with pytest.raises(UsageError):
        filled.runs(limit=-1)


SORTED = [
    ([], [5, 4, 6, 3, 2, 1]),
    (["metrics.auc"], [6, 2, 1, 5, 4, 3]),
    (["-metrics.auc"], [1, 6, 2, 5, 4, 3]),
    (["metrics.loss desc"], [3, 5, 4, 6, 2, 1]),
    (["params.lr"], [1, 2, 3, 5, 4, 6]),
    (["-params.lr"], [2, 1, 5, 3, 4, 6]),
    (["params.model"], [2, 1, 5, 4, 6, 3]),
    (["created"], [1, 2, 3, 6, 4, 5]),
    (["message"], [2, 5, 4, 6, 3, 1]),
    (["-ended"], [5, 4, 6, 3, 2, 1]),
    (["status", "metrics.auc", "-id"], [3, 2, 1, 5, 4, 6]),
]


@pytest.mark.parametrize(("sort", "expected"), SORTED)
def test_sorting_puts_what_is_missing_last_and_ties_newest_first(
    filled: Catalog, sort: list[str], expected: list[int]
) -> None:
    assert numbers(filled, "", sort=sort) == expected


def test_what_cannot_be_sorted_by_is_refused(filled: Catalog) -> None:
    for wrong in ("tag", "tags.best", "auc", "metrics.auc; DROP TABLE run"):
        with pytest.raises(UsageError):
            filled.runs(sort=[wrong])
    with pytest.raises(UsageError, match="more than"):
        filled.runs(sort=["metrics.auc"] * 100)


# The meaning of a search, written down a second time, in Python.

CONSTANTS = st.sampled_from([0.1, 1, 0.5, 0.9, "0.1", "gbm", "GBM", "1", True, False, math.inf])
NUMBERS = st.sampled_from([0.1, 0.5, 0.9, 1, math.inf, -math.inf, 0])
OPERATORS: list[Operator] = ["=", "!=", ">", ">=", "<", "<="]
PRESENCE: list[Operator] = ["IS NULL", "IS NOT NULL"]


def _metric(name: str) -> st.SearchStrategy[Term]:
    field = Field("metrics", name)
    many = st.lists(NUMBERS, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Comparison, st.just(field), st.sampled_from(OPERATORS), st.tuples(NUMBERS)),
        st.builds(Comparison, st.just(field), st.sampled_from(["IN", "NOT IN"]), many),
        st.builds(Comparison, st.just(field), st.sampled_from(PRESENCE)),
    )


def _param(name: str) -> st.SearchStrategy[Term]:
    field = Field("params", name)
    text = st.sampled_from(["0.1", "gbm", "g%", "_BM", "", "%"])
    order = st.one_of(st.sampled_from([0.1, 1, 0.5]), text)
    many = st.lists(CONSTANTS, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Comparison, st.just(field), st.sampled_from(OPERATORS[:2]), st.tuples(CONSTANTS)),
        st.builds(Comparison, st.just(field), st.sampled_from(OPERATORS), st.tuples(order)),
        st.builds(Comparison, st.just(field), st.sampled_from(["LIKE", "ILIKE"]), st.tuples(text)),
        st.builds(Comparison, st.just(field), st.sampled_from(["IN", "NOT IN"]), many),
        st.builds(Comparison, st.just(field), st.sampled_from(PRESENCE)),
    )


TERMS: st.SearchStrategy[Term] = st.recursive(
    st.one_of(_metric("auc"), _metric("loss"), _param("lr"), _param("model"), _param("on")),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.tuples(inner, inner)),
        st.builds(Or, st.tuples(inner, inner)),
    ),
    max_leaves=6,
)


def holds(term: Term, run: Run) -> bool:
    if isinstance(term, Not):
        return not holds(term.term, run)
    if isinstance(term, And):
        return all(holds(one, run) for one in term.terms)
    if isinstance(term, Or):
        return any(holds(one, run) for one in term.terms)
    values: dict[str, Value] = run.snapshot.config.values
    have: Value = values.get(term.field.name)
    if term.field.entity == "metrics":
        have = run.metrics.get(term.field.name)
    if have is None or term.operator in PRESENCE:
        return (have is None) == (term.operator == "IS NULL")
    if term.operator in ("!=", "NOT IN"):
        return not any(compares(have, "=", value) for value in term.values)
    return any(compares(have, "=" if term.operator == "IN" else term.operator, value) for value in term.values)


def compares(have: Value, operator: Operator, want: Constant) -> bool:
    if isinstance(want, bool):
        return have is want
    if isinstance(want, str):
        text = have if isinstance(have, str) else json.dumps(have)
        if operator in ("LIKE", "ILIKE"):
            pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in want)
            return re.fullmatch(pattern, text, re.IGNORECASE if operator == "ILIKE" else 0) is not None
        return ordered(text, operator, want) and (operator == "=" or isinstance(have, str))
    if isinstance(have, bool) or not isinstance(have, (int, float)):
        return False
    return ordered(have, operator, want)


def ordered(have: Any, operator: Operator, want: Any) -> bool:
    truth = {"=": have == want, ">": have > want, ">=": have >= want, "<": have < want, "<=": have <= want}
    return bool(truth[operator])


@settings(max_examples=400, deadline=None)
@given(TERMS)
def test_sql_means_what_the_grammar_says(filled: Catalog, term: Term) -> None:
    expected = {number for number, run in RUNS.items() if holds(term, run)}
    assert found(filled, str(Query(term))) == expected


# Injection: the SQL of a search depends on its shape alone.

NAMES = st.text(min_size=1)
WILD: st.SearchStrategy[Term] = st.one_of(
    st.builds(
        Comparison, st.builds(Field, st.just("metrics"), NAMES), st.just("="), st.tuples(st.floats(allow_nan=False))
    ),
    st.builds(Comparison, st.builds(Field, st.just("params"), NAMES), st.just("LIKE"), st.tuples(st.text())),
    st.builds(Comparison, st.builds(Field, st.just("params"), NAMES), st.just("="), st.tuples(st.integers())),
    st.builds(Comparison, st.builds(Field, st.just("tags"), NAMES), st.just("IS NULL")),
    st.builds(Comparison, st.just(Field("attributes", "message")), st.just("IN"), st.tuples(st.text(), st.text())),
    st.builds(Comparison, st.just(Field("attributes", "tag")), st.just("ILIKE"), st.tuples(st.text())),
)


@settings(max_examples=300, deadline=None)
@given(WILD, st.lists(NAMES, max_size=2), st.text())
def test_nothing_that_is_typed_becomes_sql(filled: Catalog, term: Term, names: list[str], experiment: str) -> None:
    orders = [Order(Field("params", name), descending=True) for name in names]
    statement = select_runs("run.id", Query(term), orders, experiment=experiment)
    calm = select_runs("run.id", Query(tamed(term)), [tame_order(one) for one in orders], experiment=experiment and "x")
    assert statement.sql == calm.sql
    assert set(re.findall(r":(\w+)", statement.sql)) == set(statement.parameters)
    filled.runs(Query(term), sort=[str(order.field) for order in orders], experiment=experiment)
    assert len(filled.runs()) == len(RUNS)


def tamed(term: Term) -> Term:
    assert isinstance(term, Comparison)
    name = "x" if term.field.entity != "attributes" else term.field.name
    values = tuple("x" if isinstance(value, str) else 1 for value in term.values)
    return Comparison(Field(term.field.entity, name), term.operator, values)


def tame_order(order: Order) -> Order:
    return Order(Field(order.field.entity, "x"), order.descending)
