"""One run in full."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloche.cli.render.log import STYLES
from cloche.cli.render.words import command, memory, metric, moment, plural, seconds, shorten, size, value
from cloche.model.run import Run
from cloche.ops.show import Shown

LONGEST = 400
READ_SHOWN = 12
OUTPUTS_SHOWN = 20


def print_run(out: Console, shown: Shown) -> None:
    """Print the record of a run, section by section."""
    run = shown.run
    removed = ("  (removed)", "dim") if shown.removed else ""
    out.print(Text.assemble(("run ", "bold"), (run.id, "bold"), "  ", (run.status, STYLES[run.status]), removed))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(shown):
        table.add_row(name, text)
    out.print(table)
    _metrics(out, run)
    _stages(out, run)
    _outputs(out, run)
    for finding in run.findings:
        out.print(Text(f"! {finding.message}", style="yellow"))
        if finding.hint:
            out.print(Text(f"  hint: {finding.hint}", style="dim"))


def _facts(shown: Shown) -> Iterator[tuple[str, str]]:
    run = shown.run
    yield "what", command(run) + (f"  (in {run.folder}/)" if run.folder else "")
    if run.message:
        yield "message", run.message
    took = f", took {seconds(run.resources.wall)}" if shown.environment.is_known else ""
    yield "when", moment(run.created) + (took if run.ended else ", still going")
    if run.signal:
        yield "ended by", run.signal
    elif run.exit_status is not None:
        yield "exit status", str(run.exit_status)
    if shown.tags:
        yield "tags", ", ".join(shown.tags)
    for note in shown.notes:
        yield f"note {note.number}", note.text
    yield from _inputs(shown)
    yield from _circumstances(shown)


def _inputs(shown: Shown) -> Iterator[tuple[str, str]]:
    run, snapshot = shown.run, shown.run.snapshot
    code = snapshot.code
    yield "code", f"{code.tree[:12]}  {plural(code.files, 'file')}, {size(code.size)}"
    if code.commit:
        changes = " + uncommitted changes" if code.dirty else ""
        yield "git", f"{code.commit[:12]} on {code.branch or 'no branch'}{changes}"
    for item in snapshot.data.paths:
        yield "data", f"{item.digest[:12]}  {item.path}: {plural(item.count, 'file')}, {size(item.size)}"
    for read in run.observed[:READ_SHOWN]:
        files = f"{plural(read.count, 'file')}, " if read.kind == "d" else ""
        yield "read", f"{read.digest[:12]}  {read.path}: {files}{size(read.size)}"
    if len(run.observed) > READ_SHOWN:
        yield "read", f"… and {len(run.observed) - READ_SHOWN} more (--json lists all)"
    for key, one in snapshot.config.values.items():
        yield (
            "config",
            f"{key} = {shorten(value(one), LONGEST)}" + ("  (-P)" if key in snapshot.config.overrides else ""),
        )
    yield "environment", f"{snapshot.environment[:12]}  {_environment(shown)}"
    for name, one in shown.environment.variables.items():
        yield "variable", f"{name}={one}"
    for folder, digest in shown.environment.folders.items():
        yield "modules", f"{digest[:12]}  {folder}"


def _circumstances(shown: Shown) -> Iterator[tuple[str, str]]:
    run = shown.run
    machine = run.machine
    if not shown.environment.is_known:
        return
    yield "machine", f"{machine.cpus} × {machine.cpu or 'unknown processor'}, {size(machine.memory)}, {machine.system}"
    used = run.resources
    if run.ended:
        yield "resources", f"CPU {seconds(used.cpu)}, peak memory {memory(used.peak_memory)}"
    for file in run.snapshot.code.left_out:
        yield "left out", f"{file.path} ({file.reason})"


def _environment(shown: Shown) -> str:
    environment = shown.environment
    if not environment.is_known:
        return "not recorded"
    if environment.interpreter is None:
        return "no Python"
    python = f"{environment.interpreter.implementation} {environment.interpreter.version}"
    return f"{python}, {plural(len(environment.distributions), 'package')}, {environment.platform.system}"


def _metrics(out: Console, run: Run) -> None:
    if run.metrics:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("metric", overflow="fold")
        table.add_column("value", justify="right")
        for key, number in run.metrics.items():
            table.add_row(key, metric(number))
        out.print(table)


def _stages(out: Console, run: Run) -> None:
    if not run.stages:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("stage", "status", "took", "command"):
        table.add_column(name, overflow="fold")
    for stage in run.stages:
        state = f"from {stage.reused[:8]}" if stage.reused else stage.status
        table.add_row(stage.name, state, seconds(stage.resources.wall), Text(stage.command))
    out.print(table)


def _outputs(out: Console, run: Run) -> None:
    if not run.outputs:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("output", "size", "files", "digest"):
        table.add_column(name, justify="left" if name == "output" else "right", overflow="fold")
    for one in run.outputs[:OUTPUTS_SHOWN]:
        table.add_row(Text(one.path), size(one.size), str(one.count), one.digest[:12])
    out.print(table)
    if len(run.outputs) > OUTPUTS_SHOWN:
        out.print(Text(f"… and {len(run.outputs) - OUTPUTS_SHOWN} more (--json lists all)", style="dim"))
