"""`cloche revert --lock`: the data that cloche.lock names, as after a `git checkout`."""

from __future__ import annotations

import shutil

from shell import Shell


def test_it_follows_git_to_an_older_version_and_can_be_undone(model: Shell) -> None:
    before = model.read("data/points.csv")
    model.write("data/points.csv", "id,x\n1,9\n")
    model.cloche("add")
    model.commit("other data")
    model("git", "checkout", "--quiet", "HEAD~1")
    assert "data" in model.cloche("revert", "--lock", "--dry-run").out
    assert model.read("data/points.csv") == "id,x\n1,9\n"
    model.cloche("revert", "--lock")
    assert model.read("data/points.csv") == before
    model.cloche("undo")
    assert model.read("data/points.csv") == "id,x\n1,9\n"


def test_missing_data_comes_back_without_any_run(model: Shell) -> None:
    shutil.rmtree(model.folder / "data")
    assert "cloche revert --lock" in model.cloche("run", "--", "true", status=8).err
    model.cloche("revert", "--lock")
    assert model.read("data/points.csv").startswith("id,x\n")


def test_it_excludes_a_run(model: Shell) -> None:
    model.run()
    assert "name a run" in model.cloche("revert", "@", "--lock", status=2).err
