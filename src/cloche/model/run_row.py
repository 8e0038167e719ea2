"""Rows of the log: what a table of runs shows of each."""

from __future__ import annotations

import msgspec

from cloche.model.digest import Digest
from cloche.model.run import ID_SHOWN, Status
from cloche.model.values import Value


class RunRow(msgspec.Struct, frozen=True):
    """One run as a list shows it, with what has been said about it since.

    created, ended: seconds since 1970; ended is 0 while it runs. command: as typed, empty for a pipeline. code, data,
    config, environment: digests of the four inputs. dirty: whether they differed from `commit`. params: config
    values by dotted key. tags: sorted. notes, outputs, findings: how many. wall: seconds. removed: hidden from lists
    unless asked for.
    """

    id: str
    created: float
    ended: float
    status: Status
    command: tuple[str, ...]
    message: str
    experiment: str
    commit: str
    branch: str
    dirty: bool
    code: Digest
    data: Digest
    config: Digest
    environment: Digest
    metrics: dict[str, float]
    params: dict[str, Value]
    tags: tuple[str, ...]
    notes: int
    wall: float
    outputs: int
    findings: int
    removed: bool = False

    @property
    def short(self) -> str:
        """The id as it is shown."""
        return self.id[:ID_SHOWN]
