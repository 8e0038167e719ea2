from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from store_faults import Faults

from cloche.errors import ChangedWhileReading, InputError
from cloche.model.digest import digest_bytes
from cloche.model.tree import EMPTY_DIGEST, Entry, build_tree
from cloche.store import reading
from cloche.store.capture import record_files
from cloche.store.checking import faults_of
from cloche.store.checkout import expand
from cloche.store.objects import Store
from cloche.store.reading import Taken, Takers, hash_file, take
from cloche.store.stat_cache import StatCache
from cloche.store.walk import stat_of, walk


def cache_of(root: Path) -> StatCache:
    return StatCache(root / ".cloche/cache/stat")


def record(root: Path, store: Store, cache: StatCache | None = None, *, keep: bool = True) -> dict[str, Entry]:
    files = walk(root, skip=lambda _, name: name == ".cloche").files
    return record_files(root, files, store, cache or cache_of(root), keep=keep)


def settle() -> None:
    """Wait until files written before are old enough for the cache."""
    time.sleep(0.06)


@pytest.fixture
def sample(root: Path) -> Path:
    (root / "data/empty").mkdir(parents=True)
    (root / "data/a.csv").write_bytes(b"a,b\n1,2\n")
    (root / "data/big.bin").write_bytes(os.urandom(200_000))
    (root / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("data/a.csv")
    os.symlink("x", os.fsencode(root / "data") + b"/two\nlines\xff\\")
    settle()
    return root


def test_everything_is_recorded_and_comes_back_as_a_tree(sample: Path, store: Store) -> None:
    entries = record(sample, store)
    assert {path: entry.kind for path, entry in entries.items()} == {
        "link": "l",
        "run.sh": "x",
        "data/a.csv": "f",
        "data/big.bin": "f",
        "data/two\\x0alines\\xff\\\\": "l",
        "data/empty": "d",
    }
    assert entries["data/a.csv"] == Entry("a.csv", "f", digest_bytes(b"a,b\n1,2\n"), 8)
    assert entries["data/empty"] == Entry("empty", "d", EMPTY_DIGEST, 0, 0)
    assert store.read(entries["link"].digest) == b"data/a.csv"
    built = build_tree(entries)
    with store.writer() as writer:
        for data in built.trees.values():
            writer.add_tree(data)
    assert expand(Store(Path(store.folder)), built.entry, "") == entries
    below = {path.removeprefix("data/"): entry for path, entry in entries.items() if path.startswith("data/")}
    data_entry = next(entry for entry in store.read_tree(built.entry.digest) if entry.name == "data")
    assert expand(store, data_entry, "data") == {f"data/{path}": entry for path, entry in below.items()}
    assert expand(store, entries["run.sh"], "run.sh") == {"run.sh": entries["run.sh"]}
    assert faults_of(store) == []


def test_unchanged_files_are_not_read_again_nor_packs_opened(sample: Path, store: Store) -> None:
    entries = record(sample, store)
    for pack in Path(store.folder).glob("packs/*/*"):
        pack.write_bytes(b"cannot be opened")
    faults = Faults()
    again = record_files(
        sample,
        walk(sample, skip=lambda _, name: name == ".cloche").files,
        Store(Path(store.folder), faults),
        StatCache(sample / ".cloche/cache/stat", faults),
    )
    assert again == entries
    assert faults.count == 0


def test_a_changed_file_is_read_again(sample: Path, store: Store) -> None:
    before = record(sample, store)
    path = sample / "data/a.csv"
    found = os.stat(path)
    path.write_bytes(b"a,b\n1,3\n")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    after = record(sample, store)
    assert after["data/a.csv"].digest == digest_bytes(b"a,b\n1,3\n")
    assert {path for path in after if after[path] != before[path]} == {"data/a.csv"}


def test_without_keeping_nothing_is_stored_and_later_all_of_it_is(sample: Path, store: Store) -> None:
    hashed = record(sample, store, keep=False)
    assert store.size() == (0, 0)
    assert record(sample, store) == hashed
    assert store.missing(entry.digest for entry in hashed.values() if entry.kind != "d") == set()


@pytest.mark.parametrize("what", ["store", "pack"])
def test_the_cache_is_not_believed_after_the_store_lost_something(sample: Path, store: Store, what: str) -> None:
    entries = record(sample, store)
    if what == "store":
        shutil.rmtree(store.folder)
    else:
        next(Path(store.folder).glob("packs/*/*.pack")).unlink()
    fresh = Store(Path(store.folder))
    assert record(sample, fresh) == entries
    assert fresh.read(entries["data/big.bin"].digest) == (sample / "data/big.bin").read_bytes()


def test_content_that_the_store_has_is_marked_without_being_read(sample: Path, store: Store) -> None:
    record(sample, store)
    cache = cache_of(sample)
    shutil.rmtree(sample / ".cloche")
    record(sample, store, keep=False)
    before = store.size()
    record(sample, store)
    assert store.size() == before
    cache = cache_of(sample)
    cache.trust_marks(store.pack_names())
    assert cache.is_stored("data/big.bin")


def test_a_vanished_file_is_left_out(sample: Path, store: Store) -> None:
    files = walk(sample).files
    (sample / "run.sh").unlink()
    assert "run.sh" not in record_files(sample, files, store, cache_of(sample))
    assert "run.sh" not in record_files(sample, files, store, cache_of(sample), keep=False)


def test_a_file_that_keeps_changing_is_refused_and_the_store_stays_as_it_was(
    sample: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAUSES", (0.0, 0.001, 0.001))
    path = sample / "log.bin"
    path.write_bytes(os.urandom(24_000_000))
    done = threading.Event()

    def grow() -> None:
        while not done.wait(0.001):
            with open(path, "ab") as file:
                file.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(ChangedWhileReading, match=r"log\.bin"):
            record(sample, store)
    finally:
        done.set()
        writer.join()
    assert store.size() == (0, 0)


def test_a_file_that_changes_once_is_read_again(root: Path) -> None:
    path = root / "file"
    path.write_bytes(b"first")
    seen: list[bytes] = []

    def taker(fd: int, size: int) -> Taken:
        data = os.read(fd, 100)
        if not seen:
            path.write_bytes(b"second!")
        seen.append(data)
        return Taken(digest_bytes(data), len(data))

    stat = stat_of(root, "file")
    assert stat is not None
    digest, after = take(os.fspath(path), stat, Takers(taker, lambda target: ""))
    assert seen == [b"first", b"second!"]
    assert (digest, after) == (digest_bytes(b"second!"), stat_of(root, "file"))


def test_hashing_and_storing_agree(sample: Path, store: Store) -> None:
    for path, entry in record(sample, store).items():
        stat = stat_of(sample, path)
        assert stat is not None
        if stat.kind in "fx":
            assert hash_file(os.fspath(sample / path), stat) == (entry.digest, stat)


def test_progress_ends_at_the_total(sample: Path, store: Store) -> None:
    told: list[tuple[int, int]] = []
    files = walk(sample).files
    record_files(sample, files, store, cache_of(sample), progress=lambda done, total: told.append((done, total)))
    total = sum(stat.size for stat in files.values())
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert len(told) > len(files)


def test_an_unreadable_file_is_named(sample: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from cloche.errors import InputError
from cloche.store.reading import hash_file
from cloche.store.walk import stat_of
os.chmod("secret", 0)
if os.getuid() == 0:
    os.setuid(65534)
stat = stat_of(Path(), "secret")
try:
    hash_file("secret", stat)
except InputError as error:
    print(error.message)
"""
    (sample / "secret").write_bytes(b"")
    out = subprocess.run([sys.executable, "-c", script], cwd=sample, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "cannot read secret: permission denied"


def test_a_special_file_in_place_of_a_listed_one_is_an_error(
    sample: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAUSES", (0.0, 0.001))
    files = walk(sample).files
    (sample / "run.sh").unlink()
    os.mkfifo(sample / "run.sh")
    with pytest.raises(InputError):
        record_files(sample, files, store, cache_of(sample))


def test_imports_that_cost_time_wait_until_they_are_needed() -> None:
    script = (
        "import sys, cloche.store.capture, cloche.store.checkout\n"
        "print([name for name in ('zstandard', 'pyfastcdc', 'shutil') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
    if out.returncode:  # -S hides an editable install
        out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "zstandard" not in out.stdout
    assert "pyfastcdc" not in out.stdout
