"""`.dvc` files, and the stage files of DVC before 1.0 (`train.dvc` with a `cmd`, `Dvcfile`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cloche.dvc.config import without_secrets
from cloche.dvc.pipeline import commands
from cloche.dvc.tables import parsed, read_yaml
from cloche.dvc.words import FileOf, Item, StageFile, Unreadable

_MD5 = re.compile(r"[0-9a-f]{32}")
_FOLDER = ".dir"


def is_stage_file(name: str) -> bool:
    """Whether a file of that name is one of these."""
    return name == "Dvcfile" or (name.endswith(".dvc") and name != ".dvc")


def read_stage_file(path: str, data: bytes) -> StageFile:
    """What the file says. Raises Unreadable."""
    table = parsed(path, data, read_yaml)
    deps = [item for item in _list(table.get("deps")) if isinstance(item, dict)]
    repositories = [str(item["repo"].get("url", "")) for item in deps if isinstance(item.get("repo"), dict)]
    outside = [str(item.get("path", "")) for item in deps]
    command = commands(table["cmd"]) if table.get("cmd") else ()
    return StageFile(
        folder=str(table.get("wdir") or ""),
        command=command,
        deps=tuple(map(read_item, deps)) if command else (),
        outs=tuple(map(read_item, _list(table.get("outs")))),
        frozen=bool(table.get("frozen") or table.get("locked")),
        always=bool(table.get("always_changed")),
        description=str(table.get("desc") or ""),
        source="" if command else " ".join(map(without_secrets, [*repositories, *outside])),
    )


def read_item(value: object) -> Item:
    """One entry of `deps` or `outs`. Raises Unreadable."""
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        raise Unreadable("an entry of it has no path")
    md5, folder = split_md5(value.get("md5"))
    size = value.get("size")
    remote = value.get("remote")
    metric = value.get("metric")
    return Item(
        path=value["path"],
        md5=md5,
        folder=folder or isinstance(value.get("files"), list),
        legacy=value.get("hash") != "md5",
        size=size if isinstance(size, int) else None,
        executable=value.get("isexec") is True,
        cached=value.get("cache") is not False,
        metric=bool(metric),
        remote=remote if isinstance(remote, str) else "",
        files=tuple(map(_file, _list(value.get("files")))),
    )


def split_md5(value: object) -> tuple[str, bool]:
    """The digits of a recorded md5, empty where there are none, and whether it is a folder's.

    >>> split_md5("814407001712A90B2D75368A445EB699.dir")
    ('814407001712a90b2d75368a445eb699', True)
    """
    text = str(value or "").lower()
    folder = text.endswith(_FOLDER)
    digits = text.removesuffix(_FOLDER)
    return (digits if _MD5.fullmatch(digits) else ""), folder


def _file(value: Any) -> FileOf:
    if not isinstance(value, Mapping) or not isinstance(value.get("relpath"), str):
        raise Unreadable("a file in it has no path")
    size = value.get("size")
    return FileOf(
        relpath=value["relpath"],
        md5=split_md5(value.get("md5"))[0],
        isexec=value.get("isexec") is True,
        size=size if isinstance(size, int) else None,
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
