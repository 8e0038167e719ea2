"""How runs are named: `@`, `@~2`, the beginning of an id, a tag, a Git revision."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from shell import Shell


def named(shell: Shell, name: str) -> str:
    return str(shell.facts("show", name)["run"]["id"])


def test_every_way_to_name_a_run(project: Shell) -> None:
    project.write("train.py", "1\n")
    first_commit = project.commit("one")
    first = project.run(command=["true"])["id"]
    second = project.run(command=["true"])["id"]
    project.write("train.py", "2\n")
    project.commit("two")
    project("git", "tag", "v2")
    third = project.run(command=["true"])["id"]
    project.cloche("tag", "champion", "@~1")
    names = {
        "@": third,
        "@~0": third,
        "@~": second,
        "@~1": second,
        "@~2": first,
        first: first,
        first[:8]: first,
        "champion": second,
        "v2": third,
        "main": third,
        "HEAD": third,
        "main~1": second,  # the last run of that commit
        first_commit: second,
        first_commit[:10]: second,
    }
    assert {name: named(project, name) for name in names} == names
    assert named(Shell(project.folder / ".git", project.variables), "@") == third, "from any folder of the project"


def test_a_branch_without_runs_is_no_other_run(project: Shell) -> None:
    project.commit("one")
    project.run(command=["true"])
    project("git", "checkout", "--quiet", "-b", "feature")
    project.commit("two")
    done = project.cloche("show", "feature", status=5)
    assert "no run was made at feature" in done.err


def test_a_tag_goes_before_a_branch_of_that_name(project: Shell) -> None:
    project.commit()
    first = project.run(command=["true"])["id"]
    project.cloche("tag", "main")
    project.run(command=["true"])
    assert named(project, "main") == first


def test_an_ambiguous_beginning_lists_what_it_may_mean(plain: Shell) -> None:
    first = plain.run(command=["true"])["id"]
    second = plain.run(command=["true"])["id"]
    with closing(sqlite3.connect(plain.folder / ".cloche" / "catalog.db")) as catalog:
        twin = first[:5] + "".join("k" if letter != "k" else "z" for letter in first[5:])
        catalog.execute("PRAGMA foreign_keys = OFF")
        catalog.execute("UPDATE run SET id = ? WHERE id = ?", (twin, second))
        catalog.commit()
    done = plain.cloche("show", first[:4], status=5)
    assert f"`{first[:4]}` is the beginning of 2 runs" in done.err
    assert first[:8] in done.err
    assert twin[:8] in done.err
    assert "hint: type more letters" in done.err
    assert named(plain, first[:6]) == first


@pytest.mark.parametrize("name", ["@~9", "@x", "kkkkkkkk", "nobody", "", ".", "@..@~1", "-x"])
def test_what_names_nothing_is_an_error_with_a_hint(plain: Shell, name: str) -> None:
    plain.run(command=["true"])
    done = plain.cloche("show", "--", name, status=None)
    assert done.status in (2, 5)
    assert "hint:" in done.err
    assert done.out == ""


def test_a_misspelt_tag_is_guessed(plain: Shell) -> None:
    plain.run(command=["true"])
    plain.cloche("tag", "champion")
    assert "did you mean `champion`?" in plain.cloche("show", "chanpion", status=5).err


def test_before_the_first_run_there_is_none(plain: Shell) -> None:
    for verb in (["show"], ["diff"], ["revert", "@"], ["tag", "x"], ["note", "x"], ["remove", "@"]):
        done = plain.cloche(*verb, status=5)
        assert "this project has no runs yet" in done.err
        assert "cloche run -- COMMAND" in done.err
