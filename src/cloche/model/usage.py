"""How much a store takes, and what for."""

from __future__ import annotations

from typing import Literal

import msgspec

Purpose = Literal["data", "outputs", "code", "config", "read", "logs", "undo", "nothing"]


class Used(msgspec.Struct, frozen=True):
    """What one thing takes. size: its bytes as plain files, each version once. stored: bytes in packs, compressed and
    each piece once. unique: those of them that nothing else needs: what would be free if only it went.

    path: of what is tracked or written. run: an id. digest: of one version of a path. versions: how many there are.
    """

    part: Purpose | Literal[""] = ""
    path: str = ""
    run: str = ""
    digest: str = ""
    versions: int = 1
    size: int = 0
    stored: int = 0
    unique: int = 0


class Usage(msgspec.Struct, frozen=True):
    """What the store takes. disk: bytes of its packs and their indexes; stored: of the content in them. parts, paths,
    runs, asked: each sorted by what is stored, the most first; runs only where they were asked for. asked: what was
    named. unreadable: how many folders could not be looked into."""

    packs: int
    disk: int
    stored: int
    parts: tuple[Used, ...] = ()
    paths: tuple[Used, ...] = ()
    runs: tuple[Used, ...] = ()
    asked: tuple[Used, ...] = ()
    unreadable: int = 0
