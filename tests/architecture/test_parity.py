"""CLI, Python API, operations and documentation know the same verbs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import click
import pytest

import cloche.ops
from cloche.api import OpenProject
from cloche.cli.app import cli
from cloche.cli.verbs import VERBS

DOCS = Path(__file__).parents[2] / "docs"
OPS = sorted(module.name for module in pkgutil.iter_modules(cloche.ops.__path__))
# A verb without one of the faces, and why.
NO_OP = {"completion": "prints a script for the shell; there is nothing to do in a project"}
NO_METHOD = {
    "completion": "belongs to the shell",
    "clone": "is cloche.clone(url), since there is no project to open yet",
    "init": "is cloche.init(path), since there is no project to open yet",
    "get": "is cloche.get(url, path), since it needs no project here",
    "hook": "Git calls it",
    "merge-lock": "Git calls it",
}
# A verb whose sub-commands are operations of their own, such as `import dvc`.
SUB_COMMANDS = {"import": ("dvc",)}
NO_JSON = {"completion": "prints a script", "cat": "prints the bytes of a file"}
NO_JSON |= {"hook": "speaks to whoever typed the Git command", "merge-lock": "speaks to whoever merges"}

COMMANDS = sorted(f"{verb} {sub}".strip() for verb in VERBS for sub in SUB_COMMANDS.get(verb, ("",)))


def command_of(words: str) -> click.Command:
    found: click.Command = cli
    for word in words.split():
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below is not None
        found = below
    return found


def name_of(words: str) -> str:
    """What the operation and the method of a command are called."""
    return words.replace("-", "_").replace(" ", "_")


def test_every_command_has_an_operation_and_the_other_way_round() -> None:
    assert set(OPS) == {name_of(words) for words in COMMANDS if words not in NO_OP}


@pytest.mark.parametrize("verb", OPS)
def test_an_operation_is_a_function_named_after_its_module(verb: str) -> None:
    module = importlib.import_module(f"cloche.ops.{verb}")
    assert inspect.isfunction(getattr(module, verb))
    assert getattr(module, verb).__doc__


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_is_a_call_in_python(verb: str) -> None:
    if verb not in NO_METHOD:
        assert callable(getattr(OpenProject, name_of(verb)))


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_help_with_an_example(verb: str) -> None:
    command = command_of(verb)
    text = command.help or ""
    assert "Example" in text
    assert f"cloche {verb}" in text


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_that_prints_facts_prints_them_as_json(verb: str) -> None:
    command = command_of(verb)
    names = {name for param in command.params for name in param.opts}
    assert ("--json" in names) != (verb in NO_JSON)


PREVIEWED = ["add", "untrack", "revert", "checkout", "undo", "remove", "install", "gc", "prune", "import dvc"]
PREVIEWED += ["unlock", "push", "fetch", "pull"]


@pytest.mark.parametrize("verb", PREVIEWED)
def test_every_destructive_command_can_be_previewed(verb: str) -> None:
    command = command_of(verb)
    assert "--dry-run" in {name for param in command.params for name in param.opts}


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_a_heading_in_the_reference(verb: str) -> None:
    text = (DOCS / "reference" / "cli.md").read_text("utf-8")
    assert re.search(rf"^## cloche {verb}$", text, re.MULTILINE)


@pytest.mark.parametrize("verb", sorted(set(COMMANDS) - set(NO_METHOD)))
def test_every_method_has_a_heading_in_the_reference(verb: str) -> None:
    text = (DOCS / "reference" / "python.md").read_text("utf-8")
    assert re.search(rf"^### {name_of(verb)}\(", text, re.MULTILINE)
