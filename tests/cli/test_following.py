"""Data follows Git, once `cloche install` has set the hooks, and nothing that is not recorded is ever overwritten."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shell import BIN, Done, Shell

ONE, TWO = "id,x\n1,1.5\n2,2.5\n3,4\n", "id,x\n1,9\n"
POINTS = "data/points.csv"
WAIT = """\
import pathlib, time
pathlib.Path("started").touch()
while not pathlib.Path("stop").exists():
    time.sleep(0.02)
"""


@pytest.fixture(scope="session")
def two_branches(an_empty_folder: Callable[[], Shell], a_model: Shell) -> Shell:
    """What `followed` is a copy of."""
    made = a_model.copied_to(an_empty_folder())
    made.cloche("install")
    made.commit("hooks")
    made("git", "switch", "--quiet", "-c", "two")
    made.write(POINTS, TWO)
    made.cloche("add")
    made.commit("other data")
    made("git", "switch", "--quiet", "main")
    return made


@pytest.fixture
def followed(folder: Shell, two_branches: Shell) -> Shell:
    """A project with hooks, on `main`, whose branch `two` has other data."""
    return two_branches.copied_to(folder)


def git(shell: Shell, *words: str, **variables: str) -> Done:
    return Shell(shell.folder, shell.variables | variables)("git", *words)


def tables(shell: Shell) -> dict[str, bytes]:
    return {path: text for path, text in shell.files().items() if path.endswith(".csv")}


def test_it_follows_a_switch_and_can_be_undone(followed: Shell) -> None:
    assert followed.read(POINTS) == ONE
    said = git(followed, "switch", "two").err
    assert followed.read(POINTS) == TWO
    assert "cloche: data follows cloche.lock: 1 file changed; `cloche undo` takes it back" in said
    followed.cloche("undo")
    assert followed.read(POINTS) == ONE
    git(followed, "checkout", "--quiet", "--detach", "main")
    git(followed, "checkout", "two", "--", "cloche.lock")
    assert followed.read(POINTS) == TWO


def test_it_is_quiet_where_nothing_changes(followed: Shell) -> None:
    before = followed.facts("history")
    for words in (("switch", "-c", "new"), ("commit", "--allow-empty", "-m", "x"), ("merge", "main"), ("stash",)):
        assert "cloche" not in git(followed, *words).err
    assert followed.facts("history") == before


def test_unrecorded_changes_stay_and_are_named(followed: Shell) -> None:
    followed.write(POINTS, "mine\n")
    said = git(followed, "switch", "two").err
    assert followed.read(POINTS) == "mine\n"
    assert "left as it is: data has changes that are not recorded in cloche.lock" in said
    assert "`cloche add data` records them" in said
    git(followed, "switch", "--quiet", "main")
    assert followed.read(POINTS) == "mine\n"
    followed.cloche("revert", "--lock")
    git(followed, "switch", "--quiet", "two")
    assert followed.read(POINTS) == TWO


def test_what_a_run_recorded_and_nobody_added_stays_too(followed: Shell) -> None:
    followed.write(POINTS, "id,x\n1,7\n")
    followed.run()
    assert "cloche" not in git(followed, "switch", "-c", "new").err
    said = git(followed, "switch", "two").err
    assert "left as it is: data is a recorded version, and not the one that cloche.lock names" in said
    assert "`cloche revert --lock` brings that one" in said
    assert followed.read(POINTS) == "id,x\n1,7\n"


def test_data_of_one_branch_only_comes_and_goes(followed: Shell) -> None:
    git(followed, "switch", "--quiet", "-c", "more")
    followed.write("extra/deep/x.txt", "x\n")
    followed.cloche("add", "extra")
    followed.commit()
    assert "extra is tracked no more, and was removed" in git(followed, "switch", "main").err
    assert not (followed.folder / "extra").exists()
    git(followed, "switch", "more")
    assert followed.read("extra/deep/x.txt") == "x\n"
    followed.write("extra/mine.txt", "mine\n")
    assert "left as it is: extra" in git(followed, "switch", "main").err
    assert followed.read("extra/mine.txt") == "mine\n"


def test_what_is_code_on_the_other_branch_is_left_to_git(followed: Shell) -> None:
    git(followed, "switch", "--quiet", "-c", "as-code")
    followed.cloche("untrack", "data")
    followed.commit("Git keeps the data now")
    git(followed, "switch", "--quiet", "two")
    said = git(followed, "switch", "as-code").err
    assert "removed" not in said
    assert followed.read(POINTS) == ONE
    assert git(followed, "status", "--porcelain").out == ""


def test_one_branch_tracks_a_folder_and_the_other_something_in_it(followed: Shell) -> None:
    followed.write("data/sub/deep.csv", "deep\n")
    followed.cloche("add", "data")
    followed.commit("a folder in it")
    git(followed, "switch", "--quiet", "-c", "inner")
    followed.cloche("untrack", "data")
    followed.cloche("add", "data/sub")
    followed("git", "add", "-f", POINTS)
    followed.commit("the rest is code")
    data = tables(followed)
    followed.write(POINTS, "code\n")
    followed.write("data/sub/more.csv", "more\n")
    followed.cloche("add")
    followed.commit("both go on")

    said = git(followed, "switch", "main").err
    assert tables(followed) == data
    assert "data follows cloche.lock" in said
    assert "left as it is" not in said
    said = git(followed, "switch", "inner").err
    assert (followed.read(POINTS), followed.read("data/sub/more.csv")) == ("code\n", "more\n")
    assert "data/sub follows cloche.lock: 1 file changed" in said
    assert followed("git", "status", "--porcelain").out == ""

    followed.write("data/sub/mine.csv", "mine\n")
    said = git(followed, "switch", "main").err
    assert "left as it is: data has changes" in said
    assert followed.read("data/sub/mine.csv") == "mine\n"
    followed.cloche("revert", "--lock")
    assert tables(followed) == data


def test_merge_pull_and_rebase(followed: Shell) -> None:
    followed.write("other.txt", "1\n")
    followed.commit("on main")
    git(followed, "merge", "--quiet", "--no-edit", "two")
    assert followed.read(POINTS) == TWO
    git(followed, "reset", "--hard", "--quiet", "HEAD~1")
    assert followed.read(POINTS) == ONE
    git(followed, "rebase", "--quiet", "two")
    assert followed.read(POINTS) == TWO
    git(followed, "clone", "--quiet", ".", "../clone")
    clone = Shell(followed.folder.parent / "clone", followed.variables)
    shutil.copytree(followed.folder / ".cloche", clone.folder / ".cloche")
    clone.cloche("install")
    clone.cloche("revert", "--lock")
    followed.write(POINTS, "id,x\n5,5\n")
    followed.cloche("add")
    followed.commit("newer")
    shutil.copytree(followed.folder / ".cloche/store", clone.folder / ".cloche/store", dirs_exist_ok=True)
    git(clone, "pull", "--quiet")
    assert clone.read(POINTS) == "id,x\n5,5\n"


def test_a_rebase_with_a_conflict_and_one_that_is_given_up(followed: Shell) -> None:
    followed.write("train.py", "1\n")
    followed.commit("on main")
    git(followed, "switch", "--quiet", "two")
    followed.write("train.py", "2\n")
    followed.commit("on two")
    followed("git", "rebase", "--quiet", "main", status=1)
    git(followed, "rebase", "--abort")
    assert followed.read(POINTS) == TWO
    followed("git", "rebase", "--quiet", "main", status=1)
    followed.write("train.py", "both\n")
    git(followed, "add", "train.py")
    git(followed, "-c", "core.editor=true", "rebase", "--continue")
    assert followed.read(POINTS) == TWO


def test_a_stash_takes_recorded_data_away_and_brings_it_again(followed: Shell) -> None:
    followed.write(POINTS, "id,x\n1,3\n")
    followed.cloche("add")
    git(followed, "stash")
    assert followed.read(POINTS) == ONE
    git(followed, "stash", "pop")
    assert followed.read(POINTS) == "id,x\n1,3\n"


def test_a_bisect_tries_each_commit_with_its_data(followed: Shell) -> None:
    good = git(followed, "rev-parse", "HEAD").out.strip()
    for number in range(4):
        followed.write(POINTS, f"id,x\n1,{number}\n")
        followed.cloche("add")
        followed.commit(str(number))
    git(followed, "bisect", "start", "HEAD", good)
    found = git(followed, "bisect", "run", "sh", "-c", f"! grep -q 1,[23] {POINTS}").out
    assert "first bad commit" in found
    assert git(followed, "log", "--format=%s", "-1", "refs/bisect/bad").out == "2\n"
    git(followed, "bisect", "reset")
    assert followed.read(POINTS) == "id,x\n1,3\n"


def test_a_new_worktree_has_its_data_at_once(followed: Shell) -> None:
    git(followed, "worktree", "add", "../second", "two")
    second = Shell(followed.folder.parent / "second", followed.variables)
    assert second.read(POINTS) == TWO
    git(second, "switch", "--detach", "main")
    assert (second.read(POINTS), followed.read(POINTS)) == (ONE, ONE)


def test_content_that_the_store_does_not_hold_is_named(followed: Shell) -> None:
    git(followed, "clone", "--quiet", ".", "../clone")
    clone = Shell(followed.folder.parent / "clone", followed.variables)
    clone.cloche("install")
    said = git(clone, "checkout", "two").err
    assert "not in the store here: data as cloche.lock names it" in said
    assert "`cloche pull`" in said
    assert git(clone, "status", "--porcelain").out == ""


def test_a_path_that_was_left_is_followed_when_it_is_as_before(followed: Shell) -> None:
    """Absent content leaves what lies there; it was placed, so it may be replaced by what comes later."""
    lock = followed.read("cloche.lock")
    digest = next(line for line in lock.splitlines() if line.endswith(" data")).split()[0]
    git(followed, "switch", "--quiet", "-c", "lost")
    followed.write("cloche.lock", lock.replace(digest, "ab" * 32))
    assert "not in the store here" in followed.cloche("hook", "post-checkout").err
    followed.commit("a lock whose data is elsewhere")
    assert followed.read(POINTS) == ONE
    git(followed, "switch", "two")
    assert followed.read(POINTS) == TWO


def test_a_switch_off(followed: Shell) -> None:
    assert git(followed, "switch", "two", CLOCHE_HOOKS="0").err == "Switched to branch 'two'\n"
    assert followed.read(POINTS) == ONE
    git(followed, "switch", "--quiet", "main")
    assert followed.read(POINTS) == ONE


def test_a_commit_says_what_it_leaves_out(followed: Shell) -> None:
    followed.write(POINTS, "id,x\n1,3\n")
    said = git(followed, "commit", "--allow-empty", "-m", "code only").err
    assert "warning: data changed, and cloche.lock does not say so" in said
    assert "`cloche add data`, then `git add cloche.lock`" in said
    followed.cloche("add")
    assert "not part of this commit" in git(followed, "commit", "--allow-empty", "-m", "still").err
    assert "cloche" not in git(followed, "commit", "-am", "all of it").err
    followed.write("train.py", "1\n")
    followed.write(POINTS, "id,x\n1,4\n")
    followed.cloche("add")
    assert "not part of this commit" in git(followed, "commit", "-m", "one file", "train.py").err
    assert "cloche" not in git(followed, "commit", "-m", "the lock alone", "cloche.lock").err


def test_a_strict_hook_stops_the_commit(followed: Shell) -> None:
    followed.cloche("install", "pre-commit", "--strict")
    followed.write(POINTS, "id,x\n1,3\n")
    assert "not committed: data changed" in followed("git", "commit", "--allow-empty", "-m", "x", status=1).err
    git(followed, "commit", "--allow-empty", "-m", "x", CLOCHE_HOOKS="0")
    followed.cloche("add")
    git(followed, "commit", "-am", "with the lock")
    followed.cloche("install", "pre-commit", "--no-strict")
    followed.write(POINTS, "id,x\n1,5\n")
    git(followed, "commit", "--allow-empty", "-m", "only a warning again")


def test_a_strict_hook_stops_a_commit_that_takes_the_lock_away(followed: Shell) -> None:
    followed.cloche("install", "pre-commit", "--strict")
    (followed.folder / "cloche.lock").unlink()
    said = followed("git", "commit", "-qam", "no lock", status=1).err
    assert "not committed: cloche.lock is gone" in said
    assert "`git checkout HEAD -- cloche.lock`, then `git commit`" in said
    followed.cloche("install", "pre-commit", "--no-strict")
    said = followed("git", "commit", "-qam", "no lock").err
    assert "warning: cloche.lock is gone" in said
    assert "`git checkout HEAD~ -- cloche.lock`, then `git commit --amend`" in said


def test_a_strict_hook_stops_the_commit_of_a_lock_or_settings_that_cannot_be_read(followed: Shell) -> None:
    followed.cloche("install", "pre-commit", "--strict")
    lock = followed.data("cloche.lock")
    for broken in (b"rubbish\n", lock + b"<<<<<<< ours\n", lock + b"\xff\n"):
        followed.write("cloche.lock", broken)
        assert "not committed: cloche.lock" in followed("git", "commit", "-am", "x", status=1).err
    followed.write("cloche.lock", lock)
    followed.write("cloche.toml", "[data\n")
    assert "not committed: cloche.toml" in followed("git", "commit", "-am", "x", status=1).err
    git(followed, "commit", "-am", "x", "--no-verify")


def test_nothing_makes_a_git_command_fail(followed: Shell) -> None:
    lock = followed.read("cloche.lock")
    for broken in ("rubbish\n", "# cloche.lock 9: newer\n", lock + "<<<<<<< ours\n"):
        followed.write("cloche.lock", broken)
        assert "nothing was done about data" in git(followed, "checkout", "--quiet", "--detach").err
        git(followed, "commit", "--allow-empty", "-m", "x")
    followed.write("cloche.lock", lock)
    followed.write(".cloche/format", "99\n")
    assert "upgrade cloche" in git(followed, "switch", "two").err
    followed.write(".cloche/format", "1\n")
    (followed.folder / "cloche.toml").unlink()
    git(followed, "stash")


def test_it_waits_for_a_run_and_leaves_its_data(followed: Shell) -> None:
    followed.write("wait.py", WAIT)
    words: list[str | Path] = [BIN / "cloche", "run", "--", "python", "wait.py"]
    going = subprocess.Popen(words, cwd=followed.folder, env=followed.variables, stdout=-3, stderr=-3)
    try:
        while not (followed.folder / "started").exists():
            time.sleep(0.02)
        said = git(followed, "switch", "two").err
        assert "is still going" in said
        assert followed.read(POINTS) == ONE
    finally:
        followed.write("stop", "")
        going.communicate(timeout=60)
    followed.cloche("revert", "--lock")
    assert followed.read(POINTS) == TWO


@pytest.mark.slow
def test_a_hook_that_was_killed_leaves_one_state_or_the_other(followed: Shell) -> None:
    for number in range(300):
        followed.write(f"data/{number}.txt", f"{number}\n")
    followed.cloche("add")
    followed.commit("many")
    for delay in (0.15, 0.25, 0.35):
        git(followed, "checkout", "--quiet", "two", CLOCHE_HOOKS="0")
        words: list[str | Path] = [BIN / "cloche", "hook", "post-checkout"]
        going = subprocess.Popen(words, cwd=followed.folder, env=followed.variables, stdout=-3, stderr=-3)
        try:
            going.wait(delay)
        except subprocess.TimeoutExpired:
            going.kill()
            going.wait()
        followed.cloche("hook", "post-checkout")
        assert sorted(os.listdir(followed.folder / "data")) == ["points.csv"]
        git(followed, "checkout", "--quiet", "main")
        assert len(os.listdir(followed.folder / "data")) == 301


@pytest.mark.skipif(os.name == "nt", reason="names that Windows has not")
def test_names_of_every_kind(folder: Shell) -> None:
    folder("git", "init", "--quiet", "--initial-branch=main")
    place = "a 'quoted' folder\nof two lines"
    folder.cloche("init", place)
    inner = Shell(folder.folder / place, folder.variables)
    name = "däta $(touch oops)/x\ny.txt"
    inner.write(name, "1\n")
    inner.cloche("add", name)
    inner.cloche("install")
    folder.commit("one")
    inner.write(name, "2\n")
    inner.cloche("add")
    folder.commit("two")
    git(folder, "checkout", "--quiet", "HEAD~1")
    assert inner.read(name) == "1\n"
    assert not list(Path(folder.folder).rglob("oops"))
