"""The file itself: created, upgraded, refused when it is not ours, and whole after any failure."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from catalog_samples import ENVIRONMENT, FULL, a_run, run_number

from cloche.catalog.catalog import Catalog
from cloche.catalog.database import Database
from cloche.catalog.schema import MIGRATIONS, Migration
from cloche.errors import Busy, Damaged, DiskFull, NewerVersion, StoreError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def execute(file: Path, *statements: str) -> list[tuple[object, ...]]:
    """Carry out statements from outside; the rows of the last."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        return [connection.execute(one).fetchall() for one in statements][-1]
    finally:
        connection.close()


def test_a_new_catalog_keeps_a_log_that_readers_do_not_wait_for(file: Path) -> None:
    with Catalog(file) as catalog:
        assert catalog.version() == len(MIGRATIONS) == 4
        assert catalog.check() == []
        assert catalog.database.rows("PRAGMA journal_mode") == [("wal",)]
        assert catalog.database.rows("PRAGMA synchronous") == [(2,)]
        assert catalog.database.rows("PRAGMA foreign_keys") == [(1,)]
        assert catalog.database.rows("PRAGMA busy_timeout") == [(30_000,)]
    assert os.listdir(file.parent) == ["catalog.db"]


def test_it_works_where_the_file_system_has_no_shared_memory(file: Path) -> None:
    file.with_name(f"{file.name}.probe-{os.getpid()}-shm").mkdir()  # what the write-ahead log would map
    with Catalog(file) as catalog:
        assert catalog.database.rows("PRAGMA journal_mode") == [("delete",)]
        catalog.add_run(FULL, ENVIRONMENT)
        with Catalog(file) as second:
            assert second.run(FULL.id) == FULL
            second.set_fact("tag", "best", FULL.id)
        assert catalog.facts("tag") == {"best": FULL.id}


# Two versions of another schema, to test the way from one to the next.
ONE: Migration = (*MIGRATIONS[0][:1], "CREATE TABLE a (id INTEGER PRIMARY KEY)", "INSERT INTO a VALUES (1)")
TWO: Migration = (
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER NOT NULL REFERENCES a (id))",
    "INSERT INTO b SELECT 10 + id, id FROM a",
)
THREE: Migration = (  # rebuilds a table that another one refers to
    "CREATE TABLE c (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO c SELECT id, 'n' || id FROM a",
    "DROP TABLE a",
    "ALTER TABLE c RENAME TO a",
)


def open_with(file: Path, *migrations: Migration) -> list[tuple[object, ...]]:
    database = Database(file, migrations=migrations)
    try:
        assert database.version() == len(migrations)
        assert database.rows("PRAGMA foreign_keys") == [(1,)]
        return database.rows("SELECT name FROM sqlite_master ORDER BY name")
    finally:
        database.close()


def test_an_older_catalog_is_upgraded_step_by_step(file: Path) -> None:
    assert open_with(file, ONE) == [("a",)]
    assert open_with(file, ONE, TWO) == [("a",), ("b",)]
    assert open_with(file, ONE, TWO, THREE) == [("a",), ("b",)]
    assert execute(file, "SELECT b.id, a.name FROM b JOIN a ON a.id = b.a") == [(11, "n1")]
    direct = file.with_name("direct.db")
    assert open_with(direct, ONE, TWO, THREE) == [("a",), ("b",)]
    assert execute(direct, "SELECT b.id, a.name FROM b JOIN a ON a.id = b.a") == [(11, "n1")]


@pytest.mark.parametrize("wrong", ["INSERT INTO nowhere VALUES (1)", "INSERT INTO b VALUES (1, 99)"])
def test_an_upgrade_that_fails_leaves_the_old_catalog(file: Path, wrong: str) -> None:
    open_with(file, ONE)
    with pytest.raises(StoreError):
        open_with(file, ONE, (*TWO, wrong), THREE)
    assert execute(file, "SELECT name FROM sqlite_master") == [("a",)]
    assert open_with(file, ONE, TWO) == [("a",), ("b",)]


