"""Write docs/reference/ from the code: the command line and the Python API."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cloche import api, client
from cloche.cli.app import cli
from cloche.cli.verbs import SECTIONS

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
WRITTEN = "<!-- Written by `make docs` from the code; do not edit. -->\n"


def cli_text() -> str:
    """The command line, verb by verb, as `--help` shows it."""
    parts = [f"# Command line\n\n{WRITTEN}\n```text\n{help_of(cli, 'cloche')}```\n"]
    for title, verbs in SECTIONS.items():
        parts.append(f"\n# {title}\n")
        for name in verbs:
            command = cli.get_command(click.Context(cli), name)
            assert command is not None
            parts += sections(command, f"cloche {name}")
    return "".join(parts)


def sections(command: click.Command, name: str) -> Iterator[str]:
    """The help of a command, and of those below it."""
    yield f"\n## {name}\n\n```text\n{help_of(command, name)}```\n"
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from sections(below, f"{name} {below.name}")


def help_of(command: click.Command, name: str) -> str:
    """The help text of a command at a fixed width."""
    context = click.Context(command, info_name=name, terminal_width=100, max_content_width=100)
    return command.get_help(context).rstrip() + "\n"


def python_text() -> str:
    """The Python API: what `cloche` exports, and every method of an open project."""
    parts = [f"# Python API\n\n{WRITTEN}\n{inspect.getdoc(api)}\n\n## Functions\n"]
    named = (api.open, api.init, api.clone, api.open_file, api.get)
    functions = [(f"cloche.{one.__name__}", one) for one in named]
    functions += [(f"cloche.{name}", getattr(client, name)) for name in ("log", "params", "run_id")]
    parts += [entry(name, function) for name, function in functions]
    parts.append(f"\n## OpenProject\n\n{inspect.getdoc(api.OpenProject)}\n")
    for name, method in inspect.getmembers(api.OpenProject, inspect.isfunction):
        if not name.startswith("_"):
            parts.append(entry(name, method))
    return "".join(parts)


def entry(name: str, function: object) -> str:
    """One heading with signature and docstring."""
    assert callable(function)
    signature = inspect.signature(function)
    shown = signature.replace(parameters=[one for one in signature.parameters.values() if one.name != "self"])
    return f"\n### {name}()\n\n```python\n{name}{shown}\n```\n\n{inspect.getdoc(function)}\n"


def main() -> int:
    """Write both files; with --check only say whether they are up to date."""
    wanted = {FOLDER / "cli.md": cli_text(), FOLDER / "python.md": python_text()}
    if "--check" in sys.argv:
        return int(any(not file.exists() or file.read_text("utf-8") != text for file, text in wanted.items()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in wanted.items():
        file.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
