"""`cloche import`: one sub-command for each tool that runs are taken over from."""

from __future__ import annotations

from pathlib import Path

import click

from cloche.cli.options import dry_run_option, json_option
from cloche.cli.output import console, print_json, progress, say


@click.group(name="import")
def command() -> None:
    """Carry over what another tool has recorded. Nothing of that tool is changed.

    \b
    Example:
      cloche import dvc --dry-run
      cloche import dvc
    """


@command.command(name="dvc")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--no-history", is_flag=True, help="Stages and data only; no runs.")
@click.option(
    "--cache",
    "caches",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="A further folder of DVC's objects, such as a shared cache.",
)
@dry_run_option
@json_option
def dvc(folder: Path, no_history: bool, caches: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Carry over the DVC repository of FOLDER (default: this one). DVC need not be installed.

    Its stages go to cloche.toml, the data that it tracks to cloche.lock, with the content from DVC's cache, and each
    commit that changed a dvc.lock or the data of a .dvc file becomes a run, and so does each experiment. Links into
    DVC's cache become files of their own. What cannot be carried over is listed with the reason. `cloche undo` takes it
    back; a second import adds what came since.

    \b
    Examples:
      cloche import dvc --dry-run
      cloche import dvc
      cloche import dvc --no-history --cache /mnt/shared-dvc-cache
    """
    from cloche.cli.render.imported import print_imported
    from cloche.ops.import_dvc import import_dvc

    with progress("importing") as told:
        done = import_dvc(folder, history=not no_history, caches=caches, dry_run=dry_run, progress=told)
    if as_json:
        print_json(done)
        return
    print_imported(console(), done, say)
