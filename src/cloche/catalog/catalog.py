"""The catalog of a project: runs, environments, stages, series, facts about runs, and the operation log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cloche.catalog.database import WAIT, Database
from cloche.catalog.documents import decode
from cloche.catalog.facts import Facts
from cloche.catalog.operations import Operations
from cloche.catalog.runs import Runs
from cloche.catalog.sharing import Sharing
from cloche.catalog.stages import Stages
from cloche.errors import Damaged
from cloche.model.run import ID_SHOWN, StageRun


class Catalog(Runs, Stages, Facts, Operations, Sharing):
    """One open catalog, for use by one thread; any number of processes may have it open at once.

    Opening it creates the file, or upgrades an older one. Each writing call is a transaction of its own; several go
    into one with `transaction()`. A call returns only when what it wrote is safe on the disk. While another process
    writes, a call waits up to `wait` seconds, then raises Busy.

    Any call raises Busy, DiskFull, Damaged, StoreError or, where a newer Cloche upgraded the file, NewerVersion.

        with Catalog(folder / "catalog.db") as catalog:
            best = catalog.runs(parse("metrics.auc > 0.8"), sort=["-metrics.auc"], limit=1)
    """

    def __init__(self, file: Path, *, wait: float = WAIT) -> None:
        self.database = Database(file, wait=wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. An open transaction is given up."""
        self.database.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Everything written within it is, or nothing. Inside another one it commits together with that."""
        return self.database.transaction()

    def version(self) -> int:
        """The version of the schema of the file."""
        return self.database.version()

    def check(self) -> list[str]:
        """Everything that is wrong with the catalog, in words; reads all of it."""
        problems: list[str] = []
        try:
            found = [text for (text,) in self.database.rows("PRAGMA integrity_check")]
            problems += [f"the catalog file is damaged: {text}" for text in found if text != "ok"]
            for table, row, other, _ in self.database.rows("PRAGMA foreign_key_check"):
                problems.append(f"row {row} of the table {table} refers to a {other} that is not there")
            problems += self._unreadable()
        except Damaged as error:
            problems.append(error.message)
        return problems

    def _unreadable(self) -> list[str]:
        """The records that cannot be decoded."""
        rows = self.database.rows
        stages = "SELECT run.id, stage.document FROM stage JOIN run ON run.seq = stage.run"
        reads: list[Callable[[], object]] = [
            *(partial(self._check_run, run, status) for run, status in rows("SELECT id, status FROM run")),
            *(partial(self.environment, digest) for (digest,) in rows("SELECT digest FROM environment")),
            *(partial(decode, data, StageRun, f"a stage of run {run[:ID_SHOWN]}") for run, data in rows(stages)),
            *(partial(self.operation, number) for (number,) in rows("SELECT number FROM operation")),
        ]
        return [problem for read in reads if (problem := _problem(read))]

    def _check_run(self, id: str, status: str) -> None:  # noqa: A002
        run = self.run(id)
        if (run.id, run.status) != (id, status):
            raise Damaged(f"the record of run {id[:ID_SHOWN]} is that of another one")
        self.series(id)


def _problem(read: Callable[[], object]) -> str:
    try:
        read()
    except Damaged as error:
        return error.message
    return ""
