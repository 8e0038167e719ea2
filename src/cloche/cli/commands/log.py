"""`cloche log`."""

from __future__ import annotations

import click

from cloche.cli.options import complete_names, json_option, project
from cloche.cli.output import console, print_json, print_whole, say


@click.command()
@click.argument("where", default="", metavar="[FILTER]")
@click.option(
    "-s",
    "--sort",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_names,
    help="Sort by this, such as auc or params.lr; -NAME for largest first.",
)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show at most this many."
)
@click.option("-a", "--all", "everything", is_flag=True, help="No limit, and removed runs too.")
@click.option("-e", "--experiment", default="", help="Only runs of this experiment.")
@click.option(
    "-c",
    "--columns",
    default="",
    metavar="NAMES",
    shell_complete=complete_names,
    help="Metrics and params to show, such as auc,params.lr.",
)
@json_option
def command(
    where: str, sort: tuple[str, ...], limit: int, everything: bool, experiment: str, columns: str, as_json: bool
) -> None:
    """List runs, newest first; filter and sort them.

    FILTER is MLflow's grammar: comparisons (=, !=, <, <=, >, >=, LIKE, ILIKE, IN, IS NULL) of metrics.NAME,
    params.NAME, tags.NAME and attributes such as status, commit or command, joined by `and`.

    \b
    Examples:
      cloche log
      cloche log "metrics.auc > 0.8 and params.train.lr = 0.1" --sort -metrics.auc
      cloche log "status = 'failed'" --json
    """
    from cloche.ops.log import column, log, unknown_names

    here = project()
    rows = log(here, where, sort=sort, limit=None if everything else limit, experiment=experiment, hidden=everything)
    shown = [column(here, name.strip()) for name in columns.split(",") if name.strip()]
    for doubt in unknown_names(here, where, sort=sort, columns=shown, experiment=experiment):
        say(f"warning: {doubt}")
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("no runs" + (" match the filter" if where or experiment else " yet: type `cloche run -- COMMAND`"))
        return
    from cloche.cli.render.log import log_table

    out = console()
    print_whole(out, log_table(rows, out.width, shown))
    if len(rows) == limit and not everything:
        say(f"the first {limit}; --all shows every run")
