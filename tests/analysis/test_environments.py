from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.analysis.environments import compare_versions, diff_environments
from cloche.model.changes import EnvironmentChange, PackageChange
from cloche.model.environment import Distribution, Environment, Interpreter, Platform

LINUX = Platform("Linux", "x86_64", "glibc 2.36")
distributions = st.builds(
    Distribution,
    st.sampled_from(["numpy", "pandas", "mine"]),
    st.sampled_from(["1.9", "1.10", "odd version"]),
    st.sampled_from(["index", "editable"]),
    st.sampled_from(["", "../mine"]),
    st.sampled_from(["", "aa" * 32]),
    st.sampled_from(["", "pip", "uv"]),
)
environments = st.builds(
    Environment,
    st.none()
    | st.builds(Interpreter, st.just("CPython"), st.sampled_from(["3.11.7", "3.12.1"]), st.sampled_from(["", "GCC"])),
    st.lists(distributions, unique_by=lambda one: one.name).map(
        lambda found: tuple(sorted(found, key=lambda one: one.name))
    ),
    st.builds(Platform, st.sampled_from(["Linux", "Darwin"]), st.just("x86_64"), st.sampled_from(["", "musl"])),
    st.dictionaries(st.sampled_from(["TZ", "LANG", "build"]), st.sampled_from(["", "C", "UTC"])),
)


def environment(*packages: Distribution, python: str = "3.11.7", **variables: str) -> Environment:
    return Environment(Interpreter("CPython", python), packages, LINUX, variables)


@given(environments, environments)
def test_something_is_shown_exactly_when_the_digests_differ(before: Environment, after: Environment) -> None:
    found = diff_environments(before, after)
    assert (found == EnvironmentChange()) == (before.digest == after.digest)


@given(environments, environments)
def test_the_other_way_round_is_the_mirror_image(before: Environment, after: Environment) -> None:
    there, back = diff_environments(before, after), diff_environments(after, before)
    assert {name: pair[::-1] for name, pair in there.facts.items()} == back.facts
    mirror = {
        "added": "removed",
        "removed": "added",
        "upgraded": "downgraded",
        "downgraded": "upgraded",
        "changed": "changed",
    }
    assert [(one.name, one.after, one.before, mirror[one.direction]) for one in there.packages] == [
        (one.name, one.before, one.after, one.direction) for one in back.packages
    ]


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        ("1.9", "1.10", "upgraded"),
        ("2.0rc1", "2.0", "upgraded"),
        ("2.0.dev1", "2.0a1", "upgraded"),
        ("2.0", "2.0.post1", "upgraded"),
        ("2.0", "2.0+cu121", "upgraded"),
        ("2024.1", "1!0.1", "upgraded"),
        ("1.10", "1.9", "downgraded"),
        ("1.0", "1.0.0", "changed"),
        ("1.0", "main-branch", "changed"),
    ],
)
def test_versions_are_ordered_as_pep_440_says(before: str, after: str, direction: str) -> None:
    old, new = Distribution("torch", before), Distribution("torch", after)
    found = diff_environments(environment(old), environment(new))
    assert [(one.name, one.before, one.after, one.direction) for one in found.packages] == [
        ("torch", old, new, direction)
    ]


def test_order_of_unreadable_versions_is_not_guessed() -> None:
    assert compare_versions("abc", "1.0") == compare_versions("1.0", "abc") == compare_versions("", "") == 0


def test_an_edit_inside_an_editable_package_is_a_change() -> None:
    old = Distribution("mine", "1.0", "editable", "../mine", "aa" * 32)
    new = Distribution("mine", "1.0", "editable", "../mine", "bb" * 32)
    found = diff_environments(environment(old), environment(new))
    assert found.packages == (PackageChange("mine", old, new, "changed"),)


def test_another_installer_is_no_difference() -> None:
    packages = ("numpy", "pandas", "scipy")
    before = environment(*(Distribution(name, "1.0", installer="pip") for name in packages))
    after = environment(*(Distribution(name, "1.0", installer="uv") for name in packages))
    assert diff_environments(before, after) == EnvironmentChange()
    assert before.digest == after.digest


def test_facts() -> None:
    before = Environment(None, (), LINUX, {"TZ": "UTC", "LANG": "C"})
    after = Environment(Interpreter("CPython", "3.12.1", "GCC"), (), Platform("Linux", "aarch64"), {"TZ": "", "A": "1"})
    assert diff_environments(before, after).facts == {
        "implementation": ("", "CPython"),
        "python": ("", "3.12.1"),
        "build": ("", "GCC"),
        "machine": ("x86_64", "aarch64"),
        "libc": ("glibc 2.36", ""),
        "$TZ": ("UTC", '""'),
        "$LANG": ("C", ""),
        "$A": ("", "1"),
    }


def test_the_first_of_two_installations_counts() -> None:
    first, second = Distribution("numpy", "1.0"), Distribution("numpy", "2.0")
    assert diff_environments(environment(first, second), environment(first)).packages == ()
