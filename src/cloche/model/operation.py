"""Operations: what every writing verb did, so that `undo` can reverse it."""

from __future__ import annotations

from typing import Literal

import msgspec

from cloche.model.digest import Digest
from cloche.model.environment import Distribution

Fact = Literal["tag", "note", "removed"]


class FilesEffect(msgspec.Struct, frozen=True, tag="files"):
    """Files of the work tree were written or deleted.

    before, after: digests of two trees that hold the affected paths only. A path in one and not in the other was
    created or deleted.
    """

    before: Digest
    after: Digest


class FactEffect(msgspec.Struct, frozen=True, tag="fact"):
    """A separate record about a run changed. key: a tag's name, a note's id or a run's id. None: not there."""

    fact: Fact
    key: str
    before: str | None
    after: str | None


class PackagesEffect(msgspec.Struct, frozen=True, tag="packages"):
    """Packages of an interpreter changed. python: its path. before, after: the distributions that differed."""

    python: str
    before: tuple[Distribution, ...]
    after: tuple[Distribution, ...]


Effect = FilesEffect | FactEffect | PackagesEffect


class Operation(msgspec.Struct, frozen=True):
    """One entry of the operation log.

    number: 1, 2, 3, … in order. created: seconds since 1970. state: `started` while its effects are being applied
    (one that stays so was cut off half-way; `undo` puts it right), then `done`. undoes: number of the operation that
    this one reversed, 0 for none. undone: number of the operation that reversed this one, 0 for none. worktree: the
    linked worktree in whose files it was done, empty for the main work tree.
    """

    number: int
    created: float
    verb: str
    summary: str
    state: Literal["started", "done"] = "done"
    effects: tuple[Effect, ...] = ()
    undoes: int = 0
    undone: int = 0
    worktree: str = ""