def test_a_catalog_of_a_newer_cloche_is_left_alone(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_run(FULL, ENVIRONMENT)
    execute(file, f"PRAGMA user_version = {len(MIGRATIONS) + 1}", "PRAGMA wal_checkpoint(TRUNCATE)")
    before = file.read_bytes()
    with pytest.raises(NewerVersion, match=f"version {len(MIGRATIONS) + 1}") as caught:
        Catalog(file)
    assert "upgrade" in caught.value.hint
    assert file.read_bytes() == before


def test_a_catalog_that_is_upgraded_while_it_is_open_is_written_no_more(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_run(a_run(1), ENVIRONMENT)
        execute(file, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        with pytest.raises(NewerVersion):
            catalog.add_run(a_run(2), ENVIRONMENT)
        assert catalog.ids("") == [run_number(1)]
        execute(file, "PRAGMA user_version = 3")
        catalog.add_run(a_run(2), ENVIRONMENT)


def test_a_database_of_another_program_is_refused(file: Path) -> None:
    execute(file, "CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StoreError, match="another program"):
        Catalog(file)
    execute(file, "PRAGMA user_version = 3", "PRAGMA application_id = 7")
    with pytest.raises(StoreError, match="another program"):
        Catalog(file)
    assert execute(file, "SELECT name FROM sqlite_master") == [("bookmarks",)]


def test_a_file_that_is_no_database_is_damaged(file: Path) -> None:
    file.write_bytes(b"not a database at all" * 200)
    with pytest.raises(Damaged) as caught:
        Catalog(file)
    assert "doctor" in caught.value.hint
    assert file.read_bytes() == b"not a database at all" * 200


def test_damaged_pages_are_found(file: Path) -> None:
    with Catalog(file) as catalog:
        for number in range(200):
            catalog.add_run(a_run(number, params={"lr": number}), ENVIRONMENT)
    data = bytearray(file.read_bytes())
    for at in range(32 * 4096, len(data) - 4096, 8192):  # behind the schema, without which it does not open at all
        data[at : at + 512] = b"\xa5" * 512
    file.write_bytes(data)
    with Catalog(file) as catalog:
        assert catalog.check()
        with pytest.raises(StoreError):
            catalog.runs(sort=["params.lr"])


@pytest.mark.parametrize("make", [Path.mkdir, lambda file: file.symlink_to("/nowhere/at/all")])
def test_a_file_that_cannot_be_opened_is_named(file: Path, make: Callable[[Path], None]) -> None:
    make(file)
    with pytest.raises(StoreError, match="cannot open") as caught:
        Catalog(file)
    assert caught.value.hint


def test_a_missing_folder_is_named(file: Path) -> None:
    with pytest.raises(StoreError, match="cannot open"):
        Catalog(file.parent / "nowhere" / "catalog.db")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_read_only_catalog_is_named(file: Path) -> None:
    Catalog(file).close()
    file.chmod(0o444)
    with Catalog(file) as catalog, pytest.raises(StoreError, match="for writing"):
        catalog.add_run(FULL, ENVIRONMENT)


def test_a_full_disk_changes_nothing(file: Path) -> None:
    with Catalog(file) as catalog:
        catalog.add_run(a_run(1), ENVIRONMENT)
        ((pages,),) = catalog.database.rows("PRAGMA page_count")
        catalog.database.rows(f"PRAGMA max_page_count = {pages + 2}")  # SQLite then behaves as on a full disk
        with pytest.raises(DiskFull) as caught:
            catalog.add_run(a_run(2, message="x" * 100_000), ENVIRONMENT)
        assert "free" in caught.value.hint
        assert catalog.ids("") == [run_number(1)]
        catalog.database.rows(f"PRAGMA max_page_count = {pages + 1000}")
        catalog.add_run(a_run(2, message="x" * 100_000), ENVIRONMENT)
        assert catalog.check() == []


@pytest.mark.parametrize("goes_on", [True, False])
def test_nothing_is_written_after_a_full_disk_ended_the_transaction(file: Path, goes_on: bool) -> None:
    with Catalog(file) as catalog:
        catalog.add_run(a_run(1), ENVIRONMENT)
        ((pages,),) = catalog.database.rows("PRAGMA page_count")
        catalog.database.rows(f"PRAGMA max_page_count = {pages + 2}")

        def write() -> None:
            with catalog.transaction():
                catalog.set_fact("tag", "before", run_number(1))
                with pytest.raises(DiskFull):  # SQLite takes back all of the transaction, not only this call
                    catalog.add_run(a_run(2, message="x" * 100_000), ENVIRONMENT)
                if goes_on:
                    catalog.set_fact("tag", "after", run_number(1))

        with pytest.raises(StoreError, match="given up"):
            write()
        assert catalog.facts("tag") == {}
        assert catalog.ids("") == [run_number(1)]
        catalog.set_fact("tag", "later", run_number(1))
        assert set(catalog.facts("tag")) == {"later"}


def test_who_writes_is_waited_for_then_named(file: Path) -> None:
    with Catalog(file) as first, Catalog(file, wait=0.2) as second:
        with first.transaction():
            first.add_run(a_run(1), ENVIRONMENT)
            with pytest.raises(Busy) as caught:
                second.add_run(a_run(2), ENVIRONMENT)
            assert caught.value.hint
            assert second.ids("") == []
        second.add_run(a_run(2), ENVIRONMENT)
        assert first.ids("") == [run_number(2), run_number(1)]


def test_a_short_write_of_another_is_simply_waited_for(file: Path) -> None:
    started, done = threading.Event(), threading.Event()

    def hold() -> None:
        with Catalog(file) as other, other.transaction():
            other.add_run(a_run(1), ENVIRONMENT)
            started.set()
            done.wait(0.3)

    with Catalog(file) as catalog:
        thread = threading.Thread(target=hold)
        thread.start()
        assert started.wait(10)
        catalog.add_run(a_run(2), ENVIRONMENT)
        thread.join()
        assert len(catalog.ids("")) == 2


def test_reads_in_one_view_do_not_see_what_is_written_meanwhile(file: Path) -> None:
    with Catalog(file) as reader, Catalog(file) as writer:
        writer.add_run(a_run(1), ENVIRONMENT)
        with reader.database.reading():
            assert len(reader.runs()) == 1
            writer.add_run(a_run(2), ENVIRONMENT)
            assert len(reader.runs()) == 1
        assert len(reader.runs()) == 2


def test_names_of_folders_may_be_anything(tmp_path: Path) -> None:
    folder = tmp_path / "a b?#%20'é\n"
    if os.name != "nt":
        folder = tmp_path / os.fsdecode(b"\xff a?b#%20'\n")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    with Catalog(folder / "catalog.db") as catalog:
        catalog.add_run(FULL, ENVIRONMENT)
    assert os.listdir(folder) == ["catalog.db"]
