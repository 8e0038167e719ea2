"""What the catalog knows of other copies of itself: when facts changed, which bundles were taken in, which runs are
here as records only; and which data was here whole."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cloche.catalog.database import Part
from cloche.catalog.facts import body_of, number_of
from cloche.errors import NotFound
from cloche.model.bundle import FactChange
from cloche.model.digest import Digest
from cloche.model.operation import FactEffect


class Sharing(Part):
    """The part of the catalog that holds what it takes to exchange records with a remote."""

    def fact_changes(self) -> dict[tuple[str, str], FactChange]:
        """The last change of every fact, by kind and key; those of before changes were noted have the time 0."""
        found: dict[tuple[str, str], FactChange] = {}
        for fact, key, value in self.database.rows("SELECT fact, key, value FROM fact"):
            key, value = body_of(key, value) if fact == "note" else (key, value)  # noqa: PLW2901
            found[fact, key] = FactChange(fact, key, value, 0.0)
        for fact, key, value, changed in self.database.rows("SELECT fact, key, value, changed FROM fact_change"):
            found[fact, key] = FactChange(fact, key, value, changed)
        return found

    def note_fact_changes(self, changes: Iterable[FactChange]) -> None:
        """Note changes with the time at which they were made elsewhere."""
        with self.database.transaction():
            self.database.change_many(
                "INSERT INTO fact_change (fact, key, value, changed) VALUES (:fact, :key, :value, :changed) "
                "ON CONFLICT (fact, key) DO UPDATE SET value = excluded.value, changed = excluded.changed",
                (msgspec.structs.asdict(change) for change in changes),
            )

    def effect_of(self, change: FactChange) -> FactEffect | None:
        """What a change from elsewhere does here; None where it does nothing, or is about a run that is not here."""
        key, value = change.key, change.value
        if change.fact == "note":
            numbers = {body_of(number, data)[0]: number for number, data in self._notes().items()}
            if value is None and key not in numbers:
                return None
            key = numbers.get(change.key) or str(max(map(int, numbers.values()), default=0) + 1)
            value = None if value is None else number_of(key, value)
        row = self.database.row(
            "SELECT value FROM fact WHERE fact = :fact AND key = :key", {"fact": change.fact, "key": key}
        )
        before = None if row is None else str(row[0])
        about = {"tag": change.value, "removed": change.key, "note": change.key.partition(" ")[0]}[change.fact]
        if before == value or (about is not None and not self._is_here(about)):
            return None
        return FactEffect(change.fact, key, before, value)

    def merged(self) -> set[Digest]:
        """The bundles whose records are in this catalog."""
        return {str(digest) for (digest,) in self.database.rows("SELECT digest FROM merged")}

    def mark_merged(self, bundle: Digest) -> None:
        """Note that the records of a bundle are in this catalog."""
        with self.database.transaction():
            self.database.change(
                "INSERT INTO merged (digest) VALUES (:digest) ON CONFLICT DO NOTHING", {"digest": bundle}
            )

    def elsewhere(self) -> set[str]:
        """The ids of the runs whose content is not, or not wholly, in the store here."""
        sql = "SELECT run.id FROM elsewhere JOIN run ON run.seq = elsewhere.run"
        return {str(run) for (run,) in self.database.rows(sql)}

    def mark_elsewhere(self, runs: Iterable[str], *, is_here: bool = False) -> None:
        """Note that the content of runs is elsewhere; or, where `is_here`, that it is in the store now."""
        sql = "INSERT INTO elsewhere (run) VALUES (:run) ON CONFLICT DO NOTHING"
        with self.database.transaction():
            rows = [{"run": self.seq(run)} for run in runs]
            self.database.change_many("DELETE FROM elsewhere WHERE run = :run" if is_here else sql, rows)

    def held(self) -> set[Digest]:
        """The data that the store here has held whole, by digest: what it lacks of that was lost."""
        return {str(digest) for (digest,) in self.database.rows("SELECT digest FROM held")}

    def mark_held(self, digests: Iterable[Digest]) -> None:
        """Note that the store holds this data whole."""
        new = set(digests) - self.held()
        if new:
            with self.database.transaction():
                sql = "INSERT INTO held (digest) VALUES (:digest) ON CONFLICT DO NOTHING"
                self.database.change_many(sql, ({"digest": one} for one in sorted(new)))

    def forget_held(self, digests: Iterable[Digest]) -> None:
        """Note that nothing needs this data any more: it may go."""
        rows = [{"digest": one} for one in sorted(digests)]
        if rows:
            with self.database.transaction():
                self.database.change_many("DELETE FROM held WHERE digest = :digest", rows)

    def _notes(self) -> dict[str, str]:
        return dict(self.database.rows("SELECT key, value FROM fact WHERE fact = 'note'"))

    def _is_here(self, run: str) -> bool:
        try:
            self.seq(run)
        except NotFound:
            return False
        return True
