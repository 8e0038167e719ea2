from __future__ import annotations

import itertools
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from cloche.analysis.metrics import diff_metrics
from cloche.analysis.values import diff_values, same_value
from cloche.model.changes import MetricChange, ValueChange
from cloche.model.suggestions import closest
from cloche.model.values import Value

values: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, 1.0, 0.5])
    | st.sampled_from(["", "1", "true"]),
    lambda more: st.lists(more, max_size=2),
)
tables = st.dictionaries(st.sampled_from(["a", "a.b", "c", "lr"]), values, max_size=4)


@given(tables, tables)
def test_the_changes_turn_one_table_into_the_other(before: dict[str, Value], after: dict[str, Value]) -> None:
    changes = diff_values(before, after)
    assert [change.key for change in changes] == sorted({change.key for change in changes})
    now = dict(before)
    for change in changes:
        assert change.has_before == (change.key in before)
        assert change.has_after == (change.key in after)
        if change.has_after:
            now[change.key] = change.after
        else:
            del now[change.key]
    assert json.dumps(now, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (not changes) == (json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True))


def test_types_count() -> None:
    kinds: list[Value] = [1, 1.0, "1", True, "true", None, "null", "", [1], [1.0], [True], [[1]], []]
    for one, other in itertools.combinations(kinds, 2):
        assert not same_value(one, other)
    assert all(same_value(one, one) for one in kinds)


def test_null_is_not_missing() -> None:
    assert diff_values({}, {"a": None}) == (ValueChange("a", None, None, False, True),)
    assert diff_values({"a": None}, {}) == (ValueChange("a", None, None, True, False),)
    assert diff_values({"a": None}, {"a": None}) == ()


def test_metrics_side_by_side() -> None:
    found = diff_metrics({"auc": 0.75, "gone": 1.0, "same": 2.0}, {"auc": 0.5, "new": 3.0, "same": 2.0})
    assert found == (
        MetricChange("auc", 0.75, 0.5),
        MetricChange("gone", 1.0, None),
        MetricChange("new", None, 3.0),
        MetricChange("same", 2.0, 2.0),
    )
    assert [one.change for one in found] == [-0.25, None, None, 0.0]
    change = diff_metrics({"loss": math.nan}, {"loss": 1.0})[0].change
    assert change is not None
    assert math.isnan(change)


def test_did_you_mean() -> None:
    assert closest("rnu", ["run", "reads"]) == "run"
    assert closest("Metrics", ["metrics", "stages"]) == "metrics"
    assert closest("CHAMPION", ["champion"]) == "champion"
    assert closest("xyz", ["run", "reads"]) is None
    assert closest("", ["run"]) is None
    assert closest("run", []) is None


@given(st.text(max_size=100), st.lists(st.text(max_size=100), max_size=8))
def test_only_what_is_known_is_suggested(word: str, known: list[str]) -> None:
    found = closest(word, known)
    assert found is None or found in known


def test_suggestions_stay_quick() -> None:
    assert closest("x" * 100_000, ["x" * 100_000]) is None
    assert closest("abcdefghij", (f"{number:0>70}" for number in itertools.count())) is None
