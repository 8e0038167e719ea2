"""Where one stands: no project, a project inside another, and every odd kind of Git repository."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from bad_input_helpers import assert_complaint, assert_healthy, assert_refused, state_of, tree

from shell import BIN, Shell


@pytest.mark.parametrize(
    "words",
    [
        ["add", "x"],
        ["untrack", "x"],
        ["run", "--", "true"],
        ["status"],
        ["log"],
        ["show"],
        ["diff"],
        ["revert", "@"],
        ["undo"],
        ["history"],
        ["tag", "x"],
        ["note", "x"],
        ["remove", "@"],
        ["doctor"],
    ],
    ids=lambda words: words[0],
)
def test_outside_a_project_every_verb_says_how_to_make_one(folder: Shell, words: list[str]) -> None:
    folder.write("train.py", "print(1)\n")
    done = assert_refused(folder, *words, status=3, says="is not in a Cloche project", hint="type `cloche init`")
    assert str(folder.folder) in done.err
    assert sorted(os.listdir(folder.folder)) == ["train.py"]


def test_the_innermost_of_nested_projects_is_meant(plain: Shell) -> None:
    plain.write("mine.py", "print(1)\n")
    plain.write("inner/theirs.py", "print(2)\n")
    assert_refused(plain, "init", "inner", status=6, says="already lies in the project", hint="cloche init --nested")
    assert not (plain.folder / "inner/.cloche").exists()
    plain.cloche("init", "inner", "--nested")
    inner = Shell(plain.folder / "inner", plain.variables)
    inner.run(command=["python", "theirs.py"])
    plain.run(command=["python", "mine.py"])
    assert [len(one.facts("log")) for one in (plain, inner)] == [1, 1]
    assert plain.facts("show")["run"]["snapshot"]["code"]["files"] == 2, "cloche.toml and mine.py"
    plain.cloche("revert", "@")
    assert_healthy(inner)


def test_paths_of_the_outer_project_are_outside_the_inner(plain: Shell) -> None:
    plain.write("outer.csv", "a\n")
    (plain.folder / "inner").mkdir()
    plain.cloche("init", "inner", "--nested")
    inner = Shell(plain.folder / "inner", plain.variables)
    assert_refused(inner, "add", "../outer.csv", status=8, says="lies outside the project", hint="inside the project")


def test_a_project_is_no_data_of_another(plain: Shell) -> None:
    """Its store would be copied into the store, and `revert` would write into it."""
    (plain.folder / "data/inner").mkdir(parents=True)
    plain.write("data/a.csv", "a\n")
    plain.cloche("init", "data/inner", "--nested")
    assert_refused(plain, "add", "data", status=6, says="data/inner is a project of its own", hint="add the")
    assert_refused(
        plain, "add", "data/inner", status=6, says="data/inner is a project of its own", hint="cloche -C data/inner"
    )


def test_a_missing_folder_to_start_in_is_named(plain: Shell) -> None:
    assert_refused(plain, "-C", "nowhere", "status", status=2, says="cannot go to nowhere", hint="cloche --help")
    plain.write("file", "")
    assert_refused(plain, "-C", "file", "status", status=2, says="file", hint="cloche --help")


def test_a_folder_that_was_deleted_under_the_shell_is_named(plain: Shell) -> None:
    gone = plain.folder / "gone"
    gone.mkdir()
    words = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.argv[1], sys.argv[1:])"
    shell = Shell(gone, plain.variables)
    done = shell(sys.executable, "-c", words, str(BIN / "cloche"), "status", status=8)
    assert_complaint(done, "the folder that you are in does not exist any more", "cd")


def test_without_a_home_everything_works(model: Shell) -> None:
    del model.variables["HOME"]
    model.run()
    model.write("train.py", "print(1)\n")
    model.cloche("revert", "@")
    assert_healthy(model)


@pytest.fixture
def without_git(tmp_path: Path, model: Shell) -> str:
    """A PATH on which there is no Git."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("python", "true", "sh", "cat"):
        found = shutil.which(name, path=model.variables["PATH"])
        assert found is not None
        # A script and not a link: a Python finds its environment by the path that it was started with.
        (binaries / name).write_text(f'#!/bin/sh\nexec "{found}" "$@"\n')
        (binaries / name).chmod(0o755)
    return str(binaries)


