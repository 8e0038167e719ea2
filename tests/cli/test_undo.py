"""`cloche undo`: every operation can be reversed, and so can the reversing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import cloche
from shell import Shell


def state(shell: Shell) -> Any:
    """What verbs may change: the files, and what is said about runs."""
    with cloche.open(shell.folder) as project:
        return shell.files(), project.log(hidden=True), project.log(), project.tags(), project.notes()


@pytest.fixture(scope="module")
def two_runs(a_model: Shell, an_empty_folder: Callable[[], Shell]) -> Shell:
    """Two runs, the older of them tagged, with a note on the newer."""
    made = a_model.copied_to(an_empty_folder())
    made.run()
    made.cloche("tag", "champion")
    made.run("-P", "train.factor=5")
    made.cloche("note", "a thought")
    return made


OPERATIONS: dict[str, tuple[Callable[[Shell], object], list[str]]] = {
    "add": (lambda shell: shell.write("more.csv", "1\n"), ["add", "more.csv"]),
    "add again": (lambda shell: shell.write("data/points.csv", "id,x\n"), ["add"]),
    "untrack": (lambda shell: None, ["untrack", "data"]),
    "tag": (lambda shell: None, ["tag", "second"]),
    "tag --move": (lambda shell: None, ["tag", "champion", "@", "--move"]),
    "tag --delete": (lambda shell: None, ["tag", "champion", "--delete"]),
    "note": (lambda shell: None, ["note", "another"]),
    "note --delete": (lambda shell: None, ["note", "--delete", "1"]),
    "remove": (lambda shell: None, ["remove", "@"]),
    "remove --with-tags": (lambda shell: None, ["remove", "champion", "--with-tags"]),
    "revert": (lambda shell: shell.write("train.py", "mine\n"), ["revert", "champion"]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_undone_and_done_again(folder: Shell, two_runs: Shell, name: str) -> None:
    change, words = OPERATIONS[name]
    model = two_runs.copied_to(folder)
    change(model)
    before = state(model)
    model.cloche(*words)
    after = state(model)
    assert after != before
    undone = model.facts("undo")
    assert state(model) == before
    assert undone["operation"]["verb"] == words[0]
    model.cloche("undo", str(undone["number"]))
    assert state(model) == after


def test_a_recorded_run_can_be_undone(model: Shell) -> None:
    run = model.run()
    model.cloche("undo")
    assert model.facts("log") == []
    assert [row["id"] for row in model.facts("log", "--all")] == [run["id"]]
    assert (model.folder / "model.bin").exists(), "what the program wrote is not Cloche's to delete"
    model.cloche("undo", "4")
    assert [row["id"] for row in model.facts("log")] == [run["id"]]


def test_each_undo_goes_one_further_back(model: Shell) -> None:
    for name in ("one", "two", "three"):
        if name == "one":
            model.run()
        model.cloche("tag", name)
    tags = []
    for _ in range(3):
        model.cloche("undo")
        tags.append([tag["name"] for tag in model.facts("tag")])
    assert tags == [["one", "two"], ["one"], []]


def test_what_was_done_again_can_be_undone_again(model: Shell) -> None:
    model.run()
    model.cloche("tag", "one")
    model.cloche("tag", "two")
    for _ in range(2):
        done = model.facts("undo")
        assert done["operation"]["summary"].endswith("as two")
        assert [tag["name"] for tag in model.facts("tag")] == ["one"]
        model.cloche("undo", str(done["number"]))
        assert [tag["name"] for tag in model.facts("tag")] == ["one", "two"]


def test_a_certain_operation_by_its_number(model: Shell) -> None:
    model.run()
    model.cloche("tag", "one")
    model.cloche("tag", "two")
    number = next(one["number"] for one in model.facts("history") if one["summary"].endswith("as one"))
    model.cloche("undo", str(number))
    assert [tag["name"] for tag in model.facts("tag")] == ["two"]
    again = model.cloche("undo", str(number), status=6)
    assert f"operation {number} was undone already" in again.err
    assert "hint: type `cloche undo" in again.err


def test_a_later_change_is_not_overwritten_unless_forced(model: Shell) -> None:
    model.run()
    model.write("train.py", "before\n")
    model.cloche("revert", "@")
    model.write("train.py", "after\n")
    done = model.cloche("undo", status=6)
    assert "changed since operation" in done.err
    assert "train.py" in done.err
    assert "--force" in done.err
    assert model.read("train.py") == "after\n"
    forced = model.facts("undo", "--force")
    assert model.read("train.py") == "before\n"
    model.cloche("undo", str(forced["number"]))
    assert model.read("train.py") == "after\n", "what --force overwrote was stored"


def test_a_tag_that_moved_since_is_not_touched_unless_forced(model: Shell) -> None:
    first = model.run()["id"]
    model.cloche("tag", "best")
    second = model.run()["id"]
    model.cloche("tag", "best", "--move")
    number = next(one["number"] for one in model.facts("history") if one["summary"] == f"tagged {first[:8]} as best")
    assert "the tag best was changed since" in model.cloche("undo", str(number), status=6).err
    assert model.facts("tag")[0]["run"] == second
    model.cloche("undo", str(number), "--force")
    assert model.facts("tag") == []


def test_a_preview_changes_nothing(model: Shell) -> None:
    model.run()
    model.write("train.py", "mine\n")
    model.cloche("revert", "@")
    before = state(model)
    preview = model.facts("undo", "-n")
    assert (preview["number"], preview["dry_run"]) == (0, True)
    assert [one["path"] for one in preview["files"]] == ["train.py"]
    assert "write train.py" in model.cloche("undo", "--dry-run").err
    assert state(model) == before


def test_nothing_to_undo_and_no_such_operation(plain: Shell) -> None:
    plain.run(command=["true"])
    plain.cloche("undo")
    assert "hint:" in plain.cloche("undo", "99", status=5).err
    plain.cloche("undo", "x", status=2)


def test_an_undo_brings_back_other_bits_and_links(project: Shell) -> None:
    tool = project.write("tool.sh", "true\n")
    project.run(command=["true"])
    tool.chmod(0o755)
    (project.folder / "link").symlink_to("tool.sh")
    project.cloche("revert", "@")
    assert not tool.stat().st_mode & 0o111
    project.cloche("undo")
    assert tool.stat().st_mode & 0o111
    assert (project.folder / "link").is_symlink()
