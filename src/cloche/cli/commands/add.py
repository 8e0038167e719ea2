"""`cloche add`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloche.cli.options import dry_run_option, json_option, project
from cloche.cli.output import print_json, progress, say, tell_kept

if TYPE_CHECKING:
    from cloche.ops.add import Added


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--in-place", is_flag=True, help="Record digests only: the content stays where it is, and only there.")
@click.option("--as", "name", default=None, metavar="PATH", help="What data outside of the project is called here.")
@click.option("--copy", is_flag=True, help="Store the content of what was tracked in place.")
@dry_run_option
@json_option
def command(paths: tuple[str, ...], in_place: bool, name: str | None, copy: bool, dry_run: bool, as_json: bool) -> None:
    """Track data, or record its new content.

    Copies the content of PATHS into the store (once, however often it occurs), writes their digests to cloche.lock,
    which belongs into Git, and hides the files themselves from Git. Without PATHS: everything tracked already.

    With --in-place nothing is copied: runs record exactly which data they used, and what has changed is seen, but
    nobody can bring it back. PATHS may then lie outside of the project, where a link stands for them.

    \b
    Examples:
      cloche add data/
      cloche add            record what changed in tracked data
      cloche add -n data/   show what would be recorded
      cloche add --in-place /mnt/imagenet --as data/imagenet
    """
    from cloche.ops.add import Place, add

    if in_place and copy:
        raise click.UsageError("--in-place and --copy are opposites")
    if name is not None and not name.strip():
        raise click.UsageError("--as needs a path")

    with progress("reading") as told:
        here = project()
        place: Place = "in place" if in_place else "copy" if copy else ""
        done = add(here, paths, dry_run=dry_run, progress=told, place=place, name=name or "")
    if as_json:
        print_json(done)
        return
    tell_kept(done.links, ())
    _say_paths(done)
    for path, back in done.absent.items():
        say(f"warning: {path} is not there, and stays as it was recorded: {back}")
    if not dry_run and here.git is not None and (done.settings or any(one.state != "unchanged" for one in done.paths)):
        files = " ".join(("cloche.lock", *(("cloche.toml",) if done.settings else ()), *done.ignored))
        say(f"next: `git add {files}` and commit, so that Git knows this version of the data")


def _say_paths(done: Added) -> None:
    from cloche.cli.render.words import plural, size
    from cloche.model.wording import some

    would, be = ("would be ", "would be") if done.dry_run else ("", "are")
    for one in done.paths:
        item = one.tracked
        state = f"{one.state}, in place" if one.in_place else one.state
        say(f"{item.path}: {would}{state}, {plural(item.count, 'file')}, {size(item.size)}, {item.digest[:12]}")
        if one.within:
            say(f"note: {item.path} is recorded as a whole, since it holds {some(list(one.within))}")
        if one.unlinked:
            own = "a file of its own" if one.unlinked == 1 else "files of their own"
            say(f"note: {plural(one.unlinked, 'link')} became {own}, as `checkout` in cloche.toml says")
        for repository in one.repositories:
            say(f"note: {repository} is left out: it is Git's own; the files beside it {be} recorded")
        if one.outside:
            links = some(one.outside)
            say(f"warning: links lead out of what is recorded: {links}; only the links are, not what they lead to")
            say("hint: copy it into the project (`cloche import dvc` does so with links into DVC's cache)")
        if one.unfit:
            say(f"warning: {one.unfit}")
