"""Patterns of paths, as cloche.toml writes them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

_PART = re.compile(r"\*\*/?|\*|\?|\[!?\]?[^\]]*\]|[^*?\[]+|\[")


class Patterns:
    """A set of patterns, used as `path in patterns`.

    `*` and `?` stay within one part of a path, `**` spans parts, `[a-z]` is a class. A pattern without `/` fits a
    file or folder of that name anywhere; one with `/` fits from the project's folder on. A pattern that fits a folder
    fits everything below it.

    >>> patterns = Patterns(["*.log", "scratch/", "reports/**/*.png"])
    >>> [path in patterns for path in ("a/b.log", "a/scratch/c.py", "reports/x/y/z.png", "z.png")]
    [True, True, True, False]
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        texts = [_expression(pattern) for pattern in patterns if pattern.strip("/")]
        self._expression = re.compile("|".join(texts), re.DOTALL) if texts else None

    def __contains__(self, path: str) -> bool:
        return self._expression is not None and self._expression.match(path) is not None

    def __bool__(self) -> bool:
        return self._expression is not None


@functools.lru_cache(maxsize=512)
def _expression(pattern: str) -> str:
    anchored = "/" in pattern.rstrip("/")
    body = "".join(map(_translated, _PART.findall(pattern.strip("/").removeprefix("./"))))
    return f"(?:{'' if anchored else '(?:.*/)?'}{body}(?:/.*)?\\Z)"


def _translated(part: str) -> str:
    if part.startswith("**"):
        return "(?:.*/)?" if part.endswith("/") else ".*"
    if part == "*":
        return "[^/]*"
    if part == "?":
        return "[^/]"
    if part.startswith("[") and len(part) > 2:
        inside = part[1:-1].replace("\\", "\\\\").replace("[", "\\[").replace("&&", "&\\&")
        negated = inside.startswith("!")
        inside = inside.removeprefix("!")
        inside = ("\\" + inside) if inside.startswith(("^", "]")) else inside
        return f"(?!/)[{'^' if negated else ''}{inside}]" if _is_class(inside) else re.escape(part)
    return re.escape(part)


def _is_class(inside: str) -> bool:
    try:
        re.compile(f"[{inside}]")
    except re.error:
        return False
    return bool(inside)
