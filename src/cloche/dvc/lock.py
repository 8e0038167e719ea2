"""`dvc.lock`: what each stage last ran with, and what it wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cloche.dvc.pipeline import commands
from cloche.dvc.stagefile import read_item
from cloche.dvc.tables import parsed, read_yaml
from cloche.dvc.words import Locked, Skipped, Unreadable
from cloche.errors import ClocheError

_START = re.compile(r"schema: ['\"]?2\.0['\"]?\nstages:\n(?=  )")
_OTHER = re.compile(r"^(?! |\n|\Z)", re.MULTILINE)
_STAGE = re.compile(r"^(?=  [^ \n])", re.MULTILINE)


class LockReader:
    """Reads versions of `dvc.lock`. What one version shares with those before it is not parsed again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[str, Locked | Skipped], ...]] = {}

    def read(self, path: str, data: bytes) -> tuple[dict[str, Locked], tuple[Skipped, ...]]:
        """The stages by name, and those that cannot be understood. Raises Unreadable for the whole file."""
        try:
            found = [stage for block in _blocks(data) for stage in self._block(path, block)]
        except Unreadable:
            found = []
        if not found:
            table = parsed(path, data, read_yaml)
            found = _stages(table.get("stages") if "schema" in table or "stages" in table else table)
        return (
            {name: stage for name, stage in found if isinstance(stage, Locked)},
            tuple(stage for _, stage in found if isinstance(stage, Skipped)),
        )

    def _block(self, path: str, block: str) -> tuple[tuple[str, Locked | Skipped], ...]:
        if block not in self._known:
            self._known[block] = tuple(_stages(parsed(path, b"stages:\n" + block.encode(), read_yaml).get("stages")))
        return self._known[block]


def _blocks(data: bytes) -> list[str]:
    """The stages of the usual form of the file as texts; none where it has another one."""
    text = data.decode("utf-8", "replace")
    start = _START.match(text)
    body = text[start.end() :].rstrip("\n") + "\n" if start else "\n"
    if "\ufffd" in body or _OTHER.search(body):
        return []
    return [block for block in _STAGE.split(body) if block]


def _stages(table: object) -> list[tuple[str, Locked | Skipped]]:
    if not isinstance(table, dict):
        return []
    found: list[tuple[str, Locked | Skipped]] = []
    for name, stage in table.items():
        try:
            found.append((str(name), _locked(stage)))
        except ClocheError as error:
            found.append((str(name), Skipped("lock", str(name), error.message)))
    return found


def _locked(stage: object) -> Locked:
    if not isinstance(stage, dict):
        raise Unreadable("it is no table")
    params = stage.get("params")
    return Locked(
        command=commands(stage.get("cmd")),
        deps=tuple(map(read_item, _list(stage.get("deps")))),
        outs=tuple(map(read_item, _list(stage.get("outs")))),
        params={str(file): _keys(keys) for file, keys in params.items()} if isinstance(params, dict) else {},
    )


def _keys(keys: object) -> dict[str, Any]:
    return {str(key): value for key, value in keys.items()} if isinstance(keys, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
