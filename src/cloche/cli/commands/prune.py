"""`cloche prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import console, print_json, say

if TYPE_CHECKING:
    from cloche.ops.prune import Best


@click.command()
@click.option("--keep-last", type=click.IntRange(0), metavar="N", help="Keep the newest N, of each experiment.")
@click.option("--keep-within", type=click.FloatRange(0), metavar="DAYS", help="Keep those of so many days.")
@click.option("--keep-best", multiple=True, metavar="METRIC[:N]", help="Keep the N (1) with the highest value.")
@click.option("--keep-lowest", multiple=True, metavar="METRIC[:N]", help="Keep the N (1) with the lowest value.")
@click.option("--experiment", default="", metavar="NAME", help="Look at the runs of this experiment alone.")
@click.option("--where", default="", metavar="QUERY", help="Look at the runs that a search finds alone.")
@dry_run_option
@json_option
def command(
    keep_last: int | None,
    keep_within: float | None,
    keep_best: tuple[str, ...],
    keep_lowest: tuple[str, ...],
    experiment: str,
    where: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take old runs out of the log. A run that any rule keeps stays; so do tagged ones and those with a note.

    `cloche undo` brings them back. Their content stays in the store until `cloche gc` has found that nothing else needs
    it, and its grace time is over.

    \b
    Examples:
      cloche prune --keep-last 20 --keep-best auc:3 --dry-run
      cloche prune --keep-within 30 --where "status = 'failed'"
    """
    from cloche.cli.render.words import plural
    from cloche.ops.prune import Rules, prune

    best = (*(_best(text, lowest=False) for text in keep_best), *(_best(text, lowest=True) for text in keep_lowest))
    rules = Rules(keep_last, keep_within, best)
    done = prune(project(), rules, experiment=experiment, where=where, dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    from rich.text import Text

    out = console()
    for kept in done.kept:
        out.print(Text.assemble(("keep    ", "green"), f"{kept.run[:8]}  {', '.join(kept.reasons)}"))
    for run in done.removed:
        out.print(Text.assemble(("remove  ", "red"), run[:8]))
    would = "would be " if dry_run else ""
    say(f"{plural(len(done.removed), 'run')} {would}removed, {len(done.kept)} stay{'s' * (len(done.kept) == 1)}")
    if done.removed and not dry_run:
        say("`cloche undo` brings them back; `cloche gc` frees what nothing else needs")


def _best(text: str, *, lowest: bool) -> Best:
    from cloche.errors import UsageError
    from cloche.ops.prune import Best

    metric, colon, count = text.rpartition(":")
    if not colon:
        return Best(text, 1, lowest)
    if not count.isdigit() or not metric:
        raise UsageError(f"{text!r} is not METRIC:N", hint="such as --keep-best auc:3")
    return Best(metric, int(count), lowest)
