from __future__ import annotations

import csv
import gzip
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.model.content import TableChange
from cloche.tables import compare, dialect, lines
from cloche.tables.compare import compare_tables, is_table
from cloche.tables.engine import Engine, EngineError

Compare = Callable[..., TableChange]
Content = str | bytes | None


@pytest.fixture
def changed(tmp_path: Path) -> Compare:
    """Compare two contents: `changed("a\\n1\\n", "a\\n2\\n", name="t.csv", key=("a",))`."""

    def run(before: Content, after: Content, name: str = "t.csv", key: Sequence[str] = ()) -> TableChange:
        files: list[Path | None] = []
        for side, content in (("before", before), ("after", after)):
            file = tmp_path / side
            if content is not None:
                file.write_bytes(content.encode() if isinstance(content, str) else content)
            files.append(None if content is None else file)
        return compare_tables(files[0], files[1], name, key)

    return run


def parquet(path: Path, query: str) -> Path:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def rows(change: TableChange) -> tuple[int, int, int, int]:
    return change.rows_before, change.rows_after, change.rows_added, change.rows_removed


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("a.csv", True),
        ("deep/A.CSV", True),
        ("a.tsv", True),
        ("a.tab", True),
        ("a.csv.gz", True),
        ("a.parquet", True),
        ("a.pq", True),
        ("a.parquet.gz", False),
        ("a.gz", False),
        ("a.txt", False),
        ("csv", False),
        (".csv", False),
        ("a.csv.zip", False),
    ],
)
def test_what_is_a_table(path: str, table: bool) -> None:
    assert is_table(path) == table


# Whole rows against a plain reference.

cells = st.sampled_from(
    ["", "a", "b", "1", "1.0", "01", "NA", "é", 'say "x"', "a,b", "two\nlines", " pad ", "-0", "nan"]
)
tables = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), max_size=8))


def write(file: Path, header: Sequence[str], body: Sequence[Sequence[str]], delimiter: str, end: str) -> Path:
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        writer.writerows(body)
    return file


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(",;|"), st.sampled_from(",\t"), st.sampled_from(["\n", "\r\n"]))
def test_whole_rows_are_counted_as_a_plain_count_does(
    tmp_path: Path, data: st.DataObject, delimiter: str, other: str, end: str
) -> None:
    width = data.draw(st.integers(1, 3))
    body = st.lists(st.tuples(*[cells] * width), max_size=8)
    before, after = data.draw(body), data.draw(body)
    header = ["first", "second", "third"][:width]
    order = data.draw(st.permutations(range(width)))
    one = write(tmp_path / "one", header, before, delimiter, "\n")
    two = write(
        tmp_path / "two", [header[at] for at in order], [[row[at] for at in order] for row in after], other, end
    )
    change = compare_tables(one, two, "x.csv")
    old, new = Counter(before), Counter(after)
    assert rows(change) == (len(before), len(after), (new - old).total(), (old - new).total())
    assert change.columns_added == change.columns_removed == change.key == ()
    if len(before) == len(after) and old != new:
        differing = {
            name
            for at, name in enumerate(header)
            if Counter(row[at] for row in before) != Counter(row[at] for row in after)
        }
        assert set(change.columns_changed) == differing


ids = st.lists(st.integers(0, 9), unique=True, max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.data())
def test_rows_by_key_are_matched_as_dictionaries_are(tmp_path: Path, data: st.DataObject) -> None:
    values = st.tuples(cells, cells)
    before, after = ({str(one): data.draw(values) for one in data.draw(ids)} for _ in "12")
    one, two = (
        write(tmp_path / name, ["a", "id", "b"], [(row[0], at, row[1]) for at, row in table.items()], ",", "\n")
        for name, table in (("one", before), ("two", after))
    )
    change = compare_tables(one, two, "x.csv", ("id",))
    both = before.keys() & after.keys()
    assert change.key == ("id",)
    assert rows(change) == (len(before), len(after), len(after.keys() - both), len(before.keys() - both))
    assert change.rows_changed == sum(before[at] != after[at] for at in both)
    assert set(change.columns_changed) == {
        name for place, name in enumerate("ab") if any(before[at][place] != after[at][place] for at in both)
    }


