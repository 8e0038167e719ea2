"""Facts about runs: tags, notes, and which runs are removed. Separate records, for a finished run never changes."""

from __future__ import annotations

import msgspec

from cloche.catalog.database import Part
from cloche.errors import UsageError
from cloche.model.bundle import NoteBody, note_mark
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

    def set_fact(self, fact: Fact, key: str, value: str | None, changed: float = 0.0) -> None:
        """Set a fact; None takes it away. changed: seconds since 1970, by which the last of several people's changes is
        told. Raises NotFound where it is about a run that does not exist."""
        with self.database.transaction():
            self._note_change(fact, key, value, changed)
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

    def _note_change(self, fact: Fact, key: str, value: str | None, changed: float) -> None:
        if fact == "note":
            known = value if value is not None else self.fact(fact, key)
            if known is None:
                return
            key, body = body_of(key, known)
            value = body if value is not None else None
        self.database.change(
            "INSERT INTO fact_change (fact, key, value, changed) VALUES (:fact, :key, :value, :changed) "
            "ON CONFLICT (fact, key) DO UPDATE SET value = excluded.value, changed = excluded.changed",
            {"fact": fact, "key": key, "value": value, "changed": changed},
        )

    def facts(self, fact: Fact) -> dict[str, str]:
        """Every fact of a kind: key to value, sorted by key."""
        sql = "SELECT key, value FROM fact WHERE fact = :fact ORDER BY key"
        return dict(self.database.rows(sql, {"fact": fact}))


def body_of(number: str, value: str) -> tuple[str, str]:
    """By what a note is known everywhere, and what it says without its number here. Raises UsageError."""
    try:
        body = msgspec.json.decode(value, type=NoteBody)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(f"note {number} is no JSON object with `run` and `text`: {error}") from error
    return note_mark(body), msgspec.json.encode(body).decode()


def number_of(number: str, body: str) -> str:
    """The value of a note that has this number here."""
    return msgspec.json.encode({"number": int(number), **msgspec.json.decode(body)}).decode()


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
