"""Data that only another commit, branch or work tree names: that it was lost is seen, said and mended, and that it was
never here is no loss."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloche.project.project import Project
from shell import Shell

SIZE = 300_000


def version(shell: Shell) -> bytes:
    """New data, added."""
    data = os.urandom(SIZE)
    shell.write("data/old", data)
    shell.cloche("add", "data")
    return data


@pytest.fixture(scope="session")
def a_history(an_empty_folder: Callable[[], Shell], a_project: Shell) -> tuple[Shell, bytes, list[str]]:
    """What `history` is a copy of, the data of its other branch, and the packs that hold that."""
    made = a_project.copied_to(an_empty_folder())
    first = version(made)
    made.cloche("remote", "add", "origin", "../remote")
    made.commit("first")
    made("git", "branch", "other")
    made.cloche("push")
    packs = [str(one.relative_to(made.folder)) for one in made.folder.glob(".cloche/store/packs/*/*.pack")]
    version(made)
    made.commit("second")
    made.cloche("push")
    return made, first, packs


@pytest.fixture
def history(folder: Shell, a_history: tuple[Shell, bytes, list[str]]) -> Shell:
    """A project whose branch `other` has data that a remote holds, and that nothing else names."""
    return a_history[0].copied_to(folder)


@pytest.fixture
def first(a_history: tuple[Shell, bytes, list[str]]) -> bytes:
    """The data of the other branch."""
    return a_history[1]


@pytest.fixture
def damage(history: Shell, a_history: tuple[Shell, bytes, list[str]]) -> Callable[[str], None]:
    """Loses the data of the other branch, in some way."""

    def lose(way: str) -> None:
        for pack in (history.folder / name for name in a_history[2]):
            pack.chmod(0o644)
            if way == "gone":
                pack.unlink()
                pack.with_suffix(".index").unlink()
            elif pack.stat().st_size > SIZE // 2:
                os.truncate(pack, SIZE // 2)

    return lose


def errors(shell: Shell) -> dict[str, str]:
    """What `doctor` finds wrong, by name."""
    found = shell.cloche("doctor", "--json", status=None).json
    return {one["name"]: one["message"] for one in found if one["state"] == "error"}


def affected(found: Any) -> list[tuple[str, list[str], list[str]]]:
    """The records that `verify` names."""
    return [(one["record"], one["refs"], one["parts"]) for one in found["affected"]]


@pytest.mark.parametrize("way", ["cut short", "gone"])
def test_what_another_branch_has_lost_is_named_and_comes_back_from_a_remote(
    history: Shell, first: bytes, damage: Callable[[str], None], way: str
) -> None:
    damage(way)
    commit = history("git", "rev-parse", "other").out.strip()
    shown = history.cloche("verify", status=1).out
    assert f"needs it commit {commit[:12]} (branch other): data" in shown
    assert f"commit {commit[:12]} (branch other): the store does not hold data" in errors(history)["history"]
    if way == "gone":
        assert history.facts("gc", "--dry-run")["missing"]
    done = history.cloche("verify", "--repair", "--json").json
    assert done["sound"]
    assert done["repaired"]
    assert not errors(history)
    history("git", "checkout", "--quiet", "other")
    history.cloche("revert", "--lock")
    assert history.data("data/old") == first


def test_what_nobody_has_any_more_stays_on_record_until_it_is_given_up(
    history: Shell, damage: Callable[[str], None]
) -> None:
    history.cloche("remote", "remove", "origin")
    damage("cut short")
    commit = history("git", "rev-parse", "other").out.strip()
    for words in ["--repair"], []:
        found = history.cloche("verify", "--json", *words, status=1).json
        assert affected(found) in ([(commit, ["branch other"], [part])] for part in ("data", "data/old"))
    history.cloche("gc", "--grace", "0")
    assert history.facts("gc")["missing"]
    assert "history" in errors(history)
    history.cloche("gc", "--tips-only")
    assert history.cloche("verify").status == 0


def test_what_gc_gave_up_or_has_in_quarantine_is_not_taken_back_by_looking(history: Shell) -> None:
    assert history.facts("gc", "--tips-only")["unused"] > SIZE
    lying = history.facts("gc", "--tips-only", "--dry-run")["quarantine"]
    assert history.facts("verify")["not_here"] == 1
    assert not errors(history)
    assert history.facts("gc", "--tips-only", "--dry-run")["quarantine"] == lying > SIZE


def test_versions_that_were_never_fetched_are_not_missing(
    history: Shell, first: bytes, damage: Callable[[str], None], tmp_path: Path
) -> None:
    clone = Shell(tmp_path / "clone", history.variables)
    history("git", "clone", "--quiet", str(history.folder), str(clone.folder))
    clone("git", "branch", "other", "origin/other")
    clone.cloche("pull")
    assert "1 version of data that other commits name is not here: `cloche pull`" in clone.cloche("verify").err
    assert clone.facts("verify", "--repair")["repaired"] == []
    assert clone.facts("gc", "--dry-run")["missing"] == 0
    assert not errors(clone)
    clone("git", "checkout", "--quiet", "other")
    clone.cloche("pull")
    assert clone.data("data/old") == first
    clone("git", "checkout", "--quiet", "main")
    shutil.rmtree(clone.folder / ".cloche/store/packs")  # from here on it counts as lost
    assert [row[1] for row in affected(clone.cloche("verify", "--json", status=1).json)][1:] == [
        ["branch other", "branch origin/other"]
    ]
    assert clone.facts("verify", "--repair")["sound"]


def test_what_another_work_tree_has_uncommitted_counts(history: Shell, tmp_path: Path) -> None:
    second = Shell(tmp_path / "second tree", history.variables)
    history("git", "worktree", "add", "--quiet", str(second.folder), "-b", "tree")
    known = set(history.folder.glob(".cloche/store/packs/*/*"))
    version(second)
    for file in set(history.folder.glob(".cloche/store/packs/*/*")) - known:
        file.unlink()
    assert affected(history.cloche("verify", "--json", status=1).json) == [(str(second.folder), [], ["data"])]
    assert f"{second.folder}: the store does not hold data" in errors(history)["history"]


def test_verify_takes_note_of_what_is_here(history: Shell, damage: Callable[[str], None]) -> None:
    """A project from before it was noted, or whose note was cut off."""
    project = Project.find(history.folder)
    project.catalog.forget_held(project.catalog.held())
    project.close()
    assert history.facts("verify")["not_here"] == 0
    damage("gone")
    assert len(history.cloche("verify", "--json", status=1).json["affected"]) == 1


def test_a_history_that_git_cannot_tell_is_said_and_the_rest_is_looked_at(history: Shell) -> None:
    (history.folder / ".git/refs/heads/broken").write_text("1" * 40 + "\n")
    done = history.cloche("verify", status=1)
    assert "data of other commits and work trees was not looked at" in done.err
    assert "damaged" not in done.out
    assert "Git cannot tell its history" in errors(history)["history"]


def test_a_remote_to_repair_from_has_to_be_one_and_to_be_needed(history: Shell) -> None:
    assert "no remote is called nope" in history.cloche("verify", "--repair", "--remote", "nope", status=5).err
    assert "`cloche verify --repair --remote origin`" in history.cloche("verify", "--remote", "origin", status=2).err
