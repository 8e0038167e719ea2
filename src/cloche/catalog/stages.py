"""Stages and series: what belongs to a run but is looked for, or grows, on its own."""

# ruff: noqa: S608 - what is put into SQL text here is SQL of this package; values are parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloche.catalog.database import Part
from cloche.catalog.documents import decode, decode_series, encode, encode_series
from cloche.catalog.search import NEWEST_FIRST, VISIBLE
from cloche.model.digest import Digest
from cloche.model.run import ID_SHOWN, Series, StageRun


class Stages(Part):
    """The part of the catalog that holds stages and series."""

    def put_stages(self, run: str, stages: Sequence[StageRun]) -> None:
        """Replace the stages of a run, so that later runs can find them by key. Raises NotFound."""
        with self.database.transaction():
            seq = self.seq(run)
            self.database.change("DELETE FROM stage WHERE run = :run", {"run": seq})
            self.database.change_many(
                "INSERT INTO stage (run, position, name, key, status, document) "
                "VALUES (:run, :position, :name, :key, :status, :document)",
                (
                    {
                        "run": seq,
                        "position": position,
                        "name": stage.name,
                        "key": stage.key,
                        "status": stage.status,
                        "document": encode(stage),
                    }
                    for position, stage in enumerate(stages)
                ),
            )

    def stages_with_key(self, key: Digest) -> list[tuple[str, StageRun]]:
        """Finished stages with this key and the ids of their runs, newest first; none of removed runs."""
        sql = (
            "SELECT run.id, stage.document FROM stage JOIN run ON run.seq = stage.run "
            f"WHERE stage.key = :key AND stage.status = 'finished' AND {VISIBLE} "
            f"ORDER BY {NEWEST_FIRST}, stage.position"
        )
        rows = self.database.rows(sql, {"key": key}) if key else []
        return [(run, decode(data, StageRun, f"a stage of run {run[:ID_SHOWN]}")) for run, data in rows]

    def put_series(self, run: str, series: Mapping[str, Series]) -> None:
        """Record series of a run. One that is there already is replaced, so that doing it twice changes nothing.
        Raises NotFound, and InputError for columns of unequal length."""
        if not series:
            return
        with self.database.transaction():
            seq = self.seq(run)
            self.database.change_many(
                "INSERT INTO series (run, key, count, document) VALUES (:run, :key, :count, :document) "
                "ON CONFLICT (run, key) DO UPDATE SET count = excluded.count, document = excluded.document",
                (
                    {"run": seq, "key": key, "count": len(one.values), "document": encode_series(one)}
                    for key, one in series.items()
                ),
            )

    def series(self, run: str) -> dict[str, Series]:
        """The series of a run, sorted by key. Raises NotFound, Damaged."""
        sql = "SELECT key, document FROM series WHERE run = :run ORDER BY key"
        rows = self.database.rows(sql, {"run": self.seq(run)})
        return {key: decode_series(data, f"series {key} of run {run[:ID_SHOWN]}") for key, data in rows}
