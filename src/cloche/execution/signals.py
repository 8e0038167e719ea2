"""Putting off signals while something must not be lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOPPING = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    if (number := getattr(signal, name, None)) is not None
)


def can_handle() -> bool:
    """Whether this thread may set signal handlers."""
    return threading.current_thread() is threading.main_thread()


def is_handled(number: int) -> bool:
    """Whether a signal does anything here: False where it was ignored when this process started (`nohup`), or where
    the handler is not Python's."""
    return signal.getsignal(number) not in (signal.SIG_IGN, None)


@contextlib.contextmanager
def hold_signals() -> Iterator[None]:
    """Put off every request to stop (INT, TERM, HUP, QUIT) until the end of the block, where it takes effect.

    For what must not be cut short, such as writing the record of a run after its command has ended. `execute` inside
    of the block forwards signals to the command all the same.
    """
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    numbers = [number for number in STOPPING if is_handled(number)] if can_handle() else []
    before = {number: signal.signal(number, hold) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(held):
            signal.raise_signal(number)
