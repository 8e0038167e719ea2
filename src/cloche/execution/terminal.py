"""The controlling terminal: who has its foreground, and so gets its keyboard and its Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator

assert sys.platform != "win32"  # noqa: S101 tells the type checker


class Terminal:
    """The terminal that controls this process, or nothing where there is none.

    The command has a process group of its own. While it runs it is given the foreground, so that it can read the
    keyboard and Ctrl-C reaches it as if Cloche were not there.
    """

    def __init__(self) -> None:
        self._fd = -1
        self.given = False
        with contextlib.suppress(OSError):
            self._fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)

    def close(self) -> None:
        """Let go of the terminal."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def foreground(self) -> bool:
        """Whether our own process group has the foreground."""
        return self._foreground_group() == os.getpgrp()

    @property
    def offered(self) -> bool:
        """Whether the command is to have the foreground from its start: our input is the terminal, and it is ours to
        give."""
        try:
            return self._fd >= 0 and os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            return False

    def give(self, group: int) -> None:
        """Put `group` in the foreground."""
        self.given = self._set(group)

    def take_back(self) -> None:
        """Put our own group in the foreground again, if it was given away."""
        if self.given:
            self._set(os.getpgrp())
            self.given = False

    def _foreground_group(self) -> int:
        try:
            return os.tcgetpgrp(self._fd) if self._fd >= 0 else -1
        except OSError:
            return -1

    def _set(self, group: int) -> bool:
        with blocked(signal.SIGTTOU):
            try:
                os.tcsetpgrp(self._fd, group)
            except OSError:
                return False
        return True


@contextlib.contextmanager
def blocked(number: signal.Signals) -> Iterator[None]:
    """Hold back a signal: a background process that changes the terminal would be stopped by SIGTTOU."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def enter_foreground() -> None:
    """Put the calling process's own group in the foreground; for a child, just before it becomes the command, so that
    not even its first instruction runs in the background."""
    with blocked(signal.SIGTTOU), contextlib.suppress(OSError):
        os.tcsetpgrp(0, os.getpid())


class Witness:
    """A process that does nothing, in the command's process group, and so dies of the Ctrl-C that the terminal sends
    to that group only. It tells that a program which ended normally was asked to stop.

    It also ends with Cloche: it reads from a pipe that nobody writes to.
    """

    def __init__(self, group: int) -> None:
        self._group = group
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Watch for the next Ctrl-C."""
        quiet = subprocess.DEVNULL
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self._process = subprocess.Popen(
                ["cat"], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, cwd="/", process_group=self._group
            )

    def seen(self) -> int:
        """The signal that the terminal has sent since the last start, or 0."""
        if self._process is None or self._process.poll() is None:
            return 0
        return self._buried(self._process)

    def finish(self) -> int:
        """Watch no longer. Returns what `seen` would, and misses nothing that was sent before: a signal that is still
        on its way comes before the end of the input."""
        if self._process is None:
            return 0
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.send_signal(signal.SIGCONT)
        self._process.wait()
        return self._buried(self._process)

    def _buried(self, process: subprocess.Popen[bytes]) -> int:
        self._process = None
        if process.stdin is not None:
            process.stdin.close()
        number = -process.returncode
        return number if number in (signal.SIGINT, signal.SIGQUIT) else 0


def copy_modes(ours: int, theirs: int) -> None:
    """Make a pseudo-terminal like our terminal, except that it passes on what is written unmodified: our terminal
    turns newlines into carriage return and newline itself."""
    with contextlib.suppress(termios.error):
        modes = termios.tcgetattr(ours)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(theirs, termios.TCSANOW, modes)


def copy_size(ours: int, theirs: int) -> bool:
    """Give a pseudo-terminal the size of our terminal. Whether that changed it."""
    with contextlib.suppress(OSError, termios.error):
        size = termios.tcgetwinsize(ours)
        if size != termios.tcgetwinsize(theirs):
            termios.tcsetwinsize(theirs, size)
            return True
    return False
