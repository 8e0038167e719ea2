from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import NotFound, SettingsError
from cloche.model.paths import inside
from cloche.model.pipeline import needs, order, stage_key, upstream
from cloche.model.settings import Stage
from cloche.model.values import Value

paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@st.composite
def pipelines(draw: st.DrawFn) -> dict[str, Stage]:
    """Stages over a few paths; no two write the same path or one inside another, as the settings make sure."""
    stages: dict[str, Stage] = {}
    taken: list[str] = []
    for name in draw(st.permutations(["one", "two", "three", "four", "five"])):
        wanted = draw(st.lists(paths, max_size=2, unique=True))
        writes = [path for path in wanted if not any(inside(path, old) or inside(old, path) for old in taken)]
        taken += writes
        stages[name] = Stage("x", tuple(draw(st.lists(paths, max_size=2))), tuple(writes))
    return stages


def meets(read: str, written: str) -> bool:
    return inside(read, written) or inside(written, read)


def needed_by(stages: dict[str, Stage], name: str) -> set[str]:
    return {
        other
        for other, stage in stages.items()
        if any(meets(read, path) for read in stages[name].reads for path in stage.writes)
    }


def all_above(stages: dict[str, Stage], name: str) -> set[str]:
    found: set[str] = set()
    ahead = needed_by(stages, name)
    while ahead:
        found |= ahead
        ahead = {up for one in ahead for up in needed_by(stages, one)} - found
    return found


@given(pipelines())
def test_needs_are_what_the_plain_definition_says(stages: dict[str, Stage]) -> None:
    assert {name: set(above) for name, above in needs(stages).items()} == {
        name: needed_by(stages, name) for name in stages
    }


@given(pipelines())
def test_order_is_the_first_one_that_works_or_the_error_shows_a_real_circle(stages: dict[str, Stage]) -> None:
    circular = any(name in all_above(stages, name) for name in stages)
    try:
        ordered = order(stages)
    except SettingsError as error:
        circle = error.message.partition("circle: ")[2].partition(" (")[0].split(" -> ")
    else:
        assert not circular
        works = [
            names
            for names in itertools.permutations(stages)
            if all(needed_by(stages, name) <= set(names[:at]) for at, name in enumerate(names))
        ]
        assert ordered == works[0]  # permutations come in the order of declaration
        return
    assert circular
    assert circle[0] == circle[-1]
    assert all(writer in needed_by(stages, reader) for writer, reader in itertools.pairwise(circle))


@given(pipelines())
def test_upstream_is_everything_above(stages: dict[str, Stage]) -> None:
    try:
        ordered = order(stages)
    except SettingsError:
        return
    for name in stages:
        assert upstream(stages, name) == tuple(one for one in ordered if one in all_above(stages, name))


def test_a_circle_is_shown_with_the_paths_that_make_it() -> None:
    stages = {
        "first": Stage("x", writes=("raw",)),
        "a": Stage("x", reads=("raw", "back/x.csv"), writes=("data",)),
        "b": Stage("x", reads=("data/clean",), writes=("back",)),
    }
    with pytest.raises(SettingsError) as caught:
        order(stages)
    assert caught.value.message == (
        "the stages go in a circle: a -> b -> a "
        "(a writes data/clean, which b reads; b writes back/x.csv, which a reads)"
    )
    assert "reads" in caught.value.hint


def test_a_stage_that_reads_what_it_writes_is_a_circle() -> None:
    with pytest.raises(SettingsError, match=r"circle: a -> a \(a writes out/x, which a reads\)"):
        order({"a": Stage("x", reads=("out",), writes=("out/x",))})


def test_names_that_only_look_alike_are_apart() -> None:
    stages = {"b": Stage("x", reads=("data-2", "database")), "a": Stage("x", writes=("data",))}
    assert order(stages) == ("b", "a")


def test_a_stage_that_is_not_there() -> None:
    stages = {"train": Stage("x"), "test": Stage("x")}
    with pytest.raises(NotFound) as caught:
        upstream(stages, "trian")
    assert caught.value.hint == "did you mean `train`?"
    with pytest.raises(NotFound) as caught:
        upstream(stages, "qqqq")
    assert caught.value.hint == "the stages are: train, test"


def test_thousands_of_stages_are_quick() -> None:
    count = 5_000
    stages = {f"s{at}": Stage("x", (f"out/{at}",), (f"out/{at + 1}",)) for at in reversed(range(count))}
    started = time.process_time()
    assert order(stages) == tuple(f"s{at}" for at in range(count))
    assert time.process_time() - started < 2


digests = st.sampled_from(["", "11" * 32, "22" * 32])
values: st.SearchStrategy[Value] = st.sampled_from([None, True, False, 0, 1, 0.0, 1.0, -0.0, "1", "", "null", "true"])
values = values | st.lists(values, max_size=2)
key_parts = st.tuples(
    st.lists(paths, max_size=2, unique=True).map(tuple),
    st.sampled_from(["python a.py", "python b.py", ""]),
    digests,
    st.dictionaries(paths, digests, max_size=2),
    st.dictionaries(st.sampled_from(["a", "b.c", "1"]), values, max_size=2),
    digests,
)
Parts = tuple[tuple[str, ...], str, str, dict[str, str], dict[str, Value], str]


def key(parts: Parts) -> str:
    writes, command, environment, inputs, params, code = parts
    return stage_key(Stage(command, writes=writes), command, environment, inputs, params, code)


def meaning(parts: Parts) -> str:
    writes, command, environment, inputs, params, code = parts
    return repr((sorted(writes), command, environment, sorted(inputs.items()), sorted(params.items()), code))


@given(key_parts, key_parts)
def test_keys_are_equal_exactly_when_everything_is(one: Parts, other: Parts) -> None:
    assert (key(one) == key(other)) == (meaning(one) == meaning(other))


@given(key_parts)
def test_the_order_of_inputs_and_parameters_does_not_count(parts: Parts) -> None:
    writes, command, environment, inputs, params, code = parts
    turned = (writes[::-1], command, environment, dict(reversed(inputs.items())), dict(reversed(params.items())), code)
    assert key(turned) == key(parts)


def test_types_of_parameters_count() -> None:
    kinds: list[Value] = [1, 1.0, "1", True, "true", None, "null", [1], [1.0], ["1"], [[1]], "[1]", [], [None]]
    keys = {stage_key(Stage("x"), "x", "", {}, {"a": value}, "") for value in kinds}
    assert len(keys) == len(kinds)


def test_the_key_is_pinned() -> None:
    stage = Stage("python train.py", ("data",), ("model",), ("train",))
    found = stage_key(stage, stage.run, "ee" * 32, {"data": "dd" * 32}, {"train.lr": 0.1}, "cc" * 32)
    assert found == "8770bb8f4cc32183fd385fa897efab48cbcf481e97b3348b5ba40d464e605463"
