"""The search grammar for runs: MLflow's filter grammar, with `or`, `not` and parentheses added.

    query      = [ any ]
    any        = all { "or" all }
    all        = unary { "and" unary }
    unary      = "not" unary | "(" any ")" | comparison
    comparison = field operator
    operator   = ( "=" | "!=" | ">" | ">=" | "<" | "<=" | "LIKE" | "ILIKE" ) constant
               | [ "NOT" ] "IN" "(" constant { "," constant } ")"
               | "IS" [ "NOT" ] "NULL"
    field      = ( "metrics" | "params" | "tags" | "attributes" ) "." name | attribute
    constant   = text | number | "inf" | "-inf" | "true" | "false"

Keywords ignore case. `metric`, `param`, `parameter(s)`, `tag`, `attribute`, `attr` and `run` are accepted too. A name
may stand in backticks or double quotes (`metrics."top 5"`), a text in single or double quotes; a quote inside is
doubled. What a comparison means is written at `cloche.model.conditions.Comparison`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

from cloche.errors import UsageError
from cloche.model.conditions import (
    ALIASES,
    ATTRIBUTES,
    ENTITIES,
    NAME,
    STATUSES,
    And,
    Comparison,
    Constant,
    Field,
    Not,
    Operator,
    Or,
    Order,
    Query,
    Term,
    read_time,
)

__all__ = ["Field", "Order", "Query", "parse", "parse_sort"]

LONGEST = 10_000
DEEPEST = 50
MOST = 500

_TOKEN = rf"""(?P<space>\s+)
    | (?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<ticked>`(?:[^`]|``)*`)
    | (?P<infinite>[-+]inf(?:inity)?(?![\w.]))
    | (?P<word>{NAME})
    | (?P<symbol>==|<>|!=|>=|<=|&&|\|\||[=<>(),])"""
_SIGNS: dict[str, Operator] = {"=": "=", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_EXAMPLE = "such as: metrics.auc > 0.8 and params.train.lr = 0.1"
_SLIPS = {"==": "=", "<>": "!=", "&&": "and", "||": "or"}
_RESERVED = ("and", "or", "not", "like", "ilike", "in", "is", "null", "true", "false")
_ORDER = ("=", "!=", ">", ">=", "<", "<=", "IN", "NOT IN")
_EQUAL = ("=", "!=", "IN", "NOT IN")
_WORDS = (*_EQUAL, "LIKE", "ILIKE")
_PRESENCE = ("IS NULL", "IS NOT NULL")


def parse(text: str) -> Query:
    """The search that the text asks for; an empty text finds every run.

    Raises UsageError, with the place marked, for a text that cannot be read or compares what cannot be compared.

    >>> str(parse("metric.auc>.8 AND status in ('finished')"))
    "metrics.auc > 0.8 and status IN ('finished')"
    """
    parser = _Parser(text)
    if parser.peek.kind == "end":
        return Query()
    term = parser.any_of(0)
    parser.expect_end()
    return Query(term)


def parse_sort(text: str) -> Order:
    """What to sort by: `metrics.auc`, `metrics.auc desc`, or `-metrics.auc` (largest first).

    Raises UsageError for a name that cannot be sorted by.
    """
    descending = text.startswith("-")
    parser = _Parser(" " + text[1:] if descending else text, "sort order")
    at = parser.peek.at
    field = parser.field()
    if field.entity == "tags" or (field.entity == "attributes" and ATTRIBUTES[field.name] == "many"):
        raise parser.wrong(
            at, f"a run may have several of {field}, so it has no order", "sort by a metric, such as -metrics.auc"
        )
    if parser.keyword("desc"):
        descending = not descending
    else:
        parser.keyword("asc")
    parser.expect_end()
    return Order(field, descending)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Parser:
    """Reads one text by recursive descent; every failure is a UsageError that marks the place."""

    def __init__(self, text: str, what: str = "search") -> None:
        self.what = what
        self.source = text
        self.comparisons = 0
        self.position = 0
        if len(text) > LONGEST:
            raise UsageError(f"the {what} is longer than {LONGEST} characters", hint="ask for less at once")
        self.tokens = self._tokens()

    @property
    def peek(self) -> _Token:
        return self.tokens[self.position]

    def next(self) -> _Token:
        token = self.peek
        if token.kind != "end":
            self.position += 1
        return token

    def any_of(self, depth: int) -> Term:
        terms = [self.all_of(depth)]
        while self.keyword("or"):
            terms.append(self.all_of(depth))
        return Or(tuple(terms)) if len(terms) > 1 else terms[0]

    def all_of(self, depth: int) -> Term:
        terms = [self.unary(depth)]
        while self.keyword("and"):
            terms.append(self.unary(depth))
        return And(tuple(terms)) if len(terms) > 1 else terms[0]

    def unary(self, depth: int) -> Term:
        at = self.peek.at
        if depth > DEEPEST:
            raise self.wrong(at, f"more than {DEEPEST} parentheses or `not` within each other")
        if self.keyword("not"):
            return Not(self.unary(depth + 1))
        if self.symbol("("):
            term = self.any_of(depth + 1)
            if not self.symbol(")"):
                raise self.unexpected("`and`, `or` or `)`")
            return term
        return self.comparison()

    def comparison(self) -> Comparison:
        field = self.field()
        at = self.peek.at
        operator = self.operator()
        self._check_operator(field, operator, at)
        if operator in _PRESENCE:
            self._count(at)
            return Comparison(field, operator)
        if operator not in ("IN", "NOT IN"):
            return Comparison(field, operator, (self.constant(field, operator),))
        if not self.symbol("("):
            raise self.unexpected("`(` and a list of values")
        values = [self.constant(field, operator)]
        while self.symbol(","):
            values.append(self.constant(field, operator))
        if not self.symbol(")"):
            raise self.unexpected("`,` or `)`")
        return Comparison(field, operator, tuple(values))

    def field(self) -> Field:
        token = self.peek
        if token.kind in ("number", "text", "infinite"):
            raise self.wrong(
                token.at, "a name belongs here, not a value", "write the name first, as in `metrics.auc > 0.8`"
            )
        if token.kind not in ("word", "quoted", "ticked") or token.text.lower() in _RESERVED:
            raise self.unexpected("a name such as `metrics.auc`")
        self.next()
        if token.kind != "word":
            return self._attribute(_unquoted(token.text), token.at)
        entity, dot, name = token.text.partition(".")
        following = self.peek
        if token.text.endswith(".") and following.kind in ("quoted", "ticked"):
            name += _unquoted(self.next().text)
        if not dot:
            return self._attribute(entity, token.at)
        if entity not in ENTITIES:
            raise self._unknown_entity(entity, name, token.at)
        if not name or (name.endswith(".") and following is self.peek):
            raise self.wrong(following.at, f"the name after `{token.text}` is missing")
        known = ENTITIES[entity]
        return self._attribute(name, token.at) if known == "attributes" else Field(known, name)

    def operator(self) -> Operator:
        token = self.peek
        if token.text in _SIGNS:
            return _SIGNS[self.next().text]
        if token.text in _SLIPS:
            raise self.wrong(token.at, f"`{token.text}` is not known here", f"write `{_SLIPS[token.text]}`")
        if self.keyword("like"):
            return "LIKE"
        if self.keyword("ilike"):
            return "ILIKE"
        if self.keyword("is"):
            negative = self.keyword("not")
            if not self.keyword("null"):
                raise self.unexpected("NULL")
            return "IS NOT NULL" if negative else "IS NULL"
        negative = self.keyword("not")
        if not self.keyword("in"):
            raise self.unexpected("IN" if negative else "a comparison such as `>` or `=`")
        return "NOT IN" if negative else "IN"

    def constant(self, field: Field, operator: Operator) -> Constant:
        token = self.peek
        self._count(token.at)
        value = self._value(token)
        kind = _kind(field)
        if isinstance(value, bool) and (kind != "param" or operator not in _EQUAL):
            raise self.wrong(token.at, f"{field} {operator} takes no true or false")
        if isinstance(value, str):
            if kind == "number":
                raise self.wrong(token.at, f"{field} is a number", "write the number without quotes")
            if kind == "time" and read_time(value) is None:
                hint = "write '2026-07-01', '2026-07-01 18:30' or '2 days ago'"
                raise self.wrong(token.at, f"{value!r} is no time", hint)
            if kind == "status" and operator in _EQUAL and value.lower() not in STATUSES:
                raise self.wrong(token.at, f"no run is ever {value!r}", _one_of(value, STATUSES))
        elif kind in ("text", "status", "many") or operator in ("LIKE", "ILIKE"):
            raise self.wrong(token.at, f"{field} {operator} takes a text", f"write '{token.text}'")
        self.next()
        return value

    def _count(self, at: int) -> None:
        self.comparisons += 1
        if self.comparisons > MOST:
            raise self.wrong(at, f"more than {MOST} comparisons and values", "search for less at once")

    def _value(self, token: _Token) -> Constant:
        word = token.text.lower()
        if token.kind in ("text", "quoted"):
            return _unquoted(token.text)
        if token.kind == "number":
            if len(token.text) > 400:
                raise self.wrong(token.at, "a number of more than 400 characters")
            return int(word) if word.lstrip("+-").isdigit() else float(word)
        if token.kind == "infinite" or word in ("inf", "infinity"):
            return float(word)
        if word in ("true", "false"):
            return word == "true"
        if word == "nan":
            raise self.wrong(
                token.at, "NaN equals nothing", "`not metrics.x <= inf and metrics.x IS NOT NULL` finds it"
            )
        if token.kind == "word" and word not in _RESERVED:
            raise self.wrong(token.at, "a value belongs here", f"put text in quotes: '{token.text}'")
        raise self.unexpected("a value")

    def _check_operator(self, field: Field, operator: Operator, at: int) -> None:
        kind = _kind(field)
        if operator in _PRESENCE:
            return
        if kind == "tag":
            hint = f"write `{field} IS NOT NULL`, or `tag = '{field.name}'`"
            raise self.wrong(at, "a tag is there or not; it has no value", hint)
        allowed = {"number": _ORDER, "time": _ORDER, "param": (*_ORDER, *_WORDS)}.get(kind, _WORDS)
        if operator not in allowed:
            sort = {"number": "a number", "time": "a time"}.get(kind, "text")
            raise self.wrong(
                at, f"{field} is {sort}, for which there is no {operator}", f"it knows {', '.join(allowed)}"
            )

    def _attribute(self, name: str, at: int) -> Field:
        known = ALIASES.get(name, name)
        if known in ATTRIBUTES:
            return Field("attributes", known)
        near = _closest(name, ATTRIBUTES)
        hint = f"did you mean `{near}`?" if near else f"did you mean `metrics.{name}` or `params.{name}`?"
        raise self.wrong(at, f"a run has no attribute {name!r}", hint)

    def _unknown_entity(self, entity: str, name: str, at: int) -> UsageError:
        near = _closest(entity, ENTITIES)
        guesses = f"`{ENTITIES[near]}.{name}`" if near else f"`params.{entity}.{name}` or `metrics.{entity}.{name}`"
        return self.wrong(
            at, f"a name begins with metrics, params, tags or attributes, not {entity!r}", f"did you mean {guesses}?"
        )

    def keyword(self, word: str) -> bool:
        """Take the keyword if it comes next."""
        found = self.peek.kind == "word" and self.peek.text.lower() == word
        self.position += found
        return found

    def symbol(self, sign: str) -> bool:
        """Take the sign if it comes next."""
        found = self.peek.kind == "symbol" and self.peek.text == sign
        self.position += found
        return found

    def expect_end(self) -> None:
        if self.peek.kind != "end":
            raise self.unexpected("`and`, `or` or the end")

    def unexpected(self, wanted: str) -> UsageError:
        token = self.peek
        found = "it ends" if token.kind == "end" else f"{token.text[:40]!r} stands"
        hint = f"write `{_SLIPS[token.text]}`" if token.text in _SLIPS else ""
        return self.wrong(token.at, f"{found} where {wanted} belongs", hint)

    def wrong(self, at: int, what: str, hint: str = "") -> UsageError:
        """The error that marks this place."""
        start = max(0, at - 60)
        shown = "".join(char if char.isprintable() else " " for char in self.source[start : at + 40])
        mark = " " * (at - start) + "^"
        return UsageError(f"cannot read the {self.what}: {what}\n  {shown}\n  {mark}", hint=hint or _EXAMPLE)

    def _tokens(self) -> list[_Token]:
        pattern = re.compile(_TOKEN, re.VERBOSE | re.IGNORECASE)
        found: list[_Token] = []
        at = 0
        while at < len(self.source):
            match = pattern.match(self.source, at)
            if match is None:
                quote = self.source[at] in "'\"`"
                raise self.wrong(
                    at, "this quote is never closed" if quote else f"{self.source[at]!r} is not understood"
                )
            if match.lastgroup and match.lastgroup != "space":
                found.append(_Token(match.lastgroup, match[0], at))
            at = match.end()
        found.append(_Token("end", "", at))
        return found


_Sort = Literal["text", "status", "number", "time", "many", "param", "tag"]


def _kind(field: Field) -> _Sort:
    if field.entity == "attributes":
        return ATTRIBUTES[field.name]
    kinds: dict[str, _Sort] = {"metrics": "number", "params": "param", "tags": "tag"}
    return kinds[field.entity]


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def _one_of(word: str, known: Collection[str]) -> str:
    near = _closest(word.lower(), known)
    return f"did you mean '{near}'?" if near else f"it is one of {', '.join(known)}"


def _closest(word: str, known: Collection[str]) -> str | None:
    import difflib  # slow, and only a mistake needs it

    found = difflib.get_close_matches(word, known, n=1)
    return found[0] if found else None
