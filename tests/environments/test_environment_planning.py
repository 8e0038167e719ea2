"""What would have to change, and what cannot be had: without changing anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.environments import kept_packages, plan_packages, planning
from cloche.environments.prefix import prefix_of, python_in
from cloche.model.environment import Distribution, Environment, Interpreter, Platform

PLATFORM = Platform("Linux", "x86_64", "glibc 2.36")
PYTHON = Interpreter("CPython", "3.12.1")


def environment(*distributions: Distribution, interpreter: Interpreter | None = PYTHON) -> Environment:
    return Environment(interpreter, distributions, PLATFORM)


@pytest.fixture
def python(tmp_path: Path) -> str:
    """Something that looks like the interpreter of a virtual environment."""
    (tmp_path / ".venv" / "pyvenv.cfg").parent.mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("")
    path = python_in(tmp_path / ".venv")
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def names(count: int) -> st.SearchStrategy[list[Distribution]]:
    name, version = st.sampled_from("abcdef"), st.sampled_from(["1.0", "1.10", "2.0", "odd version"])
    return st.lists(st.builds(Distribution, name=name, version=version), max_size=count, unique_by=lambda one: one.name)


@given(names(6), names(6))
def test_applying_the_changes_gives_what_is_wanted(here: list[Distribution], there: list[Distribution]) -> None:
    changes, _ = plan_packages("/no/python", environment(*here), environment(*there))
    found = {one.name: one for one in here}
    for change in changes:
        assert found.pop(change.name, None) == change.before
        if change.after is not None:
            found[change.name] = change.after
    assert found == {one.name: one for one in there}


def test_directions(python: str) -> None:
    here = [Distribution("a", "1.9"), Distribution("b", "2.0"), Distribution("c", "1"), Distribution("d", "1")]
    there = [
        Distribution("a", "1.10"),
        Distribution("b", "2.0rc1"),
        Distribution("d", "1", "url", "https://x.example/d"),
    ]
    changes, problems = plan_packages(python, environment(*here), environment(*there, Distribution("e", "1")))
    assert {change.name: change.direction for change in changes} == {
        "a": "upgraded",
        "b": "downgraded",
        "c": "removed",
        "d": "changed",
        "e": "added",
    }
    assert problems == ()


def test_who_installed_a_package_does_not_matter(python: str) -> None:
    here, there = Distribution("a", "1", installer="pip"), Distribution("a", "1", installer="uv")
    assert plan_packages(python, environment(here), environment(there)) == ((), ())


def test_tools_are_kept(python: str) -> None:
    here = environment(*(Distribution(name, "1") for name in ("pip", "setuptools", "wheel", "uv", "cloche", "a")))
    changes, _ = plan_packages(python, here, environment())
    assert [change.name for change in changes] == ["a"]
    assert kept_packages(python, here, environment()) == ("pip", "setuptools", "uv", "wheel")


def test_recorded_tools_change_like_others(python: str) -> None:
    changes, _ = plan_packages(
        python,
        environment(Distribution("pip", "23"), Distribution("cloche", "2")),
        environment(Distribution("pip", "24")),
    )
    assert [(change.name, change.direction) for change in changes] == [("pip", "upgraded")]


def test_what_cloche_needs_is_kept_where_it_runs_from() -> None:
    needed = planning.own_packages(sys.executable)
    assert {"cloche", "msgspec", "click", "blake3"} <= needed
    assert "pytest" not in needed
    here = environment(Distribution("msgspec", "1"), Distribution("pytest", "1"))
    changes, _ = plan_packages(sys.executable, here, environment())
    assert [change.name for change in changes] == ["pytest"]


def test_another_interpreter_is_a_problem(python: str) -> None:
    _, problems = plan_packages(python, environment(), environment(interpreter=Interpreter("CPython", "3.11.7")))
    assert problems == ("the run used Python 3.11.7, and this environment has Python 3.12.1",)
    _, problems = plan_packages(python, environment(), environment(interpreter=Interpreter("PyPy", "3.12.1")))
    assert problems == ("the run used PyPy 3.12.1, and this environment has Python 3.12.1",)


def test_no_interpreter(python: str) -> None:
    assert plan_packages("", environment(interpreter=None), environment()) == (
        (),
        ("no Python was found here; the run used Python 3.12.1",),
    )
    assert plan_packages(python, environment(Distribution("a", "1")), environment(interpreter=None)) == ((), ())


def test_an_interpreter_that_is_no_environment(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("")
    assert plan_packages(str(python), environment(), environment()) == ((), ())
    _, problems = plan_packages(str(python), environment(), environment(Distribution("a", "1")))
    assert len(problems) == 1
    assert "not in a virtual environment" in problems[0]
    assert "python -m venv .venv" in problems[0]


def test_conda(python: str) -> None:
    there = environment(Distribution("numpy", "1", "unknown", "conda-forge py312_0", installer="conda"))
    assert plan_packages(python, environment(), there)[1] == ("installed by conda, which Cloche does not drive: numpy",)


def test_sources(python: str, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    there = environment(
        Distribution("own", "1", "editable", "lib"),
        Distribution("gone", "1", "editable", "gone"),
        Distribution("wheel-file", "1", "url", f"file://{tmp_path}/gone%20too.whl"),
        Distribution("nowhere", "1", "git"),
    )
    _, problems = plan_packages(python, environment(), there, tmp_path)
    assert problems == (
        f"gone 1 was installed from {tmp_path / 'gone'}, which is gone",
        "it is not recorded where nowhere 1 was installed from",
        f"wheel-file 1 was installed from {tmp_path / 'gone too.whl'}, which is gone",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_the_folder_of_an_environment(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    assert prefix_of(str(tmp_path / "env" / "bin" / "python")) == tmp_path / "env"
    assert prefix_of(str((tmp_path / "env" / "bin" / "python").resolve())) is None
    assert prefix_of("no-such-python-here") is None
