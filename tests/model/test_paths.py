from __future__ import annotations

import os
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.errors import InputError
from cloche.model.paths import checked, decode_path, encode_path, inside

raw_names = st.binary(min_size=1, max_size=40).filter(lambda raw: b"\0" not in raw)
posix = pytest.mark.skipif(sys.platform == "win32", reason="names of bytes are a matter of POSIX")


@posix
@given(raw_names)
@example(b"caf\xe9")
@example(b"two\nlines")
@example(b"\\x0a")
@example("a\u2028b\u202egnp.exe".encode())
@example("\u0085 \u00a0".encode())
def test_every_name_comes_back(raw: bytes) -> None:
    name = os.fsdecode(raw)
    text = encode_path(name)
    assert os.fsencode(decode_path(text)) == raw
    assert encode_path(decode_path(text)) == text


@posix
@given(raw_names)
def test_a_path_text_is_one_line_of_valid_unicode_that_steers_nothing(raw: bytes) -> None:
    text = encode_path(os.fsdecode(raw))
    text.encode("utf-8")
    assert text.splitlines() == [text]
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066\ufeff" for char in text)


@posix
@given(raw_names, raw_names)
def test_two_names_never_share_a_text(one: bytes, other: bytes) -> None:
    if one != other:
        assert encode_path(os.fsdecode(one)) != encode_path(os.fsdecode(other))


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("data/a b.csv", "übung/日本.txt", "x\U0001f600.png", "tab stop", "a'b\"c"):
        assert encode_path(name) == name == decode_path(name)


def test_characters_that_this_python_does_not_know_are_kept() -> None:
    assert encode_path("\U0001fbfa\u0378\n") == "\U0001fbfa\u0378\\x0a"
    assert encode_path("\u0378") == "\u0378"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "..",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a\\x00b",
        "\\x2e\\x2e/etc",
        "a\\x2f..\\x2f..\\x2fetc",
        "a\\b",
        "a\\xZZ",
        "a\\x0A",
        "two\nlines",
        "half\ud800",
        "half\ud800\\x0a",
    ],
)
def test_unsafe_paths_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="unsafe path"):
        checked(path)


@posix
@given(st.lists(raw_names.filter(lambda raw: b"/" not in raw and raw not in (b".", b"..")), min_size=1, max_size=4))
@example([b"\\x00"])
@example([b"..."])
def test_every_real_path_is_safe(parts: list[bytes]) -> None:
    path = "/".join(encode_path(os.fsdecode(part)) for part in parts)
    assert checked(path) == path


def test_inside() -> None:
    assert inside("data/raw/a.csv", "data")
    assert inside("data", "data")
    assert inside("anything", "")
    assert not inside("database.csv", "data")
    assert not inside("data", "data/raw")
