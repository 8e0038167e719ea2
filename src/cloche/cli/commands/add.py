"""`cloche add`."""

from __future__ import annotations

import click

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import print_json, progress, say


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@dry_run_option
@json_option
def command(paths: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Track data, or record its new content.

    Copies the content of PATHS into the store (once, however often it occurs), writes their digests to cloche.lock,
    which belongs into Git, and hides the files themselves from Git. Without PATHS: everything tracked already.

    \b
    Examples:
      cloche add data/
      cloche add            record what changed in tracked data
      cloche add -n data/   show what would be recorded
    """
    from cloche.cli.render.words import plural, size
    from cloche.ops.add import add

    with progress("reading") as told:
        here = project()
        done = add(here, paths, dry_run=dry_run, progress=told)
    if as_json:
        print_json(done)
        return
    would = "would be " if dry_run else ""
    for one in done.paths:
        item = one.tracked
        say(f"{item.path}: {would}{one.state}, {plural(item.count, 'file')}, {size(item.size)}, {item.digest[:12]}")
        for link in one.outside:
            say(f"warning: {link} leads out of the project; only the link is recorded, not what it leads to")
    if not dry_run and here.git is not None and any(one.state != "unchanged" for one in done.paths):
        files = " ".join(("cloche.lock", *done.ignored))
        say(f"next: `git add {files}` and commit, so that Git knows this version of the data")
