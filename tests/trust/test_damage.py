"""Any byte of the store may change, any file of it be cut short or go, any step of a disk fail: what is read is right
or refused, what is wrong is named, and what can be had again is had again."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import cloche
from cloche.api import OpenProject
from cloche.errors import ClocheError, Damaged, DiskFull, NewerVersion, NotFound
from cloche.model.digest import digest_bytes
from cloche.store.filesystem import FileSystem
from cloche.store.objects import Store

QUICK = settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
LONG = settings(QUICK, max_examples=3000)


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def write(root: Path, path: str, data: bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


class Made(NamedTuple):
    """A project with everything that a store can hold, and what it holds by digest."""

    root: Path
    contents: dict[str, bytes]
    files: list[Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("damage") / "work"
    contents = [noise(1, 200_000), b"a,b\n1,2\n" * 3000, b"", b"small\n", noise(2, 70)]
    with cloche.init(root) as project:
        for number, content in enumerate(contents):
            write(root, f"data/{number}", content)
        project.add("data")
        project.run(["cp", "data/1", "out.csv"])
        write(root, "data/0", noise(3, 150_000))
        project.add("data")
        project.undo()
        project.gc(grace=1e-9)
    store = root / ".cloche/store"
    files = [path for path in sorted(store.rglob("*")) if path.is_file() and path.suffix in (".pack", ".index")]
    assert any("quarantine" in path.parts for path in files)
    return Made(root, {digest_bytes(one): one for one in contents}, files)


def damage(data: st.DataObject, raw: bytes) -> bytes | None:
    """Some other bytes; None for none at all."""
    how = data.draw(st.sampled_from(("flip", "flip", "flip", "cut", "zeros", "gone", "longer", "doubled")))
    at = data.draw(st.integers(0, len(raw) - 1))
    if how == "flip":
        return raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    if how == "cut":
        return raw[:at]
    if how == "zeros":
        return raw[:at] + bytes(min(512, len(raw) - at)) + raw[at + 512 :]
    if how == "longer":
        return raw + b"\0"
    return None if how == "gone" else raw[:at] + raw


def assert_found_and_named(made: Made, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(made.files))
    raw = file.read_bytes()
    other = damage(data, raw)
    if other == raw:
        return
    before = {path: path.read_bytes() for path in made.files}
    if other is None:
        file.unlink()
    else:
        file.write_bytes(other)
    try:
        store = Store(made.root / ".cloche/store")
        for digest, content in made.contents.items():
            try:
                assert store.read(digest) == content
            except (Damaged, NotFound, NewerVersion):
                continue
        store.close()
        in_use = file.suffix == ".pack" and "quarantine" not in file.parts
        with cloche.open(made.root) as project:
            try:
                found = project.verify()
            except NewerVersion:
                return
            assert found.sound is not in_use
            if in_use and other is not None:
                assert file.stem in found.damaged
            if in_use:
                assert found.affected or found.damaged
    finally:
        for path, good in before.items():
            if not path.exists() or path.read_bytes() != good:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(good)


@QUICK
@given(data=st.data())
def test_any_change_of_any_file_of_the_store_is_found_and_named(made: Made, data: st.DataObject) -> None:
    assert_found_and_named(made, data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@LONG
@given(data=st.data())
def test_very_many_changes_of_files_of_the_store(made: Made, data: st.DataObject) -> None:
    assert_found_and_named(made, data)


class TestRepair:
    @pytest.fixture
    def project(self, made: Made, tmp_path: Path) -> Iterator[OpenProject]:
        shutil.copytree(made.root, tmp_path / "work", symlinks=True)
        with cloche.open(tmp_path / "work") as opened:
            opened.remote_add("origin", os.fspath(tmp_path / "remote"), local=True)
            opened.push()
            yield opened

    @pytest.mark.parametrize("seed", range(6))
    def test_from_a_remote_alone(self, project: OpenProject, seed: int) -> None:
        """Nothing is left in the work tree; several packs are damaged in several ways."""
        chance = random.Random(seed)
        project.close()
        shutil.rmtree(project.root / "data")
        (project.root / "out.csv").unlink()
        for pack in sorted((project.root / ".cloche/store/packs").glob("*/*.pack")):
            raw = bytearray(pack.read_bytes())
            how = chance.randrange(4)
            if how == 0:
                pack.unlink()
                continue
            for _ in range(how):
                raw[chance.randrange(len(raw))] ^= chance.randrange(1, 256)
            pack.write_bytes(raw[: chance.randrange(len(raw))] if how == 3 else raw)
        assert not project.verify().sound
        repaired = project.verify(repair=True)
        assert not repaired.affected
        assert project.verify().sound
        project.revert("@", only=["data"])
        assert (project.root / "data/0").read_bytes() == noise(1, 200_000)

    def test_what_nobody_has_is_reported_and_the_rest_goes_on(self, project: OpenProject) -> None:
        project.close()
        shutil.rmtree(project.root.parent / "remote")
        write(project.root, "data/0", b"changed since")
        big = max((project.root / ".cloche/store/packs").glob("*/*.pack"), key=lambda path: path.stat().st_size)
        raw = bytearray(big.read_bytes())
        raw[raw.index(noise(1, 200_000)[:64])] ^= 1
        big.write_bytes(raw)
        found = project.verify(repair=True)
        assert not found.sound
        assert {one.record for one in found.affected} == {"cloche.lock", project.log()[0].id}
        assert b"".join(project.cat("@", "data/1")) == b"a,b\n1,2\n" * 3000
        with pytest.raises(ClocheError):
            b"".join(project.cat("@", "data/0"))


# A disk that fails

STEPS = ("create", "write", "sync", "sync_folder", "rename", "link", "symlink", "unlink", "mkdir", "rmdir", "chmod")
Act = Callable[[OpenProject], object]


class Failing:
    """All steps of all file systems: fails at number `at`, once or for ever."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, error: int, *, forever: bool) -> None:
        self.count = 0

        def failing(real: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                self.count += 1
                if self.count == at or (forever and 0 < at < self.count):
                    raise OSError(error, os.strerror(error))
                return real(*arguments, **options)

            return call

        for name in STEPS:
            patch.setattr(FileSystem, name, failing(getattr(FileSystem, name)))


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".cloche" not in path.parts
    }


