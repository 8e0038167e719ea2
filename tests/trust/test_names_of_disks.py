"""Names that the disk at hand cannot hold: two that it takes for one, and those that mean something else to Windows.

They are refused before any file of the work tree changes, and whoever records them is told. What disks take for one is
tried on a folding `FileSystem` everywhere, and on a real disk where one can be mounted.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cloche
from cloche.api import OpenProject
from cloche.errors import ClocheError, Conflict, InputError
from cloche.model import paths
from cloche.model.paths import windows_trouble
from cloche.model.portable import fold, trouble
from cloche.model.tree import MAGIC
from cloche.store.filesystem import FileSystem
from cloche.store.objects import Store
from shell import Shell

Act = Callable[[], object]
UNFIT = [
    "CON",
    "nul.txt",
    "a:b",
    "COM1.tar.gz",
    "com¹",
    "aux .x",
    "dot.",
    "blank ",
    "what?",
    "a\\b",
    "new\nline",
    "\udcff",
]
FIT = ["CONSOLE", "com", "com10", ".hidden", "a.b c", "naïve", "null", "lpt"]


@pytest.mark.parametrize("name", UNFIT)
def test_what_windows_cannot_hold_is_known(name: str) -> None:
    text = paths.encode_path(name)
    assert windows_trouble(f"data/{text}/x")
    assert trouble([("data", text)])
    assert trouble([(f"data/{text}", "x")])


@pytest.mark.parametrize("name", FIT)
def test_what_windows_can_hold_is_let_be(name: str) -> None:
    assert windows_trouble(f"data/{name}") == trouble([("data", name)]) == trouble([(name, "x")]) == ""


# Recorded by one, brought back by another


def recorded(root: Path, *names: str) -> OpenProject:
    """A project with one run on data that has files of these names; the data is gone from the work tree."""
    project = cloche.init(root)
    for name in names:
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_text(f"this is {name}")
    project.add("data")
    project.run(["true"])
    shutil.rmtree(root / "data")
    return project


def untouched(project: OpenProject, *kept: str) -> bool:
    found = sorted(path.relative_to(project.root).as_posix() for path in (project.root / "data").rglob("*"))
    return found == sorted(kept) and os.listdir(project.root / ".cloche/tmp/checkout") == []


ONE_NAME: list[tuple[str, ...]] = [("a.txt", "A.txt"), ("sub/Deep/x", "sub/deep/y"), ("é", "e\u0301"), ("x", "X/y")]


@pytest.fixture
def folding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every disk takes names that differ only in case for one: nothing comes under one while the other is there."""

    def refusing(real: Callable[..., Any], at: int) -> Callable[..., Any]:
        def call(self: FileSystem, *arguments: Any) -> Any:
            folder, name = os.path.split(arguments[at])
            if any(fold(one) == fold(name) for one in os.listdir(folder) if one != name):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), arguments[at])
            return real(self, *arguments)

        return call

    for name, at in (("create", 0), ("mkdir", 0), ("symlink", 1), ("link", 1)):
        monkeypatch.setattr(FileSystem, name, refusing(getattr(FileSystem, name), at))


@pytest.mark.parametrize("names", ONE_NAME, ids="-".join)
@pytest.mark.usefixtures("folding")
def test_two_names_that_are_one_on_this_disk_are_refused_and_named(tmp_path: Path, names: tuple[str, ...]) -> None:
    with recorded(tmp_path / "work", *names, "other") as project:
        acts: tuple[Act, ...] = (lambda: project.revert("@"), lambda: project.checkout("@", "data"))
        for act in acts:
            with pytest.raises(Conflict, match="one name on this disk") as refused:
                act()
            told = refused.value.message
            assert all(any(part in told for part in name.split("/")) for name in names)
            assert untouched(project)
        project.checkout("@", "data/other")
        assert untouched(project, "data/other")
        with pytest.raises(Conflict, match="one name on this disk"):
            cloche.get(project.root, "data", tmp_path / "got")
        assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("names", ONE_NAME[:2], ids="-".join)
def test_a_disk_that_tells_them_apart_holds_both(tmp_path: Path, names: tuple[str, ...]) -> None:
    with recorded(tmp_path / "work", *names) as project:
        project.revert("@")
        assert all((project.root / "data" / name).read_text() == f"this is {name}" for name in names)


@pytest.mark.parametrize("name", ["CON", "a:b", "notes:more", "dot."])
def test_windows_writes_no_name_that_means_something_else_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with recorded(tmp_path / "work", name, "other") as project:
        monkeypatch.setattr(paths, "ON_WINDOWS", True)
        acts: tuple[Act, ...] = (lambda: project.revert("@"), lambda: project.checkout("@", "data"))
        for act in acts:
            with pytest.raises(InputError, match="cannot be written on Windows"):
                act()
            assert untouched(project)
        if name != "a:b":  # which could lead to another disk: a run that has it is not read at all
            project.checkout("@", "data/other")
            assert untouched(project, "data/other")


