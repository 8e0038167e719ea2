"""Patterns of paths in the settings, such as `metrics/*.json`, `logs/**` or `*.tmp`.

- `*` stands for any characters but `/`, `?` for one of them, `[abc]`, `[a-z]` and `[!abc]` for one of a set.
- `**` as a whole part stands for any number of folders: `**/cache`, `data/**/raw`, and `logs/**` for all below `logs`.
- A pattern with a `/` in it counts from the project's folder; one without matches in any folder, unless it begins
  with `/` (`/build`) or the matcher is `anchored`.
- A pattern that matches a folder matches everything below it. With a `/` at its end it matches folders only.

Case counts. A pattern is compared with the path text (see `cloche.model.paths`), so `\\x0a` stands for a newline in a
name. There is no `!` that takes a match back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable


def matcher(patterns: Iterable[str], *, anchored: bool = False) -> Callable[[str], bool]:
    """A function that tells whether a path text matches any of `patterns`. Compiled once, fast for many paths.

    anchored: patterns without `/` match in the project's folder only, not in any folder.

    >>> ignored = matcher(["*.tmp", "logs/**"])
    >>> ignored("deep/down/x.tmp"), ignored("logs/a/b.txt"), ignored("old/logs/b.txt")
    (True, True, False)
    """
    sources = [_source(pattern, anchored) for pattern in dict.fromkeys(patterns)]
    if not sources:
        return lambda path: False
    match = re.compile("|".join(sources), re.DOTALL).match
    return lambda path: match(path) is not None


def _source(pattern: str, anchored: bool) -> str:
    """The regular expression of one pattern; it matches at the start of a path."""
    folder_only = pattern.endswith("/")
    body = pattern.strip("/")
    fixed = anchored or "/" in body or pattern.startswith("/")
    parts = [part for part in body.split("/") if part]
    if not parts:
        return r"(?!)"
    start = "" if fixed else "(?:.*/)?"
    end = "/" if folder_only else r"(?:/|\Z)"
    return f"(?:{start}{_parts(parts, end)})"


def _parts(parts: list[str], end: str) -> str:
    found = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            if last:
                found += "[^/]" if end != "/" else "[^/]+/"
            elif parts[index - 1 : index] != ["**"]:
                found += "(?:.*/)?"
        else:
            found += _part(part) + (end if last else "/")
    return found


def _part(part: str) -> str:
    """One part, between two `/`. All stars but the last take as little as they can, for good: no slow backtracking."""
    pieces = [_literal(piece) for piece in re.split(r"\*+", _shield(part))]
    if len(pieces) == 1:
        return pieces[0]
    middle = "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:-1])
    return f"{pieces[0]}{middle}[^/]*{pieces[-1]}"


_SET = re.compile(r"\[(!?+)(\]?+[^\]/]*)\]")
_STAR = "\x00"  # no path holds it: stands for a `*` inside [...] while a part is split at its stars


def _shield(part: str) -> str:
    return _SET.sub(lambda match: match[0].replace("*", _STAR), part)


def _literal(piece: str) -> str:
    found, at = "", 0
    for match in _SET.finditer(piece):
        found += _plain(piece[at : match.start()]) + _set(match[1], match[2].replace(_STAR, "*"))
        at = match.end()
    return found + _plain(piece[at:])


def _plain(text: str) -> str:
    return re.escape(text).replace(r"\?", "[^/]")


def _set(negated: str, members: str) -> str:
    """A set of characters. A range that runs backwards is empty, as in a shell."""
    choices = ""
    at = 0
    while at < len(members):
        first, dash, last = members[at], members[at + 1 : at + 2], members[at + 2 : at + 3]
        if dash == "-" and last:
            choices += f"{re.escape(first)}-{re.escape(last)}" if first <= last else ""
            at += 3
        else:
            choices += re.escape(first)
            at += 1
    if not choices:
        return "[^/]" if negated else r"(?!)"
    return f"(?!/)[{'^' if negated else ''}{choices}]"
