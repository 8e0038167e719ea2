from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.model.patterns import matcher

part_patterns = st.text("ab.*?[]!-", min_size=1, max_size=5).filter(lambda text: text not in (".", ".."))
patterns = st.lists(part_patterns | st.just("**"), min_size=1, max_size=4).flatmap(
    lambda parts: st.builds(
        lambda start, end: start + "/".join(parts) + end, st.sampled_from(["", "/"]), st.sampled_from(["", "/"])
    )
)
paths = st.lists(st.text("ab.-]!", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


def slow(pattern: str, path: str, anchored: bool = False) -> bool:
    """The same rules said once more, plainly: try every folder above the path, part by part."""
    wanted = [part for part in pattern.split("/") if part]
    free = "/" not in pattern.rstrip("/") and not anchored
    parts = path.split("/")
    whole = parts[:-1] if pattern.endswith("/") else parts
    ends = [parts[:end] for end in range(1, len(whole) + 1)]
    starts = range(len(parts)) if free else [0]
    return any(_walk(wanted, end[start:]) for end in ends for start in starts if start < len(end))


def _walk(wanted: list[str], parts: list[str]) -> bool:
    if not wanted:
        return not parts
    if wanted == ["**"]:
        return bool(parts)
    if wanted[0] == "**":
        return any(_walk(wanted[1:], parts[skip:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and _walk(wanted[1:], parts[1:])


@given(patterns, paths, st.booleans())
@example("**/**/a", "a", False)
@example("a/**", "a", False)
@example("[a-]", "-", False)
@example("[]-a]", "]", False)
@example("[!]a]*b", "-bb", False)
@example("a**b", "aab", False)
def test_it_agrees_with_the_slow_reference(pattern: str, path: str, anchored: bool) -> None:
    assert matcher([pattern], anchored=anchored)(path) == slow(pattern, path, anchored)


@given(st.lists(patterns, max_size=4), paths)
def test_many_patterns_match_when_one_does(several: list[str], path: str) -> None:
    assert matcher(several)(path) == any(slow(pattern, path) for pattern in several)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.tmp", ["a.tmp", "deep/down/a.tmp", ".tmp"], ["a.tmpx", "tmp"]),
        ("metrics/*.json", ["metrics/a.json"], ["metrics/deep/a.json", "old/metrics/a.json"]),
        ("logs/**", ["logs/a", "logs/a/b"], ["logs", "old/logs/a"]),
        ("logs", ["logs", "logs/a/b", "old/logs/a"], ["logs2", "mylogs/a"]),
        ("logs/", ["logs/a", "old/logs/a"], ["logs"]),
        ("/logs", ["logs", "logs/a"], ["old/logs"]),
        ("**/cache", ["cache", "a/b/cache/c"], ["caches"]),
        ("a/**/z.csv", ["a/z.csv", "a/b/c/z.csv"], ["z.csv", "b/a/z.csv"]),
        ("run-[0-9].txt", ["run-1.txt"], ["run-a.txt", "run-10.txt"]),
        ("two\\x0alines", ["two\\x0alines"], ["two lines"]),
        ("A.csv", ["A.csv"], ["a.csv"]),
        ("a|b", ["a|b"], ["a", "b"]),
    ],
)
def test_examples(pattern: str, yes: list[str], no: list[str]) -> None:
    matches = matcher([pattern])
    assert [path for path in yes if not matches(path)] == []
    assert [path for path in no if matches(path)] == []


def test_anchored_patterns_without_a_slash_match_at_the_top_only() -> None:
    matches = matcher(["metrics.json", "metrics/*.json"], anchored=True)
    assert matches("metrics.json")
    assert matches("metrics/a.json")
    assert not matches("old/metrics.json")


def test_nothing_matches_nothing() -> None:
    assert not matcher([])("a")
    assert not matcher(["", "/"])("a")


def test_many_stars_are_not_slow() -> None:
    matches = matcher(["*a*a*a*a*a*a*a*a*b"])
    started = time.process_time()
    assert not matches("a" * 250)
    assert time.process_time() - started < 1
