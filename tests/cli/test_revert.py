"""`cloche revert`: the work tree becomes what it was, exactly, and nothing that was there is lost."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

from shell import Shell


def planned(plan: Any) -> list[tuple[str, str, str]]:
    """Part, path and act of each planned file."""
    acts = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    return [
        (one["part"], one["change"]["path"], acts[bool(one["change"]["before"]), bool(one["change"]["after"])])
        for one in plan["files"]
    ]


def spoil(shell: Shell) -> None:
    """Change all inputs of the `model` project, and what came out."""
    shell.write("train.py", "raise SystemExit('broken')\n")
    shell.write("new.py", "1\n")
    shell.write("params.toml", "seed = 8\n[train]\nfactor = 9\n")
    shell.write("data/points.csv", "id,x\n1,999\n")
    shell.write("data/more.csv", "id,x\n")
    shell.write("metrics.json", '{"total": -1}')
    (shell.folder / "model.bin").unlink()


def test_everything_comes_back(model: Shell) -> None:
    run = model.run()
    before = model.files()
    spoil(model)
    model.cloche("revert", "@")
    assert model.files() == before
    assert model.facts("status")["clean"] is True
    again = model.run()
    assert again["metrics"] == run["metrics"]
    assert [one["digest"] for one in again["outputs"]] == [one["digest"] for one in run["outputs"]]
    assert again["snapshot"] == run["snapshot"]


def test_a_preview_says_what_would_happen_and_changes_nothing(model: Shell) -> None:
    model.run()
    spoil(model)
    before = model.files()
    plan = model.facts("revert", "@", "--dry-run")
    assert model.files() == before
    assert planned(plan) == [
        ("data", "data/more.csv", "removed"),
        ("data", "data/points.csv", "changed"),
        ("outputs", "metrics.json", "changed"),
        ("outputs", "model.bin", "added"),
        ("code", "new.py", "removed"),
        ("config", "params.toml", "changed"),
        ("code", "train.py", "changed"),
    ]
    assert {one["change"]["path"] for one in plan["files"] if not one["recorded"]} == {
        "data/more.csv",
        "data/points.csv",
        "metrics.json",
        "new.py",
        "params.toml",
        "train.py",
    }
    shown = model.cloche("revert", "@", "-n").out
    assert "not recorded yet: stored first" in shown
    assert model.files() == before
    assert [one["verb"] for one in model.facts("history")] == ["run", "add", "init"]
    assert planned(model.facts("revert", "@")) == planned(plan), "what was previewed is what is done"


def test_unrecorded_work_is_stored_and_undo_returns_it(model: Shell) -> None:
    model.run()
    spoil(model)
    before = model.files()
    done = model.cloche("revert", "@")
    assert "7 files changed" in done.err
    assert "`cloche undo` takes it back" in done.err
    model.cloche("undo")
    assert model.files() == before


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("code", {"new.py", "train.py"}),
        ("data", {"data/more.csv", "data/points.csv"}),
        ("config", {"params.toml"}),
        ("code,config", {"new.py", "train.py", "params.toml"}),
        ("environment", set()),
    ],
)
def test_only_some_inputs(model: Shell, only: str, expected: set[str]) -> None:
    model.run()
    then = model.files()
    spoil(model)
    spoilt = model.files()
    model.cloche("revert", "@", "--only", only)
    now = model.files()
    assert {path for path in now.keys() | spoilt.keys() if now.get(path) != spoilt.get(path)} == expected
    assert all(now.get(path) == then.get(path) for path in expected)


def test_deleted_files_and_folders_come_back(model: Shell) -> None:
    model.write("pkg/deep/mod.py", "1\n")
    model.run()
    before = model.files()
    for name in ("pkg", "data"):
        shutil.rmtree(model.folder / name)
    for name in ("train.py", "params.toml", "metrics.json", ".gitignore"):
        (model.folder / name).unlink()
    model.cloche("revert", "@")
    assert model.files() == before


def test_folders_that_only_held_newer_files_go(model: Shell) -> None:
    model.run()
    model.write("later/deep/new.py", "1\n")
    model.cloche("revert", "@")
    assert not (model.folder / "later").exists()


def test_what_git_ignores_and_no_run_wrote_stays(model: Shell) -> None:
    model.run()
    model.write("cache.bin", "mine\n")
    model.write(".env", "TOKEN=1\n")
    model.write(".venv/pyvenv.cfg", "home = /nowhere\n")
    model.write("later/new.py", "1\n")
    model.write("later/weights.bin", "mine too\n")
    model.cloche("revert", "@", "--only", "code,data,config")
    assert model.read("cache.bin") == "mine\n"
    assert model.read(".env") == "TOKEN=1\n"
    assert model.read("later/weights.bin") == "mine too\n"
    assert (model.folder / ".venv" / "pyvenv.cfg").exists()
    assert not (model.folder / "later" / "new.py").exists()


def test_git_stays_where_it_is(model: Shell) -> None:
    model.run()
    model.write("train.py", model.read("train.py") + "# second\n")
    second = model.commit("second")
    model.write("staged.py", "1\n")
    model("git", "add", "staged.py")
    index = model("git", "ls-files", "--stage").out
    model.cloche("revert", "@")
    assert model("git", "rev-parse", "HEAD").out.strip() == second
    assert model("git", "symbolic-ref", "--short", "HEAD").out.strip() == "main"
    assert model("git", "ls-files", "--stage").out == index
    assert " M train.py" in model("git", "status", "--short").out


def test_an_older_run_and_back_again(model: Shell) -> None:
    seen = []
    for factor in (2, 3, 4):
        run = model.run("-P", f"train.factor={factor}") if factor > 2 else model.run()
        model.cloche("tag", f"factor-{factor}")
        seen.append((run["metrics"]["total"], model.files()))
        model.write(f"step{factor}.py", "1\n")
    for factor in (2, 4, 3):
        model.cloche("revert", f"factor-{factor}")
        total, files = seen[factor - 2]
        assert model.files() == files
        assert model.run()["metrics"]["total"] == total


def test_a_changed_lock_comes_back_with_the_data(model: Shell) -> None:
    model.run()
    before = model.files()
    model.write("extra.csv", "id\n")
    model.cloche("add", "extra.csv")
    model.cloche("untrack", "data")
    model.cloche("revert", "@")
    assert model.files() == before
    assert [one["path"] for one in model.facts("status")["data"]] == ["data"]


def test_data_that_is_tracked_no_more_becomes_what_it_was(model: Shell) -> None:
    run = model.run()
    before = model.files()
    model.cloche("untrack", "data")
    model.write("data/later.csv", "id\n")
    model.run()
    model.cloche("revert", run["id"])
    assert model.files() == before


def test_kinds_of_files_change_into_each_other(project: Shell) -> None:
    project.write("a", "file\n")
    project.write("b/inner", "1\n")
    os.symlink("a", project.folder / "c")
    project.write("d", "plain\n")
    project.run(command=["true"])
    before = project.files()
    (project.folder / "a").unlink()
    project.write("a/now/a folder", "2\n")
    shutil.rmtree(project.folder / "b")
    os.symlink("/nowhere", project.folder / "b")
    (project.folder / "c").unlink()
    project.write("c", "file\n")
    os.chmod(project.folder / "d", 0o755)
    project.cloche("revert", "@")
    assert project.files() == before
    assert not os.access(project.folder / "d", os.X_OK)
    project.cloche("undo")
    assert project.read("a/now/a folder") == "2\n"
    assert os.readlink(project.folder / "b") == "/nowhere"


def test_a_folder_output_comes_back_as_it_was(project: Shell) -> None:
    project.write("cloche.toml", '[stages.make]\nrun = "sh make.sh"\nwrites = ["out"]\n')
    project.write("make.sh", "mkdir -p out/sub; echo 1 > out/sub/a; ln -sf sub/a out/link; mkdir -p out/empty\n")
    project.run(command=())
    before = project.files()
    project.write("out/extra", "1\n")
    project.write("out/sub/a", "2\n")
    project.cloche("revert", "@")
    assert project.files() == before
    assert (project.folder / "out" / "empty").is_dir()


def test_data_of_before_it_was_tracked_comes_back(project: Shell) -> None:
    project.write("points.csv", "1\n")
    project.run(command=["true"])
    project.cloche("add", "points.csv")
    project.write("points.csv", "2\n")
    project.run(command=["true"])
    after = project.files()
    project.cloche("revert", "@~1")
    assert project.read("points.csv") == "1\n"
    assert project.facts("status")["data"] == []
    project.cloche("undo")
    assert project.files() == after


def test_nothing_to_do_is_said(model: Shell) -> None:
    model.run()
    done = model.cloche("revert", "@")
    assert "nothing to do" in done.err
    assert model.facts("history")[0]["verb"] == "run"


def test_names_and_parts_that_mean_nothing_are_refused(model: Shell) -> None:
    model.run()
    spoil(model)
    before = model.files()
    assert "hint:" in model.cloche("revert", "nobody", status=5).err
    assert "did you mean `config`?" in model.cloche("revert", "@", "--only", "confg", status=2).err
    assert "the work tree, which is no run" in model.cloche("revert", ".", status=5).err
    model.cloche("revert", status=2)
    assert model.files() == before


def test_a_link_out_of_the_project_is_not_followed(model: Shell) -> None:
    model.write("pkg/mod.py", "1\n")
    model.run()
    outside = model.folder.parent / "outside"
    outside.mkdir()
    (outside / "mod.py").write_text("not yours\n")
    shutil.rmtree(model.folder / "pkg")
    os.symlink(outside, model.folder / "pkg")
    model.cloche("revert", "@")
    assert (outside / "mod.py").read_text() == "not yours\n"
    assert model.read("pkg/mod.py") == "1\n"
    assert not (model.folder / "pkg").is_symlink()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can read everything")
def test_what_could_not_be_put_back_is_not_overwritten(model: Shell) -> None:
    model.run()
    spoil(model)
    os.chmod(model.folder / "train.py", 0)
    before = model.read("params.toml")
    model.cloche("revert", "@", status=8)
    assert model.read("params.toml") == before


def test_a_clone_with_a_copy_of_the_store_is_a_whole_project(model: Shell) -> None:
    run = model.run()
    old = model.files()
    spoil(model)
    model.commit("spoilt")
    place = model.folder.parent / "elsewhere" / "copy"
    model("git", "clone", "--quiet", str(model.folder), str(place))
    copy = Shell(place, model.variables)
    shutil.copytree(model.folder / ".cloche", place / ".cloche")
    shutil.rmtree(model.folder)
    copy.cloche("revert", run["id"])
    assert copy.files() == old
    assert copy.run()["metrics"] == run["metrics"]
    assert [one["state"] for one in copy.facts("doctor") if one["name"] in ("catalog", "store", "data")] == ["ok"] * 3


def test_a_commit_made_elsewhere_does_not_matter(model: Shell) -> None:
    """The snapshot is whole: it does not need the commit that it notes."""
    model.write("dirty.py", "not committed\n")
    run = model.run()
    old = model.files()
    shutil.rmtree(model.folder / ".git")
    for name in old:
        if name != "cloche.toml":
            (model.folder / name).unlink()
    model.cloche("revert", run["id"])
    assert model.files() == old


def test_data_that_was_there_before_anyone_tracked_it_stays(project: Shell) -> None:
    """What reads it may not be seen (SQLite, Arrow), and a run from before would find nothing."""
    project.write(".gitignore", "data/\n")
    project.write("data/a.db", "1")
    project.run(command=["true"])
    project.cloche("add", "data")
    project.run(command=["true"])
    (project.folder / "data/a.db").chmod(0o600)
    done = project.cloche("revert", "@~1")
    assert project.read("data/a.db") == "1"
    assert "data may have been there, and was not tracked: it stays as it is" in done.err
    assert project.facts("status")["data"] == []


def test_data_that_came_later_goes(project: Shell) -> None:
    project.run(command=["true"])
    project.write("more.csv", "1\n")
    project.cloche("add", "more.csv")
    project.run(command=["true"])
    project.cloche("revert", "@~1")
    assert not (project.folder / "more.csv").exists()
    project.cloche("undo")
    assert project.read("more.csv") == "1\n"
