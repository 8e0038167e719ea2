"""The operation log: what every writing verb did."""

# ruff: noqa: S608 - what is put into SQL text here is SQL of this package; values are parameters

from __future__ import annotations

from collections.abc import Sequence

from cloche.catalog.database import Part, Row
from cloche.catalog.documents import decode, encode
from cloche.errors import NotFound
from cloche.model.operation import Effect, Operation

_COLUMNS = "number, created, verb, summary, state, undoes, undone, effects, worktree"


class Operations(Part):
    """The part of the catalog that holds the operation log. Numbers run 1, 2, 3, … without gaps, whichever process
    asks: the next one is taken within the transaction that uses it."""

    def start_operation(
        self, verb: str, summary: str, effects: Sequence[Effect], created: float, undoes: int = 0, worktree: str = ""
    ) -> Operation:
        """Write an operation to the log as `started`, before its effects are applied."""
        with self.database.transaction():
            [(number,)] = self.database.rows("SELECT coalesce(max(number), 0) + 1 FROM operation")
            operation = Operation(number, created, verb, summary, "started", tuple(effects), undoes, worktree=worktree)
            self.database.change(
                f"INSERT INTO operation ({_COLUMNS}) "
                "VALUES (:number, :created, :verb, :summary, 'started', :undoes, 0, :effects, :worktree)",
                {
                    "number": number,
                    "created": created,
                    "verb": verb,
                    "summary": summary,
                    "undoes": undoes,
                    "effects": encode(operation.effects),
                    "worktree": worktree,
                },
            )
        return operation

    def finish_operation(self, number: int) -> None:
        """Mark an operation as `done`. Raises NotFound."""
        self._set(number, "state", "done")

    def mark_undone(self, number: int, by: int) -> None:
        """Note that the operation `by` reversed this one; 0: none did. Raises NotFound."""
        self._set(number, "undone", by)

    def drop_operation(self, number: int) -> None:
        """Take back an operation that is `started` and had no effect after all.

        The newest one leaves the log. An earlier one stays, as done and without effects, so that no number is missing.
        Raises NotFound where there is no such operation, or it is done.
        """
        with self.database.transaction():
            at = {"number": number}
            where = "WHERE number = :number AND state = 'started'"
            newest = " AND number = (SELECT max(number) FROM operation)"
            if self.database.change(f"DELETE FROM operation {where}{newest}", at):
                return
            empty = "state = 'done', summary = summary || ' (failed; nothing changed)', effects = :effects"
            if not self.database.change(f"UPDATE operation SET {empty} {where}", {**at, "effects": encode(())}):
                raise NotFound(f"no operation {number} is under way", hint="type `cloche history` to see them")

    def operations(self, limit: int | None = None, *, worktree: str | None = None) -> list[Operation]:
        """The log, newest first. worktree: only what was done there."""
        where = "" if worktree is None else "WHERE worktree = :worktree"
        most = "" if limit is None else "LIMIT :limit"
        sql = f"SELECT {_COLUMNS} FROM operation {where} ORDER BY number DESC {most}"
        given = {"worktree": worktree, "limit": max(0, limit or 0)}
        return [_operation(row) for row in self.database.rows(sql, given)]

    def operation(self, number: int) -> Operation:
        """One entry of the log. Raises NotFound."""
        sql = f"SELECT {_COLUMNS} FROM operation WHERE number = :number"
        found = self.database.row(sql, {"number": number}) if abs(number) < 2**63 else None
        if found is None:
            raise _unknown(number)
        return _operation(found)

    def _set(self, number: int, column: str, value: object) -> None:
        with self.database.transaction():
            sql = f"UPDATE operation SET {column} = :value WHERE number = :number"
            if not self.database.change(sql, {"value": value, "number": number}):
                raise _unknown(number)


def _unknown(number: int) -> NotFound:
    return NotFound(f"there is no operation {number}", hint="type `cloche history` to see them")


def _operation(row: Row) -> Operation:
    number, created, verb, summary, state, undoes, undone, effects, worktree = row
    listed = decode(effects, tuple[Effect, ...], f"operation {number}")
    return Operation(number, created, verb, summary, state, listed, undoes, undone, worktree)
