"""What goes to the terminal: facts to stdout, everything else to stderr with the prefix `cloche: `."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from cloche.errors import StoreError
from cloche.model.paths import legible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType
    from rich.segment import Segment

    from cloche.model.plan import Plan

WIDE = 200
LOST_SHOWN = 10
MOST_WIDE = 2_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def print_json(value: object) -> None:
    """Print a struct, or a list of them, as one JSON document."""
    _write(msgspec.json.format(_encoded(value), indent=2))


def print_json_line(value: object) -> None:
    """Print a struct as JSON on a line of its own, after whatever a command printed."""
    _write(_encoded(value))


def _encoded(value: object) -> bytes:
    try:
        return msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError:  # the path of a project whose name is no UTF-8
        return msgspec.json.encode(_legible(msgspec.to_builtins(value)), order="deterministic")


def _legible(value: object) -> object:
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, dict):
        return {legible(str(key)): _legible(item) for key, item in value.items()}
    return [_legible(item) for item in value] if isinstance(value, list) else value


def _write(data: bytes) -> None:
    """A line to stdout. JSON is UTF-8, whatever the terminal is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def say(line: str) -> None:
    """One line about what is going on, to stderr."""
    sys.stderr.write(f"cloche: {printable(line)}\n")
    sys.stderr.flush()


def complain(message: str, hint: str = "") -> None:
    """An error and what to do about it, to stderr."""
    colour = use_colour(sys.stderr)
    head, tail = ("\x1b[31mcloche:\x1b[0m", "\x1b[36mhint:\x1b[0m") if colour else ("cloche:", "hint:")
    sys.stderr.write(f"{head} {printable(message)}\n" + (f"{tail} {printable(hint)}\n" if hint else ""))


def tell_kept(links: Iterable[str], notes: Iterable[str]) -> None:
    """Say which links to data elsewhere were made, and what was not put back."""
    for link in links:
        say(f"made the link {link}, which was missing")
    for note in notes:
        say(f"not put back: {note}")


def tell_lost(plan: Plan, quiet: bool) -> None:
    """Name what a plan cannot bring, and end with the status of an error of the store, where there is any."""
    if plan.lost:
        for path in () if quiet else plan.lost[:LOST_SHOWN]:
            say(f"lost, and left as it is: {path}")
        rest = len(plan.lost) - LOST_SHOWN
        if rest > 0 and not quiet:
            say(f"and {rest:,} more: `--json` names all")
        raise SystemExit(StoreError.exit_status)


def printable(text: str) -> str:
    """`text` with every control character but tabs and line ends written out, so that no name can command a terminal,
    and every byte that is no UTF-8."""
    return legible(_CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text))


def use_colour(stream: object) -> bool:
    """Whether colour is welcome: a terminal, and neither NO_COLOR nor a dumb one (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    isatty = getattr(stream, "isatty", lambda: False)
    return bool(isatty()) and os.environ.get("TERM") != "dumb"


def console() -> Console:
    """Where tables are printed. Not a terminal: no colour, and wide enough that nothing is cut.

    What is printed is text as it stands: brackets are no markup, and control characters are written out.
    """
    from rich.console import Console, RenderHook

    colour = use_colour(sys.stdout)
    if sys.stdout.isatty():
        out = Console(no_color=not colour, highlight=False, markup=False, emoji=False)
    else:
        out = Console(
            width=WIDE,
            force_terminal=colour,
            no_color=not colour,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
        )

    class Printable(RenderHook):
        """Has everything that the console prints go through `printable`."""

        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [_Cleaned(one) for one in renderables]

    out.push_render_hook(Printable())
    return out


def print_whole(out: Console, table: RenderableType) -> None:
    """Print a table so that nothing of it is cut: on a screen that is too narrow, lines go on below."""
    options = out.options.update(max_width=MOST_WIDE)
    out.width = max(out.width, out.measure(table, options=options).minimum)
    out.print(table, crop=False)


@dataclass
class _Cleaned:
    inner: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        for segment in console.render(self.inner, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


@contextmanager
def progress(what: str, *, in_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, shown on a terminal when the work takes longer than half a second.

    Yields a function that is told how much is done, and of how much. in_bytes: these are bytes; the rate is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    bar = _Bar(what, in_bytes=in_bytes)
    try:
        yield bar.update
    finally:
        bar.close()


class _Bar:
    """Starts rich's progress bar late: most work is over before a bar could be read."""

    def __init__(self, what: str, *, in_bytes: bool = False) -> None:
        import time

        self._now = time.monotonic
        self._began = time.monotonic()
        self._what = what
        self._in_bytes = in_bytes
        self._show: Callable[[int, int], None] | None = None
        self._stop: Callable[[], None] = lambda: None

    def update(self, done: int, total: int) -> None:
        if self._show is None and self._now() - self._began > 0.5:
            self._start()
        if self._show is not None:
            self._show(done, total)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        shown = Console(stderr=True, no_color=not use_colour(sys.stderr))
        counts: list[ProgressColumn] = [MofNCompleteColumn()]
        if self._in_bytes:
            counts = [DownloadColumn(), TransferSpeedColumn()]
        columns = (TextColumn("{task.description}"), BarColumn(), *counts, TimeRemainingColumn())
        bar = Progress(*columns, console=shown, transient=True)
        task = bar.add_task(self._what)
        bar.start()
        self._stop = bar.stop
        self._show = lambda done, total: bar.update(task, completed=done, total=total)

    def close(self) -> None:
        self._stop()
