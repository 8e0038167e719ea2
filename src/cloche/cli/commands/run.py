"""`cloche run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloche.cli.options import complete_file, complete_stage, project
from cloche.cli.output import print_json_line, progress, say

if TYPE_CHECKING:
    from cloche.model.run import Run

FAILED = 1
INTERRUPTED = 130  # a pipeline of which stages are left, whatever the status of the one that was interrupted


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] [COMMAND]...", shell_complete=complete_file)
@click.option("-P", "--param", "params", multiple=True, metavar="KEY=VALUE", help="Set a config value (repeatable).")
@click.option(
    "-s",
    "--stage",
    "stages",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_stage,
    help="Only this stage and what it needs.",
)
@click.option("-f", "--force", is_flag=True, help="Run stages even where nothing changed.")
@click.option("-m", "--message", default="", help="A line about this run.")
@click.option("-e", "--experiment", default="", help="The group that this run belongs to.")
@click.option("-q", "--quiet", is_flag=True, help="Nothing of cloche's own on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON, as the last line.")
@click.pass_context
def command(
    ctx: click.Context,
    words: tuple[str, ...],
    params: tuple[str, ...],
    stages: tuple[str, ...],
    force: bool,
    message: str,
    experiment: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run a command, or the pipeline of cloche.toml, and record everything.

    Records code, data, config and environment as they are now, runs COMMAND as if cloche were not there, and records
    its output, exit status, metrics, resources and the files that it wrote. Without COMMAND the stages of cloche.toml
    are run in their order; a stage whose inputs are unchanged is taken from an earlier run. Ends as COMMAND ended.

    \b
    Examples:
      cloche run -- python train.py --epochs 3
      cloche run                      the stages of cloche.toml
      cloche run -P train.lr=0.1      with another value in params.toml
      cloche run --stage train --force
    """
    from cloche.errors import UsageError
    from cloche.model.values import parse_override
    from cloche.ops.run import Request, run

    if words and words[0].startswith("-"):
        raise UsageError(f"there is no option {words[0]}", hint=_meant(ctx, words[0]))
    if words and (stages or force):
        raise UsageError("--stage and --force belong to the pipeline, not to a command", hint="leave out one of them")
    here = project()
    request = Request(
        command=words,
        stages=stages,
        force=force,
        overrides=dict(parse_override(text) for text in params),
        message=message,
        experiment=experiment,
        folder=_folder(here.root),
    )
    tell = (lambda _line: None) if quiet else say
    with progress("recording inputs") as told:
        record = run(here, request, say=tell, progress=told)
    if as_json:
        print_json_line(record)
    if not quiet:
        _summary(record)
    _end(record)


def _meant(ctx: click.Context, word: str) -> str:
    from cloche.model.suggestions import closest

    near = closest(word, [name for option in ctx.command.params for name in option.opts if name.startswith("-")])
    return f"did you mean {near}?" if near else "see `cloche run --help`; a command comes after `--`"


def _folder(root: Path) -> str:
    from cloche.model.paths import encode_path

    parts = Path(os.path.realpath(Path.cwd())).relative_to(os.path.realpath(root)).parts
    return "/".join(encode_path(part) for part in parts)


def _summary(record: Run) -> None:
    from cloche.cli.render.words import metric, plural, seconds

    for finding in record.findings:
        say(f"{finding.severity}: {finding.message}")
        if finding.hint:
            say(f"  hint: {finding.hint}")
    how = f" by {record.signal}" if record.signal else ""
    how = how or (f" with exit status {record.exit_status}" if record.exit_status else "")
    facts = [f"{record.status}{how} in {seconds(record.resources.wall)}"]
    facts += [f"{key} {metric(number)}" for key, number in list(record.metrics.items())[:4]]
    if record.outputs:
        facts.append(plural(len(record.outputs), "output"))
    say(f"run {record.short}: " + ", ".join(facts))


def _end(record: Run) -> None:
    """End as the command ended."""
    from cloche.execution import Execution, die_like

    if record.signal:
        die_like(Execution(None, record.signal, record.resources, record.created, record.ended, False))
    cut_short = {"failed": FAILED, "interrupted": INTERRUPTED if record.stages else 0}
    raise SystemExit(record.exit_status or cut_short.get(record.status, 0))
