"""The differences between two versions, the way a person reads them: what came out first, then why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cloche.cli.render.contents import array_lines, image_line, table_lines
from cloche.cli.render.words import change, memory, metric, plural, seconds, size, value
from cloche.model.changes import (
    DataChange,
    Difference,
    EnvironmentChange,
    Hunks,
    MetricChange,
    PathChange,
    ValueChange,
)
from cloche.model.content import Act
from cloche.model.environment import Distribution
from cloche.model.run import ID_SHOWN
from cloche.model.wording import some

MARK: dict[Act, tuple[str, str]] = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
FILES_SHOWN = 12


def print_difference(out: Console, found: Difference) -> None:
    """Print everything that differs, section by section."""
    a, b = _name(found.a), _name(found.b)
    out.print(Text.assemble(("diff ", "bold"), (a, "bold red"), " → ", (b, "bold green")))
    for path, why in found.unreadable:
        out.print(Text(f"cannot read {path}: {why}; it is not compared", style="red"))
    parts = list(_sections(found, a, b))
    for title, body in parts:
        out.print()
        out.print(Text(title, style="bold underline"))
        for one in body:
            out.print(one)
    if found.same:
        out.print()
        out.print(Text("same: " + ", ".join(found.same), style="dim"))


def _name(name: str) -> str:
    return "work tree" if name == "." else name[:ID_SHOWN]


def _sections(found: Difference, a: str, b: str) -> Iterator[tuple[str, list[RenderableType]]]:
    if found.metrics:
        yield "metrics", [metric_table(found.metrics, a, b)]
    if found.config:
        yield "config", [value_table(found.config, a, b)]
    if found.environment.packages or found.environment.facts:
        yield "environment", [environment_table(found.environment, a, b)]
    if found.data:
        yield "data", [line for one in found.data for line in data_lines(one)]
    if found.read:
        yield "files read besides", path_lines(found.read)
    if found.command:
        yield "command", [Text(f"- {found.command[0] or 'pipeline'}\n+ {found.command[1] or 'pipeline'}")]
    if found.code:
        yield "code", [hunk_text(one) for one in found.code]
    if found.outputs:
        yield "outputs", path_lines(found.outputs)
    if found.resources:
        before, after = found.resources
        table = _table("", a, b)
        table.add_row("wall time", seconds(before.wall), seconds(after.wall))
        table.add_row("CPU time", seconds(before.cpu), seconds(after.cpu))
        table.add_row("peak memory", memory(before.peak_memory), memory(after.peak_memory))
        yield "resources", [table]


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name == columns[0] else "right", overflow="fold")
    return table


def metric_table(metrics: Sequence[MetricChange], a: str, b: str) -> Table:
    """Metrics side by side with their change."""
    table = _table("", a, b, "change")
    for one in metrics:
        style = "" if not one.change else "bold"
        table.add_row(one.key, metric(one.before), metric(one.after), change(one.change), style=style)
    return table


def value_table(values: Sequence[ValueChange], a: str, b: str) -> Table:
    """Config values side by side."""
    table = _table("", a, b)
    for one in values:
        before = value(one.before) if one.has_before else ""
        after = value(one.after) if one.has_after else ""
        table.add_row(one.key, Text(before, style="red"), Text(after, style="green"))
    return table


def environment_table(found: EnvironmentChange, a: str, b: str, most: int = 1000) -> Table:
    """Packages, at most so many, and other facts side by side."""
    table = _table("", a, b, "")
    for name, (before, after) in found.facts.items():
        table.add_row(name, before, after, "")
    for package in found.packages[:most]:
        cells = [_version(one) for one in (package.before, package.after)]
        table.add_row(package.name, *cells, package.direction)
    if len(found.packages) > most:
        table.add_row(f"… and {len(found.packages) - most:,} more packages", "", "", "")
    return table


def _version(package: Distribution | None) -> str:
    if package is None:
        return ""
    return package.version if package.source == "index" else f"{package.version} ({package.source})"


def data_lines(found: DataChange) -> list[RenderableType]:
    """A data path, its files, and what changed inside of them."""
    mark, style = MARK[found.act]
    sizes = f"{size(found.size_before)} → {size(found.size_after)}"
    ends = {path for pair in found.moved for path in pair}
    files = [one for one in found.files if one.path not in ends]
    acts = Counter([one.act for one in files])
    counts = ", ".join([f"{acts[act]} {act}" for act in MARK if acts[act]] + [f"{len(found.moved)} moved"] * bool(ends))
    lines: list[RenderableType] = [Text.assemble((f"{mark} {found.path}", style), f"  {counts}; {sizes}")]
    lines += path_lines(files, indent=4)
    lines += [Text(f"    > {before} → {after}", style="cyan") for before, after in found.moved[:FILES_SHOWN]]
    if len(found.moved) > FILES_SHOWN:
        lines.append(Text(f"    … and {len(found.moved) - FILES_SHOWN:,} more moved (--json lists all)", style="dim"))
    lines += [Text("    " + line) for table in found.tables for line in table_lines(table)]
    lines += [Text("    " + line) for array in found.arrays for line in array_lines(array)]
    lines += [Text("    " + image_line(image)) for image in found.images[:FILES_SHOWN]]
    if len(found.images) > FILES_SHOWN:
        more = plural(len(found.images) - FILES_SHOWN, "more image")
        lines.append(Text(f"    … and {more} (--json lists all)", style="dim"))
    if found.uncompared:
        which = plural(len(found.uncompared), "more file")
        lines.append(
            Text(
                f"    … and {which} that were not looked into; name a path to see them",
                style="dim",
            )
        )
    if found.unstored:
        which = plural(len(found.unstored), "file")
        lines.append(Text(f"    {which} tracked in place: what was there was never stored", style="dim"))
    if found.lost:
        what = f"the store no longer holds what was in {some(list(found.lost))}: `cloche verify` says more"
        lines.append(Text(f"    {what}", style="red"))
    return lines


def path_lines(changes: Sequence[PathChange], indent: int = 0) -> list[RenderableType]:
    """One line a path, the first few."""
    lines: list[RenderableType] = []
    for one in changes[:FILES_SHOWN]:
        mark, style = MARK[one.act]
        entry = one.after or one.before
        detail = f"  {size(entry.size)}" if entry is not None else ""
        detail += f"  {' → '.join(one.kinds)}" if one.kinds else ""
        lines.append(Text.assemble(" " * indent, (f"{mark} {one.path}", style), (detail, "dim")))
    if len(changes) > FILES_SHOWN:
        lines.append(Text(f"{' ' * indent}… and {len(changes) - FILES_SHOWN:,} more (--json lists all)", style="dim"))
    return lines


def hunk_text(hunks: Hunks) -> Text:
    """A unified diff in colour."""
    mark, style = MARK[hunks.act]
    text = Text.assemble((f"{mark} {hunks.path}", style), (f"  +{hunks.added} -{hunks.removed}", "dim"))
    if hunks.kinds:
        text.append(f"  {' → '.join(hunks.kinds)}", style="bold")
    if hunks.binary:
        return text.append("  (binary)", style="dim")
    for line in hunks.text.splitlines():
        text.append("\n")
        text.append(line, style=_line_style(line))
    return text


def _line_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def summary(count: int) -> str:
    """How many things differ."""
    return plural(count, "difference")