# Columns and types.


def test_columns_are_matched_by_name(changed: Compare) -> None:
    change = changed("a,b,c\n1,2,3\n4,5,6\n", "c,new,a\n3,x,1\n6,y,7\n")
    assert rows(change) == (2, 2, 1, 1)
    assert (change.columns_added, change.columns_removed, change.columns_changed) == (("new",), ("b",), ("a",))
    assert change.note == "rows were compared on the 2 columns that both have"


def test_a_silent_change_of_unit_is_named(changed: Compare) -> None:
    before = "day,distance\n" + "".join(f"{at % 7},{at}\n" for at in range(1, 500))
    after = "day,distance\n" + "".join(f"{at % 7},{at * 1.609:.2f}\n" for at in range(1, 500))
    change = changed(before, after)
    assert rows(change) == (499, 499, 499, 499)
    assert change.columns_changed == ("distance",)
    assert change.columns_retyped == {"distance": ("int", "float")}


@pytest.mark.parametrize(
    ("before", "after", "types"),
    [
        (["1", "2"], ["1", "x"], ("int", "text")),
        (["1", "2"], ["1", "2.5"], ("int", "float")),
        (["1", "2"], ["1", "1e3"], ("int", "float")),
        (["1", "2"], ["", "NA"], ("int", "missing")),
        (["true", "False"], ["1", "0"], ("bool", "int")),
        (["2024-01-31", "2024-02-01"], ["2024-01-31", "2024-02-31"], ("date", "text")),
        (["2024-01-31", "2024-02-01"], ["2024-01-31", "2024-01-31T05:00:00Z"], ("date", "text")),
        (["2024-01-31 10:00", "2024-01-31T05:00:00+02"], ["2024-01-31", "2024-01-30"], ("time", "date")),
        (["1", "2"], ["1", "1_000"], ("int", "text")),
        (["1.5", "inf"], ["1.5", "-Infinity"], None),
        (["1", "NA"], ["1", "NaN"], None),
        (["9" * 40, "1"], ["9" * 41, "1"], None),
        (["1", "2"], ["2", "1"], None),
    ],
)
def test_types_of_text_are_those_that_all_values_fit(
    changed: Compare, before: list[str], after: list[str], types: tuple[str, str] | None
) -> None:
    filler = [f"{at}" for at in range(3)]
    one, two = (
        "name,v\n" + "".join(f"{row},{value}\n" for row, value in zip(filler, column, strict=False))
        for column in (before, after)
    )
    assert changed(one, two).columns_retyped == ({"v": types} if types else {})


def test_a_wrong_value_far_down_is_seen(changed: Compare) -> None:
    body = "".join(f"{at},x\n" for at in range(60_000))
    change = changed("n,t\n" + body, "n,t\n" + body + "oops,x\n")
    assert change.columns_retyped == {"n": ("int", "text")}
    assert rows(change) == (60_000, 60_001, 1, 0)


def test_values_are_text_so_no_change_is_lost(changed: Compare) -> None:
    change = changed("a,b\n1,x\n007,y\n", "a,b\n1.0,x\n7,y\n")
    assert rows(change) == (2, 2, 2, 2)
    assert change.columns_changed == ("a",)


def test_the_same_rows_otherwise_written(changed: Compare) -> None:
    note = "the rows are the same; only their order or the way they are written differs"
    for after in ("a,b\n3,4\n1,2\n", "b;a\r\n2;1\r\n4;3\r\n", 'a,b\n"1","2"\n3,4', "\ufeffa,b\n1,2\n3,4\n"):
        change = changed("a,b\n1,2\n3,4\n", after)
        assert (rows(change), change.note) == ((2, 2, 0, 0), note)
    assert changed("a,b\n1,2\n", "a,b\n1,2\n").note == ""


# Keys.


