"""Where a path of DVC's leads. It is written relative to some folder, by anyone: it may lead anywhere."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

from cloche.model.paths import encode_path

OWN_FOLDERS = frozenset({".git", ".cloche", ".dvc"})
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z]:[\\/]|[/\\~]")


@lru_cache(maxsize=100_000)  # one history names the same paths hundreds of times
def resolved(folder: str, *parts: str) -> str | None:
    """The path text of a path from a folder of the project (a path text too); None where it leads out of the project
    or into what is Git's, DVC's or Cloche's own.

    >>> resolved("sub", "..", "data/raw/"), resolved("sub", "../../etc"), resolved("", "s3://bucket/x")
    ('data/raw', None, None)
    """
    texts = [encode_path(part) for part in parts if part]
    if any(_ELSEWHERE.match(part) for part in parts) or any("\0" in part for part in parts):
        return None
    path = posixpath.normpath(posixpath.join(folder, *texts))
    names = path.split("/")
    if path.startswith(("../", "/")) or path in ("..", ".") or not OWN_FOLDERS.isdisjoint(map(str.casefold, names)):
        return None
    return path


def resolved_folder(folder: str, *parts: str) -> str | None:
    """As `resolved`, for a folder, which may be the project's own (the empty text)."""
    if any(_ELSEWHERE.match(part) for part in parts if part):
        return None
    path = posixpath.normpath(posixpath.join(folder, *(encode_path(part) for part in parts if part)))
    return "" if path == "." else None if path.startswith(("..", "/")) else path


def below(relpath: str) -> str | None:
    """The path text of a file below a tracked folder; None where it would leave that, or has no plain form."""
    names = relpath.split("/")
    if any(name in ("", ".", "..") or name.casefold() in OWN_FOLDERS for name in names) or "\0" in relpath:
        return None
    return encode_path(relpath)
