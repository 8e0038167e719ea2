"""The connection to the SQLite file: opening, migrating, transactions. Nothing here knows what the tables mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cloche.catalog.failures import is_locked, translated
from cloche.catalog.schema import APPLICATION_ID, MIGRATIONS, Migration
from cloche.errors import DiskFull, NewerVersion, NotFound, StoreError

WAIT = 30.0

Row = tuple[Any, ...]
Parameters = Mapping[str, object]


class Database:
    """One connection, for one thread. Opening it creates or upgrades the file.

    wait: seconds to wait for another writer before Busy. Raises NewerVersion, Damaged, Busy, DiskFull, StoreError.
    """

    def __init__(self, file: Path, *, wait: float = WAIT, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self.file = file
        self._wait = wait
        self._migrations = migrations
        self._depth = 0
        try:
            self._open()
        except DiskFull:  # there is no room for what processes share of a write-ahead log: `gc` must run all the same
            self._open("locking_mode = EXCLUSIVE")

    def _open(self, *settings: str) -> None:
        with translated(self.file):
            self._connection = _connect(self.file, self._wait)
            try:
                self._identity = _identity(self.file)
                self._prepare(*settings)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the connection. An open transaction is given up."""
        self._connection.close()

    def version(self) -> int:
        """The version of the schema in the file; 0 for a file that holds nothing yet."""
        return int(self.rows("PRAGMA user_version")[0][0])

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """Every row that the query finds."""
        with translated(self.file):
            try:
                return self._connection.execute(sql, parameters or {}).fetchall()
            except UnicodeEncodeError:
                return self._connection.execute(sql, _encodable(parameters or {})).fetchall()

    def row(self, sql: str, parameters: Parameters | None = None) -> Row | None:
        """The first row that the query finds."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def change(self, sql: str, parameters: Parameters) -> int:
        """Carry out one statement; how many rows it changed. Only within a transaction."""
        with translated(self.file):
            try:
                return self._connection.execute(sql, parameters).rowcount
            except UnicodeEncodeError:
                return self._connection.execute(sql, _encodable(parameters)).rowcount

    def change_many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Carry out one statement for each of the parameters. Only within a transaction."""
        with translated(self.file):
            self._connection.executemany(sql, map(_encodable, parameters))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in it is written, or nothing. Within another one it commits with that, and when it fails only
        what it did itself is taken back."""
        inner = self._depth > 0
        self._begin(inner)
        self._depth += 1
        try:
            yield
            self._check_alive()
            self._execute(f"RELEASE inner_{self._depth}" if inner else "COMMIT")
        except BaseException:
            self._take_back(inner)
            raise
        finally:
            self._depth -= 1

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All queries in it see the same state."""
        if self._connection.in_transaction:
            yield
            return
        self._execute("BEGIN")
        try:
            yield
        finally:
            self._take_back(inner=False)

    def _begin(self, inner: bool) -> None:
        if not inner:
            self._check_in_place()
            self._execute("BEGIN IMMEDIATE")
            try:
                if self.version() > len(self._migrations):  # upgraded by another process while this one had it open
                    raise self._newer()
            except BaseException:
                self._take_back(inner)
                raise
        else:
            self._check_alive()
            self._execute(f"SAVEPOINT inner_{self._depth + 1}")

    def _check_in_place(self) -> None:
        """SQLite goes on writing to a file that was deleted, and nobody would ever read it."""
        if _identity(self.file) != self._identity:
            raise StoreError(
                f"{self.file} was deleted or replaced while it was in use: nothing was recorded",
                hint="look for what did it, such as the command itself; then run it again",
            )

    def _check_alive(self) -> None:
        """After some errors, such as a full disk, SQLite takes the whole transaction back; nothing may follow then."""
        if not self._connection.in_transaction:
            raise StoreError(f"the transaction on {self.file} was given up after an error", hint="try again")

    def _take_back(self, inner: bool) -> None:
        if not self._connection.in_transaction:  # SQLite gave up the whole of it already
            return
        with contextlib.suppress(StoreError):  # the error that brought us here is the one to show
            if inner:
                self._execute(f"ROLLBACK TO inner_{self._depth}")
                self._execute(f"RELEASE inner_{self._depth}")
            else:
                self._execute("ROLLBACK")

    def _execute(self, sql: str) -> None:
        with translated(self.file):
            self._connection.execute(sql)

    def _prepare(self, *settings: str) -> None:
        for setting in (*settings, "foreign_keys = ON", "synchronous = FULL", "fullfsync = ON"):
            self._execute(f"PRAGMA {setting}")
        self._connection.create_function("casefold", 1, _casefold, deterministic=True)
        with self.reading():
            version = self.version()
            if version > len(self._migrations):
                raise self._newer()
            self._refuse_stranger(version)
        if version == 0:
            self._choose_journal()
        if version < len(self._migrations):
            self._migrate()

    def _newer(self) -> NewerVersion:
        return NewerVersion(
            f"{self.file} has version {self.version()}; this Cloche understands up to {len(self._migrations)}",
            hint="upgrade cloche, then try again",
        )

    def _refuse_stranger(self, version: int) -> None:
        application = self.rows("PRAGMA application_id")[0][0]
        empty = version == 0 and not self.rows("SELECT 1 FROM sqlite_master LIMIT 1")
        if application != APPLICATION_ID and not empty:
            raise StoreError(
                f"{self.file} is a database of another program, not a catalog of cloche",
                hint="move it away; cloche then creates its own",
            )

    def _choose_journal(self) -> None:
        """A write-ahead log where the file system can hold one: readers then never wait for a writer."""
        if not _supports_wal(self.file):
            return
        until = time.monotonic() + self._wait
        while True:  # the busy timeout does not cover this statement
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not is_locked(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)

    def _migrate(self) -> None:
        # A migration may rebuild a table, which is possible only while foreign keys are not enforced.
        self._execute("PRAGMA foreign_keys = OFF")
        self._execute("BEGIN IMMEDIATE")
        try:
            version = self.version()  # another process may have been faster
            for migration in self._migrations[version:]:
                for statement in migration:
                    self._execute(statement)
            if version > len(self._migrations):
                raise self._newer()
            if self.rows("PRAGMA foreign_key_check"):
                raise StoreError(f"{self.file} cannot be upgraded: rows refer to rows that are not there")
            self._execute(f"PRAGMA user_version = {len(self._migrations)}")
            self._execute("COMMIT")
        except BaseException:
            self._take_back(inner=False)
            raise
        self._execute("PRAGMA foreign_keys = ON")


