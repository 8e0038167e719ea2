"""Facts about runs: tags, notes, and which runs are removed. Separate records, for a finished run never changes."""

from __future__ import annotations

import msgspec

from cloche.catalog.database import Part
from cloche.errors import UsageError
from cloche.model.operation import Fact


class _Note(msgspec.Struct):
    """What the catalog needs to know of a note: the id of its run, and its text."""

    run: str
    text: str


class Facts(Part):
    """The part of the catalog that holds facts.

    fact      key            value
    tag       its name       id of the run that it names
    note      its number     JSON object with at least `run` (an id) and `text`
    removed   id of the run  any text
    """

    def fact(self, fact: Fact, key: str) -> str | None:
        """The value of a fact; None where it is not there."""
        sql = "SELECT value FROM fact WHERE fact = :fact AND key = :key"
        found = self.database.row(sql, {"fact": fact, "key": key})
        return None if found is None else str(found[0])

    def set_fact(self, fact: Fact, key: str, value: str | None) -> None:
        """Set a fact; None takes it away. Raises NotFound where it is about a run that does not exist."""
        with self.database.transaction():
            if value is None:
                self.database.change("DELETE FROM fact WHERE fact = :fact AND key = :key", {"fact": fact, "key": key})
                return
            run, text = _about(fact, key, value)
            self.database.change(
                "INSERT INTO fact (fact, key, value, run, text) VALUES (:fact, :key, :value, :run, :text) "
                "ON CONFLICT (fact, key) "
                "DO UPDATE SET value = excluded.value, run = excluded.run, text = excluded.text",
                {"fact": fact, "key": key, "value": value, "run": self.seq(run), "text": text},
            )

    def facts(self, fact: Fact) -> dict[str, str]:
        """Every fact of a kind: key to value, sorted by key."""
        sql = "SELECT key, value FROM fact WHERE fact = :fact ORDER BY key"
        return dict(self.database.rows(sql, {"fact": fact}))


def _about(fact: Fact, key: str, value: str) -> tuple[str, str]:
    """The id of the run that a fact is about, and the text that a search looks at."""
    if fact == "tag":
        return value, key
    if fact == "removed":
        return key, value
    try:
        note = msgspec.json.decode(value, type=_Note)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(f"note {key} is no JSON object with `run` and `text`: {error}") from error
    return note.run, note.text
