"""`cloche verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cloche.cli.options import complete_remote, json_option, project
from cloche.cli.output import console, print_json, progress, say

if TYPE_CHECKING:
    from cloche.ops.verify import Verified

_SHOWN = 10
_REST = "  hint: `cloche revert --lock --partial` and `cloche checkout RUN PATH --partial` bring all that is good"

_PULL = "`cloche pull` with such a commit checked out"


class _Share(click.ParamType[float]):
    """`10%` or `0.1`."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{text!r} is neither a number nor a percentage", param, ctx)


@click.command()
@click.option("--sample", type=_Share(), default="100%", metavar="SHARE", help="Read a random share, such as 10%.")
@click.option("--since-last", is_flag=True, help="Read only what no earlier `verify` has read.")
@click.option("--repair", is_flag=True, help="Bring back what is lost, from the work tree and the remotes.")
@click.option(
    "--remote",
    "remotes",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_remote,
    help="Repair from this remote; default: all.",
)
@json_option
def command(sample: float, since_last: bool, repair: bool, remotes: tuple[str, ...], as_json: bool) -> None:
    """Read every stored byte again: is it what it was, and is everything there that runs and `cloche.lock` need?

    Names what is damaged, and the runs, commits and work trees that need it; data of other commits that was never
    fetched is not missed. Exits with 1 when something is. --repair saves what is good of
    damaged packs, and brings the rest back from files of the work tree and from remotes; nothing is deleted.

    \b
    Examples:
      cloche verify
      cloche verify --sample 10% --since-last
      cloche verify --repair
    """
    from cloche.ops.verify import verify

    here = project()
    with progress("reading packs", in_bytes=True) as told:
        found = verify(here, sample=sample, since_last=since_last, repair=repair, remotes=remotes, progress=told)
    if as_json:
        print_json(found)
    else:
        _print(found, repair)
    if not found.sound:
        raise SystemExit(1)


def _print(found: Verified, repair: bool) -> None:
    from rich.text import Text

    from cloche.cli.render.words import plural
    from cloche.model.wording import some

    out = console()
    for pack in found.damaged:
        out.print(Text.assemble(("damaged  ", "red"), f"pack {pack[:12]}"))
    for digest in found.edited:
        out.print(Text.assemble(("changed  ", "red"), f"{digest[:12]}, through a link into the store"))
    for pack in found.indexes:
        out.print(Text.assemble(("rebuilt  ", "yellow"), f"the index of pack {pack[:12]}, which was damaged"))
    if found.lost:
        named = some([digest[:12] for digest in found.lost])
        out.print(Text.assemble(("lost     ", "red"), f"{plural(len(found.lost), 'object')}: {named}"))
    for one in found.affected:
        out.print(Text.assemble(("needs it ", "red"), f"{one.short}: {_listed(one.parts)}"))
    for problem in found.problems:
        say(f"warning: {problem}")
    if found.repaired:
        say(f"{plural(len(found.repaired), 'content')} brought back")
    if found.not_here:
        what = plural(found.not_here, "version")
        say(f"{what} of data that other commits name {'is' if found.not_here == 1 else 'are'} not here: {_PULL}")
    say(f"read {found.packs} of {plural(found.of, 'pack')}: {_verdict(found, repair)}")
    if repair and found.affected:
        say(_REST)


def _listed(paths: Sequence[str]) -> str:
    """Each on a line of its own where there are several, up to what a screen holds; `--json` has all."""
    if len(paths) == 1:
        return paths[0]
    rest = len(paths) - _SHOWN
    more = [f"and {rest:,} more: `cloche verify --json` names all"] if rest > 0 else []
    return "".join(f"\n           {path}" for path in (*paths[:_SHOWN], *more))


def _verdict(found: Verified, repaired: bool) -> str:
    if found.sound:
        if found.of and not found.packs:
            return "there is nothing new to read, and nothing is missing"
        if found.packs < found.of:
            return "every byte of these is what it was, and nothing is missing"
        return "every byte is what it was, and nothing is missing"
    return "what is named above cannot be had" if repaired else "`cloche verify --repair` brings back what can be had"
