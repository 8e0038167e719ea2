"""Runs: one execution of a command or pipeline on a snapshot. A run is a version of the model."""

from __future__ import annotations

from typing import Literal

import msgspec

from cloche.model.digest import Digest
from cloche.model.environment import Machine
from cloche.model.snapshot import Snapshot
from cloche.model.tree import Kind

ID_LETTERS = "klmnopqrstuvwxyz"
ID_LENGTH = 16
ID_SHOWN = 8

Status = Literal["running", "finished", "failed", "interrupted", "killed"]


def run_id(raw: bytes) -> str:
    """The id of a run from 8 random bytes: letters k to z only, so that none can be taken for a Git commit.

    >>> run_id(bytes(8))
    'kkkkkkkkkkkkkkkk'
    """
    return "".join(ID_LETTERS[byte >> 4] + ID_LETTERS[byte & 15] for byte in raw[: ID_LENGTH // 2])


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a finding is. Empty where it does not apply."""

    file: str = ""
    line: int = 0
    symbol: str = ""
    stage: str = ""
    column: str = ""
    parameter: str = ""


class Finding(msgspec.Struct, frozen=True):
    """What a check, or the recording itself, noticed. confidence: 0 to 1."""

    check: str
    severity: Literal["info", "warning", "error"]
    message: str
    place: Place = Place()
    hint: str = ""
    evidence: dict[str, str] = {}
    confidence: float = 1.0


class Output(msgspec.Struct, frozen=True):
    """A file or folder that a run wrote. declared: named in `writes` or as a metrics file."""

    path: str
    kind: Kind
    digest: Digest
    size: int
    count: int = 1
    declared: bool = False


class Resources(msgspec.Struct, frozen=True):
    """wall, cpu: seconds, of the whole process tree. peak_memory: bytes, the highest sum of resident memory over the
    process tree that was seen; 0 where it could not be measured."""

    wall: float = 0.0
    cpu: float = 0.0
    peak_memory: int = 0


class Series(msgspec.Struct, frozen=True):
    """The values logged under one key, in order. times: seconds since 1970."""

    steps: list[int] = []
    values: list[float] = []
    times: list[float] = []


class StageRun(msgspec.Struct, frozen=True):
    """One stage within a run.

    key: digest of everything that the stage was allowed to depend on. reused: id of the run that it was taken from,
    empty where it really ran. metrics: the last value of each key that it logged. observed: project files that it was
    seen to read beyond its declared reads, with their digests; they widen the key. pythons: paths of the interpreters
    seen to run, with their environments' digests.
    """

    name: str
    command: str
    status: Status
    key: Digest = ""
    reused: str = ""
    exit_status: int | None = None
    resources: Resources = Resources()
    outputs: tuple[Output, ...] = ()
    observed: dict[str, Digest] = {}
    pythons: dict[str, Digest] = {}
    metrics: dict[str, float] = {}


class Run(msgspec.Struct, frozen=True):
    """The record of a run. created, ended: seconds since 1970; ended is 0 while it runs.

    command: as typed; empty for a pipeline. folder: where it was started, relative to the project. log: digest of
    its output, empty while it runs. exit_status: None where the command was killed by `signal` or never started.
    observed: files that it was seen to read although they belong to none of the four inputs; of a folder (where they
    are many) the tree names just those.
    """

    id: str
    created: float
    status: Status
    command: tuple[str, ...]
    snapshot: Snapshot
    folder: str = ""
    experiment: str = ""
    message: str = ""
    ended: float = 0.0
    exit_status: int | None = None
    signal: str = ""
    machine: Machine = Machine()
    resources: Resources = Resources()
    metrics: dict[str, float] = {}
    outputs: tuple[Output, ...] = ()
    stages: tuple[StageRun, ...] = ()
    findings: tuple[Finding, ...] = ()
    log: Digest = ""
    observed: tuple[Output, ...] = ()

    @property
    def short(self) -> str:
        """The id as it is shown."""
        return self.id[:ID_SHOWN]
