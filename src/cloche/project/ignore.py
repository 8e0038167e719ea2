"""The lines that Cloche keeps in `.gitignore` files: tracked data is not Git's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from cloche.model.paths import decode_path

_SPECIAL = b"*?[]\\!# "


def with_ignored(paths: Iterable[str], read: Callable[[str], bytes]) -> dict[str, bytes]:
    """New contents of the `.gitignore` files that hide these paths; `read` gives the present bytes of a file."""
    texts: dict[str, bytes] = {}
    for path in paths:
        file, line = ignore_line(path)
        text = texts.get(file, read(file))
        if line not in text.splitlines():
            texts[file] = text + (b"" if not text or text.endswith(b"\n") else b"\n") + line + b"\n"
    return texts


def without_ignored(paths: Iterable[str], read: Callable[[str], bytes]) -> dict[str, bytes]:
    """New contents of the `.gitignore` files after the lines for these paths are taken out."""
    texts: dict[str, bytes] = {}
    for path in paths:
        file, line = ignore_line(path)
        text = texts.get(file, read(file))
        if line in text.splitlines():
            kept = [row for row in text.splitlines(keepends=True) if row.rstrip(b"\r\n") != line]
            texts[file] = b"".join(kept)
    return texts


def ignore_line(path: str) -> tuple[str, bytes]:
    """The `.gitignore` file beside a path, and the line for it, with Git's special characters escaped.

    >>> ignore_line("data/raw")
    ('data/.gitignore', b'/raw')
    """
    folder, _, name = path.rpartition("/")
    raw = os.fsencode(decode_path(name))
    escaped = b"".join(b"\\" + bytes([byte]) if byte in _SPECIAL else bytes([byte]) for byte in raw)
    escaped = escaped.replace(b"\n", b"?").replace(b"\r", b"?")  # a line cannot hold its own end; ? is any character
    return (f"{folder}/.gitignore" if folder else ".gitignore"), b"/" + escaped
