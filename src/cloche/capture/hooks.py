"""Where Git keeps hooks and settings, and what it is about to commit. Nothing of the repository's is run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cloche.capture.git import ask_git, top_of
from cloche.errors import InputError, StoreError


def hooks_folder(root: Path) -> Path:
    """The folder that Git runs hooks from, wherever `core.hooksPath` puts it. Raises InputError."""
    done = _git(root, "rev-parse", "--git-path", "hooks")
    return Path(os.path.normpath(Path(root) / os.fsdecode(done.stdout.rstrip(b"\n"))))


def common_hooks(root: Path) -> Path:
    """The folder of hooks that Git runs where nothing is set."""
    done = _git(root, "rev-parse", "--git-common-dir")
    return Path(os.path.normpath(Path(root) / os.fsdecode(done.stdout.rstrip(b"\n")))) / "hooks"


def config(folder: Path, key: str, *scope: str) -> str:
    """A setting of Git's; empty where it is not set. scope: such as `--global`."""
    done = _git(folder, "config", *scope, "--get", key, failing=True)
    return os.fsdecode(done.stdout.rstrip(b"\n")) if not done.returncode else ""


def set_config(folder: Path, key: str, value: str | None, *scope: str) -> None:
    """Set a setting of Git's; None takes it out. Raises StoreError where Git cannot write it."""
    words = ["--unset-all", key] if value is None else [key, value]
    done = _git(folder, "config", *(scope or ("--local",)), *words, failing=True)
    if done.returncode and not (value is None and done.returncode == 5):
        said = done.stderr.decode("utf-8", "replace").strip()
        raise StoreError(f"Git's setting {key} cannot be written: {said}", hint="look at who may write Git's config")


def standing(root: Path, name: str) -> str:
    """How a file of the project stands in the commit which is being made: the first two letters that `git status
    --porcelain` says of it, the commit against the last one, and the work tree against the commit. Two spaces where
    there is nothing to say."""
    top = top_of(root)
    if top is None:
        return "  "
    path = os.path.join(os.path.relpath(os.path.realpath(root), top), name)
    # The index of this commit may be another one than Git's own (`git commit FILE`): the variables are Git's to us.
    command = ["git", "-c", "core.fsmonitor=false", "status", "--porcelain", "-z", "--", path]
    done = subprocess.run(command, cwd=top, env=_variables(whole=True), capture_output=True, check=False)
    return done.stdout[:2].decode("ascii", "replace") if done.returncode == 0 and done.stdout else "  "


def _git(folder: Path, *words: str, failing: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Run git with the settings that the user has, `core.hooksPath` among them."""
    if ask_git(folder, "--version") is None:
        raise InputError("there is no `git`", hint="install git, or put it on PATH")
    done = subprocess.run(["git", *words], cwd=folder, env=_variables(), capture_output=True, check=False)
    if done.returncode and not failing:
        said = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise InputError(f"Git says: {said}", hint="`git status` must work here first")
    return done


def _variables(*, whole: bool = False) -> dict[str, str]:
    kept = dict(os.environ) if whole else {key: it for key, it in os.environ.items() if not _is_of_a_hook(key)}
    return kept | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


def _is_of_a_hook(name: str) -> bool:
    """Whether a variable tells which repository a hook runs for."""
    return name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
