"""Where the output of a command goes: to our own standard output and error, unmodified, and to the log."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

STDOUT, STDERR = 1, 2
# Only so much is sure not to block when a pipe says that it can be written to (POSIX's least PIPE_BUF is less, but
# every system in use has 4096 or waits no worse).
PIPE_BUF = 512 if sys.platform == "darwin" else 4096
# How long a reader may take nothing, once the command was asked to stop, before it is taken for stuck.
PATIENCE = 1.0


def is_open(fd: int) -> bool:
    """Whether this process was started with the standard stream `fd` open. What may have been opened under that
    number since does not count."""
    stream = (sys.__stdin__, sys.__stdout__, sys.__stderr__)[fd]
    if stream is None:
        return False
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def same_file(one: int, other: int) -> bool:
    """Whether two open files are one and the same."""
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


class Outlet:
    """One of our own standard streams.

    When its reader goes away what is written is dropped: that is the reader's wish, and no reason to stop a training.
    A reader that is slow is waited for, as the command itself would wait; but not for ever once `stopping` says that
    the command was asked to stop, or a stuck reader would cost the record of the run.
    """

    def __init__(self, fd: int, stopping: Callable[[], bool]) -> None:
        self.fd = fd
        self.gone = not is_open(fd)
        self.line_begins = True
        self._stopping = stopping
        self._piece = 1 << 16 if not self.gone and stat.S_ISREG(os.fstat(fd).st_mode) else PIPE_BUF

    def write(self, data: bytes) -> None:
        """Write all of `data`."""
        if data:
            self.line_begins = data.endswith(b"\n")
        view = memoryview(data)
        while view and not self.gone:
            if not self._wait():
                self.gone = True
                return
            try:
                view = view[os.write(self.fd, view[: self._piece]) :]
            except BlockingIOError:
                continue
            except OSError:
                self.gone = True

    def say(self, text: str) -> None:
        """Write a line of Cloche's own, on a line of its own."""
        start = "" if self.line_begins else "\n"
        self.write(f"{start}cloche: {text}\n".encode("utf-8", "backslashreplace"))

    def _wait(self) -> bool:
        """Wait until the reader takes something. False where it seems that it never will."""
        if sys.platform != "win32":
            since = time.monotonic()
            while not select.select([], [self.fd], [], 0.1)[1]:
                if self._stopping() and time.monotonic() - since > PATIENCE:
                    return False
        return True


def our_outlets(stopping: Callable[[], bool]) -> tuple[Outlet, Outlet]:
    """Our standard output and error; one and the same where they are the same file."""
    out = Outlet(STDOUT, stopping)
    if is_open(STDOUT) and is_open(STDERR) and same_file(STDOUT, STDERR):
        return out, out
    return out, Outlet(STDERR, stopping)


class Log:
    """The log file of a run: what is written is added at its end. A log that cannot be written never stops the run:
    `complain` is called once with the reason, and the rest is dropped."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            self._give_up(error)

    def write(self, data: bytes) -> None:
        """Add `data`."""
        view = memoryview(data)
        while view and self._fd >= 0:
            try:
                view = view[os.write(self._fd, view) :]
            except OSError as error:
                self.close()
                self._give_up(error)

    def close(self) -> None:
        """Close the file; later writes are dropped."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.close(fd)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._complain(f"the output is no longer logged: {error.strerror}; the command goes on")
