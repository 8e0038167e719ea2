"""JSON lines compared row by row, keys being columns."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.model.content import TableChange
from cloche.tables.compare import compare_tables, is_table


def compare(folder: Path, before: str | bytes, after: str | bytes, name: str = "t.jsonl", *key: str) -> TableChange:
    for side, content in (("before", before), ("after", after)):
        (folder / side).write_bytes(content.encode() if isinstance(content, str) else content)
    return compare_tables(folder / "before", folder / "after", name, key)


def rows(change: TableChange) -> tuple[int, int, int, int]:
    return change.rows_before, change.rows_after, change.rows_added, change.rows_removed


@pytest.mark.parametrize("name", ["a.jsonl", "A.NDJSON", "a.jsonl.gz"])
def test_what_is_one(name: str) -> None:
    assert is_table(name)
    assert not is_table("a.json")


def test_rows_by_key_with_examples(tmp_path: Path) -> None:
    before = '{"id":1,"x":"a","n":{"b":1}}\n{"id":2,"x":"b"}\n'
    change = compare(tmp_path, before, '{"n":{"b":2},"id":1,"x":"a"}\n\n{"id":3,"y":1.5}')
    assert (rows(change), change.rows_changed, change.key) == ((2, 2, 1, 1), 1, ("id",))
    assert (change.columns_added, change.columns_removed, change.columns_changed) == (("y",), (), ("n",))
    changed = next(one for one in change.examples if one.act == "changed")
    assert (changed.key, changed.before, changed.after) == ({"id": "1"}, {"n": '{"b":1}'}, {"n": '{"b":2}'})


documents = st.dictionaries(
    st.sampled_from(["a", "b/c", "~", "", "0", 'say "x"', "é"]),
    st.sampled_from([1, "1", 1.5, None, True, [1], {"k": 1}]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.lists(documents, max_size=6), st.lists(documents, max_size=6))
def test_whole_rows_are_counted_as_a_plain_count_does(
    tmp_path: Path, before: list[dict[str, object]], after: list[dict[str, object]]
) -> None:
    change = compare(tmp_path, *("".join(json.dumps(row) + "\n" for row in side) for side in (before, after)))
    shared = {key for row in before for key in row} & {key for row in after for key in row}
    if not shared:
        assert rows(change)[:2] == (len(before), len(after))
        return
    old, new = (
        Counter(json.dumps({key: row[key] for key in sorted(shared & row.keys())}) for row in side)
        for side in (before, after)
    )
    assert rows(change) == (len(before), len(after), (new - old).total(), (old - new).total())


def test_compressed(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a":1}\n{"a":2}\n')
    assert rows(compare(tmp_path, '{"a":1}\n', packed, "t.jsonl.gz")) == (1, 2, 1, 0)


@pytest.mark.parametrize("broken", ['{"a":1\n', "[1]\n", "rubbish\n", b'{"a":"\xff"}\n', '{"a":' + "[" * 50_000 + "\n"])
def test_what_is_no_json_is_compared_as_lines(tmp_path: Path, broken: str | bytes) -> None:
    change = compare(tmp_path, '{"a":1}\n', broken)
    assert "lines were compared in place of rows" in change.note
    assert rows(change) == (1, 1, 1, 1)


def test_large_numbers_keep_every_digit(tmp_path: Path) -> None:
    change = compare(tmp_path, '{"a":12345678901234567890123}\n', '{"a":12345678901234567890124}\n')
    assert rows(change) == (1, 1, 1, 1)


def test_examples_are_few_sorted_and_short(tmp_path: Path) -> None:
    long = "x" * 1_000
    before = "".join(f'{{"id":{at},"v":"{at}"}}\n' for at in range(100, 200))
    after = "".join(f'{{"id":{at},"v":"{long}"}}\n' for at in range(150, 260))
    change = compare(tmp_path, before, after)
    assert [(one.act, one.key["id"]) for one in change.examples] == [
        *(("added", str(at)) for at in (200, 201, 202)),
        *(("removed", str(at)) for at in (100, 101, 102)),
        *(("changed", str(at)) for at in (150, 151, 152)),
    ]
    assert len(str(change.examples[-1].after["v"])) == 80
