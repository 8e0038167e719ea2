"""How a command ended, and how to end in the same way."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn

import msgspec

from cloche.model.run import Resources


class Execution(msgspec.Struct, frozen=True):
    """One execution of a command.

    exit_status: None where a signal ended it. signal: the name of that signal (`SIGKILL`), else empty.
    started, ended: seconds since 1970. interrupted: it ended after a request to stop (Ctrl-C, TERM, HUP, QUIT) that
    the terminal or Cloche delivered, whatever its exit status. left_running: a process that it started went on after it
    and still held its output.
    """

    exit_status: int | None
    signal: str
    resources: Resources
    started: float
    ended: float
    interrupted: bool
    left_running: bool = False


def signal_name(number: int) -> str:
    """The name of a signal, also of those that have none.

    >>> signal_name(9)
    'SIGKILL'
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def signal_number(name: str) -> int:
    """The inverse of `signal_name`."""
    try:
        return signal.Signals[name].value
    except KeyError:
        return int(name.removeprefix("SIG"))


def die_like(execution: Execution) -> NoReturn:
    """End this process as the command ended: with its exit status, or killed by the same signal.

    Whoever started Cloche then sees what it would have seen without it. Nothing of this process runs after a
    signal, so close what is open before.
    """
    if not execution.signal:
        raise SystemExit(execution.exit_status or 0)
    number = signal_number(execution.signal)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    if sys.platform != "win32":
        _without_core_dump()
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(128 + number)


def _without_core_dump() -> None:
    if sys.platform != "win32":
        import resource

        # A limit of one byte also keeps away programs that core dumps are piped to, which a limit of zero does not.
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (0 if hard == 0 else 1, hard))
