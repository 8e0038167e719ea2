"""`cloche merge-lock`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloche.cli.output import say

if TYPE_CHECKING:
    from cloche.ops.merge_lock import MergedLock


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("place", default="cloche.lock", metavar="[PATH]")
def command(base: Path, ours: Path, theirs: Path, place: str) -> None:
    """Merge the cloche.lock of two sides into OURS: what Git calls as the merge driver that `cloche install` sets.

    Tracked paths are merged one by one, and a folder that both sides changed file by file. Where both changed the same
    file, OURS gets Git's marks and the exit status is 1. PATH is where cloche.lock lies in the work tree.

    \b
    Example:
      git config merge.cloche.driver "cloche merge-lock %O %A %B %P"
    """
    from cloche.errors import ClocheError, InputError
    from cloche.ops.merge_lock import merge_lock
    from cloche.project.project import Project

    files = [Path(os.path.abspath(file)) for file in (base, ours, theirs)]
    for file in files:
        if not file.is_file():  # Git has nothing to merge, either
            raise InputError(f"there is no file {file}", hint="`cloche install` has Git call this with three files")
    try:
        found = merge_lock(Project.find(Path(os.path.dirname(place) or ".")), files[0], files[1], files[2])
    except ClocheError as error:
        say(f"{place} is merged line by line: {error.message}")
        words = ["git", "merge-file", "-L", "ours", "-L", "base", "-L", "theirs", *map(str, (ours, base, theirs))]
        raise SystemExit(min(subprocess.run(words, check=False).returncode, 127)) from None
    if found.conflicts or found.unknown:
        _tell(found, place)
        raise SystemExit(1)


def _tell(found: MergedLock, place: str) -> None:
    from cloche.model.paths import above
    from cloche.model.wording import some

    nested = {path: outer for path in found.conflicts for outer in above(path) if outer in found.conflicts}
    for path, outer in nested.items():
        say(f"conflict in {place}: one side tracks {outer}, and the other {path}, which lies in it")
    for path, files in found.conflicts.items():
        if path in nested or path in nested.values():
            continue
        if path in found.dropped:
            say(f"conflict in {place}: one side changed {path}, and the other tracks it no more")
            continue
        what = "in different ways" if files == (path,) else f"in different ways: {some(files)}"
        say(f"conflict in {place}: both sides changed {path} {what}")
    for path in found.unknown:
        say(f"conflict in {place}: both sides changed {path}, and the store here does not hold both versions")
    if found.unknown:
        say(f"  hint: `cloche pull` where there is a remote, then `git checkout --merge {place}` merges it again")
    if nested:
        say(f"  hint: keep the line of {some([*nested.values()])}, or the others that lie in it, and not both")
    both = found.unknown or found.conflicts.keys() - {*found.dropped}
    keep = "one of the two lines" if both else "the line, or none,"
    say(f"  hint: keep {keep} in {place} and delete the marks; then `cloche revert --lock` brings that")
    say(f"        data, to change it and `cloche add` it where both are needed; then `git add {place}`")
