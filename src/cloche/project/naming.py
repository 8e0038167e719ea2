"""Which files of the project a command names."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from cloche.errors import InputError
from cloche.model.paths import decode_path
from cloche.project.project import Project


def named_paths(project: Project, command: Sequence[str] | str, folder: str) -> list[str]:
    """Path texts of what the words of a command may name, there or not. folder: where the command starts."""
    base = project.root / decode_path(folder)
    found: list[str] = []
    for word in _words(command):
        try:
            found.append(project.path_text(word, base))
        except (InputError, ValueError):
            continue
    return list(dict.fromkeys(found))


def _words(command: Sequence[str] | str) -> Sequence[str]:
    if not isinstance(command, str):
        return command
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
