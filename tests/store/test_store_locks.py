"""Locks on disks that are only read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cloche.store.filesystem import FileSystem
from cloche.store.locks import try_lock


@pytest.mark.skipif(os.name != "posix", reason="Windows has no disks of this kind")
def test_a_lock_that_is_there_can_be_held_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "lock"
    there.write_bytes(b"")
    opened = os.open

    def only_read(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "read-only")
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", only_read)
    held = try_lock(str(there), FileSystem())
    assert held is not None
    assert held.guards
    assert try_lock(str(there), FileSystem()) is None
    held.release()
    with pytest.raises(OSError, match="read-only"):
        try_lock(str(tmp_path / "nowhere"), FileSystem())