def test_a_key_is_found_by_name_and_only_where_it_identifies(changed: Compare) -> None:
    before, after = "user_id,v,id\n1,a,7\n1,b,8\n", "user_id,v,id\n1,a,7\n1,c,8\n"
    assert changed(before, after).key == ("id",)
    assert changed(before.replace("id", "nr"), after.replace("id", "nr")).key == ()
    change = changed("passengerId,v\n1,a\n2,b\n3,c\n", "passengerId,v\n2,b\n3,X\n4,d\n")
    assert (rows(change), change.rows_changed, change.key) == ((3, 3, 1, 1), 1, ("passengerId",))
    assert change.columns_changed == ("v",)
    for broken in ("id,v\n1,a\n1,b\n", "id,v\n1,a\n,b\n"):
        assert changed(broken, "id,v\n1,a\n2,b\n").key == ()
        assert changed("id,v\n1,a\n2,b\n", broken).key == ()


def test_a_key_of_several_columns(changed: Compare) -> None:
    change = changed("y,m,v\n1,1,a\n1,2,b\n2,1,c\n", "y,m,v\n1,1,a\n1,2,X\n2,2,c\n", key=("y", "m"))
    assert (rows(change), change.rows_changed, change.key) == ((3, 3, 1, 1), 1, ("y", "m"))


def test_a_key_that_does_not_serve_is_told(changed: Compare) -> None:
    before, after = "a,b\n1,2\n1,3\n", "a,b\n1,2\n,3\n"
    assert changed(before, after, key=("a",)).note == "a is not unique in before, so rows were compared as a whole"
    assert changed(after, before, key=("a",)).note.startswith("a has missing values in before, so")
    change = changed(before, after, key=("b", "zzz"))
    assert change.note == "no column zzz on both sides, so rows were compared as a whole"
    assert rows(change) == (2, 2, 1, 1)


def test_a_table_of_nothing_but_its_key(changed: Compare) -> None:
    change = changed("id\n1\n2\n", "id\n2\n3\n4\n")
    assert (rows(change), change.rows_changed, change.key) == ((2, 3, 2, 1), 0, ("id",))


# Files as they come.


def test_tables_that_are_on_one_side_only(changed: Compare) -> None:
    assert rows(changed(None, "a,b\n1,2\n3,4\n")) == (0, 2, 2, 0)
    assert rows(changed("a,b\n1,2\n3,4\n", None)) == (2, 0, 0, 2)
    assert rows(changed(None, None)) == (0, 0, 0, 0)


def test_empty_files_and_headers_alone(changed: Compare) -> None:
    table = "a,b\n1,2\n"
    for empty in ("", "\n", "\r\n\r\n"):
        assert rows(changed(empty, table)) == (0, 1, 1, 0)
        assert changed(empty, table).columns_added == ("a", "b")
        assert rows(changed(table, empty)) == (1, 0, 0, 1)
        assert rows(changed(empty, "")) == (0, 0, 0, 0)
    change = changed("a,b\n", table)
    assert rows(change) == (0, 1, 1, 0)
    assert change.columns_added == ()
    assert rows(changed("a,b", "a,b\n")) == (0, 0, 0, 0)


def test_tables_without_a_header(changed: Compare) -> None:
    change = changed("5.1,3.5,setosa\n4.9,3.0,virginica\n", "5.1,3.5,setosa\n4.9,3.1,virginica\n6,7,x\n")
    assert rows(change) == (2, 3, 2, 1)
    assert change.columns_added == change.columns_removed == ()
    assert rows(changed("NA,1.5\n2,3\n", "NA,1.5\n2,4\n")) == (2, 2, 1, 1)


@pytest.mark.parametrize("header", ["a,b", "id,2019", ",b", "0,1", ",0", "a,a", "name,x"])
def test_headers_of_many_kinds(changed: Compare, header: str) -> None:
    change = changed(f"{header}\n7,8\n", f"{header}\n7,9\n")
    assert rows(change)[:2] == (1, 1)
    assert len(change.columns_changed) == 1


def test_a_header_on_one_side_only(changed: Compare) -> None:
    change = changed("a,b\n1,2\n3,4\n", "1,2\n3,4\n")
    assert (
        change.note
        == "only before seems to have a line with the names of the columns, so lines were compared in place of rows"
    )
    assert rows(change) == (3, 2, 0, 1)


