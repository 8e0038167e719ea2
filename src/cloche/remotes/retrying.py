"""Trying again what may go well the next time, a few times, with a growing pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from cloche.remotes.backend import Backend, Listed, Passing

PAUSES = (0.2, 1.0, 4.0)

T = TypeVar("T")


class Retrying:
    """A backend whose passing failures are tried again. pauses: seconds before each further attempt."""

    def __init__(self, backend: Backend, pauses: tuple[float, ...] = PAUSES) -> None:
        self._backend = backend
        self._pauses = pauses
        self.listable = backend.listable
        self.writable = backend.writable

    def list(self, prefix: str) -> list[Listed]:
        """See `Backend`."""
        return self._again(lambda: [*self._backend.list(prefix)])

    def top(self) -> Iterable[str]:
        """See `Backend`."""
        return self._again(lambda: [*self._backend.top()])

    def get(self, name: str, most: int) -> bytes | None:
        """See `Backend`."""
        return self._again(lambda: self._backend.get(name, most))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        return self._again(lambda: self._backend.get_range(name, start, length))

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`. Tried again, `create` finds what an attempt whose answer was lost has written."""
        attempts = 0

        def put() -> bool:
            nonlocal attempts
            attempts += 1
            return self._backend.put(name, data, create=create) or (
                attempts > 1 and self._backend.get(name, len(data)) == data
            )

        return self._again(put)

    def delete(self, name: str) -> None:
        """See `Backend`."""
        self._again(lambda: self._backend.delete(name))

    def close(self) -> None:
        """See `Backend`."""
        self._backend.close()

    def _again(self, step: Callable[[], T]) -> T:
        for pause in self._pauses:
            try:
                return step()
            except Passing:
                time.sleep(pause)
        return step()
