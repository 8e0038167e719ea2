from __future__ import annotations

import itertools
import random
import re
import shutil
import subprocess
import time
from difflib import unified_diff
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.analysis.lines import LineMatcher
from cloche.analysis.text import MAX_BYTES, diff_text
from cloche.model.changes import Hunks

lines = st.lists(st.sampled_from("abcdefgh") | st.text("xyz", max_size=2), max_size=30)
texts = st.builds(lambda rows, end: "\n".join(rows) + end, lines, st.sampled_from(["", "\n"]))


def apply(text: str, before: str) -> str:
    """What `patch` does, for diffs without escapes."""
    rows = text.split("\n")[2:-1]
    old = before.split("\n")
    old = [line + "\n" for line in old[:-1]] + ([old[-1]] if old[-1] else [])
    done: list[str] = []
    at = 0
    for number, row in enumerate(rows):
        if row.startswith("@@"):
            found = re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", row)
            assert found
            start = int(found[1]) - (0 if found[2] == "0" else 1)
            done += old[at:start]
            at = start
            assert len(done) == int(found[3]) - (0 if found[4] == "0" else 1)
            continue
        if row.startswith("\\"):
            continue
        line = row[1:] + ("" if rows[number + 1 : number + 2] == ["\\ No newline at end of file"] else "\n")
        if row[0] in " -":
            assert old[at] == line
            at += 1
        if row[0] in " +":
            done.append(line)
    return "".join(done + old[at:])


@given(texts, texts)
@example("a\n", "a")
@example("", "a")
@example("a", "")
@example("\n", "")
def test_the_diff_turns_one_text_into_the_other(before: str, after: str) -> None:
    found = diff_text("f", before.encode(), after.encode())
    if before == after:
        assert found == Hunks("f", "changed")
        return
    assert found.text.startswith("--- a/f\n+++ b/f\n@@ ")
    assert apply(found.text, before) == after
    body = found.text.split("\n")[2:]
    assert found.added == sum(line.startswith("+") for line in body)
    assert found.removed == sum(line.startswith("-") for line in body)
    assert not found.binary


@given(lines, lines, lines, lines)
def test_what_both_begin_and_end_with_is_never_changed(
    start: list[str], old: list[str], new: list[str], end: list[str]
) -> None:
    before, after = ("".join(f"{line}\n" for line in [*start, *rows, *end]) for rows in (old, new))
    found = diff_text("f", before.encode(), after.encode())
    assert found.removed <= len(old)
    assert found.added <= len(new)
    assert found.added - found.removed == len(new) - len(old)


@given(lines, lines)
def test_matching_blocks_match_and_are_in_order(old: list[str], new: list[str]) -> None:
    blocks = LineMatcher(old, new).get_matching_blocks()
    assert blocks[-1] == (len(old), len(new), 0)
    for (i, j, size), (k, m, _) in itertools.pairwise(blocks):
        assert size > 0
        assert old[i : i + size] == new[j : j + size]
        assert i + size <= k
        assert j + size <= m


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@given(texts, texts)
def test_git_can_apply_it(tmp_path_factory: pytest.TempPathFactory, before: str, after: str) -> None:
    if before == after:
        return
    folder: Path = tmp_path_factory.mktemp("apply")
    (folder / "f").write_bytes(before.encode())
    patch = diff_text("f", before.encode(), after.encode()).text
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], input=patch.encode(), cwd=folder, check=True)
    assert (folder / "f").read_bytes() == after.encode()


def test_it_reads_like_difflibs_on_a_plain_edit() -> None:
    before = [f"line {number}\n" for number in range(100)]
    after = [*before[:10], "new\n", *before[10:50], *before[53:]]
    found = diff_text("a b.py", "".join(before).encode(), "".join(after).encode())
    assert found.text == "".join(unified_diff(before, after, "a/a b.py", "b/a b.py"))
    assert (found.act, found.added, found.removed) == ("changed", 1, 3)


