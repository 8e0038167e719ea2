"""What an import carried over, and what it could not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloche.cli.render.words import plural, size
from cloche.dvc.words import Skipped
from cloche.model.wording import some
from cloche.ops.import_dvc import Imported

SHOWN = 40
WHOLE = ("pipeline", "lock", "file")  # what is lost with all that is in it


def print_imported(out: Console, done: Imported, say: Callable[[str], None]) -> None:
    """What could not be carried over goes to stdout, one by one; how much was carried over to `say`."""
    if done.skipped:
        out.print(_lost(done.skipped))
        if len(done.skipped) > SHOWN:
            out.print(Text(f"… and {len(done.skipped) - SHOWN} more (--json lists all)", style="dim"))
    broken = [one.name for one in done.skipped if one.kind in WHOLE]
    locked = [name for name in broken if any(one.origin.startswith(f"{name}:") for one in done.stages)]
    if lost := [name for name in broken if name not in locked]:
        say(f"warning: nothing of {some(lost)} is carried over: it cannot be read, see the list above")
    if locked:
        what = f"warning: {some(locked)} cannot be read, see the list above"
        say(f"{what}: its stages are those that the lock file beside it has")
    if done.created:
        say(f"{done.root} {'would be' if done.dry_run else 'is'} a project now")
    say(f"stages: {_counted(one.state for one in done.stages)}")
    total = sum(one.size for one in done.data)
    say(f"data: {_counted(one.state for one in done.data)}" + (f", {size(total)}" if done.data else ""))
    say(f"runs: {_counted(one.state for one in done.runs)}")
    if done.tags:
        say(f"tags: {', '.join(done.tags)}")
    if done.unlinked:
        many = plural(len(done.unlinked), "link")
        say(f"{many} into DVC's cache {'would become' if done.dry_run else 'became'} files: {some(done.unlinked)}")
    if done.skipped:
        say(f"not carried over: {plural(len(done.skipped), 'thing')}, see the list above")
    _say_next(done, say)


def _counted(states: Iterable[str]) -> str:
    """How many there are, and of what state.

    >>> _counted(["new", "new", "kept"])
    '3 (2 new, 1 kept)'
    """
    counts = Counter(states)
    listed = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{counts.total()} ({listed})" if counts else "none"


def _lost(skipped: Sequence[Skipped]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("not carried over", "what", "why"):
        table.add_column(name, overflow="fold")
    for one in skipped[:SHOWN]:
        table.add_row(one.kind, Text(one.name), Text(one.reason))
    return table


def _say_next(done: Imported, say: Callable[[str], None]) -> None:
    if done.dry_run:
        say("nothing was changed; without --dry-run it would be")
    elif done.operation:
        files = " ".join(done.files)
        say(f"next: `cloche log` and `cloche status`; then `git add {files}` and commit")
        say(f"`cloche undo {done.operation}` takes it back")
    elif not done.unlinked:
        say("nothing is new since the last import")
