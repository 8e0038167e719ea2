"""Changing one value of a TOML text and nothing else."""

from __future__ import annotations

from typing import Any

from cloche.errors import UsageError
from cloche.model.values import Value


def edit(text: str, path: tuple[Any, ...], value: Value) -> str:
    """`text` with the value at `path` replaced."""
    import tomlkit

    if value is None or (isinstance(value, list) and None in value):
        raise UsageError("TOML has no null", hint="give a value, or take the key out of the file")
    document: Any = tomlkit.parse(text)
    here = document
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return tomlkit.dumps(document)
