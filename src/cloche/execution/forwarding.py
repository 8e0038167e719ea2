"""Signals that reach Cloche while a command runs, and are meant for the command."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from types import FrameType, TracebackType
from typing import Any

from cloche.execution.signals import STOPPING, can_handle, is_handled

assert sys.platform != "win32"  # noqa: S101 tells the type checker

FORWARDED = (*STOPPING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP)
NOTED = (signal.SIGCHLD, signal.SIGCONT, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU)


class Forwarding:
    """While entered, signals go on to the process group `group`, and `wakeup` can be waited for: it becomes readable
    with every signal. Outside the main thread there are no handlers and no `wakeup` (-1).

    asked: the command was asked to stop. continued, wanted: we were continued; somebody in our own process group
    wants the terminal.
    """

    def __init__(self) -> None:
        self.asked = self.continued = self.wanted = False
        self.wakeup = -1
        self.children_ignored = False
        self._group = 0
        self._early: list[int] = []
        self._over = False
        self._echoes: Counter[int] = Counter()
        self._before: dict[int, Any] = {}
        self._wakeup_end = self._wakeup_before = -1

    def __enter__(self) -> Forwarding:
        if can_handle():
            self.wakeup, self._wakeup_end = os.pipe()
            os.set_blocking(self.wakeup, False)
            os.set_blocking(self._wakeup_end, False)
            self._wakeup_before = signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
            self.children_ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
            for number in (*FORWARDED, *NOTED):
                if is_handled(number) or number == signal.SIGCHLD:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self.wakeup >= 0:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup_before)
            os.close(self.wakeup)
            os.close(self._wakeup_end)

    def start(self, group: int) -> None:
        """Send what comes, and what came already, to `group`."""
        self._group = group
        for number in self._early:
            self.send(number)

    def stop(self) -> None:
        """Send nothing more: the command has ended, and its number may be given to another."""
        self._over = True
        self._group = 0

    def send(self, number: int) -> None:
        """Send a signal to the command and its descendants."""
        if self._group:
            try:
                os.killpg(self._group, number)
            except OSError:
                with contextlib.suppress(OSError):
                    os.kill(self._group, number)

    def relay(self, number: int) -> None:
        """Send a signal that the terminal gave to the command to our own group too, which would have had it."""
        self.asked = True
        if number in self._before:
            self._echoes[number] += 1
        elif self.wakeup < 0:
            return
        os.killpg(0, number)

    def suspend(self, number: int) -> None:
        """Stop our own process group as the terminal would. Returns when continued, or at once where nobody could
        continue us (the group is orphaned)."""
        self.continued = False
        if number in self._before:
            handler = signal.signal(number, signal.SIG_DFL)
            os.killpg(0, number)
            time.sleep(0)
            signal.signal(number, handler)

    def clear_wakeup(self) -> None:
        """Forget the signals that `wakeup` told of."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self.wakeup, 512)) == 512:
                pass

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._echoes[number]:
            self._echoes[number] -= 1
        elif number in FORWARDED:
            self.asked = self.asked or (number in STOPPING and not self._over)
            if self._group:
                self.send(number)
            elif not self._over:
                self._early.append(number)
        elif number == signal.SIGCONT:
            self.continued = True
        elif number in (signal.SIGTTIN, signal.SIGTTOU):
            self.wanted = True
