"""What a search for runs asks: conditions as values. `cloche.model.query` reads them from text."""

from __future__ import annotations

import datetime
import re
from typing import Literal, get_args

import msgspec

from cloche.model.run import Status

Entity = Literal["metrics", "params", "tags", "attributes"]
Operator = Literal["=", "!=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"]
Constant = str | int | float | bool
ENTITIES: dict[str, Entity] = {
    "metric": "metrics",
    "metrics": "metrics",
    "param": "params",
    "params": "params",
    "parameter": "params",
    "parameters": "params",
    "tag": "tags",
    "tags": "tags",
    "attribute": "attributes",
    "attributes": "attributes",
    "attr": "attributes",
    "run": "attributes",
}
Kind = Literal["text", "status", "number", "time", "many"]

ATTRIBUTES: dict[str, Kind] = {
    "id": "text",
    "status": "status",
    "command": "text",
    "message": "text",
    "experiment": "text",
    "commit": "text",
    "branch": "text",
    "folder": "text",
    "signal": "text",
    "code": "text",
    "data": "text",
    "config": "text",
    "environment": "text",
    "snapshot": "text",
    "created": "time",
    "ended": "time",
    "exit_status": "number",
    "wall": "number",
    "cpu": "number",
    "peak_memory": "number",
    "outputs": "number",
    "findings": "number",
    "tag": "many",
    "note": "many",
    "output": "many",
}
"""The attributes of a run by name. `many`: a run may have several, and a comparison holds if it does for any."""

ALIASES = {"run_id": "id", "commit_id": "commit", "duration": "wall", "git_commit": "commit", "git_branch": "branch"}
STATUSES: tuple[str, ...] = get_args(Status)

NAME = r"[^\W\d][\w.\-/:@]*"  # patterns are compiled when first used, to keep the start short


class Field(msgspec.Struct, frozen=True):
    """What is compared. name: a metric's or parameter's key, a tag's name, or one of ATTRIBUTES."""

    entity: Entity
    name: str

    def __str__(self) -> str:
        if self.entity == "attributes" and self.name in ATTRIBUTES:
            return self.name
        bare = re.fullmatch(NAME, self.name) and not self.name.endswith(".")
        return f"{self.entity}.{self.name if bare else _quoted(self.name, '`')}"


class Comparison(msgspec.Struct, frozen=True):
    """One condition. values: one constant, several for IN and NOT IN, none for IS [NOT] NULL.

    - A metric or parameter that a run does not have meets no comparison, `!=` included; `not params.lr = 0.1` is met.
    - A parameter compares as a number with a number, and as text with a text (`0.1` is then "0.1", true is "true").
      Order (`<`) against a text is that of text, for parameters that are text.
    - NaN is there (IS NOT NULL) but meets no comparison except `!=`.
    - `tags.best IS NOT NULL`: the run is tagged best. `tag`, `note` and `output` are met if any of the run's is, and
      `!=` and NOT IN if none is.
    - In LIKE, `%` is any text and `_` any one character; ILIKE ignores case.
    - A time is seconds since 1970, or text: a date, a date and time (local unless it says otherwise), or `2 days ago`.
      A date is the whole day: `created = '2026-07-01'` is any time of it, `created > '2026-07-01'` after it.
    """

    field: Field
    operator: Operator
    values: tuple[Constant, ...] = ()

    def __str__(self) -> str:
        if self.operator in ("IS NULL", "IS NOT NULL"):
            return f"{self.field} {self.operator}"
        texts = [_literal(value) for value in self.values]
        constant = f"({', '.join(texts)})" if self.operator in ("IN", "NOT IN") else texts[0]
        return f"{self.field} {self.operator} {constant}"


class Not(msgspec.Struct, frozen=True):
    """Holds where `term` does not."""

    term: Term

    def __str__(self) -> str:
        return f"not {_inner(self.term)}"


class And(msgspec.Struct, frozen=True):
    """Holds where each of two or more terms does."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " and ".join(map(_inner, self.terms))


class Or(msgspec.Struct, frozen=True):
    """Holds where one of two or more terms does."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " or ".join(map(_inner, self.terms))


Term = Comparison | Not | And | Or


class Query(msgspec.Struct, frozen=True):
    """A search. term: None finds every run. `str(query)` parses to the same query."""

    term: Term | None = None

    def __str__(self) -> str:
        return "" if self.term is None else str(self.term)


def fields_of(term: Term | None) -> list[Field]:
    """Everything that a term compares, in the order in which it stands there."""
    if term is None:
        return []
    if isinstance(term, Comparison):
        return [term.field]
    terms = (term.term,) if isinstance(term, Not) else term.terms
    return [field for one in terms for field in fields_of(one)]


class Order(msgspec.Struct, frozen=True):
    """What to sort by. Runs that lack it come last in either direction."""

    field: Field
    descending: bool = False


def _inner(term: Term) -> str:
    return f"({term})" if isinstance(term, (And, Or)) else str(term)


def _literal(value: Constant) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(value, "'") if isinstance(value, str) else repr(value)


def _quoted(text: str, quote: str) -> str:
    return f"{quote}{text.replace(quote, quote * 2)}{quote}"


_WHEN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ](?P<minute>[0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}(?P<fraction>\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_AGO = r"([0-9]{1,6}) +(second|minute|hour|day|week)s? +ago"


def read_time(text: str) -> tuple[datetime.datetime, datetime.datetime] | datetime.timedelta | None:
    """The stretch of time that a text names: its first moment and the first after it; or how long ago; or None.

    >>> read_time("2 days ago")
    datetime.timedelta(days=2)
    """
    ago = re.fullmatch(_AGO, text.strip(), re.IGNORECASE)
    if ago is not None:
        return datetime.timedelta(**{ago[2].lower() + "s": int(ago[1])})
    when = re.fullmatch(_WHEN, text.strip())
    if when is None:
        return None
    try:
        start = datetime.datetime.fromisoformat(when[0])
    except ValueError:
        return None
    if not 1970 <= start.year <= 9998:
        return None
    width = datetime.timedelta(days=1)
    if when["fraction"]:
        width = datetime.timedelta()
    elif when["second"]:
        width = datetime.timedelta(seconds=1)
    elif when["minute"]:
        width = datetime.timedelta(minutes=1)
    return start, start + width