def test_without_git_everything_works(model: Shell, without_git: str) -> None:
    """Neither a repository nor a Git to make one."""
    shutil.rmtree(model.folder / ".git")
    model.variables["PATH"] = without_git
    first = model.run()
    assert first["snapshot"]["code"]["commit"] == ""
    model.write("params.toml", "seed = 8\n[train]\nfactor = 3\nname = 'linear'\n")
    model.cloche("revert", first["id"], "--only", "config")
    assert "factor = 2" in model.read("params.toml")
    warned = {one["name"]: one for one in model.facts("doctor")}
    assert warned["git"]["state"] == "warning"
    assert warned["git"]["hint"] == "install git"
    assert_healthy(model)


def test_a_repository_without_a_git_to_read_it_is_refused(model: Shell, without_git: str) -> None:
    """What it ignores, data of any size, would be recorded as code."""
    model.run()
    model.variables["PATH"] = without_git
    for words in (["run", "--", "true"], ["status"], ["revert", "@"]):
        assert_complaint(model.cloche(*words, status=8), "there is no `git` to read it", "install git")
    assert len(model.facts("log")) == 1
    found = {one["name"]: one["state"] for one in model.cloche("doctor", "--json", status=None).json}
    assert found["git"] == "error"


def test_a_gitignore_that_names_everything_is_noticed(project: Shell) -> None:
    project.write("train.py", "print(1)\n")
    project.write(".gitignore", "*\n")
    run = project.run(command=["python", "train.py"])
    [finding] = run["findings"]
    assert finding["check"] == "not-recorded"
    assert "train.py is no part of the snapshot" in finding["message"]
    assert "git add --force train.py" in finding["hint"]
    assert_healthy(project)


def test_a_project_in_a_folder_that_git_ignores_is_one_without_git(folder: Shell) -> None:
    folder("git", "init", "--quiet")
    folder.write(".gitignore", "scratch/\n")
    folder.write("scratch/train.py", "print(1)\n")
    folder.cloche("init", "scratch")
    inner = Shell(folder.folder / "scratch", folder.variables)
    run = inner.run(command=["python", "train.py"])
    assert run["snapshot"]["code"]["files"] == 2
    inner.write("train.py", "print(2)\n")
    inner.cloche("revert", "@")
    assert inner.read("train.py") == "print(1)\n"
    assert_healthy(inner)


def test_a_project_in_a_subfolder_records_that_folder_only(folder: Shell) -> None:
    folder("git", "init", "--quiet", "--initial-branch=main")
    folder.write("outside.py", "print('outside')\n")
    folder.write("sub/train.py", "print(1)\n")
    folder.write("sub/data/a.csv", "a\n1\n")
    folder.cloche("init", "sub")
    inner = Shell(folder.folder / "sub", folder.variables)
    inner.cloche("add", "data")
    commit = folder.commit()
    run = inner.run(command=["python", "train.py"])
    assert run["snapshot"]["code"]["commit"] == commit
    assert run["snapshot"]["code"]["dirty"] is False
    assert run["snapshot"]["code"]["files"] == 3, "train.py, cloche.toml and .gitignore; nothing of above"
    inner.write("train.py", "print(2)\n")
    inner.write("data/a.csv", "b\n")
    folder.write("outside.py", "print('mine')\n")
    inner.cloche("revert", "@")
    assert (inner.read("train.py"), inner.read("data/a.csv")) == ("print(1)\n", "a\n1\n")
    assert folder.read("outside.py") == "print('mine')\n"
    assert_healthy(inner)


