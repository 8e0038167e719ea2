"""The search grammar: what it reads, what it says where it cannot, and that it never does anything else."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.errors import UsageError
from cloche.model.conditions import (
    ATTRIBUTES,
    STATUSES,
    And,
    Comparison,
    Constant,
    Entity,
    Field,
    Not,
    Operator,
    Or,
    Order,
    Query,
    Term,
    read_time,
)
from cloche.model.query import DEEPEST, LONGEST, MOST, parse, parse_sort

SAME = [
    ("metrics.auc > 0.8", "metrics.auc > 0.8"),
    ("metric.auc>.8", "metrics.auc > 0.8"),
    ("metrics.auc>-1e3", "metrics.auc > -1000.0"),
    ("parameters.lr = 0.1 AND tag = 'x'", "params.lr = 0.1 and tag = 'x'"),
    ('params.model = "gbm"', "params.model = 'gbm'"),
    ("params.train.lr = +1", "params.train.lr = 1"),
    ("params.fast = TRUE", "params.fast = true"),
    ("params.`learning rate` != 1", "params.`learning rate` != 1"),
    ('metrics."top 5" <= 1', "metrics.`top 5` <= 1"),
    ("metrics.val-loss/fold:1@k < inf", "metrics.val-loss/fold:1@k < inf"),
    ("metrics.x > -Infinity", "metrics.x > -inf"),
    ("params.train.`the rate` = 1", "params.`train.the rate` = 1"),
    ("attributes.status = 'finished'", "status = 'finished'"),
    ("attr.run_id LIKE 'k%'", "id LIKE 'k%'"),
    ("run.id ilike 'K%'", "id ILIKE 'K%'"),
    ("`status` in ('failed','killed')", "status IN ('failed', 'killed')"),
    ("status NOT  in ('failed')", "status NOT IN ('failed')"),
    ("ended is null", "ended IS NULL"),
    ("tags.`best one` Is Not Null", "tags.`best one` IS NOT NULL"),
    ("message = 'it''s'", "message = 'it''s'"),
    ("message = '%'' or 1=1 --'", "message = '%'' or 1=1 --'"),
    ("not (wall > 60 or wall < 1) and tag = 'a'", "not (wall > 60 or wall < 1) and tag = 'a'"),
    ("tag='a' or tag='b' and tag='c'", "tag = 'a' or (tag = 'b' and tag = 'c')"),
    ("((tag='a'))", "tag = 'a'"),
    ("not not tag='a'", "not not tag = 'a'"),
    ("created >= '2026-07-01T10:00'", "created >= '2026-07-01T10:00'"),
    ("created < '2 days ago'", "created < '2 days ago'"),
    ("params.and = 1", "params.and = 1"),
    ("metrics.größe > 1", "metrics.größe > 1"),
    ("  ", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "canonical"), SAME)
def test_a_search_has_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_and_binds_tighter_than_or() -> None:
    one, two, three = (Comparison(Field("attributes", "tag"), "=", (name,)) for name in "abc")
    assert parse("tag='a' or tag='b' and tag='c'") == Query(Or((one, And((two, three)))))
    assert parse("(tag='a' or tag='b') and tag='c'") == Query(And((Or((one, two)), three)))


def test_numbers_keep_their_type() -> None:
    term = parse("params.n in (3, 3.0, 'x', true, 9007199254740993)").term
    assert isinstance(term, Comparison)
    assert [type(value) for value in term.values] == [int, float, str, bool, int]
    assert term.values[-1] == 2**53 + 1


WRONG = [
    ("auc > 0.8", 0, "metrics.auc"),
    ("stats = 'x'", 0, "status"),
    ("metrcs.auc > 1", 0, "metrics.auc"),
    ("train.lr = 1", 0, "params.train.lr"),
    ("metrics.auc == 1", 12, "write `=`"),
    ("metrics.auc <> 1", 12, "write `!=`"),
    ("metrics.auc > 1 && id = 'x'", 16, "write `and`"),
    ("metrics.auc > 1 || id = 'x'", 16, "write `or`"),
    ("status = finished", 9, "'finished'"),
    ("status = 'finnished'", 9, "finished"),
    ("metrics.auc > '0.8'", 14, "without quotes"),
    ("0.8 < metrics.auc", 0, "name first"),
    ("metrics.auc LIKE 1", 12, ">="),
    ("status > 'a'", 7, "LIKE"),
    ("tags.best = 'x'", 10, "IS NOT NULL"),
    ("created > 'soon'", 10, "2 days ago"),
    ("metrics.auc = nan", 14, "IS NOT NULL"),
    ("message = 5", 10, "'5'"),
    ("metrics.auc", 11, ""),
    ("metrics.auc >", 13, ""),
    ("metrics. > 1", 9, ""),
    ("metrics.a. > 1", 11, ""),
    ("metrics.`` > 1", 8, ""),
    ("metrics.`a > 1", 8, ""),
    ("(tag = 'a'", 10, ""),
    ("tag = 'a')", 9, ""),
    ("tag = 'a' tag = 'b'", 10, ""),
    ("tag in ()", 8, ""),
    ("tag in 'a'", 7, ""),
    ("tag in ('a'", 11, ""),
    ("tag is 'a'", 7, ""),
    ("tag not 'a'", 8, ""),
    ("and tag = 'a'", 0, ""),
    ("tag = 'a' and", 13, ""),
    ("metrics.a > 1.2.3", 12, ""),
    ("metrics.a > ;", 12, ""),
    ("metrics.a > true", 12, ""),
    ("params.a < true", 11, ""),
]


@pytest.mark.parametrize(("text", "place", "hint"), WRONG)
def test_a_mistake_is_marked_where_it_is_and_hinted_at(text: str, place: int, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    _, shown, mark = caught.value.message.split("\n")
    assert shown == f"  {text}"
    assert mark == "  " + " " * place + "^"
    assert hint in caught.value.hint


def test_the_mark_is_right_in_a_long_search_too() -> None:
    text = " and ".join(["metrics.auc > 0.8"] * 40) + " and metrics.auc ! 1 and " + "tag = 'a'"
    with pytest.raises(UsageError) as caught:
        parse(text)
    _, shown, mark = caught.value.message.split("\n")
    assert shown[mark.index("^")] == "!"
    assert len(shown) < 120


def test_limits_are_refused_with_a_message() -> None:
    assert parse("(" * DEEPEST + "tag='a'" + ")" * DEEPEST)
    for text in ("(" * 2000 + "tag='a'" + ")" * 2000, "not " * 2000 + "tag='a'"):
        with pytest.raises(UsageError, match="within each other"):
            parse(text)
    with pytest.raises(UsageError, match="comparisons"):
        parse(" or ".join(["tag='a'"] * (MOST + 1)))
    with pytest.raises(UsageError, match="comparisons"):
        parse("params.x in (" + ",".join("1" * (MOST + 1)) + ")")
    with pytest.raises(UsageError, match="longer"):
        parse("x" * (LONGEST + 1))
    with pytest.raises(UsageError, match="400"):
        parse("metrics.a > " + "9" * 5000)


WORDS = [
    *("metrics.auc", "params.", "tags.best", "status", "created", "id", "and", "or", "not", "in", "is", "null", "like"),
    *("=", "!=", ">", "<=", "(", ")", ",", "'finished'", '"x"', "`y z`", "0.8", "-1", "inf", "true", "'2 days ago'"),
    *("'", "`", "==", "\n", "\x00", "\udcff", "é", "metrics.`a", "1e999", "²", "٣"),
]


@settings(max_examples=500)
@given(
    st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join), st.lists(st.sampled_from(WORDS)).map("".join))
)
def test_every_text_is_a_search_or_a_usage_error(text: str) -> None:
    try:
        query = parse(text)
    except UsageError:
        return
    assert parse(str(query)) == query


@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(st.sampled_from([*WORDS, "-", "desc", "ASC"])).map(" ".join)))
def test_every_text_is_a_sort_order_or_a_usage_error(text: str) -> None:
    try:
        order = parse_sort(text)
    except UsageError:
        return
    assert parse_sort(f"{order.field} {'desc' if order.descending else 'asc'}") == order


NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False))
NAMES = st.text(min_size=1, max_size=8)
EQUAL: list[Operator] = ["=", "!="]
ORDER: list[Operator] = [*EQUAL, ">", ">=", "<", "<="]
LISTS: list[Operator] = ["IN", "NOT IN"]
WORD: list[Operator] = [*EQUAL, "LIKE", "ILIKE"]


def conditions(
    fields: st.SearchStrategy[Field], single: list[Operator], values: st.SearchStrategy[Constant]
) -> st.SearchStrategy[Term]:
    return st.one_of(
        st.builds(Comparison, fields, st.sampled_from(single), st.tuples(values)),
        st.builds(Comparison, fields, st.sampled_from(LISTS), st.lists(values, min_size=1, max_size=3).map(tuple)),
        st.builds(Comparison, fields, st.sampled_from(["IS NULL", "IS NOT NULL"])),
    )


def keyed(entity: Entity) -> st.SearchStrategy[Field]:
    return st.builds(Field, st.just(entity), NAMES)


def attributes(*kinds: str) -> st.SearchStrategy[Field]:
    names = [name for name, kind in ATTRIBUTES.items() if kind in kinds]
    return st.builds(Field, st.just("attributes"), st.sampled_from(names))


COMPARISONS = st.one_of(
    conditions(keyed("metrics"), ORDER, NUMBERS),
    conditions(keyed("params"), ORDER, st.one_of(NUMBERS, st.text())),
    conditions(keyed("params"), EQUAL, st.booleans()),
    conditions(attributes("text", "many"), WORD, st.text()),
    conditions(attributes("status"), EQUAL, st.sampled_from(STATUSES)),
    conditions(attributes("number", "time"), ORDER, NUMBERS),
    st.builds(Comparison, keyed("tags"), st.sampled_from(["IS NULL", "IS NOT NULL"])),
)
TERMS: st.SearchStrategy[Term] = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@settings(max_examples=500)
@given(TERMS)
def test_the_text_of_any_search_reads_back_as_the_same_search(term: Term) -> None:
    assert parse(str(Query(term))) == Query(term)


def test_sort_orders() -> None:
    auc = Field("metrics", "auc")
    assert parse_sort("metrics.auc") == parse_sort("metric.auc ASC") == Order(auc)
    assert parse_sort("-metrics.auc") == parse_sort("metrics.auc desc") == Order(auc, descending=True)
    assert parse_sort("-metrics.auc desc") == Order(auc)
    assert parse_sort('-params."learning rate"') == Order(Field("params", "learning rate"), descending=True)
    assert parse_sort("created") == Order(Field("attributes", "created"))


@pytest.mark.parametrize("text", ["", "-", "auc", "tags.best", "tag", "metrics.auc down", "metrics.auc > 1", "1"])
def test_what_cannot_be_sorted_by_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="sort order"):
        parse_sort(text)


def test_times_are_stretches() -> None:
    day = datetime.datetime(2026, 7, 1)
    assert read_time("2026-07-01") == (day, day + datetime.timedelta(days=1))
    assert read_time("2026-07-01 10:30") == (day.replace(hour=10, minute=30), day.replace(hour=10, minute=31))
    assert read_time("2026-07-01T10:30:05.5Z") == (
        day.replace(hour=10, minute=30, second=5, microsecond=500_000, tzinfo=datetime.UTC),
        day.replace(hour=10, minute=30, second=5, microsecond=500_000, tzinfo=datetime.UTC),
    )
    assert read_time(" 1 Week ago ") == datetime.timedelta(weeks=1)
    for wrong in (
        "",
        "2026-02-30",
        "2026-07-01 25:00",
        "0001-01-01",
        "9999-12-31",
        "yesterday",
        "2026-7-1",
        "１ day ago",
    ):
        assert read_time(wrong) is None
