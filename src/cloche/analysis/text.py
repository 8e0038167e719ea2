"""The unified diff of one file, from its bytes."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from cloche.analysis.lines import LineMatcher
from cloche.model.changes import Hunks
from cloche.model.content import Act

CONTEXT = 3
MAX_BYTES = 2_000_000  # of either side, to be shown line by line
_SNIFFED = 8_000

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def diff_text(path: str, before: bytes | None, after: bytes | None) -> Hunks:
    """The unified diff of a file's content before and after; None where the file is not there.

    Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark; bytes that do not fit are shown as `\\xNN`. A file with
    NUL bytes is binary and has no text. What a screen would hide is made visible: control characters as `^M`, others
    as `\\uNNNN`, a missing newline at the end and a change of encoding on lines of their own that begin with `\\`.

    A file of more than 2 MB has no text; `added` and `removed` then count the lines that one side has and the other has
    not, wherever they stand.
    """
    act: Act = "added" if before is None else "removed" if after is None else "changed"
    one, other = _decode(before or b""), _decode(after or b"")
    if one is None or other is None:
        return Hunks(path, act, binary=True)
    old, new = _lines(one[0]), _lines(other[0])
    if max(len(before or b""), len(after or b"")) > MAX_BYTES:
        return _summary(path, act, old, new)
    changes = list(_changes(old, new))
    encodings = "" if None in (before, after) or one[1] == other[1] else f"\\ Encoding: {one[1]}, now {other[1]}\n"
    if not changes and not encodings:
        return Hunks(path, act)
    names = "/dev/null" if before is None else f"a/{path}", "/dev/null" if after is None else f"b/{path}"
    head = f"--- {names[0]}\n+++ {names[1]}\n{encodings}"
    added = sum(line.startswith("+") for line in changes)
    removed = sum(line.startswith("-") for line in changes)
    return Hunks(path, act, head + "".join(map(_visible, changes)), False, added, removed)


def _decode(data: bytes) -> tuple[str, str] | None:
    """The text and the name of its encoding; None for binary content."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), encoding
            except UnicodeDecodeError:
                break
    if b"\0" in data[:_SNIFFED]:
        return None
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace"), "not utf-8"


def _lines(text: str) -> list[str]:
    """Lines with their `\\n`. Only that ends a line: a form feed or a Unicode separator does not."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _summary(path: str, act: Act, old: Sequence[str], new: Sequence[str]) -> Hunks:
    before, after = Counter(old), Counter(new)
    return Hunks(path, act, added=(after - before).total(), removed=(before - after).total())


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Hunks of the unified format, each line with its sign."""
    for group in LineMatcher(old, new).get_grouped_opcodes(CONTEXT):
        first, last = group[0], group[-1]
        yield f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@\n"
        for tag, i, j, k, m in group:
            signed = [(" ", old[i:j])] if tag == "equal" else [("-", old[i:j]), ("+", new[k:m])]
            for sign, lines in signed:
                for line in lines:
                    yield f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n"
                    if not line.endswith("\n"):
                        yield "\\ No newline at end of file\n"


def _span(start: int, end: int) -> str:
    """A range of lines as the unified format writes it: an empty one names the line before it."""
    length = end - start
    begin = start + 1 if length else start
    return str(begin) if length == 1 else f"{begin},{length}"


def _visible(line: str) -> str:
    return _INVISIBLE.sub(_show, line)


def _show(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 32 or code == 127:
        return "^" + chr(code ^ 64)
    return f"\\u{code:04x}"
