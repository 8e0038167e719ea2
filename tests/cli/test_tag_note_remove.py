"""Tags, notes and removals are records about runs: the runs themselves never change."""

from __future__ import annotations

from typing import Any

import pytest

from shell import Shell


@pytest.fixture
def two(plain: Shell) -> Shell:
    """A project with two runs."""
    plain.run("-m", "older", command=["true"])
    plain.run("-m", "newer", command=["true"])
    return plain


def messages(shell: Shell, *words: str) -> list[str]:
    return [row["message"] for row in shell.facts("log", *words)]


class TestTags:
    def test_a_tag_names_a_run_wherever_a_run_is_named(self, two: Shell) -> None:
        made = two.facts("tag", "champion", "@~1")
        assert two.facts("show", "champion")["run"]["message"] == "older"
        assert made == {"name": "champion", "run": two.facts("show", "@~1")["run"]["id"], "before": ""}
        assert two.cloche("tag").out == f"{made['run'][:8]}  champion\n"
        assert messages(two, "tag = 'champion'") == ["older"]
        assert "[champion]" in two.cloche("log").out

    def test_the_last_run_if_none_is_named(self, two: Shell) -> None:
        two.cloche("tag", "v1.0/final")
        assert two.facts("show", "v1.0/final")["run"]["message"] == "newer"

    def test_a_taken_name_moves_only_when_told_to(self, two: Shell) -> None:
        two.cloche("tag", "best", "@~1")
        done = two.cloche("tag", "best", "@", status=6)
        assert "names run" in done.err
        assert "cloche tag --move best @" in done.err
        assert two.facts("show", "best")["run"]["message"] == "older"
        moved = two.facts("tag", "best", "@", "--move")
        assert moved["before"] == two.facts("show", "@~1")["run"]["id"]
        assert two.facts("show", "best")["run"]["message"] == "newer"
        two.cloche("tag", "best", "@")  # where it is already: nothing to do
        assert [one["verb"] for one in two.facts("history")].count("tag") == 2

    def test_a_deleted_tag_leaves_the_run(self, two: Shell) -> None:
        two.cloche("tag", "best")
        two.cloche("tag", "--delete", "best")
        assert two.facts("tag") == []
        assert len(messages(two)) == 2
        assert "hint:" in two.cloche("tag", "--delete", "best", status=5).err
        two.cloche("tag", "--delete", status=2)

    @pytest.mark.parametrize("name", ["has space", "@", "@~1", "kkkkzzzz", "abcdef1", "a..b", "a~1", ".", "new\nline"])
    def test_a_name_that_could_mean_something_else_is_refused(self, two: Shell, name: str) -> None:
        assert "cannot be a tag" in two.cloche("tag", name, status=2).err
        assert two.facts("tag") == []


class TestNotes:
    def test_notes_are_numbered_and_belong_to_runs(self, two: Shell) -> None:
        two.cloche("note", "on the newer")
        made = two.facts("note", "on the older: ümlaut\nsecond line", "--run", "@~1")
        assert (made["number"], made["run"]) == (2, two.facts("show", "@~1")["run"]["id"])
        assert [one["text"] for one in two.facts("note")] == ["on the newer", "on the older: ümlaut\nsecond line"]
        assert [one["number"] for one in two.facts("note", "--run", "@")] == [1]
        assert "on the newer" in two.cloche("note").out
        assert [one["text"] for one in two.facts("show", "@~1")["notes"]] == ["on the older: ümlaut\nsecond line"]
        assert [row["notes"] for row in two.facts("log")] == [1, 1]

    def test_an_empty_note_is_refused(self, two: Shell) -> None:
        assert "the note is empty" in two.cloche("note", "", status=2).err
        assert two.facts("note") == []

    def test_a_deleted_note_is_gone_and_its_number_stays_free_of_meaning(self, two: Shell) -> None:
        two.cloche("note", "one")
        two.cloche("note", "two")
        assert two.facts("note", "--delete", "1")["text"] == "one"
        assert [one["number"] for one in two.facts("note")] == [2]
        assert two.facts("note", "three")["number"] == 3
        two.cloche("note", "--delete", "1", status=5)
        two.cloche("note", "text", "--delete", "2", status=2)

    def test_control_characters_in_a_note_do_not_reach_the_terminal(self, two: Shell) -> None:
        two.cloche("note", "evil \x1b[2J")
        assert "\x1b" not in two.cloche("note").out + two.cloche("show").out + two.cloche("history").out


class TestRemove:
    def test_a_removed_run_is_out_of_sight(self, two: Shell) -> None:
        gone = two.facts("show", "@")["run"]["id"]
        assert two.facts("remove", "@") == {"runs": [gone], "tags": [], "dry_run": False}
        assert messages(two) == ["older"]
        assert two.facts("show", "@")["run"]["message"] == "older", "@ is the last run that is not removed"
        assert messages(two, "--all") == ["newer", "older"]
        assert "(removed)" in two.cloche("log", "--all").out

    def test_its_content_stays(self, plain: Shell) -> None:
        plain.write("train.py", "1\n")
        run: Any = plain.run(command=["true"])
        plain.cloche("remove", "@")
        (plain.folder / "train.py").unlink()
        plain.cloche("revert", run["id"])
        assert plain.read("train.py") == "1\n"

    def test_a_tagged_run_goes_only_with_its_tag(self, two: Shell) -> None:
        two.cloche("tag", "best")
        done = two.cloche("remove", "@", status=6)
        assert "is tagged best" in done.err
        assert "--with-tags" in done.err
        assert two.facts("remove", "@", "--with-tags")["tags"] == ["best"]
        assert two.facts("tag") == []

    def test_all_or_none(self, two: Shell) -> None:
        two.cloche("remove", "@", "nobody", status=5)
        assert len(messages(two)) == 2
        two.cloche("remove", "@", "@~1", "@")
        assert messages(two) == []

    def test_a_preview_removes_nothing(self, two: Shell) -> None:
        assert len(two.facts("remove", "-n", "@", "@~1")["runs"]) == 2
        assert "would be removed" in two.cloche("remove", "-n", "@").err
        assert len(messages(two)) == 2


def test_a_removed_run_is_named_with_the_way_back(two: Shell) -> None:
    run = two.facts("log")[0]["id"]
    two.cloche("remove", run)
    two.cloche("tag", "later", "@")
    done = two.cloche("show", run[:8], status=5)
    assert f"run {run[:8]} was removed" in done.err
    number = next(one["number"] for one in two.facts("history") if one["verb"] == "remove")
    assert f"`cloche undo {number}` brings it back" in done.err
    two.cloche("undo", str(number))
    two.cloche("show", run[:8])