class Part:
    """The base of the parts of the catalog: each knows some of the tables, all share the connection."""

    database: Database

    def seq(self, run: str) -> int:
        """The number by which other tables refer to a run. Raises NotFound."""
        found = self.database.row("SELECT seq FROM run WHERE id = :id", {"id": run})
        if found is None:
            raise NotFound(f"no run has the id {run}", hint="type `cloche log` to see the runs")
        return int(found[0])


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _supports_wal(file: Path) -> bool:
    """Whether a write-ahead log works in the folder of `file` (on many network file systems it does not).

    Tried on a file beside it: a database that was switched once cannot be switched back where it cannot be opened.
    """
    probe = file.with_name(f"{file.name}.probe-{os.getpid()}")
    try:
        with contextlib.closing(sqlite3.connect(probe, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            connection.execute("CREATE TABLE probe (x)")
            return bool(mode == "wal")
    except sqlite3.Error:
        return False
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                probe.with_name(probe.name + suffix).unlink()


def _casefold(value: str) -> str:
    return value.casefold()


def _encodable(parameters: Parameters) -> dict[str, object]:
    """The parameters with characters that UTF-8 cannot hold (bytes of a foreign encoding) written as escapes."""
    return {key: as_utf8(value) if isinstance(value, str) else value for key, value in parameters.items()}


def as_utf8(text: str) -> str:
    """`text` with lone surrogates written as `\\udcNN`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _connect(file: Path, wait: float) -> sqlite3.Connection:
    """Somebody else's file, or one on a read-only disk, is read as it is: SQLite would want to write beside it. Where a
    journal lies beside it because it is in use, SQLite does not have to."""
    writable = os.access(file, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    if file.exists() and not writable and not os.path.exists(f"{file}-wal"):
        address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(address, timeout=wait, isolation_level=None, uri=True)
    return sqlite3.connect(file, timeout=wait, isolation_level=None)
