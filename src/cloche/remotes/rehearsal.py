"""A remote on which everything may be tried: what is written or deleted only seems so, and only to who does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloche.remotes.backend import Backend, Listed, parse_name


class Rehearsal:
    """Another place as it would be. Of packs that are written only the size is kept, so they cannot be read again."""

    def __init__(self, real: Backend) -> None:
        self.listable, self.writable = real.listable, real.writable
        self._real = real
        self._sizes: dict[str, int] = {}
        self._written: dict[str, bytes] = {}
        self._deleted: set[str] = set()

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Backend`."""
        for one in self._real.list(prefix):
            if one.name not in self._deleted and one.name not in self._sizes:
                yield one
        yield from (Listed(name, size) for name, size in self._sizes.items() if name.startswith(f"{prefix}/"))

    def top(self) -> Iterable[str]:
        """See `Backend`."""
        return [*self._real.top()]

    def get(self, name: str, most: int) -> bytes | None:
        """See `Backend`."""
        if name in self._sizes or name in self._deleted:
            return self._written.get(name)
        return self._real.get(name, most)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        if name in self._sizes or name in self._deleted:
            return self._written.get(name, b"")[start : start + length]
        return self._real.get_range(name, start, length)

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`."""
        if create and (name in self._sizes or (name not in self._deleted and self._is_there(name))):
            return False
        self._deleted.discard(name)
        self._sizes[name] = len(data)
        if (parse_name(name) or ("", ""))[1] != "pack":
            self._written[name] = data
        return True

    def _is_there(self, name: str) -> bool:
        return any(one.name == name for one in self._real.list(name.rpartition("/")[0]))

    def delete(self, name: str) -> None:
        """See `Backend`."""
        self._deleted.add(name)
        self._sizes.pop(name, None)
        self._written.pop(name, None)

    def close(self) -> None:
        """See `Backend`."""
        self._real.close()
