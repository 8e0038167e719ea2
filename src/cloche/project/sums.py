"""What folders of a stranger claim to hold, against what they do hold."""

from __future__ import annotations

from cloche.model.tree import EMPTY_DIGEST, RawEntry

_MOST_FILES = 1 << 30
_EMPTY = bytes.fromhex(EMPTY_DIGEST)


class Sums:
    """Whether folders are as large as those above them claim: else a few small trees could name billions of files."""

    def __init__(self) -> None:
        self._real: dict[bytes, tuple[int, int]] = {_EMPTY: (0, 0)}
        self._claimed: set[tuple[bytes, tuple[int, int]]] = set()

    def add(self, raw: bytes, entries: list[RawEntry]) -> None:
        """One more folder, and what is in it."""
        self._real[raw] = (sum(one.size for one in entries), sum(one.files for one in entries))
        self._claimed |= {(one.digest, (one.size, one.files)) for one in entries if one.kind == b"d"}

    def wrong(self) -> set[bytes]:
        """The folders that are not, and those that hold more than any can."""
        wrong = {raw for raw, claim in self._claimed if self._real.get(raw, claim) != claim}
        return wrong | {raw for raw, (_, count) in self._real.items() if count > _MOST_FILES}
