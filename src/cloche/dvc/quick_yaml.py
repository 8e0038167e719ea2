"""The plain part of YAML that DVC itself writes, read 50 times faster than a whole parser does.

One real `dvc.lock` has 65,000 lines, and a history holds hundreds of versions of such a file. What is not certainly
plain is refused, and a real parser has the word; a property test holds that both say the same.
"""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"( *)((?:- )?)(?:([A-Za-z_/][\w./@+=-]*):(?: (.*))?|(.*))", re.ASCII)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL"), None),
}
_TEXT = re.compile(r"[A-Za-z_/$][\x20-\x7e]*")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_UNTEXT = re.compile(r": | #|:$| $")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_MD5 = re.compile(r"(?=[0-9]*[a-df])[0-9a-f]{32}(?:\.dir)?")
_QUOTED = re.compile(r"'((?:[\x20-\x26\x28-\x7e]|'')*)'")


class Elaborate(Exception):
    """The text needs a whole YAML parser."""


def quick_table(text: str) -> dict[str, Any]:
    """The table that a YAML text is. Raises Elaborate where it is not of the plainest kind."""
    reader = _Reader(text)
    value = reader.table(0)
    if reader.at < len(reader.rows):
        raise Elaborate
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        if "\t" in text or "\r" in text:
            raise Elaborate
        lines = text.removesuffix("\n").split("\n")
        self.rows: list[tuple[int, str, str | None, str]] = []
        for line in lines:
            found = _LINE.fullmatch(line)
            if found is None:
                raise Elaborate
            indent, dash, key, value, other = found.groups()
            self.rows.append((len(indent), dash, key, (value or "") if key is not None else other))
        self.lines = lines
        self.at = 0

    def table(self, indent: int, *, first: bool = False) -> dict[str, Any]:
        """The entries at `indent`. first: the first of them stands behind a dash."""
        table: dict[str, Any] = {}
        while self.at < len(self.rows):
            here, dash, key, value = self.rows[self.at]
            if not first and (here < indent or dash):
                break
            if (not first and here != indent) or key is None or key in _WORDS or key in table:
                raise Elaborate
            first = False
            self.at += 1
            table[key] = self.scalar(value, indent) if value else self.below(indent)
        if not table:
            raise Elaborate
        return table

    def below(self, indent: int) -> Any:
        """What follows a key without a value."""
        if self.at >= len(self.rows):
            return None
        here, dash, key, _ = self.rows[self.at]
        if dash and here >= indent:
            return self.items(here)
        if here <= indent:
            return None
        if key is None:
            raise Elaborate
        return self.table(here)

    def items(self, indent: int) -> list[Any]:
        found: list[Any] = []
        while self.at < len(self.rows):
            here, dash, key, value = self.rows[self.at]
            if here < indent or (here == indent and not dash):
                break
            if here != indent:
                raise Elaborate
            if key is not None:
                found.append(self.table(indent + 2, first=True))
            else:
                self.at += 1
                found.append(self.scalar(value, indent))
        return found

    def scalar(self, text: str, indent: int) -> Any:
        """A value, with the lines that continue it."""
        parts = [text]
        while self.at < len(self.rows) and self.rows[self.at][0] > indent:
            parts.append(self.lines[self.at].strip(" "))
            self.at += 1
        if len(parts) == 1:
            return _value(text)
        if not all(parts) or _UNTEXT.search(text) or not _TEXT.fullmatch(text):
            raise Elaborate
        if any(_UNTEXT.search(part) or part[0] in "#-?:" or not _PRINTABLE.fullmatch(part) for part in parts):
            raise Elaborate
        return " ".join(parts)


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _TEXT.fullmatch(text):
        if _UNTEXT.search(text):
            raise Elaborate
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _MD5.fullmatch(text):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted[1].replace("''", "'")
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    raise Elaborate
