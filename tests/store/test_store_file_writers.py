"""Other processes write the files of a large folder, and nobody can tell by the result."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloche.errors import Damaged
from cloche.model.changes import PathChange
from cloche.model.tree import Entry
from cloche.store import file_writers
from cloche.store.capture import record_path
from cloche.store.checkout import apply_files, recover
from cloche.store.file_writers import FileWriters
from cloche.store.filesystem import FileSystem
from cloche.store.locks import try_lock
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
from cloche.store.walk import walk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="one process writes all there")

Tree = dict[str, tuple[bytes, bool]]


@pytest.fixture
def many(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 1,500 files: small and large ones, empty and executable ones, links, names of every kind."""
    monkeypatch.setattr(file_writers, "MANY", 1_000)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    data = root / "data"
    for number in range(1_500):
        folder = data / f"part{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.csv").write_bytes(b"%d," % number * (number % 90))
    (data / "part3" / "tool").write_bytes(b"#!/bin/sh\n")
    (data / "part3" / "tool").chmod(0o755)
    (data / "part4" / "größe\n1").write_bytes(b"x" * 70_000)
    (data / os.fsdecode(b"not\xffutf")).write_bytes(b"latin")
    (data / "link").symlink_to("part1/1.csv")
    (data / "nothing").mkdir()
    return data


def seen(folder: Path) -> Tree:
    found: Tree = {}
    for at, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(at, name)
            if os.path.islink(path):
                found[path] = (os.fsencode(os.readlink(path)), False)
            elif os.path.isfile(path):
                found[path] = (Path(path).read_bytes(), os.access(path, os.X_OK))
            else:
                found[path] = (b"", False)
    return found


def taken(root: Path, store: Store) -> Entry:
    files = walk(root, skip=lambda _, name: name == ".cloche").files
    entry = record_path(root, "data", files, store, StatCache(root / ".cloche/cache/stat")).entry
    shutil.rmtree(root / "data")
    assert entry is not None
    return entry


def restore(root: Path, store: Store, entry: Entry) -> None:
    apply_files(root, store, [PathChange("data", None, entry)], StatCache(root / ".cloche/cache/stat"))


def during(monkeypatch: pytest.MonkeyPatch, act: Callable[[FileWriters], None]) -> list[int]:
    """Do something before the third answer is looked at; a list that then has an item."""
    answers: list[int] = []
    written = FileWriters.written

    def spied(self: FileWriters, order: file_writers.Order) -> dict[str, bytes]:
        answers.append(len(order.targets))
        if len(answers) == 3:
            act(self)
        return written(self, order)

    monkeypatch.setattr(FileWriters, "written", spied)
    return answers


def test_a_folder_comes_back_as_it_was(root: Path, store: Store, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = seen(many)
    entry = taken(root, store)
    answers = during(monkeypatch, lambda writers: None)
    restore(root, store, entry)
    assert seen(many) == before
    assert sum(answers) == 1_501 + 1, "all small files were written by others"
    umask = os.umask(0o022)
    os.umask(umask)
    assert (many / "part3/tool").stat().st_mode & 0o777 == 0o777 & ~umask


def test_processes_that_are_killed_are_done_without(
    root: Path, store: Store, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen(many)
    entry = taken(root, store)

    def kill(writers: FileWriters) -> None:
        for process in writers._processes:
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)

    answers = during(monkeypatch, kill)
    restore(root, store, entry)
    assert len(answers) >= 3
    assert seen(many) == before


def test_processes_that_cannot_start_are_done_without(
    root: Path, store: Store, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen(many)
    entry = taken(root, store)
    monkeypatch.setattr(sys, "executable", shutil.which("false").replace("false", "python-that-is-missing"))  # type: ignore[union-attr]
    restore(root, store, entry)
    assert seen(many) == before


def test_damage_is_named_and_nothing_is_left(root: Path, store: Store, many: Path) -> None:
    entry = taken(root, store)
    [name] = store.pack_names()
    pack = Path(store.packs.path(name))
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    with pytest.raises(Damaged, match=name[:12]):
        restore(root, Store(Path(store.folder)), entry)
    assert not many.exists()
    assert not recover(root)


def test_a_lock_lasts_as_long_as_the_last_of_them(root: Path, store: Store) -> None:
    """Else somebody could clear away the folder that one who outlived us still writes to."""
    (root / "lock").touch()
    lock = try_lock(str(root / "lock"), FileSystem())
    assert lock is not None
    with FileWriters(store, FileSystem(), lock) as writers:
        assert writers.room
        lock.release()
        assert try_lock(str(root / "lock"), FileSystem()) is None
    after = try_lock(str(root / "lock"), FileSystem())
    assert after is not None
    after.release()
