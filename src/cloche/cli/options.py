"""Options and arguments that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from cloche.project.project import Project

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
dry_run_option: Decorator = click.option(
    "-n", "--dry-run", is_flag=True, help="Show what would happen; change nothing."
)
partial_option: Decorator = click.option(
    "--partial", is_flag=True, help="Leave what the store has lost as it is, name it, and exit with 9."
)


def project() -> Project:
    """The project that the current folder lies in."""
    from cloche.cli.output import say
    from cloche.project.project import Project

    found = Project.find(Path())
    if found.has_lost_catalog():
        say("warning: .cloche/catalog.db is gone, and every record of a run with it; an empty one takes its place")
        say("  hint: put back a copy of it, if there is one; what the runs wrote is still in .cloche/store")
    if found.taken_back:
        say(f"warning: an operation that was cut off half-way is taken back: {found.taken_back}")
    return found


def complete_run(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tags and the newest runs that begin with what was typed."""
    from cloche.errors import ClocheError

    try:
        here = project()
        tags = [CompletionItem(tag, help="tag") for tag in here.catalog.facts("tag")]
        rows = here.catalog.runs(limit=50)
        runs = [CompletionItem(row.short, help=f"{row.status} {' '.join(row.command)}") for row in rows]
    except ClocheError:
        return []
    names = [CompletionItem("@", help="the last run"), *tags, *runs]
    return [item for item in names if str(item.value).startswith(incomplete)]


def complete_run_or_path(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Runs and tags; where none begins so, whatever files the shell offers, which bash would show instead of them."""
    return complete_run(ctx, param, incomplete) or [CompletionItem(incomplete, type="file")]


def complete_tag(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tags that begin with what was typed."""
    from cloche.errors import ClocheError

    try:
        return [CompletionItem(tag) for tag in project().catalog.facts("tag") if tag.startswith(incomplete)]
    except ClocheError:
        return []


def complete_file(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Whatever files the shell offers."""
    return [CompletionItem(incomplete, type="file")]


def complete_stage(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The stages of cloche.toml that begin with what was typed."""
    from cloche.errors import ClocheError

    try:
        stages = project().settings.stages
    except ClocheError:
        return []
    return [CompletionItem(name, help=stage.run) for name, stage in stages.items() if name.startswith(incomplete)]


def complete_parts(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The four inputs, after whatever of them the list already names."""
    from cloche.model.changes import PARTS

    before, comma, begun = incomplete.rpartition(",")
    named = before.split(",")
    return [CompletionItem(before + comma + part) for part in PARTS if part.startswith(begun) and part not in named]


def complete_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The last one of a list of metrics and parameters."""
    from cloche.errors import ClocheError

    before, comma, begun = incomplete.rpartition(",")
    try:
        catalog = project().catalog
        names = [f"metrics.{name}" for name in catalog.names("metrics")]
        names += [f"params.{name}" for name in catalog.names("params")]
    except ClocheError:
        return []
    return [CompletionItem(before + comma + name) for name in names if name.startswith(begun)]


def complete_remote(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The remotes that begin with what was typed."""
    from cloche.errors import ClocheError
    from cloche.project.remotes import all_remotes

    try:
        remotes = all_remotes(project())
    except ClocheError:
        return []
    return [CompletionItem(name, help=one.url) for name, one in remotes.items() if name.startswith(incomplete)]


remote_option: Decorator = click.option(
    "-r", "--remote", default="", metavar="NAME", shell_complete=complete_remote, help="Which remote; else the default."
)


def run_argument(name: str = "run", **options: Any) -> Decorator:
    """An argument that names a run."""
    return click.argument(name, metavar=options.pop("metavar", "RUN"), shell_complete=complete_run, **options)
