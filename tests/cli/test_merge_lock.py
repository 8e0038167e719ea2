"""The merge driver of `cloche.lock`: path by path, and folders file by file."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from shell import Done, Shell


@pytest.fixture(scope="session")
def a_base(an_empty_folder: Callable[[], Shell], a_project: Shell) -> Shell:
    """What `base` is a copy of."""
    made = a_project.copied_to(an_empty_folder())
    for name in "abc":
        made.write(f"data/{name}.txt", f"{name}\n")
        made.write(f"data/deep/{name}.txt", f"{name}\n")
    made.write("other/x.txt", "x\n")
    made.cloche("add", "data", "other")
    made.cloche("install")
    made.commit("base")
    return made


@pytest.fixture
def base(folder: Shell, a_base: Shell) -> Shell:
    """A project with two data folders, hooks and the driver."""
    return a_base.copied_to(folder)


def branch(shell: Shell, name: str, files: dict[str, str | None]) -> None:
    """A branch from the first commit on which these data files were written, or deleted where None."""
    shell("git", "switch", "--quiet", "-c", name, "main")
    for path, text in files.items():
        if text is None:
            (shell.folder / path).unlink()
        else:
            shell.write(path, text)
    shell.cloche("add")
    shell.commit(name)


def merge(shell: Shell, ours: dict[str, str | None], theirs: dict[str, str | None], *, status: int = 0) -> Done:
    """Make both branches and merge the one into the other."""
    branch(shell, "theirs", theirs)
    branch(shell, "ours", ours)
    return shell("git", "merge", "--no-edit", "theirs", status=status)


def test_changes_of_different_files_of_one_folder_are_merged(base: Shell) -> None:
    merge(
        base,
        {"data/a.txt": "ours\n", "data/deep/a.txt": None, "data/deep/new/x.txt": "ours\n"},
        {"data/b.txt": "theirs\n", "data/deep/b.txt": "theirs\n", "data/deep/new/y.txt": "theirs\n"},
    )
    files = {path: text.decode() for path, text in base.files().items() if path.startswith("data/")}
    assert files == {
        "data/a.txt": "ours\n",
        "data/b.txt": "theirs\n",
        "data/c.txt": "c\n",
        "data/deep/b.txt": "theirs\n",
        "data/deep/c.txt": "c\n",
        "data/deep/new/x.txt": "ours\n",
        "data/deep/new/y.txt": "theirs\n",
    }
    assert base("git", "status", "--porcelain").out == ""
    states = {one["path"]: (one["lock"], one["files"]) for one in base.facts("status")["data"]}
    assert states == {"data": ("same", 7), "other": ("same", 1)}


def test_changes_of_different_paths_are_merged(base: Shell) -> None:
    merge(base, {"data/a.txt": "ours\n"}, {"other/x.txt": "theirs\n"})
    assert (base.read("data/a.txt"), base.read("other/x.txt")) == ("ours\n", "theirs\n")


def test_one_change_on_both_sides_is_no_conflict(base: Shell) -> None:
    merge(base, {"data/a.txt": "same\n", "data/b.txt": None}, {"data/a.txt": "same\n", "data/c.txt": "theirs\n"})
    assert (base.read("data/a.txt"), base.read("data/c.txt")) == ("same\n", "theirs\n")
    assert not (base.folder / "data/b.txt").exists()


@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        pytest.param(
            {"data/a.txt": "ours\n", "data/b.txt": "ours\n"},
            {"data/a.txt": "theirs\n"},
            "data/a.txt",
            id="both changed it",
        ),
        pytest.param({"data/a.txt": None}, {"data/a.txt": "theirs\n"}, "data/a.txt", id="one deleted it"),
        pytest.param(
            *({"data/new.txt": f"{side}\n"} for side in ("ours", "theirs")),
            "data/new.txt",
            id="both made it",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_conflict_names_the_files_and_says_what_to_do(
    base: Shell, ours: dict[str, str | None], theirs: dict[str, str | None], named: str
) -> None:
    ours = {**ours, "other/x.txt": "ours\n"}
    done = merge(base, ours, theirs, status=1)
    assert f"both sides changed data in different ways: {named}" in done.err
    assert "keep one of the two lines" in done.err
    lock = base.read("cloche.lock").splitlines()
    assert [line.split()[0] for line in lock if not line[0].isalnum()] == [
        *("#", "<<<<<<<", "|||||||", "=======", ">>>>>>>")
    ]
    assert lock[-1].endswith(" other"), "what can be merged is merged"
    assert "a Git merge left" in base.cloche("status", status=4).err
    base.write("cloche.lock", "\n".join([lock[0], lock[6], lock[8]]) + "\n")
    base.cloche("revert", "--lock")
    base.commit("theirs, where both changed it")
    assert base.files().get("data/new.txt", b"theirs\n") == b"theirs\n"
    assert base.read("other/x.txt") == "ours\n"


def test_one_side_deletes_or_adds_a_whole_path(base: Shell) -> None:
    branch(base, "theirs", {"data/a.txt": "theirs\n"})
    base("git", "switch", "--quiet", "-c", "ours", "main")
    base.cloche("untrack", "other")
    shutil.rmtree(base.folder / "other")
    base.write("more/y.txt", "y\n")
    base.cloche("add", "more")
    base.commit("ours")
    base("git", "merge", "--no-edit", "theirs")
    assert [line.split()[-1] for line in base.read("cloche.lock").splitlines()[1:]] == ["data", "more"]
    assert base.read("data/a.txt") == "theirs\n"


def test_a_path_that_one_side_changed_and_the_other_dropped_is_named_as_that(base: Shell) -> None:
    branch(base, "theirs", {"other/x.txt": "theirs\n"})
    base("git", "switch", "--quiet", "-c", "ours", "main")
    base.cloche("untrack", "other")
    base.commit("ours")
    done = base("git", "merge", "--no-edit", "theirs", status=1)
    assert "one side changed other, and the other tracks it no more" in done.err
    assert "keep the line, or none, in cloche.lock" in done.err


def test_a_folder_on_one_side_and_something_in_it_on_the_other(base: Shell) -> None:
    base("git", "switch", "--quiet", "-c", "theirs", "main")
    base.write("new/deep/y.txt", "y\n")
    base.cloche("add", "new/deep")
    base.commit("theirs")
    base("git", "switch", "--quiet", "-c", "ours", "main")
    base.write("new/deep/y.txt", "y\n")
    base.cloche("add", "new")
    base.commit("ours")
    done = base("git", "merge", "--no-edit", "theirs", status=1)
    assert "conflict in cloche.lock: one side tracks new, and the other new/deep, which lies in it" in done.err
    assert "hint: keep the line of new, or the others that lie in it, and not both" in done.err
    assert "in different ways" not in done.err


def test_content_that_the_store_does_not_hold_can_be_merged_later(base: Shell) -> None:
    branch(base, "theirs", {"data/a.txt": "theirs\n"})
    branch(base, "ours", {"data/b.txt": "ours\n"})
    store = base.folder / ".cloche/store"
    shutil.move(store, base.folder.parent / "store")
    store.mkdir()
    done = base("git", "merge", "--no-edit", "theirs", status=1)
    assert "the store here does not hold both versions" in done.err
    shutil.rmtree(store)
    shutil.move(base.folder.parent / "store", store)
    base("git", "checkout", "--merge", "cloche.lock")
    base.cloche("revert", "--lock")
    assert (base.read("data/a.txt"), base.read("data/b.txt")) == ("theirs\n", "ours\n")


def test_a_rebase_and_a_cherry_pick_merge_the_same_way(base: Shell) -> None:
    branch(base, "theirs", {"data/a.txt": "theirs\n"})
    branch(base, "ours", {"data/b.txt": "ours\n"})
    base("git", "rebase", "--quiet", "theirs")
    assert (base.read("data/a.txt"), base.read("data/b.txt")) == ("theirs\n", "ours\n")
    branch(base, "third", {"data/c.txt": "third\n"})
    base("git", "cherry-pick", "ours", "theirs")
    assert [base.read(f"data/{name}.txt") for name in "abc"] == ["theirs\n", "ours\n", "third\n"]


def test_in_a_folder_of_the_repository_and_in_a_worktree(folder: Shell) -> None:
    folder("git", "init", "--quiet", "--initial-branch=main")
    folder.cloche("init", "deep/my project")
    inner = Shell(folder.folder / "deep/my project", folder.variables)
    for name in "ab":
        inner.write(f"data/{name}.txt", "1\n")
    inner.cloche("add", "data")
    inner.cloche("install")
    inner.commit("base")
    branch(inner, "theirs", {"data/a.txt": "theirs\n"})
    folder("git", "worktree", "add", "--quiet", "-b", "ours", "../second", "main")
    second = Shell(folder.folder.parent / "second/deep/my project", folder.variables)
    second.write("data/b.txt", "ours\n")
    second.cloche("add")
    second.commit("ours")
    second("git", "merge", "--no-edit", "theirs")
    assert (second.read("data/a.txt"), second.read("data/b.txt")) == ("theirs\n", "ours\n")


@pytest.mark.parametrize("broken", ["rubbish\n", "# cloche.lock 9: newer\nsomething\n"])
def test_a_side_that_cannot_be_read_is_left_to_git(base: Shell, broken: str) -> None:
    branch(base, "ours", {"data/a.txt": "ours\n"})
    base("git", "switch", "--quiet", "-c", "theirs", "main")
    base.write("cloche.lock", broken)
    base("git", "commit", "--quiet", "--all", "-m", "theirs")
    base("git", "switch", "--quiet", "ours")
    done = base("git", "merge", "--no-edit", "theirs", status=1)
    assert "is merged line by line" in done.err
    assert "<<<<<<< ours" in base.read("cloche.lock")


def test_by_hand_with_wrong_files(base: Shell) -> None:
    error = base.cloche("merge-lock", "cloche.lock", "nowhere", "cloche.lock", status=8).err
    assert f"there is no file {base.folder / 'nowhere'}" in error


def test_two_branches_that_each_add_a_path_merge(base: Shell) -> None:
    """Their lines of .gitignore stand at the same place of the file, and both are kept."""
    for name in ("left", "right"):
        base("git", "switch", "--quiet", "-c", name, "main")
        base.write(f"{name}/x.csv", f"{name}\n")
        base.cloche("add", name)
        base.commit(name)
    base("git", "merge", "--no-edit", "left")
    assert {"/left", "/right"} <= set(base.read(".gitignore").splitlines())
    assert {one["path"] for one in base.facts("status")["data"]} == {"data", "left", "other", "right"}
    assert base.read("left/x.csv") == "left\n"
