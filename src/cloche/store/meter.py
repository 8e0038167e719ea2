"""Adding up the bytes of many files for somebody who watches."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told the bytes done so far, and those to do in all."""


class Meter:
    """Adds up the bytes of files for a `Progress`."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def within(self, read: int) -> None:
        """So many bytes of the file that is being read."""
        if self._progress is not None:
            self._progress(min(self._done + read, self._total), self._total)

    def finish(self, size: int) -> None:
        """The file is done."""
        self._done += size
        self.within(0)
