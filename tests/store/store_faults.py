"""A file system that counts its writing steps and fails at one of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from cloche.store.filesystem import FileSystem


class Killed(BaseException):
    """The process is dead from here on."""


STEPS = (
    "create",
    "open_lock",
    "write",
    "sync",
    "sync_folder",
    "sync_all",
    "rename",
    "link",
    "symlink",
    "unlink",
    "mkdir",
    "rmdir",
    "chmod",
)


class Faults(FileSystem):
    """Fails at step number `at` (from 1): with `error`, once or from then on; or as if killed. A failing write leaves
    half of its bytes."""

    def __init__(self, at: int = 0, *, error: int = errno.ENOSPC, forever: bool = False, kill: bool = False) -> None:
        self.at = at
        self.error = error
        self.forever = forever or kill
        self.kill = kill
        self.count = 0
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.count += 1
        self.steps.append(name)
        if self.count == self.at or (self.forever and self.at and self.count > self.at):
            raise Killed if self.kill else OSError(self.error, os.strerror(self.error))

    @property
    def reached(self) -> bool:
        return 0 < self.at <= self.count

    def write(self, fd: int, data: bytes | memoryview) -> None:
        try:
            self.step("write")
        except BaseException:
            if self.count == self.at:
                super().write(fd, data[: len(data) // 2])
            raise
        super().write(fd, data)


def _counted(name: str) -> Callable[..., object]:
    real: Callable[..., object] = getattr(FileSystem, name)

    def call(self: Faults, *args: object, **options: object) -> object:
        self.step(name)
        return real(self, *args, **options)

    return call


for _name in STEPS:
    if _name != "write":
        setattr(Faults, _name, _counted(_name))
