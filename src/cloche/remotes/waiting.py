"""Waiting for what a server may never answer, so that Ctrl-C ends it.

A call into a compiled library takes no signal, and a process that ends waits for its threads. Here the call is in a
thread that nobody waits for at the end, and what waits for it is Python.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from functools import partial
from typing import TypeVar

_TICK = 0.5  # seconds; on Windows no signal ends a wait, but one that came is seen after it
_GRACE = 1.0

T = TypeVar("T")
R = TypeVar("R")


def patiently(step: Callable[[], R]) -> R:
    """The result of a step that takes no signals. Only the main thread gets any, so the others just take it."""
    if threading.current_thread() is not threading.main_thread():
        return step()
    return _result(_begun(step))


def each(step: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[R]:
    """The results of a step on each item, in order; a few steps are under way at the same time.

    Where one fails, the others under way are waited for; where whoever wants the results gives up, only for a moment.
    """
    gate, over = threading.Semaphore(at_once), threading.Event()
    waiting: list[Future[R]] = []

    def taken(item: T) -> R:
        with gate:
            if over.is_set():
                raise CancelledError
            return step(item)

    try:
        for item in items:
            waiting.append(_begun(partial(taken, item)))
            del item  # it may be large, and the next one takes a while
            if len(waiting) > at_once:
                yield _result(waiting.pop(0))
        while waiting:
            yield _result(waiting.pop(0))
    except Exception:
        over.set()
        wait(waiting)
        raise
    finally:
        over.set()
        wait(waiting, _GRACE)


def _begun(step: Callable[[], R]) -> Future[R]:
    future: Future[R] = Future()

    def take() -> None:
        try:
            result = step()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=take, daemon=True).start()
    return future


def _result(future: Future[R]) -> R:
    while not future.done():
        wait([future], _TICK)
    return future.result()
