"""A disk that really is full, and processes that really are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.errors import DiskFull
from cloche.model.changes import PathChange
from cloche.model.tree import Entry
from cloche.store.capture import record_files
from cloche.store.checking import faults_of
from cloche.store.checkout import apply_files, recover
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
from cloche.store.walk import walk

posix = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX thing")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", os.fspath(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("mounting needs root and a Linux that allows it")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_an_add_that_fills_the_disk_leaves_the_store_as_it_was(small_disk: Path, files: Path) -> None:
    (files / "big").write_bytes(os.urandom(6 << 20))
    store = Store(small_disk / "store")
    with store.writer() as writer:
        kept = writer.add_bytes(b"kept")
    before = store.size()
    with pytest.raises(DiskFull):
        record_files(files, walk(files).files, store, StatCache(small_disk / "cache/stat"))
    assert store.size() == before
    assert os.listdir(small_disk / "store/tmp") == []
    assert faults_of(Store(small_disk / "store")) == []
    assert Store(small_disk / "store").read(kept) == b"kept"
    assert os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize > 3 << 20


def test_a_checkout_that_fills_the_disk_changes_nothing(
    small_disk: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloche.store.filesystem.FileSystem.free", lambda *_: 1 << 40)  # others fill it meanwhile
    (small_disk / "file").write_bytes(b"old")
    with store.writer() as writer:
        old, new = writer.add_bytes(b"old"), writer.add_bytes(os.urandom(3 << 20))
    plan = [PathChange("file", Entry("", "f", old, 3), Entry("", "f", new, 3 << 20))]
    plan += [PathChange("more/of/it", None, Entry("", "f", new, 3 << 20))]
    with pytest.raises(DiskFull):
        apply_files(small_disk, store, plan, StatCache(small_disk / ".cloche/cache/stat"))
    assert (small_disk / "file").read_bytes() == b"old"
    assert sorted(os.listdir(small_disk)) == [".cloche", "file"]
    assert os.listdir(small_disk / ".cloche/tmp/checkout") == []


ADD = """
import sys
from pathlib import Path
from cloche.store.capture import record_files
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
from cloche.store.walk import walk
root = Path(sys.argv[1])
print(flush=True)
record_files(root, walk(root).files, Store(root.parent / "store"), StatCache(root.parent / "cache/stat"))
"""


def kill_after(script: str, seconds: float, *arguments: Path) -> None:
    """Run a script and kill it so long after it said that it begins."""
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


@posix
def test_adds_that_are_killed_leave_a_good_store(tmp_path: Path, files: Path) -> None:
    chance = random.Random(5)
    contents = {f"{number}": chance.randbytes(chance.choice([100, 5000, 300_000])) for number in range(300)}
    for name, content in contents.items():
        (files / name).write_bytes(content)
    time.sleep(0.06)
    for _ in range(6):
        kill_after(ADD, chance.uniform(0.0, 0.3), files)
        assert faults_of(Store(tmp_path / "store")) == []
    store = Store(tmp_path / "store")
    entries = record_files(files, walk(files).files, store, StatCache(tmp_path / "cache/stat"))
    assert {name: store.read(entry.digest) for name, entry in entries.items()} == contents
    with store.writer() as writer:
        writer.add_bytes(b"one more, to sweep up after the dead")
    assert os.listdir(tmp_path / "store/tmp") == []


@posix
def test_writers_at_the_same_time_do_not_harm_each_other(tmp_path: Path, files: Path) -> None:
    for number in range(200):
        (files / f"{number}").write_bytes(random.Random(number).randbytes(20_000))
    running = [subprocess.Popen([sys.executable, "-c", ADD, files], stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    store = Store(tmp_path / "store")
    assert faults_of(store) == []
    for number in range(200):
        stat = walk(files, f"{number}").files
        digest = record_files(files, stat, store, StatCache(tmp_path / "other"), keep=False)[f"{number}"].digest
        assert store.read(digest) == random.Random(number).randbytes(20_000)
    assert os.listdir(tmp_path / "store/tmp") == []


CHECKOUT = """
import sys
from pathlib import Path
import msgspec
from cloche.model.changes import PathChange
from cloche.store.checkout import apply_files
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
root = Path(sys.argv[1])
plan = msgspec.json.decode((root.parent / "plan").read_bytes(), type=list[PathChange])
print(flush=True)
apply_files(root, Store(root.parent / "store"), plan, StatCache(root.parent / "cache/stat"))
"""


@posix
def test_checkouts_that_are_killed_are_taken_back(tmp_path: Path, root: Path, store: Store) -> None:
    import msgspec

    chance = random.Random(7)
    old = {f"d{number % 7}/{number}": b"old %d" % number for number in range(400)}
    new = {f"d{number % 11}/{number}": b"new %d" % number for number in range(400)}
    with store.writer() as writer:
        before = {path: Entry("", "f", writer.add_bytes(data), len(data)) for path, data in old.items()}
        after = {path: Entry("", "f", writer.add_bytes(data), len(data)) for path, data in new.items()}
    for path, data in old.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(data)
    paths = sorted(before.keys() | after.keys())
    plan = [PathChange(path, before.get(path), after.get(path)) for path in paths]
    (tmp_path / "plan").write_bytes(msgspec.json.encode(plan))

    def state() -> dict[str, bytes]:
        found = walk(root, skip=lambda _, name: name == ".cloche").files
        return {path: (root / path).read_bytes() for path, stat in found.items() if stat.kind != "d"}

    for _ in range(8):
        kill_after(CHECKOUT, chance.uniform(0.0, 0.15), root)
        assert all(data in (old.get(path), new.get(path)) for path, data in state().items())
        recover(root)
        assert state() in (old, new)
        if state() == new:
            back = [PathChange(change.path, change.after, change.before) for change in plan]
            apply_files(root, store, back, StatCache(tmp_path / "other"))
        assert state() == old
