"""What DVC writes, written by hand."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from shell import Shell


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def cached(shell: Shell, data: bytes, *, old: bool = False, folder: bool = False) -> str:
    """Put an object into the cache; its md5."""
    name = md5(data)
    place = f"{name[:2]}/{name[2:]}{'.dir' if folder else ''}"
    shell.write(f".dvc/cache/{place}" if old else f".dvc/cache/files/md5/{place}", data)
    return name


def tracked(shell: Shell, path: str, data: bytes) -> None:
    """A `.dvc` file of DVC 3 and its object."""
    shell.write(
        f"{path}.dvc", f"outs:\n- md5: {cached(shell, data)}\n  size: {len(data)}\n  hash: md5\n  path: {path}\n"
    )


def lock(*outs: tuple[str, str], deps: tuple[tuple[str, str], ...] = (), more: str = "") -> str:
    """A `dvc.lock` with one stage `a`. outs, deps: paths with md5."""
    text = "schema: '2.0'\nstages:\n  a:\n    cmd: x\n" + more
    for name, items in (("deps", deps), ("outs", outs)):
        text += f"    {name}:\n" if items else ""
        text += "".join(f"    - path: {path}\n      hash: md5\n      md5: {digest}\n" for path, digest in items)
    return text


def listing(*files: tuple[str, str]) -> bytes:
    return json.dumps([{"md5": md5, "relpath": path} for path, md5 in sorted(files)], sort_keys=True).encode()


def reasons(done: Any) -> dict[str, str]:
    return {one["name"]: one["reason"] for one in done["skipped"]}


def data_of(done: Any) -> set[str]:
    return {one["path"] for one in done["data"]}
