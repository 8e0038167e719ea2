"""Submodules: a project inside one, and a project whose submodules are code."""

from __future__ import annotations

import pytest

from shell import Shell


@pytest.fixture
def parts(folder: Shell, a_model: Shell) -> tuple[Shell, Shell]:
    """A superproject without Cloche, and the project that is its submodule, with its data."""
    variables = {
        **folder.variables,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
    }
    outer = Shell(folder.folder, variables)
    a_model.copied_to(Shell(folder.folder.parent / "model", variables))
    outer("git", "init", "--quiet", "--initial-branch=main")
    outer.write("README", "outer\n")
    outer("git", "submodule", "--quiet", "add", "../model", "sub")
    outer.commit("outer")
    inner = Shell(outer.folder / "sub", variables)
    inner("git", "switch", "--quiet", "-c", "work")
    source = a_model.data("data/points.csv")
    inner.write("data/points.csv", source)
    return outer, inner


def test_a_project_inside_a_submodule(parts: tuple[Shell, Shell]) -> None:
    outer, inner = parts
    inner.cloche("add")
    first = inner.run()
    assert first["snapshot"]["code"]["commit"] == inner("git", "rev-parse", "HEAD").out.strip()
    assert inner("git", "status", "--porcelain").out == "?? metrics.json\n"
    inner.write("data/points.csv", "id,x\n1,9\n")
    assert inner.facts("status")["data"][0]["lock"] == "changed"
    inner.cloche("revert", "@")
    assert inner.read("data/points.csv").startswith("id,x\n1,1.5")
    assert not (outer.folder / ".cloche").exists()


def test_its_hooks_lie_with_the_git_folder_of_the_submodule(parts: tuple[Shell, Shell]) -> None:
    outer, inner = parts
    inner.cloche("add")
    assert "sub/hooks/post-checkout" in inner.cloche("install").err.replace("\\", "/")
    assert (outer.folder / ".git/modules/sub/hooks/post-checkout").exists()
    inner.commit("hooks")
    inner.write("data/points.csv", "id,x\n1,9\n")
    inner.cloche("add")
    inner.commit("other data")
    inner("git", "checkout", "--quiet", "HEAD~1")
    assert inner.read("data/points.csv").startswith("id,x\n1,1.5")
    outer("git", "add", "sub")
    outer("git", "commit", "--quiet", "-m", "the older data")
    inner("git", "checkout", "--quiet", "work")
    outer("git", "submodule", "--quiet", "update")
    assert inner.read("data/points.csv").startswith("id,x\n1,1.5")
    inner.cloche("install", "--remove")
    assert not (outer.folder / ".git/modules/sub/hooks/post-checkout").exists()


def test_a_worktree_of_a_submodule_shares_its_store(parts: tuple[Shell, Shell]) -> None:
    _, inner = parts
    inner.cloche("add")
    inner.commit("as it was added")
    inner("git", "worktree", "add", "--quiet", "../../second")
    second = Shell((inner.folder / "../../second").resolve(), inner.variables)
    second.cloche("revert", "--lock")
    assert second.data("data/points.csv") == inner.data("data/points.csv")
    assert second.read(".cloche/shared").endswith("work/sub/.cloche\n")


def test_submodules_are_code_of_the_superproject(parts: tuple[Shell, Shell]) -> None:
    outer, inner = parts
    outer.cloche("init")
    outer.write("data/x.txt", "1\n")
    outer.cloche("add", "data")
    first = outer.run(command=["true"])
    held = {one["path"] for one in outer.facts("ls", "@") if one["part"] == "code"}
    assert {"README", "sub/train.py", "sub/cloche.lock"} <= held
    assert not any(path.startswith("sub/data") for path in held)
    outer("git", "add", "-A", ".")
    outer("git", "commit", "--quiet", "-m", "with cloche")
    inner.write("train.py", "changed\n")
    assert [one["path"] for one in outer.facts("status")["code"]] == ["sub/train.py"]
    inner.commit("changed")
    second = outer.run(command=["true"])
    assert first["snapshot"]["code"]["tree"] != second["snapshot"]["code"]["tree"]
    assert [one["path"] for one in outer.facts("diff", "@~1", "@")["code"]] == ["sub/train.py"]
    outer.cloche("revert", "@~1")
    assert "csv.DictReader" in inner.read("train.py")
    outer.cloche("undo")
    assert inner.read("train.py") == "changed\n"


def test_hooks_of_a_superproject_follow_its_own_data(parts: tuple[Shell, Shell]) -> None:
    outer, inner = parts
    outer.cloche("init")
    outer.write("data/x.txt", "1\n")
    outer.cloche("add", "data")
    outer.cloche("install")
    outer.commit("one")
    outer.write("data/x.txt", "2\n")
    outer.cloche("add")
    outer.commit("two")
    outer("git", "checkout", "--quiet", "--recurse-submodules", "HEAD~1")
    assert outer.read("data/x.txt") == "1\n"
    assert inner.read("data/points.csv").startswith("id,x")


def test_a_submodule_in_a_worktree_of_the_superproject_has_a_store_of_its_own(parts: tuple[Shell, Shell]) -> None:
    """Git gives each worktree its own clone of a submodule: nothing is shared, and nothing breaks."""
    outer, inner = parts
    inner.cloche("add")
    inner.commit("as it was added")
    inner("git", "push", "--quiet", "origin", "HEAD:refs/heads/work")
    outer.commit("newer submodule")
    outer("git", "worktree", "add", "--quiet", "../second")
    second = Shell(outer.folder.parent / "second", outer.variables)
    second("git", "submodule", "--quiet", "update", "--init")
    there = Shell(second.folder / "sub", outer.variables)
    assert there.facts("log") == []
    assert not (there.folder / ".cloche/shared").exists()


def test_what_a_repository_within_data_tracks_is_data_and_a_submodule_is_not(project: Shell) -> None:
    project.write("data/a", "a\n")
    project.write("data/sub/f", "x\n")
    for words in (["init", "--quiet"], ["add", "f"], ["commit", "--quiet", "-m", "inner"]):
        project("git", "-C", "data/sub", *words)
    project("git", "-c", "advice.addEmbeddedRepo=false", "add", "data/sub")
    refused = project.cloche("add", "data", status=6).err
    assert "data/sub is a submodule" in refused
    project("git", "rm", "--quiet", "--cached", "-f", "data/sub")  # as the hint says
    assert "`git rm --cached -f data/sub`" in refused
    assert project.facts("add", "data")["paths"][0]["tracked"]["count"] == 2
    assert project.facts("status")["data"][0]["files"] == 2
