"""`cloche get`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option
from cloche.cli.output import print_json, printable, progress, say


@click.command()
@click.argument("url", type=click.Path())
@click.argument("path")
@click.option("-o", "--out", type=click.Path(), help="Where to put it (default: its own name, here).")
@click.option(
    "--rev", default="", help="A run, tag or Git revision of that project (default: its newest commit, or run)."
)
@click.option("--force", is_flag=True, help="Replace what is there.")
@dry_run_option
@json_option
def command(url: str, path: str, out: str | None, rev: str, force: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the file or folder PATH of another project here, without its history.

    URL is a folder of this machine that holds a project, the address of a Git repository, or that of a remote (of which
    only what is needed comes). Every byte is checked, and what is there already stays unless --force says otherwise. To
    keep it as data of this project, `cloche add` it.

    \b
    Examples:
      cloche get ../flights data/x.csv
      cloche get ../flights model.joblib --rev champion -o models/
      cloche get https://example.org/flights.git src/features.py --rev v1.0
      cloche get s3://bucket/flights model.joblib --rev champion
    """
    from cloche.cli.render.words import plural, size
    from cloche.model.run import ID_LENGTH, ID_SHOWN
    from cloche.ops.get import get

    with progress("fetching") as bar:
        done = get(url, path, out, revision=rev, force=force, dry_run=dry_run, progress=bar)
    if as_json:
        print_json(done)
        return
    if dry_run:
        for one in done.files[:40]:
            click.echo(f"{size(one.size):>9}  {printable('/'.join(filter(None, (done.out, one.path))))}")
        if len(done.files) > 40:
            click.echo(f"           … and {len(done.files) - 40:,} more (--json lists all)")
    verb = "would fetch" if dry_run else "fetched"
    what = f"{plural(len(done.files), 'file')}, {size(done.size)}"
    is_run = len(done.version) == ID_LENGTH
    version = f"run {done.version[:ID_SHOWN]}" if is_run else f"commit {done.version[:12]}"
    say(f"{verb} {what}, from {version} of {done.url}: {done.out}")
