"""`cloche diff`."""

from __future__ import annotations

import click

from cloche.cli.options import complete_parts, complete_run_or_path, json_option, project
from cloche.cli.output import console, print_json
from cloche.model.changes import PARTS

BEHIND = "cloche.behind"


class _WithPaths(click.Command):
    """A command that tells what stands behind `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put what stands behind `--` aside."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[BEHIND] = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])


@click.command(cls=_WithPaths)
@click.argument("words", nargs=-1, metavar="[A] [B] [[--] PATH...]", shell_complete=complete_run_or_path)
@click.option(
    "--only", default="", metavar="PARTS", shell_complete=complete_parts, help="Some of code,data,config,environment."
)
@click.option("--no-rows", is_flag=True, help="Do not look inside of tables, arrays and images.")
@click.option(
    "--key", default="", metavar="COLUMNS", help="Columns that identify a row of a table, in place of [data.keys]."
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 when something differs.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, words: tuple[str, ...], only: str, no_rows: bool, key: str, exit_code: bool, as_json: bool
) -> None:
    """What differs between A (default: the last run) and B (default: the work tree, `.`)? At PATH, if that is given.

    Shows metrics, config, packages, data and code. Data is shown down to rows and columns (CSV, TSV, JSON lines,
    Parquet), to elements of arrays (.npy, .npz), and to the size and kind of images. Rows are matched by --key, by what
    cloche.toml says as `keys` under [data], by a column that is named like an id and is one, or by their content.

    A word that names both a run and a path is a run; what stands behind `--` is a path.

    \b
    Examples:
      cloche diff
      cloche diff data/prices.csv
      cloche diff @~1 @
      cloche diff champion @ --only code,config
      cloche diff @~1 @ data/raw --key flight_id
    """
    from cloche.cli.parts import parse_parts
    from cloche.errors import InputError
    from cloche.model.settings import is_address
    from cloche.ops.diff import diff, split_words

    here, parts = project(), parse_parts(only)
    a, b, paths = split_words(here, words, ctx.meta[BEHIND])
    found = diff(
        here,
        a,
        b,
        only=parts,
        paths=paths,
        rows=not no_rows,
        key=[name.strip() for name in key.split(",") if name.strip()],
        say=None,
    )
    if as_json:
        print_json(found)
    else:
        from cloche.cli.render.difference import print_difference

        print_difference(console(), found)
    if any(not is_address(here.settings.data.external.get(path, "")) for path, _ in found.unreadable):
        raise SystemExit(InputError.exit_status)
    if exit_code and len(found.same) < len(parts or PARTS):
        raise SystemExit(1)
