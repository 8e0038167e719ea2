"""The text of `cloche.lock`: exact, mergeable, and refused loudly where it is not whole."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import ClocheError, NewerVersion, SettingsError
from cloche.model.lock import describes_project, parse_lock, render_lock
from cloche.model.paths import above, checked, encode_path, is_reserved
from cloche.model.snapshot import Tracked

A, B, C = (letter * 64 for letter in "abc")
HEADER = "# cloche.lock 1: the tracked data; written by cloche, commit it to Git\n"


def test_the_text_is_pinned() -> None:
    tracked = (Tracked("data/raw", "d", A, 1024, 3), Tracked("data/a b.csv", "f", B, 7, 1))
    assert render_lock(tracked) == f"{HEADER}{B} f 7 1 data/a b.csv\n{A} d 1024 3 data/raw\n"
    assert render_lock(()) == HEADER


def names() -> st.SearchStrategy[str]:
    raw = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name and b"/" not in name)
    parts = st.one_of(
        raw.map(os.fsdecode), st.text(min_size=1, max_size=8).filter(lambda t: "/" not in t and "\0" not in t)
    )
    return parts.filter(lambda name: name not in (".", "..")).filter(_encodable)


def _encodable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


PATHS = (
    st.lists(names(), min_size=1, max_size=3)
    .map(lambda parts: "/".join(map(encode_path, parts)))
    .filter(lambda path: not is_reserved(path) and not describes_project(path))
)
TRACKED = st.builds(
    Tracked,
    PATHS,
    st.sampled_from("fxld"),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.integers(0, 2**63),
    st.integers(0, 2**63),
)

LOCKS = st.lists(TRACKED, unique_by=lambda item: item.path, max_size=6).filter(
    lambda tracked: not any({item.path for item in tracked} & {*above(item.path)} for item in tracked)
)


@given(LOCKS)
def test_any_paths_survive(tracked: list[Tracked]) -> None:
    text = render_lock(tracked)
    assert parse_lock(text) == tuple(sorted(tracked, key=lambda item: item.path))
    assert render_lock(parse_lock(text)) == text
    assert text.count("\n") == len(tracked) + 1
    assert all(checked(item.path) for item in tracked)


@given(LOCKS.filter(bool), st.data())
def test_a_text_that_was_cut_short_is_never_taken_for_a_whole_one(tracked: list[Tracked], data: st.DataObject) -> None:
    text = render_lock(tracked)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    whole = cut.count("\n")
    if cut.endswith("\n"):
        assert parse_lock(cut) == parse_lock(text)[: whole - 1]
    else:
        with pytest.raises(SettingsError):
            parse_lock(cut)


@given(st.text())
def test_every_text_is_a_lock_or_an_error(text: str) -> None:
    for candidate in (text, HEADER + text, f"{HEADER}{A} f 1 1 {text}\n"):
        try:
            found = parse_lock(candidate)
        except ClocheError:
            continue
        assert parse_lock(render_lock(found)) == found


WRONG = [
    ("", 1, "starts"),
    ("{}\n", 1, "starts"),
    ("# cloche.lock 0\n", 1, "starts"),
    (f"{HEADER}{A} f 1 1 a", 2, "cut short"),
    (f"{HEADER}{A} f 1 a\n", 2, "DIGEST"),
    (f"{HEADER}\n{A} f 1  1 a\n", 3, "DIGEST"),
    (f"{HEADER}{A} z 1 1 a\n", 2, "DIGEST"),
    (f"{HEADER}{A} f -1 1 a\n", 2, "DIGEST"),
    (f"{HEADER}{A[:-1]} f 1 1 a\n", 2, "DIGEST"),
    (f"{HEADER}{A} f 1 1 a\n{B} f 1 1 b\n{C} f 1 1 a\n", 4, "repeats"),
    (f"{HEADER}{A} f 1 1 ../a\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 /etc/passwd\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 a/./b\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 a//b\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 \\x2e\\x2e/a\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 a\\x2f..\\x2fb\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 a\\x00b\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 a\\q\n", 2, "unsafe"),
    (f"{HEADER}{A} f 1 1 b/c/d\n{B} d 1 1 b\n", 2, "lies in b"),
    (f"{HEADER}{A} f 1 1 cloche.toml\n", 2, "no data"),
    (f"{HEADER}{A} f 1 1 cloche.toml/a\n", 2, "no data"),
    (f"{HEADER}{A} f 1 1 data/.gitignore/a\n", 2, "no data"),
    (f"{HEADER}{A} f 1 1 Cloche.lock\n", 2, "no data"),
    (f"{HEADER}{A} f 1 1 data/.gitignore\n", 2, "no data"),
    (f"{HEADER}{A} f 1 1 .gitattributes\n", 2, "no data"),
]


@pytest.mark.parametrize(("text", "line", "what"), WRONG)
def test_a_wrong_line_is_named(text: str, line: int, what: str) -> None:
    with pytest.raises(SettingsError, match=f"line {line} .*{what}") as caught:
        parse_lock(text)
    assert caught.value.hint


def test_a_newer_version_asks_for_an_upgrade() -> None:
    with pytest.raises(NewerVersion, match="version 2") as caught:
        parse_lock("# cloche.lock 2: whatever that means\n???\n")
    assert "upgrade" in caught.value.hint


def test_line_ends_of_windows_and_odd_separators_are_read() -> None:
    odd = encode_path("b\u2028c\x85d\x0ce\r")
    tracked = (Tracked("a", "f", A, 1, 1), Tracked(odd, "f", B, 1, 1), Tracked(" e ", "f", C, 1, 1))
    text = render_lock(tracked)
    assert set(parse_lock(text)) == set(tracked)
    assert set(parse_lock("\ufeff" + text.replace("\n", "\r\n"))) == set(tracked)


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(folder)}
    person = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *person, *arguments], cwd=folder, env=os.environ | nowhere, capture_output=True, text=True, check=False
    )


def branches(folder: Path, base: list[Tracked], ours: list[Tracked], theirs: list[Tracked]) -> str:
    """The text that Git makes of two branches."""
    lock = folder / "cloche.lock"

    def commit(tracked: list[Tracked]) -> None:
        lock.write_text(render_lock(tracked), encoding="utf-8", newline="\n")
        assert git(folder, "add", "cloche.lock").returncode == 0
        assert git(folder, "commit", "-qm", "x").returncode == 0

    git(folder, "init", "-q")
    commit(base)
    git(folder, "checkout", "-qb", "theirs")
    commit(theirs)
    git(folder, "checkout", "-q", "main")
    commit(ours)
    git(folder, "merge", "-q", "theirs", "-m", "x")
    return lock.read_text(encoding="utf-8")


def test_git_merges_changes_to_different_paths(tmp_path: Path) -> None:
    base = [Tracked(f"data/{name}", "f", A, 1, 1) for name in "abcdefgh"]
    ours = [Tracked("data/a", "f", B, 2, 1), *base[1:]]
    theirs = [*base[:-1], Tracked("data/h", "f", C, 3, 1)]
    assert parse_lock(branches(tmp_path, base, ours, theirs)) == (ours[0], *base[1:-1], theirs[-1])


def test_a_conflict_left_by_git_is_recognised(tmp_path: Path) -> None:
    base, ours, theirs = ([Tracked("data", "f", digest, 1, 1)] for digest in (A, B, C))
    text = branches(tmp_path, base, ours, theirs)
    with pytest.raises(SettingsError, match=r"line 2 .*Git merge") as caught:
        parse_lock(text)
    assert "--ours" in caught.value.hint
