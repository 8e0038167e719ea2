"""What each kind of text in `cloche.toml` must look like, and its one tidy form."""

from __future__ import annotations

import re
from collections.abc import Callable

from cloche.model.paths import decode_path, encode_path, is_reserved

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_INSIDE = "paths begin at the folder of cloche.toml: write data/raw, not /home/me/project/data/raw"


class Unfit(Exception):
    """A text that its key cannot hold: what is wrong with it, and what to write."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


def tidy_path(text: str) -> str:
    """A path below the project: `./data//raw/` becomes `data/raw`. Raises Unfit for any that leads outside.

    >>> tidy_path("./data//raw/")
    'data/raw'
    """
    if "://" in text:
        raise Unfit(f"{text!r} is an address, not a path", "download it first, and name the file")
    if text.startswith(("/", "~/", "\\")) or _DRIVE.match(text):
        raise Unfit(f"{text!r} is not inside the project", _INSIDE)
    parts = _parts(text)
    if not parts:
        raise Unfit(f"{text!r} is the whole project", "name files or folders in it")
    if is_reserved(parts[0]):
        raise Unfit(f"{text!r} belongs to {parts[0].removeprefix('.')} itself", "name files of your own")
    return "/".join(parts)


def tidy_path_pattern(text: str) -> str:
    """A pattern of paths that counts from the project's folder, such as `metrics/*.json`."""
    return tidy_path(_no_negation(text))


def tidy_pattern(text: str) -> str:
    """A pattern as in `.gitignore`: without `/` it matches in any folder, `/` or `./` at the start ties it down.

    >>> tidy_pattern("./build/"), tidy_pattern("*.tmp")
    ('/build/', '*.tmp')
    """
    parts = _parts(_no_negation(text))
    if not parts:
        raise Unfit(f"{text!r} would match everything or nothing", 'write a pattern such as "*.tmp" or "logs/**"')
    start = "/" if text.startswith(("/", "./")) else ""
    return start + "/".join(parts) + ("/" if text.endswith("/") else "")


def tidy_variable(text: str) -> str:
    """The name of an environment variable."""
    if not text or re.search(r"[\s=\x00]", text):
        raise Unfit(f"{text!r} is not the name of a variable", 'write the name alone, such as "OMP_NUM_THREADS"')
    return text


def tidy_key(text: str) -> str:
    """A dotted key of the config, such as `train.lr`."""
    if not all(part.strip() for part in text.split(".")):
        raise Unfit(f"{text!r} is not a key of the config", 'write it with dots between its parts, such as "train.lr"')
    return text


def tidy_text(text: str) -> str:
    """Any text but an empty one."""
    if not text.strip():
        raise Unfit("a text in it is empty", "take it out")
    return text


def tidy_of(section: str, key: str) -> Callable[[str], str]:
    """What tidies the texts in the list `key` of a table of `section`."""
    return _TIDY.get((section, key), tidy_text)


_TIDY: dict[tuple[str, str], Callable[[str], str]] = {
    ("config", "files"): tidy_path,
    ("metrics", "files"): tidy_path_pattern,
    ("data", "in_place"): tidy_path,
    ("code", "ignore"): tidy_pattern,
    ("outputs", "ignore"): tidy_pattern,
    ("environment", "variables"): tidy_variable,
    ("stages", "reads"): tidy_path,
    ("stages", "writes"): tidy_path,
    ("stages", "params"): tidy_key,
}


def _parts(text: str) -> list[str]:
    if not text:
        raise Unfit("a path in it is empty", "take it out, or name a file or folder of the project")
    canonical = encode_path(decode_path(text))
    if canonical != text and "\\" in text:
        raise Unfit(f"{text!r} holds a backslash", "write `/` between folders")
    if canonical != text:
        raise Unfit(f"{text!r} holds control characters", f"write the name as '{canonical}', in single quotes")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Unfit(f"{text!r} is not inside the project", _INSIDE)
    return parts


def _no_negation(text: str) -> str:
    if text.startswith("!"):
        raise Unfit(f"{text!r}: patterns cannot take matches back", "list only what is meant, without `!`")
    return text
