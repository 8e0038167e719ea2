"""`cloche du`."""

from __future__ import annotations

import click

from cloche.cli.options import complete_run_or_path, json_option, project
from cloche.cli.output import console, print_json, progress


@click.command()
@click.argument("names", nargs=-1, metavar="[RUN|PATH]...", shell_complete=complete_run_or_path)
@click.option("--runs", is_flag=True, help="Every run as well.")
@json_option
def command(names: tuple[str, ...], runs: bool, as_json: bool) -> None:
    """How much the store takes, and what for; of each RUN what it is made of, of each PATH every version.

    SIZE is what the files would take as they are, each version once. STORED is what they take in the store, compressed
    and each piece once. ONLY HERE is what nothing else needs: what would be free if only that went.

    \b
    Examples:
      cloche du
      cloche du --runs
      cloche du champion
      cloche du data/raw model.bin
    """
    from cloche.ops.du import du

    with progress("adding up") as bar:
        found = du(project(), names, runs=runs, progress=bar)
    if as_json:
        print_json(found)
        return
    from cloche.cli.render.usage import print_usage

    print_usage(console(), found)
