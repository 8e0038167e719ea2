"""What differs between two versions: plain values that engines compute and faces show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from cloche.errors import UsageError
from cloche.model.content import Act, ArrayChange, ImageChange, TableChange
from cloche.model.environment import Distribution
from cloche.model.run import Resources
from cloche.model.suggestions import closest
from cloche.model.tree import Entry
from cloche.model.values import Value

Part = Literal["code", "data", "config", "environment"]
PARTS: tuple[Part, ...] = ("code", "data", "config", "environment")
KINDS = {"f": "file", "x": "executable", "l": "link", "d": "folder"}


def checked_parts(names: Iterable[str]) -> tuple[Part, ...]:
    """The inputs with these names, in their usual order. Raises UsageError for a name that is none of the four."""
    wanted = set(names)
    for name in wanted.difference(PARTS):
        near = closest(name, PARTS)
        hint = f"did you mean `{near}`?" if near else f"choose among {', '.join(PARTS)}"
        raise UsageError(f"there is no input called {name!r}", hint=hint)
    return tuple(part for part in PARTS if part in wanted)


class PathChange(msgspec.Struct, frozen=True):
    """A file or link that differs. before, after: its entries; None where it is not there."""

    path: str
    before: Entry | None
    after: Entry | None

    @property
    def kinds(self) -> tuple[str, str] | None:
        """What it was and is, where that changed: a file, an executable or a link."""
        if self.before is None or self.after is None or self.before.kind == self.after.kind:
            return None
        return KINDS[self.before.kind], KINDS[self.after.kind]

    @property
    def act(self) -> Act:
        """added, removed or changed."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


class Hunks(msgspec.Struct, frozen=True):
    """The unified diff of one code file. text: empty for a binary file or one too large to show. kinds: where the kind
    of file changed, what it was and is, such as ("file", "executable")."""

    path: str
    act: Act
    text: str = ""
    binary: bool = False
    added: int = 0
    removed: int = 0
    kinds: tuple[str, str] | None = None


class DataChange(msgspec.Struct, frozen=True):
    """How one tracked data path changed. tables, arrays, images: what changed inside of such files. uncompared: those
    that differ and were not looked into, since there were too many. unstored: of those whose content was tracked in
    place; lost: of others whose content the store does not hold, such as what was changed through a link. moved: files
    that are at another path now and otherwise the same, as (path before, path after), one of which lies here; `files`
    has them as removed and added, and nothing looks into them."""

    path: str
    act: Act
    files: tuple[PathChange, ...] = ()
    tables: tuple[TableChange, ...] = ()
    size_before: int = 0
    size_after: int = 0
    uncompared: tuple[str, ...] = ()
    arrays: tuple[ArrayChange, ...] = ()
    images: tuple[ImageChange, ...] = ()
    unstored: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()


class ValueChange(msgspec.Struct, frozen=True):
    """A config value that differs, types included. has_before, has_after: whether the key is there at all."""

    key: str
    before: Value
    after: Value
    has_before: bool = True
    has_after: bool = True


class PackageChange(msgspec.Struct, frozen=True):
    """A package that differs. None: not installed."""

    name: str
    before: Distribution | None
    after: Distribution | None
    direction: Literal["added", "removed", "upgraded", "downgraded", "changed"]


class EnvironmentChange(msgspec.Struct, frozen=True):
    """packages, and facts (interpreter, platform, variables) by name as (before, after)."""

    packages: tuple[PackageChange, ...] = ()
    facts: dict[str, tuple[str, str]] = {}


class MetricChange(msgspec.Struct, frozen=True):
    """A metric on both sides; None where it is missing."""

    key: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        """after - before; 0 where both are not a number."""
        if self.before is None or self.after is None:
            return None
        return 0.0 if self.before != self.before and self.after != self.after else self.after - self.before


class Difference(msgspec.Struct, frozen=True):
    """Everything that differs between A and B. a, b: what was compared, as ids (`.` is the work tree). read: files that
    both were seen to read although they belong to none of the four inputs. unreadable: what could not be read, with
    reasons: whether it differs is not known."""

    a: str
    b: str
    same: tuple[Part, ...]
    config: tuple[ValueChange, ...] = ()
    environment: EnvironmentChange = EnvironmentChange()
    data: tuple[DataChange, ...] = ()
    code: tuple[Hunks, ...] = ()
    metrics: tuple[MetricChange, ...] = ()
    outputs: tuple[PathChange, ...] = ()
    command: tuple[str, str] | None = None
    resources: tuple[Resources, Resources] | None = None
    read: tuple[PathChange, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
