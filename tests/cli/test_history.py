"""`cloche history`: what changed this project, newest first."""

from __future__ import annotations

from shell import Shell


def test_every_verb_that_writes_leaves_an_entry(model: Shell) -> None:
    model.run("-P", "train.factor=3")
    model.cloche("tag", "best")
    model.cloche("note", "good")
    model.write("train.py", "pass\n")
    model.cloche("revert", "best")
    model.cloche("undo")
    model.cloche("untrack", "data")
    model.cloche("remove", "best", "--with-tags")
    found = model.facts("history")
    verbs = ["remove", "untrack", "undo", "revert", "note", "tag", "run", "run -P", "add", "init"]
    assert [one["verb"] for one in found] == verbs
    assert [one["number"] for one in found] == list(range(10, 0, -1))
    assert (found[2]["undoes"], found[3]["undone"]) == (found[3]["number"], found[2]["number"])
    assert {one["state"] for one in found} == {"done"}
    shown = model.cloche("history").out
    for words in ("added data", "set train.factor=3", "noted on", "undid revert", "undone by 8", "untracked data"):
        assert words in shown


def test_verbs_that_only_look_leave_none(model: Shell) -> None:
    model.run()
    before = model.facts("history")
    for words in (["status"], ["log"], ["show"], ["diff"], ["doctor"], ["history"], ["tag"], ["note"]):
        model.cloche(*words)
    for words in (
        ["revert", "@", "-n"],
        ["undo", "-n"],
        ["add", "-n"],
        ["remove", "-n", "@"],
        ["untrack", "-n", "data"],
    ):
        model.cloche(*words)
    assert model.facts("history") == before


def test_only_the_newest(model: Shell) -> None:
    assert [one["verb"] for one in model.facts("history", "-n", "1")] == ["add"]
    model.cloche("history", "-n", "0", status=2)


def test_a_new_clone_has_none(folder: Shell) -> None:
    folder.write("cloche.toml", "")
    assert folder.facts("history") == []
    assert "nothing was done yet" in folder.cloche("history").err