VERBS: dict[str, Act] = {
    "add": lambda project: project.add("data"),
    "run": lambda project: project.run(["true"]),
    "revert": lambda project: project.revert("@", only=["code", "data"]),
    "gc": lambda project: project.gc(grace=1e-9),
    "repair": lambda project: project.verify(repair=True),
    "fetch": lambda project: project.fetch(),
    "push": lambda project: project.push(),
}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=["full", "broken", "read-only"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_disk_that_fails_at_any_step_of_a_command(made: Made, tmp_path: Path, verb: str, error: int) -> None:
    act = VERBS[verb]
    start, root = tmp_path / "start", tmp_path / "work"
    shutil.copytree(made.root, start, symlinks=True)
    with cloche.open(start) as project:
        project.remote_add("origin", os.fspath(tmp_path / "remote"), local=True)
        project.push()
        write(start, "data/0", noise(5, 180_000))
        write(start, "data/new/one", b"new")
        (start / "data/4").unlink()
        if verb == "fetch":
            project.close()
            shutil.rmtree(start / ".cloche/store/packs")
        elif verb == "push":
            project.add("data")
        elif verb == "repair":
            project.close()
            big = max((start / ".cloche/store/packs").glob("*/*.pack"), key=lambda path: path.stat().st_size)
            raw = bytearray(big.read_bytes())
            raw[len(raw) // 2] ^= 1
            big.write_bytes(raw)
    steps = 0
    chance = random.Random(f"{verb} {error}")
    for round_ in range(8):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start, root, symlinks=True)
        before = files_of(root)
        at = chance.randint(1, steps) if round_ else 0
        with cloche.open(root) as project, pytest.MonkeyPatch.context() as patch:
            refused = False
            failing = Failing(patch, at, error, forever=bool(round_ % 2))
            try:
                act(project)
            except ClocheError:
                refused = True
        steps = steps or failing.count
        assert steps > 2, "nothing was written, so nothing could fail"
        with cloche.open(root) as project:
            if refused and verb != "run":  # what a disk that took nothing more kept from going back has gone back now
                assert files_of(root) == before, f"step {at}"
            if verb not in ("fetch", "repair"):  # which found an empty store, and a damaged one
                assert project.verify().sound, f"step {at}"
                assert project.status().cut_off == ()
            act(project)
            assert project.verify(repair=True).sound, f"step {at}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", os.fspath(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root and a Linux that allows it")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_really_is_full(disk: Path) -> None:
    with cloche.init(disk / "work") as project:
        write(project.root, "data/0", noise(1, 300_000))
        project.add("data")
        project.run(["true"])
        write(project.root, "data/1", noise(2, 1_200_000))
        lock = (project.root / "cloche.lock").read_bytes()
        with pytest.raises(DiskFull):
            project.add("data")
        assert (project.root / "cloche.lock").read_bytes() == lock
        assert project.verify().sound
        (project.root / "data/1").unlink()
        project.add("data")
        project.revert("@", only=["data"])
        assert project.verify().sound


def test_a_disk_that_may_only_be_read(disk: Path) -> None:
    with cloche.init(disk / "work") as project:
        write(project.root, "data/0", b"0\n")
        project.add("data")
        write(project.root, "data/0", b"1\n")
        project.add("data")
        project.run(["true"])
        write(project.root, "data/0", b"2\n")
        project.status()
    if subprocess.run(["mount", "-o", "remount,ro", disk], capture_output=True, check=False).returncode:
        pytest.skip("this system does not remount")
    try:
        with cloche.open(disk / "work") as project:
            assert len(project.log()) == 1
            assert b"".join(project.cat("@", "data/0")) == b"1\n"
            assert project.verify().sound
            for verb, act in VERBS.items():
                if verb != "repair":  # there is nothing to repair
                    with pytest.raises(ClocheError):
                        act(project)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
