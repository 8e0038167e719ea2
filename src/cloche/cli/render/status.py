"""The work tree against the last run."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from cloche.cli.render.difference import environment_table, path_lines, value_table
from cloche.cli.render.words import plural, size
from cloche.model.run import ID_SHOWN
from cloche.ops.status import DataState, Status

PACKAGES_SHOWN = 12


def print_status(out: Console, found: Status) -> None:
    """Print what changed, and what to type next."""
    if found.commit or found.branch:
        out.print(f"on {found.branch or 'no branch'} at {found.commit[:12] or 'no commit yet'}")
    _warn(out, found)
    base = found.base[:ID_SHOWN]
    if not found.base:
        out.print(f"no runs yet: {plural(found.files, 'code file')} would be recorded")
    elif found.clean:
        tags = f" [{', '.join(found.tags)}]" if found.tags else ""
        out.print(Text.assemble(("nothing changed", "green"), f" since run {base}{tags}"))
    else:
        out.print(Text(f"changed since run {base}:", style="bold"))
    if found.config:
        _title(out, "config")
        out.print(value_table(found.config, base, "now"))
    if found.environment.packages or found.environment.facts:
        _title(out, "environment")
        out.print(environment_table(found.environment, base, "now", PACKAGES_SHOWN))
    _data(out, found)
    if found.read:
        _title(out, "files read besides")
        for line in path_lines(found.read):
            out.print(line)
    if found.code:
        _title(out, "code")
        for line in path_lines(found.code):
            out.print(line)
    _next(out, found)


def _title(out: Console, text: str) -> None:
    out.print()
    out.print(Text(text, style="bold underline"))


def _data(out: Console, found: Status) -> None:
    shown = [item for item in found.data if item.since or item.lock != "same" or not found.base]
    if not shown and not found.forgotten:
        return
    _title(out, "data")
    for item in shown:
        out.print(_data_line(item))
        for line in path_lines(item.since, indent=4):
            out.print(line)
    for path in found.forgotten:
        out.print(Text(f"- {path}  no longer tracked", style="red"))


def _data_line(item: DataState) -> Text:
    words = {
        "same": "",
        "changed": "not yet in cloche.lock",
        "missing": "missing",
        "unknown": "not all of it could be read",
    }[item.lock]
    where = ", in place" if item.in_place else ""
    text = Text(f"  {item.path}  {plural(item.files, 'file')}, {size(item.size)}{where}")
    return text.append(f"  {words}", style="yellow") if words else text


def _warn(out: Console, found: Status) -> None:
    for number in found.cut_off:
        out.print(Text(f"operation {number} was cut off half-way: type `cloche undo {number}`", style="red"))
    if found.lock_gone:
        out.print(
            Text("cloche.lock is gone, so no data is tracked: `git restore cloche.lock` brings it back", style="red")
        )
    for run in found.going:
        out.print(Text(f"run {run[:ID_SHOWN]} is going", style="cyan"))
    for one in found.edited:
        names = ", ".join(one.paths) or one.digest[:12]
        out.print(Text(f"changed through a link, and with it what the store holds: {names}", style="red"))
    for path, why in found.unreadable:
        out.print(Text(f"cannot read {path}: {why}", style="red"))
    for path in found.special:
        out.print(Text(f"left out: {path} (a pipe, socket or device)", style="dim"))
    for path in found.repositories:
        out.print(Text(f"left out of data: {path} (Git's own; the files beside it are recorded)", style="dim"))
    for file in found.left_out:
        out.print(Text(f"left out of code: {file.path} ({file.reason})", style="dim"))


def _next(out: Console, found: Status) -> None:
    hints = list(_hints(found))
    if hints:
        out.print(Text("\n" + "\n".join(f"hint: {hint}" for hint in hints), style="dim"))


def _hints(found: Status) -> Iterator[str]:
    if found.edited:
        yield "`cloche verify --repair` takes the change out of the store and brings back what it can"
    missing = [item for item in found.data if item.lock == "missing"]
    for item in missing:
        if item.in_place:
            yield f"{item.path}: {item.back}"
    missing = [item for item in missing if not item.in_place]
    if found.remote and any(not item.held for item in missing):
        yield "`cloche pull` fetches the missing data"
    elif any(not item.held for item in missing):
        yield "the store here does not hold the missing data: copy .cloche/ from where it was added"
        if any(item.held for item in missing):
            yield "`cloche revert --lock --partial` brings the rest"
    elif missing:
        yield "`cloche revert --lock` brings missing data back"
    elif any(item.lock == "changed" for item in found.data):
        drops = any(item.lock == "changed" and not item.in_place for item in found.data)
        yield f"`cloche add` records the new data, for Git too{'; `cloche revert --lock` drops it' if drops else ''}"
    if found.base and not found.clean:
        run = found.base[:ID_SHOWN]
        since = any(item.since for item in found.data if not item.in_place)
        inputs = found.code or found.config or found.environment.packages or found.forgotten or since
        back = f", `cloche revert {run}` takes them back" if inputs else ""
        yield f"`cloche diff {run}` shows the changes{back}"
