"""Plans: what a destructive verb would do, before it does it."""

from __future__ import annotations

from typing import Literal

import msgspec

from cloche.model.changes import PackageChange, PathChange

Belongs = Literal["code", "data", "config", "outputs", "settings"]


class PlannedFile(msgspec.Struct, frozen=True):
    """A file, or a folder with all in it, that would be written (change.after) or deleted (change.after is None).

    recorded: whether what is there now was already recorded by a run or by Git; if not it is stored first, so that
    `undo` can return it.
    """

    change: PathChange
    part: Belongs
    recorded: bool = True

    @property
    def count(self) -> int:
        """How many files that are."""
        return max(1, self.change.after.count) if self.change.after is not None else 1


class Plan(msgspec.Struct, frozen=True):
    """The whole of what would happen.

    target: the run's id. packages: changes to the interpreter `python`. creates: an environment that would be made
    first, empty for none. problems: what cannot be had, in words; with any, the verb refuses unless told to leave that
    part out. notes: what differs and is not put back, such as variables. links: to data elsewhere that were missing.
    lost: files, and folders of which nothing more is known, that the store cannot give and that are left as they are.
    """

    verb: str
    target: str
    files: tuple[PlannedFile, ...] = ()
    packages: tuple[PackageChange, ...] = ()
    python: str = ""
    creates: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many files would be written or deleted, those of whole folders one by one."""
        return sum(one.count for one in self.files)

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not self.files and not self.packages and not self.links