def test_names_that_are_there_twice(changed: Compare) -> None:
    change = changed("a,a,a_1\n1,2,3\n", "a,a,a_1\n1,9,3\n")
    assert rows(change) == (1, 1, 1, 1)
    assert len(change.columns_changed) == 1


def test_ragged_rows_are_compared_as_lines(changed: Compare) -> None:
    change = changed("a,b\n1,2\n3,4\n", "a,b\n1,2\n3\n5,6,7\n")
    assert (
        change.note
        == "after has 1 value where 2 were expected on line 3 ('3'), so lines were compared in place of rows"
    )
    assert rows(change) == (3, 4, 2, 1)
    change = changed("report\n\na,b\n1,2\n", "report\n\na,b\n1,3\n")
    assert "lines were compared" in change.note
    assert rows(change) == (4, 4, 1, 1)


@pytest.mark.parametrize("broken", ['a,b\n1,"x\n2,3\n', 'a,b\n1,"x"y\n2,3\n', "a,b\r\n1,2\n3,4\r\n"])
def test_text_that_cannot_be_cut_into_rows_is_compared_as_lines(changed: Compare, broken: str) -> None:
    change = changed("a,b\n1,2\n", broken)
    assert "lines were compared" in change.note
    assert change.rows_added > 0


def test_other_encodings(changed: Compare) -> None:
    text = "name,v\ncafé,1\nñandú,2\n"
    change = changed(text.encode("latin-1"), text.replace("2", "3").encode("latin-1"))
    assert rows(change) == (2, 2, 1, 1)
    assert change.note == "before is not UTF-8 and was read as Latin-1; after is not UTF-8 and was read as Latin-1"
    change = changed(text, text.encode("latin-1"))
    assert rows(change) == (2, 2, 0, 0)
    assert "only their order or the way they are written differs" in change.note
    late = "name,v\n" + "plain,1\n" * 200_000
    change = changed(late, late.encode() + b"caf\xe9,1\n")
    assert rows(change) == (200_000, 200_001, 1, 0)
    assert rows(changed(text, text.encode("utf-16")))[2:] == (0, 0)


def test_compressed_tables(changed: Compare) -> None:
    before, after = (gzip.compress(text.encode()) for text in ("a,b\n1,2\n", "a,b\n1,2\n3,4\n"))
    assert rows(changed(before, after, "t.csv.gz")) == (1, 2, 1, 0)
    assert rows(changed("a,b\n1,2\n", after, "t.csv.gz")) == (1, 2, 1, 0)


@pytest.mark.parametrize("cut", [5, 12, -9, -1])
def test_damaged_compressed_tables(changed: Compare, cut: int) -> None:
    good = gzip.compress(b"a,b\n" + os.urandom(50_000).hex().encode() + b",2\n")
    change = changed(good, good[:cut], "t.csv.gz")
    assert change.note.startswith("after ")
    assert "rows were not compared" in change.note
    assert rows(change) == (1, 0, 0, 0)