def test_a_tree_by_an_enemy_that_names_a_stream_of_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloche.init(tmp_path / "work") as project:
        store = Store(project.root / ".cloche/store")
        with store.writer() as writer:
            evil = bytes.fromhex(writer.add_bytes(b"evil"))
            name = b"params.toml:evil"
            tree = writer.add_bytes(MAGIC + struct.pack("<c32sQQH", b"f", evil, 4, 1, len(name)) + name)
        header = "# cloche.lock 1: the tracked data; written by cloche, commit it to Git"
        (project.root / "cloche.lock").write_text(f"{header}\n{tree} d 4 1 data\n")
        monkeypatch.setattr(paths, "ON_WINDOWS", True)
        with pytest.raises(InputError, match=r"params\.toml:evil cannot be written on Windows: it holds ':'"):
            project.revert(lock=True)
        assert not (project.root / "data").exists()


# Told when it is recorded


def test_who_adds_such_data_is_told_once(model: Shell) -> None:
    model.write("data/A.txt", b"1")
    model.write("data/a.txt", b"2")
    assert "warning: data/A.txt and data/a.txt are one name on Windows and macOS" in model.cloche("add", "data").err
    assert "warning" not in model.cloche("add", "data").err
    (model.folder / "data/A.txt").rename(model.folder / "data/nul.csv")
    assert "warning: data/nul.csv cannot be brought to Windows: it is the name of" in model.cloche("add", "data").err


def test_a_run_that_writes_such_a_file_says_so(model: Shell) -> None:
    run = model.run(command=["touch", "a:b"])
    [finding] = [one for one in run["findings"] if one["check"] == "not-portable"]
    assert finding["message"] == "a:b cannot be brought to Windows: it holds ':'"
    assert "not-portable" not in [one["check"] for one in model.run(command=["true"])["findings"]]


# A real disk that ignores case


def _mount(image: str, folder: str) -> str:
    """Mount some disk that takes `a` and `A` for one; why it cannot be done."""
    ways = (
        (["mkfs.ext4", "-q", "-O", "casefold", image], ["mount", "-o", "loop", image, folder]),
        (["mkfs.vfat", image], ["mount", "-o", "loop", image, folder]),
        (["mkntfs", "-q", "-F", image], ["lowntfs-3g", image, folder, "-o", "ignore_case"]),
    )
    for make, mount in ways:
        if shutil.which(make[0]) is None or shutil.which(mount[0]) is None:
            continue
        if any(subprocess.run(command, capture_output=True, check=False).returncode for command in (make, mount)):
            continue
        subprocess.run(["chattr", "+F", folder], capture_output=True, check=False)
        Path(folder, "probe").touch()
        if Path(folder, "PROBE").exists():
            return ""
        subprocess.run(["umount", "-l", folder], check=True)
    return "no disk that ignores case can be mounted (root, and ext4 with casefold, vfat or lowntfs-3g are needed)"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder, image = tmp_path / "disk", tmp_path / "image"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    why = _mount(os.fspath(image), os.fspath(folder)) if os.name == "posix" else "loop devices are for Linux"
    if why:
        pytest.skip(why)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class TestRealDisk:
    def test_what_others_recorded_is_refused_and_the_rest_comes(self, tmp_path: Path, disk: Path) -> None:
        with recorded(tmp_path / "theirs", "a.txt", "A.txt", "sub/x", "other") as theirs:
            theirs.remote_add("origin", os.fspath(tmp_path / "remote"), local=True)
            theirs.push()
        with cloche.init(disk / "mine") as mine:
            mine.remote_add("origin", os.fspath(tmp_path / "remote"), local=True)
            mine.fetch()
            acts: tuple[Act, ...] = (lambda: mine.revert("@"), lambda: mine.checkout("@", "data"))
            for act in acts:
                with pytest.raises(Conflict, match=r"data/A.txt and data/a.txt|data/a.txt and data/A.txt"):
                    act()
                assert untouched(mine)
            mine.checkout("@", "data/a.txt", "data/sub")
            assert untouched(mine, "data/a.txt", "data/sub", "data/sub/x")
            assert (mine.root / "data/a.txt").read_text() == "this is a.txt"
            with pytest.raises(ClocheError, match=r"this disk takes it for data/a\.txt"):
                mine.checkout("@", "data/A.txt")
            assert (mine.root / "data/a.txt").read_text() == "this is a.txt"
            assert mine.verify().sound

    def test_a_file_that_changed_only_its_case_comes_and_goes(self, tmp_path: Path, disk: Path) -> None:
        with recorded(tmp_path / "theirs", "readme", "x") as theirs:
            shutil.rmtree(theirs.root / "data", ignore_errors=True)
            theirs.revert("@")
            (theirs.root / "data/readme").rename(theirs.root / "data/README")
            theirs.add("data")
            theirs.run(["true"])
            theirs.remote_add("origin", os.fspath(tmp_path / "remote"), local=True)
            theirs.push()
        with cloche.init(disk / "mine") as mine:
            mine.remote_add("origin", os.fspath(tmp_path / "remote"), local=True)
            mine.fetch()
            mine.revert("@~1", only=["data"])
            mine.revert("@", only=["data"])
            assert (mine.root / "data/readme").read_text() == "this is readme"
            assert len(os.listdir(mine.root / "data")) == 2
