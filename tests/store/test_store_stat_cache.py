from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_faults import Faults

from cloche.store.listing import FileStat
from cloche.store.stat_cache import StatCache

NOW = 1_800_000_000_123_456_789
OLD = FileStat("f", 3, NOW - 10**10, NOW - 10**10, 77)
DIGEST = "ab" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "stat"


def saved(file: Path, **rows: FileStat) -> StatCache:
    cache = StatCache(file)
    for path, stat in rows.items():
        cache.put(path, stat, DIGEST, NOW)
    cache.save()
    return cache


def test_a_digest_is_remembered_across_processes(file: Path) -> None:
    saved(file, path=OLD)
    assert StatCache(file).get("path", OLD) == DIGEST
    assert StatCache(file).get("other", OLD) is None


@pytest.mark.parametrize(
    "other",
    [
        OLD._replace(kind="x"),
        OLD._replace(size=4),
        OLD._replace(mtime_ns=OLD.mtime_ns + 1),
        OLD._replace(ctime_ns=OLD.ctime_ns + 1),
        OLD._replace(inode=78),
    ],
)
def test_any_difference_is_a_miss(file: Path, other: FileStat) -> None:
    assert saved(file, path=OLD).get("path", other) is None
    assert StatCache(file).get("path", other) is None
    assert StatCache(file).previous("path") == DIGEST


@pytest.mark.parametrize(
    ("mtime", "ctime", "kept"),
    [
        (NOW - 10**9, NOW - 60_000_000, True),
        (NOW - 10**9, NOW - 40_000_000, False),
        (NOW - 40_000_000, NOW - 10**9, False),
        (NOW + 10**12, NOW - 10**9, True),
        (NOW - 10**12, NOW + 10**12, False),
        (NOW - 10**12, NOW // 10**9 * 10**9 - 10**9, False),
        (NOW - 10**12, NOW // 10**9 * 10**9 - 3 * 10**9, True),
        (NOW // 10**9 * 10**9 - 10**12, NOW - 10**9, False),
    ],
)
def test_a_file_that_just_changed_is_not_trusted(file: Path, mtime: int, ctime: int, kept: bool) -> None:
    stat = OLD._replace(mtime_ns=mtime, ctime_ns=ctime)
    cache = saved(file, path=stat)
    assert (cache.get("path", stat) is not None) == kept


def test_a_change_within_one_tick_is_seen(root: Path, file: Path) -> None:
    """The same size, and times put back: only the racy rule can help, and it does."""
    path = root / "file"
    path.write_bytes(b"one")
    found = os.stat(path)
    stat = FileStat("f", 3, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    cache = StatCache(file)
    cache.put("file", stat, DIGEST, found.st_mtime_ns + 1)
    assert cache.get("file", stat) is None


def test_forgetting_is_saved(file: Path) -> None:
    cache = saved(file, one=OLD, two=OLD)
    cache.forget("one")
    cache.save()
    assert StatCache(file).get("one", OLD) is None
    assert StatCache(file).get("two", OLD) == DIGEST


def test_saving_keeps_what_another_process_added(file: Path) -> None:
    one, two = StatCache(file), StatCache(file)
    assert one.get("path", OLD) is two.get("path", OLD) is None
    one.put("one", OLD, DIGEST, NOW)
    two.put("two", OLD, DIGEST, NOW)
    one.save()
    two.save()
    assert StatCache(file).get("one", OLD) == StatCache(file).get("two", OLD) == DIGEST


def test_nothing_is_written_when_nothing_changed(file: Path) -> None:
    saved(file, path=OLD)
    faults = Faults()
    cache = StatCache(file, faults)
    cache.get("path", OLD)
    cache.save()
    assert faults.count == 0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_an_empty_cache(file: Path, data: st.DataObject) -> None:
    file.unlink(missing_ok=True)
    saved(file, path=OLD)
    raw = bytearray(file.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    cache = StatCache(file)
    assert cache.get("path", OLD) is None
    cache.put("path", OLD, DIGEST, NOW)
    cache.save()
    assert StatCache(file).get("path", OLD) == DIGEST


@pytest.mark.parametrize("kind", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_no_cache_is_no_error(file: Path, kind: int) -> None:
    saved(file, path=OLD)
    for at in range(1, 20):
        faults = Faults(at, error=kind)
        cache = StatCache(file, faults)
        cache.put("new", OLD, DIGEST, NOW)
        cache.save()
        assert StatCache(file).get("path", OLD) == DIGEST
        if not faults.reached:
            break
    assert at > 3
    assert os.listdir(file.parent) == ["stat"]


def test_marks_count_only_while_their_packs_are_there(file: Path) -> None:
    cache = StatCache(file)
    cache.trust_marks(frozenset({"p1"}))
    cache.put("path", OLD, DIGEST, NOW, stored=True)
    cache.rely_on(frozenset({"p1", "p2"}))
    cache.save()
    again = StatCache(file)
    again.trust_marks(frozenset({"p1", "p2", "p3"}))
    assert again.is_stored("path")
    again = StatCache(file)
    again.trust_marks(frozenset({"p1"}))
    assert not again.is_stored("path")
    assert again.get("path", OLD) == DIGEST


def test_paths_that_are_gone_do_not_pile_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloche.store.stat_cache._CROWD", 10)
    cache = StatCache(file)
    for number in range(25):
        cache.put(f"{number}", OLD, DIGEST, NOW)
        cache.drop_missing(lambda at: ["0", "10", "20"])
    kept = [number for number in range(25) if cache.get(f"{number}", OLD)]
    assert 0 in kept
    assert len(kept) < 15


def test_marks_that_were_looked_at_before_do_not_outlive_their_packs(file: Path) -> None:
    cache = StatCache(file)
    cache.trust_marks(frozenset({"one"}))
    cache.put("a/b", OLD, DIGEST, NOW, stored=True)
    assert cache.is_stored("a/b")
    cache.trust_marks(frozenset({"another"}))
    assert not cache.is_stored("a/b")
    assert cache.get("a/b", OLD) == DIGEST


def test_a_folder_that_was_replaced_and_forgotten_does_not_stop_a_merge(file: Path) -> None:
    cache = StatCache(file)
    cache.put("other/c", OLD, DIGEST, NOW)
    cache.save()
    cache.put("a/b", OLD, DIGEST, NOW)
    cache.trust_marks(frozenset({"one"}))
    cache.save()
    cache.trust_marks(frozenset({"two"}))
    cache.forget("a/b")
    second = StatCache(file)
    second.put("third/d", OLD, DIGEST, NOW)
    second.save()
    cache.save()
    assert StatCache(file).get("third/d", OLD) == DIGEST
    assert StatCache(file).get("a/b", OLD) is None