@pytest.mark.parametrize("junk", [b"\0\1\2", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1", b"", b"a,b\n1,2\n"])
def test_files_that_are_not_what_their_name_says(changed: Compare, tmp_path: Path, junk: bytes) -> None:
    good = parquet(tmp_path / "good.parquet", "SELECT 1 AS a").read_bytes()
    change = changed(good, junk, "t.parquet")
    assert change.note.startswith("after cannot be read: ")
    assert str(tmp_path) not in change.note
    assert rows(change) == (1, 0, 0, 0)
    assert "before" in changed(good, "a,b\n1,2\n", "t.csv").note


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    change = compare_tables(tmp_path / "none", tmp_path / "nothing", "t.csv")
    assert change.note.startswith("the table cannot be read: ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    st.binary(max_size=60) | st.text(st.sampled_from(list('a1,;"\n\r\t ')), max_size=60).map(str.encode),
    st.binary(max_size=60) | st.text(st.sampled_from(list('a1,;"\n\r\t ')), max_size=60).map(str.encode),
    st.sampled_from(["t.csv", "t.tsv", "t.csv.gz", "t.parquet"]),
)
def test_no_bytes_make_it_fail(changed: Compare, before: bytes, after: bytes, name: str) -> None:
    change = changed(before, after, name)
    assert change.path == name
    assert change.rows_added <= change.rows_after
    assert change.rows_removed <= change.rows_before


NAMES = [
    "it's.csv",
    "a b.csv",
    'say "x".csv',
    "all*.csv",
    "wh?t.csv",
    "[ab].csv",
    "{a,b}.csv",
    "semi;--.csv",
    "é.csv",
    "a=1.csv",
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"caf\xe9.csv"), "two\nlines.csv"])
def test_names_are_never_patterns_or_sql(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "year=2024"
    folder.mkdir()
    for other in ("all1.csv", "what.csv", "a.csv", "b.csv"):
        (folder / other).write_text("zzz\n1\n2\n3\n")
    (folder / name).write_text("a,b\n1,2\n")
    (folder / "new").write_text("a,b\n1,2\n3,4\n")
    change = compare_tables(folder / name, folder / "new", "t.csv")
    assert (rows(change), change.columns_added, change.columns_removed) == ((1, 2, 1, 0), (), ())


def test_nothing_is_left_behind(tmp_path: Path, changed: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    spill = tmp_path / "temp"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    monkeypatch.chdir(tmp_path)
    changed("a\n1\n", "a\n2\n")
    changed(b"\0", "a\n2\n")
    assert list(spill.iterdir()) == []
    assert sorted(file.name for file in tmp_path.iterdir()) == ["after", "before", "temp"]


def test_the_engine_reads_no_other_file(tmp_path: Path) -> None:
    given_, secret = tmp_path / "given.csv", tmp_path / "secret.csv"
    for file in (given_, secret):
        file.write_text("a\n1\n")
    with Engine([given_]) as engine:
        assert engine.rows("SELECT * FROM read_csv(?)", engine.paths[given_]) == [(1,)]
        for statement in (
            f"SELECT * FROM read_csv('{secret}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            f"ATTACH '{tmp_path / 'new.db'}'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
        ):
            with pytest.raises(EngineError):
                engine.rows(statement)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["given.csv", "secret.csv"]


# Parquet.


def test_parquet_values_are_compared_by_type(tmp_path: Path) -> None:
    query = "SELECT unnest([1, 2, NULL]) AS n, unnest(['a', 'b', 'c']) AS t, unnest(['nan'::DOUBLE, 1.5, NULL]) AS x"
    before = parquet(tmp_path / "before", query)
    after = parquet(
        tmp_path / "after",
        f"SELECT t, n::BIGINT AS n, CASE WHEN t = 'b' THEN 2.5 ELSE x END AS x, [1] AS l FROM ({query})",
    )
    change = compare_tables(before, after, "t.parquet")
    assert rows(change) == (3, 3, 1, 1)
    assert change.columns_retyped == {"n": ("INTEGER", "BIGINT")}
    assert (change.columns_added, change.columns_changed) == (("l",), ("x",))


def test_parquet_with_nested_and_odd_types(tmp_path: Path) -> None:
    query = (
        "SELECT range AS id, [range, 2] AS l, {'k': range} AS s, map([1], [range]) AS m, NULL AS z, "
        "'\\xAA'::BLOB AS b, 1.5::DECIMAL(9, 2) AS d, TIME '10:00' AS t, TIMESTAMPTZ '2024-01-01' AS w FROM range(5)"
    )
    before = parquet(tmp_path / "before", query)
    after = parquet(tmp_path / "after", f"SELECT * REPLACE (CASE WHEN id = 3 THEN [0] ELSE l END AS l) FROM ({query})")
    change = compare_tables(before, after, "t.parquet")
    assert (rows(change), change.rows_changed, change.key) == ((5, 5, 0, 0), 1, ("id",))
    assert change.columns_changed == ("l",)
    assert change.columns_retyped == {}


def test_parquet_columns_that_became_text(tmp_path: Path) -> None:
    before = parquet(tmp_path / "before", "SELECT range AS v FROM range(3)")
    after = parquet(
        tmp_path / "after", "SELECT CASE WHEN range = 2 THEN 'x' ELSE range::VARCHAR END AS v FROM range(3)"
    )
    change = compare_tables(before, after, "t.parquet")
    assert (rows(change), change.columns_retyped) == ((3, 3, 1, 1), {"v": ("BIGINT", "VARCHAR")})


# Limits.


def test_large_files_are_only_counted(changed: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "MAX_BYTES", 10)
    change = changed("a,b\n1,2\n3,4\n", "a,b\n1,2\n")
    assert rows(change) == (2, 1, 0, 0)
    assert change.note == "larger than 1e-08 GB, so rows were only counted"
    assert rows(changed("a,b\n1,2\n3,4,5\n", "a,b\n1,2\n")) == (3, 1, 0, 0)
    before, after = (parquet(tmp_path / f"{n}", f"SELECT 1 AS a FROM range({n})").read_bytes() for n in (3, 4))
    assert rows(changed(before, after, "t.parquet")) == (3, 4, 0, 0)


def test_lines_of_large_files_are_only_counted(changed: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_BYTES", 10)
    change = changed("a,b\n1,2\n3,4\n5,6\n", "a,b\n1,2,3\n")
    assert (rows(change)[2:], "too large to compare line by line" in change.note) == ((0, 0), True)


def test_very_wide_tables_are_compared_as_lines(changed: Compare) -> None:
    width = dialect.MAX_COLUMNS + 1
    header = ",".join(f"c{at}" for at in range(width))
    change = changed(f"{header}\n" + "1," * (width - 1) + "1\n", f"{header}\n" + "1," * (width - 1) + "2\n")
    assert (rows(change), "columns, too many to compare" in change.note) == ((2, 2, 1, 1), True)


def test_very_long_lines(changed: Compare) -> None:
    long: Any = "x" * 3_000_000
    change = changed(f"a,b\n1,{long}\n", f"a,b\n1,{long}\n2,y\n")
    assert change.rows_added == 1


# What went wrong is said as it is.


def test_each_side_that_is_no_table_is_told_once(changed: Compare) -> None:
    change = changed(b"a\0", b"b\0")
    assert (change.note, change.compared) == ("each side holds binary data, so rows were not compared", "bytes")
    change = changed("a\n1\n", b"b\0")
    assert (change.note, change.compared) == ("after holds binary data, so rows were not compared", "bytes")
    assert changed(None, b"b\0").note == "after holds binary data, so rows were not counted"


def test_of_lines_that_do_not_fit_the_first_is_shown(changed: Compare) -> None:
    change = changed("id,x\n1,2\n3,4\n", 'id,x\n1,"two\nlines"\n3,4,5\n')
    assert change.note.startswith("after has 3 values where 2 were expected on line 4 ('3,4,5'), so lines")
    assert change.compared == "lines"
    assert [(one.act, one.key["line"], (one.after or one.before)["text"]) for one in change.examples] == [
        ("added", "2", '1,"two'),
        ("added", "3", 'lines"'),
        ("added", "4", "3,4,5"),
        ("removed", "2", "1,2"),
        ("removed", "3", "3,4"),
    ]


def test_a_long_cell_is_a_cell(changed: Compare) -> None:
    long = "x" * 3_000_000
    change = changed(f"id,v\n1,{long}\n2,b\n", f"id,v\n1,{long}y\n2,b\n")
    assert (rows(change), change.rows_changed, change.note) == ((2, 2, 0, 0), 1, "")


def test_text_of_one_column_may_hold_what_delimits_elsewhere(changed: Compare) -> None:
    change = changed("text\nhello; x\nfoo; y\n", "text\nhello; x\nfoo; z\n")
    assert (rows(change), change.columns_changed, change.note) == ((2, 2, 1, 1), ("text",), "")


def test_values_that_look_missing_are_text(changed: Compare) -> None:
    change = changed("id,v\n1,a\n2,b\n", "id,v\n1,\n2,NULL\n")
    assert (change.rows_changed, change.columns_retyped) == (2, {"v": ("text", "missing")})
    assert changed("id,v\n1,\n2,NULL\n", "id,v\n1,\n2,\n").rows_changed == 1
    assert changed("id,v\n1,a\n2,b\n", "id,v\n1,\n2,\n").columns_retyped == {"v": ("text", "empty")}


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ("0.0::DOUBLE", "-0.0::DOUBLE", 0),
        ("9007199254740993::BIGINT", "9007199254740992::DOUBLE", 1),
        ("9007199254740991::BIGINT", "9007199254740991::DOUBLE", 0),
        ("0::INTEGER", "-0.0::DOUBLE", 0),
        ("1.50::DECIMAL(9, 2)", "1.5::DECIMAL(4, 1)", 0),
        ("12345678901234567.1::DECIMAL(20, 1)", "12345678901234567.12::DECIMAL(20, 2)", 1),
        ("12345678901234567::BIGINT", "12345678901234567.1::DECIMAL(20, 1)", 1),
        ("'1'::VARCHAR", "1::INTEGER", 0),
    ],
)
def test_numbers_of_parquet_are_not_rounded(tmp_path: Path, one: str, other: str, differ: int) -> None:
    before, after = parquet(tmp_path / "one", f"SELECT {one} AS v"), parquet(tmp_path / "two", f"SELECT {other} AS v")
    change = compare_tables(before, after, "t.parquet")
    assert rows(change) == (1, 1, differ, differ)
    if one.startswith("0.0"):
        assert "the bytes differ; the rows are equal as values" in change.note


# Each format against a plain model: text or nothing in every cell.

values = st.sampled_from([None, "a", "b", "NULL", "é", 'say "x"', "a;b\tc", "two\nlines", " pad ", "-0", "🙂", "nan"])


def write_as(file: Path, name: str, body: Sequence[tuple[str | None, ...]]) -> Path:
    header = ["id", "v", "w"]
    if name.endswith(".jsonl"):
        lines = (
            json.dumps({key: one for key, one in zip(header, row, strict=True) if one is not None}) for row in body
        )
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    elif name.endswith(".parquet"):
        rows_ = ", ".join("(" + ", ".join("?::VARCHAR" for _ in row) + ")" for row in body)
        query = (
            f"SELECT * FROM (VALUES {rows_}) t(id, v, w)"
            if body
            else "SELECT ''::VARCHAR AS id, '' AS v, '' AS w LIMIT 0"
        )
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)", [one for row in body for one in row])
    else:
        write(file, header, [[one or "" for one in row] for row in body], "," if name.endswith("csv") else "\t", "\n")
    return file


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
@given(st.lists(st.tuples(values, values), max_size=5), st.lists(st.tuples(values, values), max_size=5), st.data())
def test_every_format_counts_as_a_plain_model_does(
    tmp_path: Path,
    name: str,
    one: list[tuple[str | None, ...]],
    two: list[tuple[str | None, ...]],
    data: st.DataObject,
) -> None:
    identities = st.permutations(["k1", "k2", "k3", "k4", "k5", "k6", "k7"])
    keyed = data.draw(st.booleans())
    sides = [
        [(data_id if keyed else "k", *row) for data_id, row in zip(data.draw(identities), side, strict=False)]
        for side in (one, two)
    ]
    files = [write_as(tmp_path / f"{at}", name, side) for at, side in enumerate(sides)]
    change = compare_tables(files[0], files[1], name, ("id",) if keyed else ())
    assert change.compared == "rows"
    if change.key:
        old, new = ({row[0]: row[1:] for row in side} for side in sides)
        both = old.keys() & new.keys()
        expected = len(new.keys() - old.keys()), len(old.keys() - new.keys())
        assert (change.rows_added, change.rows_removed) == expected
        if not (change.columns_added or change.columns_removed):
            assert change.rows_changed == sum(old[key] != new[key] for key in both)
    elif not (change.columns_added or change.columns_removed):
        before, after = Counter(sides[0]), Counter(sides[1])
        assert (change.rows_added, change.rows_removed) == ((after - before).total(), (before - after).total())
