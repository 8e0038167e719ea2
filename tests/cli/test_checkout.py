"""`cloche checkout`: some files of a run, and nothing else."""

from __future__ import annotations

import pytest

from shell import Shell


@pytest.fixture
def run(model: Shell) -> Shell:
    """A run, after which code, data and output were changed."""
    model.write("src/a.py", "1\n")
    model.write("src/b.py", "1\n")
    model.run()
    for path in ("src/a.py", "src/b.py", "src/new.py", "data/points.csv", "model.bin"):
        model.write(path, "changed\n")
    return model


def test_a_file_comes_back_and_nothing_else_changes(run: Shell) -> None:
    before = run.files()
    run.cloche("checkout", "@", "src/a.py")
    assert run.files() == {**before, "src/a.py": b"1\n"}
    run.cloche("undo")
    assert run.files() == before


def test_below_a_folder_what_the_run_had_comes_back_and_the_rest_stays(run: Shell) -> None:
    run.cloche("checkout", "@", "src", "data", "model.bin")
    assert (run.read("src/a.py"), run.read("src/b.py"), run.read("src/new.py")) == ("1\n", "1\n", "changed\n")
    assert run.read("data/points.csv").startswith("id,x")
    assert run.read("model.bin") == "16.0"
    run.cloche("undo")
    assert run.read("model.bin") == "changed\n"


def test_what_stands_in_the_way_is_replaced_and_can_be_had_back(run: Shell) -> None:
    (run.folder / "src/a.py").unlink()
    run.write("src/a.py/deep/mine.txt", "mine\n")
    preview = run.facts("checkout", "@", "src/a.py", "--dry-run")
    assert [one["change"]["path"] for one in preview["files"]] == ["src/a.py", "src/a.py/deep/mine.txt"]
    assert "would take from run" in run.cloche("checkout", "@", "src/a.py", "--dry-run").out
    assert run.read("src/a.py/deep/mine.txt") == "mine\n"
    run.cloche("checkout", "@", "src/a.py")
    assert run.read("src/a.py") == "1\n"
    run.cloche("undo")
    assert run.read("src/a.py/deep/mine.txt") == "mine\n"


def test_what_cannot_be_had_changes_nothing(run: Shell) -> None:
    before = run.files()
    assert "did you mean `src/a.py`?" in run.cloche("checkout", "@", "src/b.py", "src/a.pyy", status=5).err
    assert "which files?" in run.cloche("checkout", "@", status=2).err
    assert "lies outside the project" in run.cloche("checkout", "@", "../x", status=8).err
    assert run.files() == before
    run.cloche("checkout", "@", "src/a.py")
    assert "nothing to do" in run.cloche("checkout", "@", "src/a.py").err
