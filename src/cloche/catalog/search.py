"""Searches as SQL. The text of a statement depends only on the shape of the search: every name and value in it that
comes from a person is a parameter."""

# ruff: noqa: S608 - what is put into SQL text here is SQL of this package; values are parameters

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cloche.errors import UsageError
from cloche.model.conditions import (
    ATTRIBUTES,
    And,
    Comparison,
    Constant,
    Field,
    Not,
    Operator,
    Order,
    Query,
    Term,
    read_time,
)

VISIBLE = "NOT EXISTS (SELECT 1 FROM fact WHERE fact.fact = 'removed' AND fact.key = run.id)"
NEWEST_FIRST = "run.created DESC, run.seq DESC"

_SIGNS: dict[Operator, str] = {"=": "=", "!=": "<>", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_NEGATIVE: dict[Operator, Operator] = {"!=": "=", "NOT IN": "IN", "IS NULL": "IS NOT NULL"}
_MANY = {
    "tag": ("fact WHERE fact.run = run.seq AND fact.fact = 'tag'", "fact.text"),
    "note": ("fact WHERE fact.run = run.seq AND fact.fact = 'note'", "fact.text"),
    "output": ("output WHERE output.run = run.seq", "output.path"),
}
_COLUMNS = {name: f"run.{name}" for name in ATTRIBUTES if name not in _MANY} | {"commit": "run.commit_id"}
MOST_ORDERS = 10


class Statement(NamedTuple):
    """A query with its parameters."""

    sql: str
    parameters: dict[str, object]


def select_runs(
    columns: str,
    query: Query | None = None,
    orders: Sequence[Order] = (),
    *,
    limit: int | None = None,
    hidden: bool = False,
    experiment: str = "",
    now: Callable[[], float] = time.time,
) -> Statement:
    """The statement that finds runs: newest first, after whatever `orders` say. now: the clock for `2 days ago`."""
    search = _Search(now)
    conditions = [] if hidden else [VISIBLE]
    if experiment:
        conditions.append(f"run.experiment = {search.bind(experiment)}")
    if query is not None and query.term is not None:
        conditions.append(search.term(query.term))
    joins, keys = search.orders(orders)
    sql = f"SELECT {columns} FROM run{joins}"
    if conditions:
        sql += f" WHERE {' AND '.join(conditions)}"
    sql += f" ORDER BY {', '.join((*keys, NEWEST_FIRST))}"
    if limit is not None:
        if limit < 0:
            raise UsageError(f"a limit of {limit} makes no sense", hint="give a limit of 1 or more")
        sql += f" LIMIT {search.bind(min(limit, 2**62))}"
    return Statement(sql, search.parameters)


class _Search:
    """Builds one statement. Each condition is true or false for every run, never NULL, so that NOT means not."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.parameters: dict[str, object] = {}
        self._now = now

    def bind(self, value: object) -> str:
        """The place of a value in the statement."""
        name = f"p{len(self.parameters)}"
        too_large = isinstance(value, int) and not -(2**63) <= value < 2**63
        self.parameters[name] = as_float(value) if too_large else value
        return f":{name}"

    def term(self, term: Term) -> str:
        """The condition for a term."""
        if isinstance(term, Comparison):
            return self._comparison(term)
        if isinstance(term, Not):
            return f"NOT {self.term(term.term)}"
        joint = " AND " if isinstance(term, And) else " OR "
        return f"({joint.join(self.term(one) for one in term.terms)})"

    def orders(self, orders: Sequence[Order]) -> tuple[str, list[str]]:
        """The joins that sorting needs, and the sort keys."""
        if len(orders) > MOST_ORDERS:
            raise UsageError(f"more than {MOST_ORDERS} things to sort by", hint="sort by fewer")
        joins, keys = "", []
        for number, order in enumerate(orders):
            field, alias = order.field, f"sort{number}"
            if field.entity in ("metrics", "params"):
                table = "metric" if field.entity == "metrics" else "param"
                key = self.bind(field.name)
                joins += f" LEFT JOIN {table} {alias} ON {alias}.run = run.seq AND {alias}.key = {key}"
            keys += _sort_keys(order, alias)
        return joins, keys

    def _comparison(self, one: Comparison) -> str:
        field = one.field
        if field.entity == "metrics":
            return self._keyed("metric", field, one, self._metric)
        if field.entity == "params":
            return self._keyed("param", field, one, self._param)
        if field.entity == "tags":
            found = f"EXISTS (SELECT 1 FROM {_MANY['tag'][0]} AND fact.key = {self.bind(field.name)})"
            return f"NOT {found}" if one.operator == "IS NULL" else found
        if field.name in _MANY:
            return self._many(*_MANY[field.name], one)
        kind, column = ATTRIBUTES[field.name], _COLUMNS[field.name]
        if kind in ("text", "status"):
            return self._text_attribute(column, one, lower=kind == "status")
        if kind == "time":
            return self._time(column, one)
        return self._present(column, one) or f"({column} IS NOT NULL AND {self._number(column, one)})"

    def _keyed(self, table: str, field: Field, one: Comparison, condition: Callable[[Comparison], str]) -> str:
        found = f"SELECT 1 FROM {table} WHERE {table}.run = run.seq AND {table}.key = {self.bind(field.name)}"
        known = " AND param.type <> 'null'" if table == "param" else ""
        if one.operator in ("IS NULL", "IS NOT NULL"):
            return f"{'NOT ' if one.operator == 'IS NULL' else ''}EXISTS ({found}{known})"
        return f"EXISTS ({found}{known} AND {condition(one)})"

    def _metric(self, one: Comparison) -> str:
        condition = self._number("metric.value", one)
        return f"({condition} OR metric.value IS NULL)" if one.operator in ("!=", "NOT IN") else condition

    def _param(self, one: Comparison) -> str:
        if one.operator == "NOT IN":
            return f"NOT {self._param(Comparison(one.field, 'IN', one.values))}"
        if one.operator == "!=":
            return f"NOT {self._param(Comparison(one.field, '=', one.values))}"
        return f"({' OR '.join(self._param_value(one.operator, value) for value in one.values)})"

    def _param_value(self, operator: Operator, value: Constant) -> str:
        if operator == "IN":
            operator = "="
        if isinstance(value, bool):
            return f"(param.type = 'bool' AND param.text = {self.bind('true' if value else 'false')})"
        if isinstance(value, str):
            order = operator in (">", ">=", "<", "<=")
            condition = self._pattern("param.text", operator, value)
            return f"(param.type = 'str' AND {condition})" if order else condition
        return f"(param.number IS NOT NULL AND param.number {_SIGNS[operator]} {self.bind(value)})"

    def _many(self, table: str, column: str, one: Comparison) -> str:
        if one.operator in _NEGATIVE:
            return f"NOT {self._many(table, column, Comparison(one.field, _NEGATIVE[one.operator], one.values))}"
        if one.operator == "IS NOT NULL":
            return f"EXISTS (SELECT 1 FROM {table})"
        return f"EXISTS (SELECT 1 FROM {table} AND {self._text(column, one)})"

    def _text_attribute(self, column: str, one: Comparison, *, lower: bool) -> str:
        if one.operator in ("IS NULL", "IS NOT NULL"):
            return f"{column} {'=' if one.operator == 'IS NULL' else '<>'} ''"
        if lower and one.operator not in ("LIKE", "ILIKE"):
            one = Comparison(one.field, one.operator, tuple(str(value).lower() for value in one.values))
        return self._text(column, one)

    def _text(self, column: str, one: Comparison) -> str:
        if one.operator in ("IN", "NOT IN"):
            return f"{column} {one.operator} ({', '.join(map(self.bind, one.values))})"
        return self._pattern(column, one.operator, str(one.values[0]))

    def _pattern(self, column: str, operator: Operator, value: str) -> str:
        if operator == "LIKE":
            return f"{column} GLOB {self.bind(as_glob(value))}"
        if operator == "ILIKE":
            return f"casefold({column}) GLOB {self.bind(as_glob(value.casefold()))}"
        return f"{column} {_SIGNS[operator]} {self.bind(value)}"

    def _number(self, column: str, one: Comparison) -> str:
        if one.operator in ("IN", "NOT IN"):
            return f"{column} {one.operator} ({', '.join(map(self.bind, one.values))})"
        return f"{column} {_SIGNS[one.operator]} {self.bind(one.values[0])}"

    def _time(self, column: str, one: Comparison) -> str:
        present = self._present(column, one)
        if present:
            return present
        if one.operator in ("!=", "NOT IN"):
            positive: Operator = "=" if one.operator == "!=" else "IN"
            return f"({column} IS NOT NULL AND NOT {self._time(column, Comparison(one.field, positive, one.values))})"
        ways = " OR ".join(self._moment(column, one.operator, value) for value in one.values)
        return f"({column} IS NOT NULL AND ({ways}))"

    def _moment(self, column: str, operator: Operator, value: Constant) -> str:
        """A comparison with a stretch of time: `>` is after all of it, `=` within it."""
        start, end = self._stretch(value)
        if start == end:
            return f"{column} {'=' if operator == 'IN' else _SIGNS[operator]} {self.bind(start)}"
        if operator in ("=", "IN"):
            return f"({column} >= {self.bind(start)} AND {column} < {self.bind(end)})"
        sign, bound = {">": (">=", end), ">=": (">=", start), "<": ("<", start), "<=": ("<", end)}[operator]
        return f"{column} {sign} {self.bind(bound)}"

    def _stretch(self, value: Constant) -> tuple[float, float]:
        if not isinstance(value, str):
            return as_float(value), as_float(value)
        found = read_time(value)
        if found is None:
            raise UsageError(f"{value!r} is no time", hint="write '2026-07-01' or '2 days ago'")
        if isinstance(found, datetime.timedelta):
            moment = self._now() - found.total_seconds()
            return moment, moment
        return found[0].timestamp(), found[1].timestamp()

    @staticmethod
    def _present(column: str, one: Comparison) -> str:
        return f"{column} {one.operator}" if one.operator in ("IS NULL", "IS NOT NULL") else ""


def _sort_keys(order: Order, alias: str) -> list[str]:
    """What is missing comes last in either direction; among parameters numbers come before text."""
    down = " DESC" if order.descending else ""
    if order.field.entity == "metrics":
        return [f"{alias}.value IS NULL", f"{alias}.value{down}"]
    if order.field.entity == "params":
        missing = f"{alias}.text IS NULL OR {alias}.type = 'null'"
        return [missing, f"{alias}.number IS NULL", f"{alias}.number{down}", f"{alias}.text{down}"]
    if order.field.name not in _COLUMNS:
        raise UsageError(f"runs cannot be sorted by {order.field}", hint="sort by a metric, such as -metrics.auc")
    column = _COLUMNS[order.field.name]
    text = ATTRIBUTES[order.field.name] in ("text", "status")
    return [f"{column} = ''" if text else f"{column} IS NULL", f"{column}{down}"]


def as_glob(pattern: str) -> str:
    """The GLOB of SQLite, which minds case as LIKE in other databases does, for a LIKE pattern.

    >>> as_glob("50%_[a]*")
    '50*?[[]a][*]'
    """
    special = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(special.get(char, char) for char in pattern)


def as_float(value: object) -> float:
    """`value` as a float; infinite where it is too large for one."""
    if not isinstance(value, (int, float)):
        raise TypeError(value)
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
