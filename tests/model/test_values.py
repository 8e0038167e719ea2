from __future__ import annotations

import datetime
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import SettingsError, UsageError
from cloche.model.values import Value, covers, flatten, parse_override, plain, type_name


class Text(str):
    """Parsers that keep the layout return subclasses of str."""


class Number(float):
    pass


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text().map(Text)
    | st.floats().map(Number)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.binary(max_size=5)
)
keys = st.text(max_size=4) | st.integers() | st.none() | st.dates() | st.tuples(st.integers())
things = st.recursive(leaves, lambda more: st.lists(more, max_size=4) | st.dictionaries(keys, more, max_size=4))


def identical(one: object, other: object) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


@given(things)
def test_json_gives_back_the_same_value(thing: object) -> None:
    value = plain(thing)
    assert identical(msgspec.json.decode(msgspec.json.encode(value)), value)


@given(st.dictionaries(st.text(st.characters(), max_size=4), things, max_size=4))
def test_flat_tables_survive_json_with_their_types(table: dict[str, object]) -> None:
    flat = flatten(table)
    back = msgspec.json.decode(msgspec.json.encode(flat), type=dict[str, Value])
    assert identical(back, flat)


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
def test_ordinary_values_are_kept_as_they_are(value: Value) -> None:
    assert identical(plain(value), value)


def test_flatten_keeps_order_types_and_leaves() -> None:
    table: dict[Any, Any] = {"b": {"y": 1, "x": 1.0}, "a": "1", "empty": {}, "list": [1, {"k": None}], 3: True}
    flat = flatten(table)
    assert list(flat) == ["b.y", "b.x", "a", "empty", "list", "3"]
    assert identical(flat, {"b.y": 1, "b.x": 1.0, "a": "1", "empty": {}, "list": [1, {"k": None}], "3": True})


def test_dates_and_numbers_without_json_become_text() -> None:
    assert plain(datetime.date(2024, 2, 29)) == "2024-02-29"
    assert [plain(math.inf), plain(-math.inf), plain(math.nan)] == ["inf", "-inf", "nan"]
    assert plain([{"when": datetime.datetime(2024, 2, 29, 1, 2), 1: math.inf, "a": 0}]) == [
        {"when": "2024-02-29T01:02:00", "1": "inf", "a": 0}
    ]


def test_a_table_that_holds_itself_is_an_error_not_a_crash() -> None:
    table: dict[str, object] = {}
    table["again"] = table
    circle: list[object] = []
    circle.append(circle)
    for endless in (table, {"a": circle}):
        with pytest.raises(SettingsError, match="nested too deep"):
            flatten(endless)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("train.lr=0.1", "train.lr", 0.1),
        (" a =1", "a", 1),
        ("a=1.0", "a", 1.0),
        ("a=1e3", "a", 1000.0),
        ('a="1"', "a", "1"),
        ("a=true", "a", True),
        ("a=True", "a", "True"),
        ("a=null", "a", None),
        ("a=", "a", ""),
        ("a=b=c", "a", "b=c"),
        ("a=[1, 2.0]", "a", [1, 2.0]),
        ("a=NaN", "a", "NaN"),
        ("a=-Infinity", "a", "-Infinity"),
        ("a=1e999", "a", "1e999"),
        ("a=007", "a", "007"),
        ("a=" + "[" * 100_000, "a", "[" * 100_000),
        ("a=" + "9" * 10_000, "a", "9" * 10_000),
        (f"a={2**70}", "a", 2**70),
    ],
)
def test_overrides(text: str, key: str, value: Value) -> None:
    found = parse_override(text)
    assert found[0] == key
    assert identical(found[1], value)


@given(st.text(), things)
def test_an_override_in_json_is_read_as_that_value(text: str, thing: object) -> None:
    value = plain(thing)
    assert identical(parse_override(f"k={json.dumps(value)}")[1], value)


@pytest.mark.parametrize("text", ["", "a", "=1", " =1", "a..b=1", ".a=1", "a.=1"])
def test_what_is_no_override(text: str) -> None:
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        parse_override(text)


def test_words_for_types_and_what_a_key_covers() -> None:
    values: list[Value] = [None, True, 1, 1.0, "1", [1]]
    assert [type_name(value) for value in values] == ["null", "bool", "int", "float", "str", "list"]
    assert covers("train", "train.lr")
    assert covers("train", "train")
    assert not covers("train", "trainer.lr")
