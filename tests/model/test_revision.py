from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import UsageError
from cloche.model.revision import (
    Latest,
    Member,
    Name,
    Prefix,
    Revision,
    WorkTree,
    check_tag,
    parse_address,
    parse_revision,
)
from cloche.model.run import run_id


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("@", Latest()),
        ("@~0", Latest()),
        ("@~", Latest(1)),
        ("@~12", Latest(12)),
        (".", WorkTree()),
        ("k", Prefix("k")),
        ("kmxqtvzpkmxqtvzp", Prefix("kmxqtvzpkmxqtvzp")),
        ("kmxqtvzpkmxqtvzpk", Name("kmxqtvzpkmxqtvzpk")),
        ("champion", Name("champion")),
        ("main", Name("main")),
        ("v1.0", Name("v1.0")),
        ("HEAD~3", Name("HEAD~3")),
        ("@{upstream}", Name("@{upstream}")),
        ("main@{2 days ago}", Name("main@{2 days ago}")),
        ("0123abcd", Name("0123abcd")),
        ("größe", Name("größe")),
        ("flights@champion", Member("flights", "champion")),
    ],
)
def test_what_a_name_means(text: str, meaning: Revision) -> None:
    assert parse_revision(text) == meaning


@pytest.mark.parametrize("text", ["", "  ", "@~-1", "@~x", "@2", "@^", "-x", "a\nb", "a..b", "@~9999999999", "\ud800"])
def test_what_names_nothing(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_revision(text)
    assert caught.value.hint


@given(st.binary(min_size=8, max_size=8), st.integers(1, 16))
def test_every_beginning_of_an_id_is_a_prefix(raw: bytes, length: int) -> None:
    start = run_id(raw)[:length]
    assert parse_revision(start) == Prefix(start)


@given(st.text())
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        meaning = parse_revision(text)
    except UsageError:
        return
    assert isinstance(meaning, (Latest, Prefix, Name, Member, WorkTree))
    assert not isinstance(meaning, Name) or meaning.name == text


@pytest.mark.parametrize(
    "name", ["champion", "v1.0", "best-2024", "team/model", "run", "top", "20240", "größe", "a_b", "x@y"]
)
def test_good_tags(name: str) -> None:
    assert check_tag(name) == name


BAD_TAGS = ["~", "a~1", "a^", "a:b", "a*", "a?", "a[b", "a\\b", "a..b", "@", "@x", "-x", ".", "HEAD", "kmxq", "zoom"]
BAD_TAGS += ["kkkkkkkkkkkkkkkkkkkk", "deadbeef", "1234567", "ABCDEF0"]


@pytest.mark.parametrize("name", [*BAD_TAGS, "", " ", "a b", "a\tb", "a\nb", "\x1b[31m", "x" * 101, "\ud800"])
def test_bad_tags(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a tag") as caught:
        check_tag(name)
    assert caught.value.hint


@given(st.text(max_size=20))
def test_a_tag_is_never_taken_for_something_else(name: str) -> None:
    try:
        check_tag(name)
    except UsageError:
        return
    meaning = parse_revision(name)
    assert meaning == Name(name) or (isinstance(meaning, Prefix) and len(name) < 4)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("@:a.csv", ("@", "a.csv")),
        ("flights@champion:data/x.csv", ("flights@champion", "data/x.csv")),
        (".:a:b.csv", (".", "a:b.csv")),
    ],
)
def test_an_address_names_one_file(text: str, meaning: tuple[str, str]) -> None:
    assert parse_address(text) == meaning


@pytest.mark.parametrize("text", ["", ":", "@:", ":a.csv", "data/x.csv", "@"])
def test_what_is_no_address_says_how_one_looks(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert "RUN:PATH" in caught.value.hint
