"""Cloning a Git repository, with Git's own words on the terminal."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from cloche.errors import InputError


def clone_repository(url: str, target: Path) -> None:
    """Run `git clone`; it shows its progress and asks for what it needs itself. Raises InputError where it fails."""
    command = ["git", "clone", "--quiet", "--", url, str(target)]
    try:
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    except OSError as error:
        raise InputError(f"git cannot be started: {error.strerror}", hint="install git, or put it on PATH") from error
    if done.returncode:
        raise InputError(
            f"{url} is no remote of Cloche, and `git clone` fails for it",
            hint=f"check the URL; `git clone {shlex.quote(url)}` says more",
        )
