"""What the store takes."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from cloche.cli.output import print_whole
from cloche.cli.render.words import plural, size
from cloche.model.run import ID_SHOWN
from cloche.model.usage import Usage, Used

SHOWN = 20
_WORDS = {
    "read": "read besides",
    "undo": "kept for `cloche undo`",
    "nothing": "named by nothing",
}


def print_usage(out: Console, found: Usage) -> None:
    """Print the total and every table that has rows."""
    out.print(f"the store takes {size(found.disk)} in {plural(found.packs, 'pack')}")
    if found.parts:
        _print(out, "what", [(_WORDS.get(used.part, used.part), used) for used in found.parts])
    if found.paths:
        _print(out, "path", [(used.path, used) for used in found.paths])
    if found.runs:
        _print(out, "run", [(used.run[:ID_SHOWN], used) for used in found.runs], versions=False)
    versions = [used for used in found.asked if used.digest]
    made = [used for used in found.asked if not used.digest]
    if made:
        _print(out, "what of a run", [(_made_of(used), used) for used in made], versions=False)
    if versions:
        _print(out, "version of a path", [(_version(used), used) for used in versions], versions=False)
    if found.unreadable:
        out.print(f"{plural(found.unreadable, 'folder')} could not be looked into: type `cloche doctor`", style="red")


def _print(out: Console, head: str, rows: Sequence[tuple[str, Used]], *, versions: bool = True) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(head)
    for name in (*(("versions",) if versions else ()), "size", "stored", "only here"):
        table.add_column(name, justify="right")
    for name, used in rows[:SHOWN]:
        count = (f"{used.versions:,}" if used.versions else "",) if versions else ()
        whole = size(used.size) if used.size else ""
        table.add_row(name, *count, whole, size(used.stored), size(used.unique))
    out.print()
    print_whole(out, table)
    if len(rows) > SHOWN:
        out.print(f"… and {len(rows) - SHOWN:,} more (--json lists all)", style="dim")


def _made_of(used: Used) -> str:
    return f"{used.run[:ID_SHOWN]}  {used.path or _WORDS.get(used.part, used.part)}"


def _version(used: Used) -> str:
    where = f"run {used.run[:ID_SHOWN]}" if used.run else "cloche.lock"
    return f"{used.path}  {used.digest[:12]}  {where}"
