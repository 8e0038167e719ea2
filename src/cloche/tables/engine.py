"""DuckDB, shut in: it reads the files it was given, spills into a temporary folder, and touches nothing else."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

GLOB = frozenset("*?[]{}")
_GIGABYTE = 10**9


class EngineError(Exception):
    """DuckDB could not do it. The text is its own first line, without paths of this machine."""


class Engine:
    """An in-memory database that can read `files` only: no network, no extensions, no other path.

    paths: under what names SQL finds the files; a name that would be taken for a pattern gets a plain alias. A context
    manager; leaves nothing behind.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        import duckdb  # 100 ms

        self._error = duckdb.Error
        self._folder = tempfile.TemporaryDirectory(prefix="cloche-tables-", ignore_cleanup_errors=True)
        try:
            aliases = (Path(self._folder.name, f"file-{at}") for at in range(len(files)))
            self.paths = {file: _named_plainly(file, alias) for file, alias in zip(files, aliases, strict=True)}
            self._connection = duckdb.connect(":memory:")
            for setting in self._settings():
                self._connection.execute(setting)
        except BaseException:
            self._folder.cleanup()
            raise

    def _settings(self) -> list[str]:
        return [
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            "SET preserve_insertion_order = false",
            f"SET memory_limit = '{_memory() // 10**6}MB'",
            f"SET threads = {os.cpu_count() or 1}",
            f"SET temp_directory = {literal(self._folder.name)}",
            f"SET allowed_paths = [{', '.join(map(literal, self.paths.values()))}]",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a statement gives. Raises EngineError."""
        try:
            return list(self._connection.execute(sql, list(values)).fetchall())
        except self._error as error:
            raise EngineError(self._plain(str(error))) from None

    def row(self, sql: str, *values: object) -> tuple[Any, ...]:
        """The first row that a statement gives. Raises EngineError."""
        return self.rows(sql, *values)[0]

    def _plain(self, message: str) -> str:
        for path in self.paths.values():
            message = message.replace(path, "the file")
        return message.strip()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._folder.cleanup()


def literal(text: str) -> str:
    """`text` as a string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _named_plainly(file: Path, alias: Path) -> str:
    """A name for `file` that means that file alone: DuckDB takes `*`, `?` and `[` for patterns and wants UTF-8."""
    path = str(file.absolute())
    try:
        path.encode()
        if not GLOB & set(path):
            return path
    except UnicodeEncodeError:
        pass
    for link in (os.symlink, os.link, shutil.copyfile):
        try:
            link(path, alias)
        except OSError:
            continue
        return str(alias)
    raise EngineError("no alias could be made for a file with `*`, `?` or `[` in its name")


def _memory() -> int:
    """Half of the machine's memory, 4 GB at most; beyond it DuckDB spills to the disk."""
    if sys.platform == "win32":
        return 2 * _GIGABYTE
    try:
        return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2, 4 * _GIGABYTE)
    except (AttributeError, ValueError, OSError):
        return 2 * _GIGABYTE
