"""The one text form of a path inside a project.

A path in the model is relative to the project, uses `/`, and is always valid Unicode on one line without anything that
steers a terminal, so that it fits JSON, SQL, `cloche.lock` and a screen. A backslash is written `\\\\`; control
characters, line separators, marks that turn the direction of writing, and bytes that are not UTF-8 are written `\\xNN`,
byte for byte. The text maps back to exactly one name on disk, and does not depend on the version of Python.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence

from cloche.errors import InputError

ON_WINDOWS = sys.platform == "win32"
DEEPEST = 2048  # folders in one another: a path of Linux has 4096 bytes

_ESCAPE = re.compile(rb"\\\\|\\x([0-9a-f]{2})")
_LONE = re.compile("[\ud800-\udfff]")
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")  # by the disks of macOS
_OWN = re.compile(r"\.git|\.cloche|git~[0-9]+")
_MAYBE_OWN = re.compile(r"(?:^|/)(?:\.git|\.cloche|git~)")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?")
_FORBIDDEN = re.compile(r"[<>:\"|?*\\\x00-\x1f]")  # for file names of Windows
_STEERS = re.compile(r"\\\\|(?:^|/).:")  # a folder or a disk there, wherever it is joined to a path
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def encode_path(name: str) -> str:
    r"""The path text of a file name as Python's `os` functions give it.

    >>> encode_path("data/a b.csv")
    'data/a b.csv'
    >>> encode_path("two\nlines")
    'two\\x0alines'
    """
    if name.isprintable() and "\\" not in name:
        return name
    raw = os.fsencode(name).replace(b"\\", b"\\\\")
    text = raw.decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda match: "".join(f"\\x{byte:02x}" for byte in match[0].encode()), text)


def encode_names(names: Sequence[str]) -> Sequence[str]:
    r"""The path text of each of many names, of which hardly any needs another than itself.

    >>> encode_names(["a b.csv", "two\nlines"])
    ['a b.csv', 'two\\x0alines']
    """
    together = "".join(names)
    return names if together.isprintable() and "\\" not in together else [encode_path(name) for name in names]


def legible(text: str) -> str:
    r"""`text` with what UTF-8 cannot hold written out: a byte of another encoding, as Python hands it on, as `\xNN`.

    For messages and words of commands. It cannot be turned back; `encode_path` is for names of files.

    >>> legible("na\udcffme")
    'na\\xffme'
    """
    return text if text.isascii() else _LONE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def decode_path(text: str) -> str:
    r"""The file name that a path text stands for; the inverse of `encode_path`.

    >>> decode_path("two\\x0alines")
    'two\nlines'
    """
    if "\\" not in text:
        return text
    raw = _ESCAPE.sub(_unescape, text.encode("utf-8"))
    return os.fsdecode(raw)


def as_printed(path: str) -> str:
    r"""What was meant by a path text that came of typing one as Cloche prints it, as if it were a name; empty where
    that cannot be.

    >>> as_printed(encode_path(r"two\x0alines")), as_printed("plain")
    ('two\\x0alines', '')
    """
    once = path.replace("\\\\", "\\")
    return once if once != path and _is_safe(once) else ""


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]) if match[1] else b"\\"


def inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it. The empty folder is the project itself.

    >>> inside("data/raw/a.csv", "data"), inside("database.csv", "data")
    (True, False)
    """
    return not folder or path == folder or path.startswith(folder + "/")


def is_reserved(path: str) -> bool:
    """Whether a path belongs to Cloche or to a Git repository, at the top or anywhere below: what is written there
    could be run. Names that some disks take for these count too (see `is_dangerous`).

    >>> is_reserved(".git/hooks/pre-commit"), is_reserved("data/.GIT/config"), is_reserved("data/.gitignore")
    (True, True, False)
    """
    return any(map(is_dangerous, path.split("/")))


def is_dangerous(name: str) -> bool:
    """Whether some disk takes this name of one file for that of Git's or Cloche's own folder, whose content can be run,
    or for a device.

    >>> is_dangerous(".GIT "), is_dangerous("git~1"), is_dangerous(".gitignore")
    (True, True, False)
    """
    plain = plain_name(name)
    return _OWN.fullmatch(plain) is not None or (ON_WINDOWS and _DEVICE.fullmatch(plain) is not None)


def plain_name(name: str) -> str:
    """What disks that ignore case, some marks, or what follows a name take a name of a file for."""
    return _IGNORED.sub("", name).rstrip(" .").casefold().partition(":")[0]


def windows_trouble(path: str) -> str:
    """Why Windows cannot hold a file of this name, in words that follow the name; empty where it can. Some of these
    names would be taken for another file there, for a hidden stream of one, or for a device.

    >>> windows_trouble("data/aux.csv"), windows_trouble("notes:more"), windows_trouble("data/a.csv")
    ('is the name of a device there', "holds ':'", '')
    """
    return next((why for name in decode_path(path).split("/") if (why := _name_trouble(name))), "")


def _name_trouble(name: str) -> str:
    if _DEVICE.fullmatch(name.casefold().partition(":")[0].rstrip(" .")):
        return "is the name of a device there"
    forbidden = _FORBIDDEN.search(name)
    if forbidden is not None:
        return f"holds {forbidden[0]!r}"
    if name.endswith((" ", ".")):
        return f"ends with {name[-1]!r}"
    return "is no Unicode" if _LONE.search(name) else ""


def refuse_unfit(path: str) -> None:
    """Raises InputError for a path that is to be written here and cannot be, on Windows; elsewhere all can."""
    why = windows_trouble(path) if ON_WINDOWS else ""
    if why:
        raise InputError(
            f"{path} cannot be written on Windows: it {why}",
            hint="rename it where it was recorded; `cloche checkout RUN PATH` brings others without it",
        )


def own_among(paths: Collection[str]) -> list[str]:
    """Those of many names or paths that are Git's or Cloche's own, or below what is, of which there are hardly any.

    >>> own_among(["a.csv", ".gitignore", "clone/.git"])
    ['clone/.git']
    """
    together = "/".join(paths)
    plain = together if together.isascii() else _IGNORED.sub("", together)
    if _MAYBE_OWN.search(plain.casefold()) is None:
        return []
    return [path for path in paths if any(_OWN.fullmatch(plain_name(part)) for part in path.split("/"))]


def checked(path: str) -> str:
    """`path` if it is safe to join to a folder: relative, and without `.`, `..`, empty or NUL parts.

    It must also be exactly what `encode_path` gives, so that no escape hides a `/` or a `..`. Raises InputError
    otherwise. Every path that comes out of a file or a store goes through here before it is used.
    """
    if not _is_safe(path):
        raise InputError(f"unsafe path {path!r}", hint="a path must lie inside the project")
    if ON_WINDOWS and _STEERS.search(path):
        refuse_unfit(path)
    return path


def checked_depth(path: str) -> str:
    """`path` if it lies in no more folders than a disk takes. Raises InputError otherwise: trees from elsewhere can be
    nested without end, and a path for each of their folders would take for ever."""
    if path.count("/") > DEEPEST:
        raise InputError(f"folders are nested more than {DEEPEST} deep, from {path[:40]} on", hint="leave them out")
    return path


def _is_safe(path: str) -> bool:
    try:
        name = decode_path(path)
        canonical = encode_path(name) == path
    except UnicodeError:
        return False
    return canonical and "\0" not in name and not any(part in ("", ".", "..") for part in path.split("/"))


def above(path: str) -> Iterator[str]:
    """The folders that hold a path, nearest first, without the root.

    >>> list(above("a/b/c"))
    ['a/b', 'a']
    """
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
