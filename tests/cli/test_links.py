"""Links instead of copies: `checkout = "hardlink"` or `"symlink"`, and what protects what they lead to."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from shell import Shell

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links into the store are for POSIX")
each_mode = pytest.mark.parametrize("mode", ["hardlink", "symlink"])
BIG = os.urandom(90_000)


def use(shell: Shell, mode: str) -> None:
    shell.write("cloche.toml", f'[data]\ncheckout = "{mode}"\n')


def linked(shell: Shell, path: str) -> bool:
    """Whether a path is a link, of either kind, to a file of the store."""
    store = shell.folder / ".cloche/store/files"
    file = shell.folder / path
    inodes = {one.stat().st_ino for one in store.glob("??/*")}
    return file.stat().st_ino in inodes and os.stat(file).st_mode & 0o222 == 0


def packed(shell: Shell) -> int:
    return sum(file.stat().st_size for file in (shell.folder / ".cloche/store/packs").rglob("*.pack"))


@pytest.fixture
def data(project: Shell) -> Shell:
    project.write("data/big.bin", BIG)
    project.write("data/deep/small.txt", "small\n")
    project.write("data/tool", "#!/bin/sh\n").chmod(0o755)
    project.write("data/empty", "")
    return project


@each_mode
def test_add_leaves_links_and_holds_content_once(data: Shell, mode: str) -> None:
    use(data, mode)
    before = {path: data.data(path) for path in ("data/big.bin", "data/deep/small.txt", "data/tool")}
    digest = data.facts("add", "data")["paths"][0]["tracked"]["digest"]
    assert linked(data, "data/big.bin")
    assert linked(data, "data/deep/small.txt")
    assert not linked(data, "data/tool")  # an executable bit would be shared with every other link
    assert packed(data) < 10_000
    assert {path: data.data(path) for path in before} == before
    data.run(command=["true"])
    data.commit()
    assert data.facts("status")["clean"]
    assert data("git", "status", "--short").out == ""
    use(data, "copy")  # the same content has the same digest, however it lies there
    assert data.facts("add", "data")["paths"][0] | {"outside": []} == {
        "tracked": {"path": "data", "kind": "d", "digest": digest, "size": 90_016, "count": 4},
        "state": "unchanged",
        "outside": [],
        "in_place": False,
        "unfit": "",
        "repositories": [],
        "within": [],
        "unlinked": 2,
    }
    assert not linked(data, "data/big.bin")
    assert os.stat(data.folder / "data/big.bin").st_mode & 0o200
    assert data.data("data/big.bin") == BIG


@each_mode
def test_a_program_that_replaces_a_file_makes_a_change_like_any(data: Shell, mode: str) -> None:
    use(data, mode)
    data.cloche("add", "data")
    first = data.run(command=["true"])["id"]
    new = data.write("data/new", "replaced\n")
    os.replace(new, data.folder / "data/deep/small.txt")
    [state] = data.facts("status")["data"]
    assert [one["path"] for one in state["since"]] == ["data/deep/small.txt"]
    data.cloche("add")
    assert linked(data, "data/deep/small.txt")
    data.cloche("revert", first)
    assert data.read("data/deep/small.txt") == "small\n"
    assert linked(data, "data/deep/small.txt")
    data.cloche("undo")
    assert data.read("data/deep/small.txt") == "replaced\n"
    data.cloche("verify")


@each_mode
def test_what_is_gone_comes_back_as_links(data: Shell, mode: str) -> None:
    use(data, mode)
    data.cloche("add", "data")
    for path in ("data/big.bin", "data/deep/small.txt", "data/tool", "data/empty"):
        (data.folder / path).unlink()
    (data.folder / "data/deep").rmdir()
    (data.folder / "data").rmdir()
    data.cloche("revert", "--lock")
    assert data.data("data/big.bin") == BIG
    assert linked(data, "data/big.bin")
    assert linked(data, "data/deep/small.txt")
    assert os.access(data.folder / "data/tool", os.X_OK)
    assert data.facts("status")["data"][0]["lock"] == "same"


@each_mode
def test_data_that_was_copied_before_becomes_links(data: Shell, mode: str) -> None:
    data.cloche("add", "data")
    use(data, mode)
    assert data.facts("add")["paths"][0]["state"] == "unchanged"
    assert linked(data, "data/big.bin")
    data.cloche("verify")


@each_mode
def test_a_change_through_a_link_is_refused_by_name_and_repaired(data: Shell, mode: str) -> None:
    use(data, mode)
    data.cloche("add", "data")
    run = data.run(command=["true"])["id"]
    (data.folder / "data/deep/small.txt").chmod(0o644)
    data.write("data/deep/small.txt", "edited\n")
    found = data.facts("status")
    assert [one["paths"] for one in found["edited"]] == [["data/deep/small.txt"]]
    assert "changed through a link" in data.cloche("status").out
    for words in (["add"], ["run", "--", "true"]):
        error = data.cloche(*words, status=None)
        assert error.status != 0
        assert "data/deep/small.txt was changed through a link" in error.err
        assert "cloche verify --repair" in error.err
    report = data.cloche("verify", status=1).out
    assert "through a link into the store" in report
    assert run[:8] in report
    data.cloche("verify", "--repair", status=1)  # nobody has what it was
    if mode == "hardlink":
        assert data.read("data/deep/small.txt") == "edited\n"
        data.cloche("add")  # from now on a version of its own


def test_repair_brings_back_what_a_pack_still_holds(data: Shell) -> None:
    data.cloche("add", "data")
    use(data, "hardlink")
    data.cloche("add")
    (data.folder / "data/big.bin").chmod(0o644)
    data.write("data/big.bin", BIG[::-1])
    data.cloche("verify", status=1)
    data.cloche("verify", "--repair")
    assert data.data("data/big.bin") == BIG[::-1]  # the edit is a file of its own now
    data.cloche("revert", "--lock")
    assert data.data("data/big.bin") == BIG


@each_mode
def test_unlock_gives_files_that_can_be_edited(data: Shell, mode: str) -> None:
    use(data, mode)
    data.cloche("add", "data")
    first = data.run(command=["true"])["id"]
    assert data.facts("unlock", "-n", "data/deep") == {"paths": ["data/deep/small.txt"], "size": 6, "dry_run": True}
    assert linked(data, "data/deep/small.txt")
    assert "1 link became a file of its own" in data.cloche("unlock", "data/deep").err
    assert data.facts("status")["clean"]
    with open(data.folder / "data/deep/small.txt", "a") as file:
        file.write("more\n")
    data.cloche("add")
    assert linked(data, "data/deep/small.txt")
    data.cloche("revert", first)
    assert data.read("data/deep/small.txt") == "small\n"
    data.cloche("verify")


def test_unlock_says_where_there_is_nothing_to_do(data: Shell) -> None:
    data.cloche("add", "data")
    assert "nothing there is a link" in data.cloche("unlock", "data").err
    assert "does not exist" in data.cloche("unlock", "dta", status=None).err


@each_mode
def test_only_data_becomes_links(data: Shell, mode: str) -> None:
    use(data, mode)
    data.write("train.py", "print(1)\n")
    data.cloche("add", "data")
    first = data.run(command=["true"])["id"]
    data.write("train.py", "print(2)\n")
    data.cloche("revert", first, "--only", "code")
    data.write("train.py", "print(3)\n")
    data.cloche("verify")


@each_mode
def test_gc_keeps_what_a_link_leads_to_and_what_runs_need(data: Shell, mode: str) -> None:
    use(data, mode)
    data.cloche("add", "data")
    data.commit()
    data.cloche("untrack", "data")
    data("git", "rm", "-q", "--cached", "cloche.lock")
    data("git", "update-ref", "-d", "HEAD")
    data.cloche("gc", "--grace", "0", "--tips-only")
    assert data.data("data/big.bin") == BIG
    (data.folder / "data/big.bin").unlink()
    data.cloche("gc", "--grace", "0", "--tips-only")
    names = [file for file in (data.folder / ".cloche/store/files").glob("??/*") if file.stat().st_size == len(BIG)]
    assert names == []


def test_worktrees_share_the_files(data: Shell, tmp_path: Path) -> None:
    use(data, "symlink")
    data.cloche("add", "data")
    data.commit()
    data("git", "worktree", "add", "-q", str(tmp_path / "second"))
    second = Shell(tmp_path / "second", data.variables)
    second.cloche("revert", "--lock")
    assert second.data("data/big.bin") == BIG
    assert (second.folder / "data/big.bin").is_symlink()
    assert not os.path.isabs(os.readlink(second.folder / "data/big.bin"))
    assert os.stat(second.folder / "data/big.bin").st_ino == os.stat(data.folder / "data/big.bin").st_ino
    assert second.facts("status")["data"][0]["lock"] == "same"
    data.cloche("gc", "--grace", "0")
    assert second.data("data/big.bin") == BIG


@each_mode
def test_files_of_runs_are_read_as_ever(data: Shell, mode: str) -> None:
    use(data, mode)
    data.cloche("add", "data")
    data.run(command=["true"])
    assert data.cloche("cat", "@", "data/deep/small.txt").out == "small\n"
    data.cloche("checkout", "@", "data")
    assert data.facts("du")["stored"] > len(BIG)
    code = "import cloche; f = cloche.open_file('@:data/big.bin'); f.seek(80_000); print(f.read(3))"
    done = data("python", "-c", code)
    assert done.out.strip() == repr(BIG[80_000:80_003])


def test_a_mode_that_is_misspelt_is_named(project: Shell) -> None:
    use(project, "hardlnk")
    error = project.cloche("status", status=None)
    assert error.status != 0
    assert "did you mean `hardlink`?" in error.err


@each_mode
def test_links_are_pushed_as_content_and_come_as_links(data: Shell, tmp_path: Path, mode: str) -> None:
    use(data, mode)
    data.cloche("add", "data")
    data.run(command=["true"])
    data.cloche("remote", "add", "origin", str(tmp_path / "remote"))
    data.commit()
    data.cloche("push")
    assert "has everything" in data.cloche("push").err
    assert packed(data) < 20_000  # cut into packs only on the way
    assert list((data.folder / ".cloche/tmp").glob("push-*")) == []
    data("git", "clone", "-q", str(data.folder), str(tmp_path / "second"))
    second = Shell(tmp_path / "second", data.variables)
    second.cloche("pull")
    assert second.data("data/big.bin") == BIG
    assert linked(second, "data/big.bin")
    second.cloche("verify")
    for file in (second.folder / ".cloche/store/files").glob("??/*"):  # a disaster, and the remote has it all
        file.unlink()
    if mode == "symlink":
        assert "does not hold its content any more" in second.cloche("status", status=8).out
        second.cloche("verify", "--repair")
        assert second.data("data/big.bin") == BIG
        assert linked(second, "data/big.bin")


@each_mode
def test_a_store_on_another_disk_is_no_hindrance(data: Shell, mode: str) -> None:
    """No hard link leads from one disk to another, and no file is renamed there."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(data.folder).st_dev:
        pytest.skip("only one disk here")
    use(data, mode)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        shutil.move(data.folder / ".cloche", other)
        os.symlink(f"{other}/.cloche", data.folder / ".cloche")
        data.cloche("add", "data")
        assert linked(data, "data/big.bin") == (mode == "symlink")
        (data.folder / "data/big.bin").unlink()
        data.cloche("revert", "--lock")
        assert data.data("data/big.bin") == BIG
        data.cloche("unlock", "data")
        assert not linked(data, "data/big.bin")
        assert sorted(os.listdir(data.folder / "data")) == ["big.bin", "deep", "empty", "tool"]


def test_what_was_changed_through_a_link_is_not_said_to_be_in_place(data: Shell) -> None:
    use(data, "hardlink")
    data.cloche("add", "data")
    data.run(command=["true"])
    (data.folder / "data/deep/small.txt").chmod(0o644)
    data.write("data/deep/small.txt", "edited\n")
    [change] = data.facts("diff")["data"]
    assert (change["unstored"], change["lost"]) == ([], ["data/deep/small.txt"])
    assert "the store no longer holds what was in data/deep/small.txt" in data.cloche("diff").out


def test_a_hook_says_what_comes_before_add_after_an_edit_through_a_link(data: Shell) -> None:
    use(data, "hardlink")
    data.cloche("add", "data")
    data.cloche("install", "pre-commit")
    data.commit()
    file = data.folder / "data/big.bin"
    file.chmod(0o644)
    file.write_bytes(b"edited")
    said = data("git", "commit", "--allow-empty", "-m", "x").err
    assert "hint: `cloche verify --repair` (what the store holds was changed through a link), then `cloche add" in said
    data.cloche("verify", "--repair", status=None)
    data.cloche("add", "data")
