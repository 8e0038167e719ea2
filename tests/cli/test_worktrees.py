"""Worktrees of Git (`git worktree add`): one store and one log, and work trees that do not wait for each other."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cloche.project.neighbours import locks_elsewhere
from cloche.project.project import Project
from shell import BIN, Shell

WAIT = """\
import pathlib, time
pathlib.Path("started").touch()
while not pathlib.Path("stop").exists():
    time.sleep(0.02)
"""


def worktree(shell: Shell, path: str, *options: str) -> Shell:
    """A linked worktree of the repository that `shell` is in."""
    shell("git", "worktree", "add", "--quiet", *options, path)
    return Shell(Path(shell.folder, path).resolve(), shell.variables)


@pytest.fixture
def second(model: Shell) -> Shell:
    """A linked worktree of `model`, on a branch of its own, with its data."""
    made = worktree(model, "../second", "-b", "other")
    made.cloche("revert", "--lock")
    return made


def test_a_worktree_shares_the_store_and_has_the_data_without_a_copy(model: Shell, second: Shell) -> None:
    assert second.read("data/points.csv") == model.read("data/points.csv")
    assert not (second.folder / ".cloche/store").exists()
    assert not (second.folder / ".cloche/catalog.db").exists()
    magic, name, place = second.read(".cloche/shared").splitlines()
    assert (magic, place) == ("cloche-shared-1", "../../work/.cloche")
    assert name.isalnum()
    assert second("git", "status", "--porcelain").out == ""
    assert "shares the store" in second.cloche("doctor").out


def test_runs_of_one_are_runs_of_all(model: Shell, second: Shell) -> None:
    here = model.run()
    there = second.run("-P", "train.factor=3")
    assert [one["id"] for one in model.facts("log")] == [there["id"], here["id"]]
    assert model.facts("diff", "@~1", "@")["config"][0]["after"] == 3
    second.cloche("tag", "best")
    model.cloche("revert", "best", "--only", "code,data")
    assert there["snapshot"]["data"] == here["snapshot"]["data"]


def test_undo_reverses_what_was_done_in_this_worktree(model: Shell, second: Shell) -> None:
    second.write("data/points.csv", "id,x\n1,9\n")
    second.cloche("add")
    lock = second.read("cloche.lock")
    model.write("data/points.csv", "id,x\n1,7\n")
    model.cloche("add")
    number = model.facts("history")[0]["number"]
    assert "another worktree" in second.cloche("undo", str(number), status=6).err
    second.cloche("undo")
    assert second.read("cloche.lock") != lock
    assert "1,7" in model.read("data/points.csv")
    model.run()
    model.cloche("tag", "named")
    second.cloche("undo", str(model.facts("history")[0]["number"]))
    assert model.facts("tag") == []


def test_a_run_that_is_going_keeps_only_its_own_worktree(model: Shell, second: Shell) -> None:
    model.run()
    second.write("wait.py", WAIT)
    going = subprocess.Popen(
        [BIN / "cloche", "run", "--", "python", "wait.py"],
        cwd=second.folder,
        env=second.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        while not (second.folder / "started").exists():
            time.sleep(0.02)
        model.write("train.py", "changed\n")
        model.cloche("revert", "@~1")
        assert "still going" in second.cloche("revert", "@~1", status=7).err
        assert model.facts("status")["going"]
    finally:
        second.write("stop", "")
        going.communicate(timeout=60)
    assert going.returncode == 0
    assert model.facts("show", "@")["run"]["status"] == "finished"


def test_many_at_once_in_two_worktrees(model: Shell, second: Shell) -> None:
    """Adds and runs in both at the same time: each ends well, and nothing is missing afterwards."""
    for shell, name in ((model, "a"), (second, "b")):
        for number in range(40):
            shell.write(f"data/{name}{number}.txt", f"{name if number % 2 else 'same'} {number}\n" * 50)
    words = (("add",), ("run", "--", "python", "train.py"), ("add", "data"))
    started = [
        subprocess.Popen(
            [BIN / "cloche", *word],
            cwd=shell.folder,
            env=shell.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for word in words
        for shell in (model, second)
    ]
    ends = [(one.communicate(timeout=100), one.returncode) for one in started]
    assert [code for _, code in ends] == [0] * len(ends), [said for (_, said), code in ends if code]
    assert len(model.facts("log")) == 2
    assert [one["state"] for one in model.facts("doctor") if one["state"] == "error"] == []
    assert model.read("cloche.lock") != second.read("cloche.lock")
    shutil.rmtree(second.folder / "data")
    second.cloche("revert", "--lock")
    assert second.read("data/b1.txt").startswith("b 1\n")


def test_the_first_use_of_a_worktree_by_many_at_once(model: Shell) -> None:
    made = worktree(model, "../second")
    started = [
        subprocess.Popen([BIN / "cloche", "ls", "@"], cwd=made.folder, env=made.variables, stdout=-3, stderr=-3)
        for _ in range(4)
    ]
    for one in started:
        one.communicate(timeout=60)
    assert len(made.read(".cloche/shared").splitlines()) == 3
    assert sorted(file.name for file in (made.folder / ".cloche").iterdir() if "shared" in file.name) == ["shared"]


def test_init_in_a_worktree_joins_the_others(folder: Shell) -> None:
    folder("git", "init", "--quiet", "--initial-branch=main")
    folder("git", "commit", "--quiet", "--allow-empty", "-m", "nothing")
    made = worktree(folder, "../second")
    made.cloche("init")
    made.run(command=["true"])
    assert (folder.folder / ".cloche/catalog.db").exists()
    folder.cloche("init")
    assert len(folder.facts("log")) == 1


def test_a_project_in_a_folder_of_the_repository(folder: Shell) -> None:
    folder("git", "init", "--quiet", "--initial-branch=main")
    inner = Shell(folder.folder / "deep/inner project", folder.variables)
    folder.cloche("init", "deep/inner project")
    inner.write("data/x.txt", "1\n")
    inner.cloche("add", "data")
    folder.commit()
    made = worktree(folder, "../second")
    there = Shell(made.folder / "deep/inner project", made.variables)
    there.cloche("revert", "--lock")
    assert there.read("data/x.txt") == "1\n"
    assert (inner.folder / ".cloche/store").is_dir()


def test_a_bare_repository_keeps_the_store_in_its_git_folder(model: Shell) -> None:
    model("git", "clone", "--quiet", "--bare", ".", "../bare.git")
    bare = Shell(model.folder.parent / "bare.git", model.variables)
    first, other = worktree(bare, "../first", "-b", "first"), worktree(bare, "../other", "-b", "other")
    first.cloche("run", "--", "true", status=8)  # the data is not there yet
    shutil.copytree(model.folder / "data", first.folder / "data")
    first.cloche("add")
    first.run("-m", "in the first")
    other.cloche("revert", "--lock")
    assert (bare.folder / "cloche/catalog.db").exists()
    assert other.facts("log")[0]["message"] == "in the first"


def test_a_worktree_and_its_repository_may_be_moved(model: Shell, second: Shell) -> None:
    model.run()
    model("git", "worktree", "move", "../second", "../deeper place")
    moved = Shell(model.folder.parent / "deeper place", model.variables)
    assert len(moved.facts("log")) == 1
    home = model.folder.rename(model.folder.parent / "elsewhere")
    assert "git worktree repair" in moved.cloche("log", status=9).err
    Shell(home, model.variables)("git", "worktree", "repair", str(moved.folder))
    assert len(moved.facts("log")) == 1
    assert "elsewhere" in moved.read(".cloche/shared")


def test_a_store_that_is_gone_is_no_empty_store(model: Shell, second: Shell) -> None:
    shutil.rmtree(model.folder / ".cloche")
    done = second.cloche("log", status=9)
    assert "the store that this worktree shares is gone" in done.err
    assert "hint:" in done.err


def test_a_pointer_leads_nowhere_but_to_the_repository_itself(model: Shell, tmp_path: Path) -> None:
    """A repository may come with a `.cloche/` of somebody's making."""
    victim = Shell(tmp_path / "victim", model.variables)
    victim.folder.mkdir()
    victim.cloche("init")
    victim.run(command=["true"])
    shutil.rmtree(model.folder / ".cloche")
    model.write(".cloche/format", "1\n")
    model.write(".cloche/shared", f"cloche-shared-1\nabcd\n{victim.folder}/.cloche\n")
    assert "does not know this folder" in model.cloche("log", status=9).err


def test_a_worktree_inside_the_project_is_none_of_its_code(model: Shell) -> None:
    before = model.facts("status")["files"]
    inner = worktree(model, "inner", "-b", "inner")
    assert model.facts("status")["files"] == before
    inner.cloche("revert", "--lock")
    assert inner.read("data/points.csv") == model.read("data/points.csv")
    assert model.facts("status")["files"] == before
    assert inner.facts("status")["files"] == before


def test_what_the_locks_of_other_worktrees_name_is_known_to_all(model: Shell, second: Shell) -> None:
    second.write("data/points.csv", "id,x\n1,9\n")
    second.cloche("add")
    [(_, [locked])] = locks_elsewhere(Project.find(model.folder))
    assert locked.digest in second.read("cloche.lock")
    [(_, [locked])] = locks_elsewhere(Project.find(second.folder))
    assert locked.digest in model.read("cloche.lock")
