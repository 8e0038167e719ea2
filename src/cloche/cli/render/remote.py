"""Remotes, and what went to them or came from them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloche.cli.output import print_whole
from cloche.cli.render.words import plural, size
from cloche.model.run import ID_SHOWN
from cloche.model.wording import some
from cloche.ops.push import Pushed
from cloche.ops.remote import KnownRemote, Tested
from cloche.project.exchange import Fetched

_YES = {True: ("yes", "green"), False: ("no", "yellow")}


def print_remotes(out: Console, remotes: list[KnownRemote]) -> None:
    """A line each."""
    table = Table.grid(padding=(0, 2))
    for one in remotes:
        marks = {"default": one.default, "local": one.local, "single writer": one.single_writer}
        said = ", ".join(word for word, holds in marks.items() if holds)
        table.add_row(Text(one.name, style="bold"), Text(one.url), Text(said, style="dim"))
    print_whole(out, table)


def print_tested(out: Console, tested: Tested) -> None:
    """What a remote can do, what it holds, what is wrong."""
    can = tested.can
    table = Table.grid(padding=(0, 2))
    for name, holds in (
        ("can be read", True),
        ("can be listed", can.listable),
        ("can be written to", can.writable),
        ("refuses to overwrite", can.creates),
    ):
        table.add_row(Text(name), Text.assemble(_YES[holds]))
    held = f"{plural(tested.runs, 'run')} in {plural(tested.bundles, 'bundle')}"
    table.add_row(Text("holds"), Text(f"{held}, {plural(tested.packs, 'pack')}, {size(tested.size)}"))
    out.print(Text(f"{tested.name}  {can.url}", style="bold"))
    out.print(table)
    if can.why:
        out.print(Text(can.why, style="dim"))
    if tested.left:
        left = f"{plural(tested.left, 'file')} of pushes that were cut off, {size(tested.left_size)}"
        out.print(Text(f"{left}: `cloche push` takes away those older than an hour", style="dim"))
    for problem in tested.problems:
        out.print(Text(f"damaged: {problem}", style="red"))
    if tested.problems:
        out.print(f"`cloche push --repair --remote {tested.name}`, where the runs are, mends what can be", markup=False)
    elif not tested.read and tested.packs:
        out.print(f"the packs were not read: `cloche remote test --data {tested.name}` does", markup=False)


def _listed(parts: list[str]) -> str:
    """Parts of a sentence with commas, and an `and` before the last."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def pushed_lines(pushed: Pushed) -> Iterator[str]:
    """What was sent, in words."""
    what = [plural(len(pushed.runs), "run")] if pushed.runs else []
    what += [plural(pushed.facts, "tag, note or removal", "tags, notes or removals")] if pushed.facts else []
    what += ["the data of cloche.lock"] if pushed.lock else []
    took, mended = ("would take", "would mend") if pushed.dry_run else ("took", "mended")
    for one in pushed.mended:
        away = one.removeprefix("took ")
        yield f"{mended}: {one}" if away == one else f"{took} {away}"
    if not what and not pushed.mended:
        if pushed.problems:
            yield f"nothing to push: {pushed.remote} has everything that can be sent from here"
        else:
            yield f"nothing to do: {pushed.remote} has everything" + (" and is sound" if pushed.repair else "")
    elif what:
        verb = "would push" if pushed.dry_run else "pushed"
        content = f"{plural(pushed.objects, 'object')}, {size(pushed.size)}" if pushed.objects else "no new content"
        packs = f" in {plural(pushed.packs, 'pack')}" if pushed.packs else ""
        yield f"{verb} {_listed(what)} to {pushed.remote}: {content}{packs}"
        if pushed.in_place:
            yield f"not pushed: {some(list(pushed.in_place))}, tracked in place: only its digests are"
    yield from (f"warning: {problem}" for problem in pushed.problems)
    if pushed.problems:
        yield f"hint: `cloche push --repair --remote {pushed.remote}`, where those runs are, mends it" + (
            "; where nobody has a bundle that is gone, delete the file `inventory` there, then push" * pushed.repair
        )


def fetched_lines(fetched: Fetched) -> Iterator[str]:
    """What came, in words."""
    merged = fetched.merged
    what = [plural(len(merged.runs), "run")] if merged.runs else []
    what += [plural(merged.notes, "note")] if merged.notes else []
    what += [f"{plural(fetched.objects, 'object')}, {size(fetched.size)}"] if fetched.objects else []
    verb = "would fetch" if fetched.dry_run else "fetched"
    if what:
        yield f"{verb} {_listed(what)} from {fetched.remote}"
    elif not merged.tags and not merged.removed:
        yield f"nothing new at {fetched.remote}"
    for tag in merged.tags:
        now = f"names run {tag.after[:ID_SHOWN]} now" if tag.after else "is gone"
        yield f"tag {tag.name} {now}" + (f" (it named {tag.before[:ID_SHOWN]})" if tag.before else "")
    for run in merged.removed:
        yield f"run {run[:ID_SHOWN]} was removed by somebody; its content stays here"
    there = fetched.elsewhere - len(fetched.lost)
    if there > 0 and not fetched.dry_run:
        yield f"the content of {plural(there, 'run')} is only there: `cloche fetch RUN` brings it"
    yield from (f"warning: {problem}" for problem in fetched.problems)
