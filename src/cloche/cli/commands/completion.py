"""`cloche completion`."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL. It completes verbs, options, tags and runs.

    \b
    Examples:
      eval "$(cloche completion bash)"                       in ~/.bashrc
      eval "$(cloche completion zsh)"                        in ~/.zshrc
      cloche completion fish > ~/.config/fish/completions/cloche.fish
    """
    from cloche.cli.app import cli

    kind = get_completion_class(shell)
    if kind is not None:  # click.Choice has seen to it
        sys.stdout.write(kind(cli, {}, "cloche", "_CLOCHE_COMPLETE").source())