def test_a_work_tree_of_git_shares_the_log_and_the_store(model: Shell) -> None:
    model("git", "worktree", "add", "--quiet", "../second")
    second = Shell(model.folder.parent / "second", model.variables)
    second.cloche("revert", "--lock")
    run = second.run()
    assert run["snapshot"]["code"]["branch"] == "second"
    assert run["status"] == "finished"
    assert [row["id"] for row in model.facts("log")] == [run["id"]]
    assert_healthy(second)
    assert_healthy(model)


def test_files_of_a_submodule_are_code(folder: Shell, model: Shell, tmp_path: Path) -> None:
    library = Shell(tmp_path / "library", model.variables)
    library.folder.mkdir()
    library("git", "init", "--quiet", "--initial-branch=main")
    library.write("helper.py", "VALUE = 1\n")
    library.commit()
    model("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.folder), "library")
    model.commit()
    first = model.run()
    assert first["snapshot"]["code"]["dirty"] is False
    model.write("library/helper.py", "VALUE = 2\n")
    second = model.run()
    assert second["snapshot"]["code"]["dirty"] is True
    assert "VALUE = 2" in model.cloche("diff", "@~1", "@").out
    model.cloche("revert", first["id"])
    assert model.read("library/helper.py") == "VALUE = 1\n"
    assert (model.folder / "library/.git").exists()
    assert_healthy(model)


def test_a_submodule_that_is_not_checked_out_breaks_nothing(model: Shell, tmp_path: Path) -> None:
    library = Shell(tmp_path / "library", model.variables)
    library.folder.mkdir()
    library("git", "init", "--quiet", "--initial-branch=main")
    library.write("helper.py", "VALUE = 1\n")
    library.commit()
    model("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.folder), "library")
    model.commit()
    model("git", "submodule", "--quiet", "deinit", "--force", "library")
    assert model.run()["status"] == "finished"
    assert_healthy(model)


def test_a_detached_head_has_a_commit_and_no_branch(model: Shell) -> None:
    commit = model.commit()
    model("git", "checkout", "--quiet", "--detach")
    code = model.run()["snapshot"]["code"]
    assert (code["commit"], code["branch"], code["dirty"]) == (commit, "", False)
    assert "no branch" in model.cloche("status").out
    assert "no branch" in model.cloche("show").out
    assert_healthy(model)


def test_a_damaged_repository_is_an_error_and_no_run(model: Shell) -> None:
    model.write(".git/index", b"no index")
    before = tree(model.folder)
    done = model.cloche("run", "--", "python", "train.py", status=8)
    assert_complaint(done, "Git cannot read the repository", "git status")
    assert tree(model.folder) == before
    assert model.facts("log") == []


def test_a_merge_with_conflicts_is_recorded_as_it_is(model: Shell) -> None:
    model("git", "switch", "--quiet", "--create", "other")
    model.write("train.py", "print('other')\n")
    model.commit()
    model("git", "switch", "--quiet", "main")
    model.write("train.py", "print('main')\n")
    model.commit()
    model("git", "merge", "other", status=1)
    run = model.run(status=1)
    assert (run["status"], run["snapshot"]["code"]["dirty"]) == ("failed", True)
    before = state_of(model)
    model.write("train.py", "print('resolved')\n")
    model.cloche("revert", "@", "--only", "code")
    assert tree(model.folder) == before.tree


@pytest.mark.parametrize("broken", ["gitdir", "head"])
def test_a_repository_that_git_does_not_recognise_is_not_taken_for_none(model: Shell, broken: str) -> None:
    """What it ignores would seem to be code."""
    model.run()
    if broken == "head":
        model.write(".git/HEAD", "garbage")
    else:
        (model.folder / ".git").rename(model.folder.parent / "moved")
        model.write(".git", "gitdir: /nonexistent/worktree\n")
    for words in (["run", "--", "true"], ["status"], ["diff"]):
        assert_complaint(model.cloche(*words, status=8), "Git cannot read the repository", "must work first")
    assert len(model.facts("log")) == 1
