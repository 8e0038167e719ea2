"""What the command writes to: a pseudo-terminal where our own output is a terminal, else a pipe."""

# ruff: noqa: E402 (on Windows the type checker stops at the assertion)

from __future__ import annotations

import contextlib
import math
import os
import select
import stat
import subprocess
import sys
import time
from collections.abc import Sequence

assert sys.platform != "win32"  # noqa: S101 tells the type checker

from cloche.execution.outlets import STDERR, STDOUT, Log, Outlet, is_open, same_file
from cloche.execution.terminal import copy_modes, copy_size

READ_SIZE = 1 << 16
# After the command has ended: how long its output may be silent, and how long it is waited for in all, before whoever
# still holds it is left to itself. What was written before the end is always read: it needs no waiting, and no pipe
# holds more than this.
SILENCE, LONGEST, PIPE_SIZE = 0.2, 1.0, 1 << 20


def readable(files: Sequence[int], timeout: float) -> list[int]:
    """Those of `files` that can be read, after at most so many seconds."""
    if sys.platform == "darwin":  # its `poll` knows no terminals
        return select.select(files, [], [], timeout)[0]
    poll = select.poll()  # `select` refuses numbers above 1,023, which a process that keeps many files open has
    for file in files:
        poll.register(file, select.POLLIN)
    return [file for file, _ in poll.poll(math.ceil(timeout * 1000))]


class Channel:
    """One pipe or pseudo-terminal. source: where we read. end: what the command gets."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.terminal = os.isatty(outlet.fd)
        self.source, self.end = os.openpty() if self.terminal else os.pipe()
        if self.terminal:
            copy_modes(outlet.fd, self.end)
            copy_size(outlet.fd, self.source)

    def read(self) -> bytes:
        """What has arrived; empty when nobody can write any more."""
        try:
            return os.read(self.source, READ_SIZE)
        except OSError:  # Linux says EIO when the last holder of a pseudo-terminal has gone
            return b""


class Channels:
    """The output of one command. stdout, stderr: what to start it with; None where ours is closed, so its is too.

    There is one channel where our standard output and error are the same file, so that their order is kept.
    """

    def __init__(self, log: Log, outlets: Sequence[Outlet]) -> None:
        self._log = log
        self._open: list[Channel] = []
        self.stdout = self.stderr = None
        out, err = outlets
        if is_open(STDOUT):
            self.stdout = self._add(out)
        if is_open(STDERR):
            joined = self.stdout is not None and same_file(STDOUT, STDERR)
            self.stderr = self.stdout if joined else self._add(err)

    def _add(self, outlet: Outlet) -> int:
        channel = Channel(outlet)
        self._open.append(channel)
        return channel.end

    @property
    def sources(self) -> list[int]:
        """What to wait for."""
        return [channel.source for channel in self._open]

    @property
    def terminals(self) -> bool:
        """Whether any is a pseudo-terminal."""
        return any(channel.terminal for channel in self._open)

    def started(self) -> None:
        """Close what the command holds now."""
        for channel in self._open:
            if channel.end >= 0:
                os.close(channel.end)
                channel.end = -1

    def resize(self) -> bool:
        """Pass on the size of our terminal. Whether it changed."""
        changed = [copy_size(channel.outlet.fd, channel.source) for channel in self._open if channel.terminal]
        return any(changed)

    def pump(self, ready: Sequence[int]) -> int:
        """Pass on what has arrived in the `ready` sources. Returns how many bytes that were."""
        count = 0
        for channel in [channel for channel in self._open if channel.source in ready]:
            data = channel.read()
            if data:
                channel.outlet.write(data)
                self._log.write(data)
                count += len(data)
            else:
                self._drop(channel)
        return count

    def drain(self) -> None:
        """Pass on what is left after the end of the command, without waiting for others who hold its output."""
        begin, waited, count = time.monotonic(), 0.0, 0
        while self._open and waited < LONGEST and (count <= PIPE_SIZE or time.monotonic() < begin + LONGEST):
            since = time.monotonic()
            ready = readable(self.sources, SILENCE)
            waited += time.monotonic() - since
            if not ready:
                break
            count += self.pump(ready)

    def held(self, patience: float) -> bool:
        """Whether a process that outlived the command still holds its output, after so many seconds."""
        end = time.monotonic() + patience
        while self._open and time.monotonic() < end:
            self.pump(readable(self.sources, max(0.0, end - time.monotonic())))
        return bool(self._open)

    def leave(self) -> None:
        """Close all. Where a process that goes on still holds one, a small process takes over reading it: without
        a reader it would be killed at its next line. What it writes still reaches a terminal or a file; a pipe ends
        with the run, so that its reader does not wait for a daemon."""
        for channel in list(self._open):
            if channel.end < 0:
                _hand_on(channel)
            self._drop(channel)

    def _drop(self, channel: Channel) -> None:
        self._open.remove(channel)
        os.close(channel.source)
        if channel.end >= 0:
            os.close(channel.end)


def _hand_on(channel: Channel) -> None:
    target = subprocess.DEVNULL if channel.outlet.gone or _is_pipe(channel.outlet.fd) else channel.outlet.fd
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        # The shell ends at once, so that the reader is nobody's child; a shell's background process reads nothing
        # unless told to, hence the third file.
        subprocess.run(
            ["/bin/sh", "-c", "exec 3<&0; cat <&3 3<&- &"],
            stdin=channel.source,
            stdout=target,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=False,
        )


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return True
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