def test_added_removed_and_empty_files() -> None:
    assert diff_text("f", None, b"a\nb\n") == Hunks(
        "f", "added", "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n", added=2
    )
    assert diff_text("f", b"a", None) == Hunks(
        "f", "removed", "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n\\ No newline at end of file\n", removed=1
    )
    assert diff_text("f", None, b"") == Hunks("f", "added")
    assert diff_text("f", b"x\n", b"x\n") == Hunks("f", "changed")


def test_line_ends_are_visible() -> None:
    found = diff_text("f", b"a\r\nb\r\n", b"a\nb\r\n")
    assert "-a^M\n+a\n b^M\n" in found.text
    assert (found.added, found.removed) == (1, 1)


def test_control_characters_cannot_steer_a_screen_or_break_a_line() -> None:
    nasty = "a\x1b[31m\x0c\x85\u2028\u202e\ufeffb\x7f\tc"
    found = diff_text("f", b"", nasty.encode())
    assert "+a^[[31m^L\\u0085\\u2028\\u202e\\ufeffb^?\tc\n" in found.text


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_give_printable_lines(before: bytes, after: bytes) -> None:
    found = diff_text("f", before, after)
    found.text.encode()
    assert found.text.splitlines() == found.text.split("\n")[:-1]
    assert found.binary or before == after or found.text
    assert not (found.binary and found.text)


def test_binary_files() -> None:
    assert diff_text("f", b"a\0b", b"a") == Hunks("f", "changed", binary=True)
    assert diff_text("f", None, b"\x89PNG\r\n\x1a\n\0\0") == Hunks("f", "added", binary=True)


def test_bytes_that_are_no_utf8_are_shown() -> None:
    found = diff_text("f", "# é\n".encode("latin-1"), "# é\n".encode())
    assert "\\ Encoding: not utf-8, now utf-8\n" in found.text
    assert "-# \\xe9\n+# é\n" in found.text


def test_encodings_with_a_mark_are_read_and_their_change_is_told() -> None:
    found = diff_text("f", "a\né\n".encode("utf-16"), "a\nö\n".encode("utf-16"))
    assert "-é\n+ö\n" in found.text
    assert "Encoding" not in found.text
    found = diff_text("f", b"a\n", b"\xef\xbb\xbfa\n")
    assert found.text == "--- a/f\n+++ b/f\n\\ Encoding: utf-8, now utf-8-sig\n"
    assert (found.added, found.removed) == (0, 0)


def test_large_files_are_only_counted() -> None:
    row = b"x" * 99 + b"\n"
    before = row * (MAX_BYTES // 100 + 1)
    assert diff_text("f", before, before + b"new\nnew\n") == Hunks("f", "changed", added=2)


LONG = [f"line {number}\n" for number in range(20_000)]
SHUFFLED = random.Random(1).sample(LONG, len(LONG))
PAIRS = {
    "every seventh line": (LONG, [f"x{line}" if number % 7 == 0 else line for number, line in enumerate(LONG)]),
    "interleaved": (LONG, [row for line in LONG for row in (line, "new " + line)]),
    "shuffled": (LONG, SHUFFLED),
    "reversed": (LONG, LONG[::-1]),
    "two kinds of lines": (["a\n", "b\n"] * 10_000, ["b\n", "a\n"] * 10_001),
    "few kinds of lines": (
        [f"{number * number % 97}\n" for number in range(20_000)],
        [f"{number * 7 % 89}\n" for number in range(20_000)],
    ),
    "each line twice": ([line for line in LONG[:9_000] for _ in "12"], [line for line in LONG[:9_000:2] for _ in "12"]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_long_and_repetitive_texts_stay_quick(name: str) -> None:
    before, after = ("".join(rows) for rows in PAIRS[name])
    started = time.process_time()
    found = diff_text("f", before.encode(), after.encode())
    assert time.process_time() - started < 5
    assert apply(found.text, before) == after


def test_an_edit_among_repeated_lines_stays_small() -> None:
    before = LONG[:1000] + ["\n", "}\n"] * 500 + LONG[1000:2000]
    after = LONG[:1000] + ["\n", "}\n"] * 200 + ["here\n"] + ["\n", "}\n"] * 300 + LONG[1000:2000]
    found = diff_text("f", "".join(before).encode(), "".join(after).encode())
    assert (found.added, found.removed) == (1, 0)
