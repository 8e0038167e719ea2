"""A file as a run holds it."""

from __future__ import annotations

from typing import Literal

import msgspec

from cloche.model.digest import Digest
from cloche.model.tree import Kind

Belonged = Literal["code", "config", "data", "outputs", "read"]


class Held(msgspec.Struct, frozen=True):
    """One file of a run. part: what it was to the run; `read` is what it read beyond its inputs."""

    path: str
    part: Belonged
    kind: Kind
    size: int
    digest: Digest
