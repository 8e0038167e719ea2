"""On which line each key of a TOML text stands.

Only for texts that `tomllib` has read: this finds places, it does not check. It follows tables, arrays of tables,
dotted and quoted keys, inline tables, arrays and strings over several lines.
"""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_OTHER = re.compile(r"[^,\]}#\n]+")


class _Lost(Exception):
    """The scanner does not understand the text."""


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) on which each key, table and list item first appears, by its path.

    Empty where the text cannot be followed: no line is better than a wrong one.

    >>> key_lines("[a]\\nb.c = [1,\\n2]")[("a", "b", "c", 1)]
    3
    """
    try:
        real = set(_paths(tomllib.loads(text), ()))
        scan = _Scan(text.replace("\r\n", "\n"))
        scan.document()
    except (_Lost, ValueError, RecursionError):
        return {}
    return scan.lines if set(scan.lines) == real else {}


def _paths(value: object, at: Path) -> list[Path]:
    below: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    return [path for key, item in below for path in ((*at, key), *_paths(item, (*at, key)))]


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.line, self.counted = 1, 0
        self.lengths: dict[Path, int] = {}  # of arrays of tables, so far

    def document(self) -> None:
        table: Path = ()
        self.skip(_SPACE)
        while self.at < len(self.text):
            if self.takes("[["):
                table = self.next_of_array(self.key((), "]]"))
            elif self.takes("["):
                table = self.current(self.key((), "]"))
            else:
                self.pair(table)
            self.skip(_SPACE)

    def pair(self, table: Path) -> None:
        self.value(self.key(table, "="))

    def key(self, table: Path, end: str) -> Path:
        """Read a dotted key up to `end`."""
        path = table
        while True:
            self.skip(_BLANK)
            line = self.line_here()
            path = (*self.current(path), self.name())
            self.lines.setdefault(path, line)
            self.skip(_BLANK)
            if self.takes(end):
                return path
            self.expect(".")

    def current(self, path: Path) -> Path:
        """An array of tables stands for its last table."""
        return (*path, self.lengths[path] - 1) if path in self.lengths else path

    def next_of_array(self, path: Path) -> Path:
        index = self.lengths.get(path, 0)
        self.lengths[path] = index + 1
        self.lines[*path, index] = self.line_here()
        return (*path, index)

    def name(self) -> str:
        bare = _BARE.match(self.text, self.at)
        if bare:
            self.at = bare.end()
            return bare[0]
        return str(tomllib.loads(f"name = {self.match(_STRING)}")["name"])

    def value(self, path: Path) -> None:
        self.skip(_BLANK)
        if self.takes("["):
            self.items(path)
        elif self.takes("{"):
            self.inline_table(path)
        elif self.text.startswith(('"', "'"), self.at):
            self.match(_STRING)
        else:
            self.match(_OTHER)

    def items(self, path: Path) -> None:
        index = 0
        self.skip(_SPACE)
        while not self.takes("]"):
            self.lines[*path, index] = self.line_here()
            self.value((*path, index))
            index += 1
            self.skip(_SPACE)
            self.takes(",")
            self.skip(_SPACE)

    def inline_table(self, path: Path) -> None:
        self.skip(_SPACE)
        while not self.takes("}"):
            self.pair(path)
            self.skip(_SPACE)
            self.takes(",")
            self.skip(_SPACE)

    def line_here(self) -> int:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def takes(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def expect(self, token: str) -> None:
        if not self.takes(token):
            raise _Lost

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            raise _Lost
        self.at = found.end()
        return found[0]
