"""Small files of whole new folders, written by other processes: threads of one Python would wait for each other at
every file."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import Iterable
from typing import IO, NamedTuple

import msgspec

from cloche.model.tree import RawEntry
from cloche.store.file_writer import NOT_WRITTEN, Request, receive, send
from cloche.store.filesystem import FileSystem
from cloche.store.frames import CONTENT
from cloche.store.listing import RECORD
from cloche.store.locks import Lock
from cloche.store.objects import Store
from cloche.store.recipes import SMALL

MANY = 4_000  # files; fewer are written before the processes have started
_MOST = 8  # processes; more would wait for the disk
_KINDS = (b"f", b"x")
_PART = struct.Struct("<40xIcxI")  # of `packs.ROW`: raw length, kind, number of the pack


class Order(NamedTuple):
    """What a process was asked for. number: of the process; targets: OS paths, in the order of the answer."""

    number: int
    targets: tuple[str, ...]


class FileWriters:
    """Processes that write files from the packs of a store, in turns; they are gone when the block ends.

    held: a lock that they hold too, so that it is not free before the last of them has ended, whatever ends this one.
    """

    def __init__(self, store: Store, fs: FileSystem, held: Lock) -> None:
        self._store = store
        self._fs = fs
        self._held = held
        self._processes: list[subprocess.Popen[bytes] | None] = []
        self._turn = 0
        self._encoder = msgspec.msgpack.Encoder()

    def __enter__(self) -> FileWriters:
        command = [sys.executable, "-E", "-P", "-m", "cloche.store.file_writer"]
        with contextlib.suppress(OSError):
            for _ in range(_processors()):
                self._processes.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        pass_fds=self._held.descriptors,
                        process_group=0,  # Ctrl-C is for us to handle
                    )
                )
        return self

    def __exit__(self, *_: object) -> None:
        for number in range(len(self._processes)):
            self._end(number)

    @property
    def room(self) -> int:
        """How many orders keep all of them at work."""
        return 2 * len(self._processes)

    def order(self, files: Iterable[tuple[str, RawEntry]]) -> Order:
        """Ask for files: OS path and entry of each. Only small ones are written so."""
        packs = self._store.packs
        targets: list[str] = []
        kinds: list[bytes] = []
        rows: list[bytes] = []
        named: set[int] = set()
        for target, entry in files:
            row = packs.row(entry.digest) if entry.kind in _KINDS else b""
            raw, kind, pack = _PART.unpack(row) if row else (0, b"", 0)
            if kind == CONTENT and raw <= SMALL:
                targets.append(target)
                kinds.append(entry.kind)
                rows.append(row)
                named.add(pack)
        self._turn = (self._turn + 1) % max(1, len(self._processes))
        paths = {number: packs.path(packs.order[number]) for number in named}
        request = Request(os.fsencode("\0".join(targets)), b"".join(kinds), b"".join(rows), paths)
        asked = bool(targets) and self._ask(self._turn, self._encoder.encode(request))
        return Order(self._turn, tuple(targets) if asked else ())

    def written(self, order: Order) -> dict[str, bytes]:
        """Wait for an order, the oldest first: the stat record of each file that was written, by OS path.

        What it lacks is not there, and is to be written otherwise; that tells why.
        """
        process = self._processes[order.number] if order.targets else None
        if process is not None and process.stdout is not None:
            answer = _received(process.stdout)
            if len(answer) == len(order.targets) * RECORD.size:
                records = [answer[at : at + RECORD.size] for at in range(0, len(answer), RECORD.size)]
                pairs = zip(order.targets, records, strict=True)
                return {target: record for target, record in pairs if record != NOT_WRITTEN}
            self._end(order.number)
        for target in order.targets:  # it may have ended while it wrote one of them
            self._fs.discard(target)
        return {}

    def _ask(self, number: int, message: bytes) -> bool:
        process = self._processes[number] if self._processes else None
        if process is None or process.stdin is None:
            return False
        try:
            send(message, process.stdin)
        except OSError:
            self._end(number)
            return False
        return True

    def _end(self, number: int) -> None:
        process, self._processes[number] = self._processes[number], None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close() if pipe is not None else None
            process.wait()


def _received(source: IO[bytes]) -> bytes:
    try:
        return receive(source)
    except OSError:
        return b""


def pays(fs: FileSystem, count: int) -> bool:
    """Whether other processes are worth their start for so many files. They write to the real file system."""
    return count >= MANY and _processors() > 0 and type(fs) is FileSystem


def _processors() -> int:
    if sys.platform != "linux" or not os.path.basename(sys.executable or "").startswith("python"):
        return 0
    usable = len(os.sched_getaffinity(0))
    return min(usable, _MOST) if usable > 1 else 0
