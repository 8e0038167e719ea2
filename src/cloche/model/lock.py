"""`cloche.lock`: the tracked data paths as text that Git can merge.

The first line names the format and its version. Then one line a path, sorted by path:

    DIGEST KIND SIZE COUNT PATH

with single spaces; the path comes last and may hold spaces itself. Order does not matter to the reader, so that a
merge by Git need not keep it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cloche.errors import InputError, NewerVersion, SettingsError
from cloche.model.paths import above, checked, is_reserved, plain_name
from cloche.model.settings import FILE_NAME
from cloche.model.snapshot import Tracked

LOCK_NAME = "cloche.lock"
LOCK_VERSION = 1

_HEADER = f"# cloche.lock {LOCK_VERSION}: the tracked data; written by cloche, commit it to Git"
_HEADER_SHAPE = re.compile(r"# cloche\.lock ([0-9]{1,9})(?![0-9])")
_LINE_SHAPE = re.compile(r"([0-9a-f]{64}) ([fxld]) (0|[1-9][0-9]{0,18}) (0|[1-9][0-9]{0,18}) ([^\x00]+)", re.DOTALL)
_MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
_GITS = (".gitignore", ".gitattributes", ".gitmodules")
_RESTORE = "take the committed one back with `git checkout -- cloche.lock`, or add the paths again with `cloche add`"


def render_lock(tracked: Iterable[Tracked]) -> str:
    """The text of `cloche.lock` for these paths; the inverse of `parse_lock`."""
    rows = sorted(tracked, key=lambda item: item.path)
    lines = (f"{item.digest} {item.kind} {item.size} {item.count} {item.path}" for item in rows)
    return "\n".join((_HEADER, *lines)) + "\n"


def parse_lock(text: str, *, apart: bool = True) -> tuple[Tracked, ...]:
    """The tracked paths, sorted by path, that the text of `cloche.lock` names.

    Raises SettingsError with the number of the line that cannot be read or names a path that is unsafe, no data (see
    `describes_project`), repeated or in another one, and NewerVersion where a newer Cloche wrote it. apart: without it,
    paths may lie in one another, as they do in notes of what several locks named.
    """
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    _refuse_conflict(lines)
    _check_header(lines[0])
    if lines[-1]:
        raise _wrong(len(lines), "is cut short (no line break at its end)", _RESTORE)
    found: dict[str, Tracked] = {}
    numbers: dict[str, int] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        item = _parse_line(number, line)
        if item.path in found:
            raise _wrong(number, f"repeats the path {item.path!r}", "keep one of the two lines")
        found[item.path] = item
        numbers[item.path] = number
    for path, number in numbers.items() if apart else ():
        outer = next((one for one in above(path) if one in found), None)
        if outer is not None:
            raise _wrong(number, f"names {path}, which lies in {outer} of another line", "keep one of the two lines")
    return tuple(found[path] for path in sorted(found))


def describes_project(path: str) -> bool:
    """Whether Cloche or Git reads there, or above it, what is theirs, so that it is no data. In a folder of data, Git's
    may lie.

    >>> describes_project("cloche.toml/a"), describes_project("data/.gitignore"), describes_project("old/cloche.lock")
    (True, True, False)
    """
    names = [plain_name(name) for name in path.split("/")]
    return names[0] in (FILE_NAME, LOCK_NAME) or not set(_GITS).isdisjoint(names)


def lines_of(text: str) -> list[Tracked]:
    """What the lines of any version of `cloche.lock` name, those of a merge with conflicts and of newer versions too.

    For keeping what somebody may want back, and for nothing else: the paths are not checked.
    """
    shapes = (_LINE_SHAPE.fullmatch(line.rstrip("\r")) for line in text.split("\n"))
    return [Tracked(s[5], s[2], s[1], int(s[3]), int(s[4])) for s in shapes if s]  # type: ignore[arg-type]


def _check_header(line: str) -> None:
    header = _HEADER_SHAPE.match(line)
    if header is None or header[1] == "0":
        raise _wrong(1, f"is not the one that it starts with ({_HEADER[:15]} ...)", _RESTORE)
    if int(header[1]) > LOCK_VERSION:
        raise NewerVersion(
            f"{LOCK_NAME} has version {int(header[1])}; this Cloche understands up to {LOCK_VERSION}",
            hint="upgrade cloche, then try again",
        )


def _refuse_conflict(lines: list[str]) -> None:
    for number, line in enumerate(lines, start=1):
        if line.startswith(_MARKERS):
            raise _wrong(
                number,
                "is a mark that a Git merge left: the merge has a conflict",
                "keep one line a path and delete the marks, or type `git checkout --ours cloche.lock` (or --theirs)",
            )


def _parse_line(number: int, line: str) -> Tracked:
    shape = _LINE_SHAPE.fullmatch(line)
    if shape is None:
        raise _wrong(number, f"is not `DIGEST KIND SIZE COUNT PATH`: {line[:80]!r}", _RESTORE)
    digest, kind, size, count, path = shape.groups()
    try:
        checked(path)
    except InputError as error:
        raise _wrong(number, f"names an {error.message}", error.hint) from error
    if is_reserved(path):
        raise _wrong(number, f"names {path}, which belongs to {path.partition('/')[0]} itself", "delete the line")
    if describes_project(path):
        raise _wrong(number, f"names {path}, which is no data", "delete the line")
    return Tracked(path, kind, digest, int(size), int(count))  # type: ignore[arg-type]


def _wrong(number: int, what: str, hint: str) -> SettingsError:
    return SettingsError(f"{LOCK_NAME}: line {number} {what}", hint=hint)
