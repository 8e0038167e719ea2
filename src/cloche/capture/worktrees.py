"""Linked worktrees (`git worktree add`): several work trees of one repository, told from Git's own files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from cloche.capture.git import ask_git, top_of
from cloche.model.paths import decode_path, encode_path

_POINTER = b"gitdir: "
_MOST = 16_384  # bytes of a file that holds a path


class Linked(NamedTuple):
    """A linked worktree. top: its folder. common: the Git folder that it shares with the others. main: the work tree
    that lies beside that Git folder; None where the repository is bare."""

    top: Path
    common: Path
    main: Path | None


def linked_worktree(folder: Path) -> Linked | None:
    """The linked worktree that `folder` lies in; None in an ordinary work tree, in a submodule, and outside of Git."""
    top = top_of(folder)
    own = _pointed(os.path.join(top, ".git")) if top is not None else None
    common = _common(own) if own is not None else None
    if top is None or common is None:
        return None
    return Linked(Path(top), Path(common), _main(common))


def work_trees(folder: Path) -> list[Path]:
    """The work trees of the repository that `folder` lies in, itself among them; those that are gone are left out."""
    done = ask_git(folder, "worktree", "list", "--porcelain")
    if done is None or done.returncode:
        return []
    found = [line[len(b"worktree ") :] for line in done.stdout.split(b"\n") if line.startswith(b"worktree ")]
    return [path for name in found if (path := Path(os.fsdecode(name))).is_dir()]


def _pointed(file: str) -> str | None:
    """The Git folder that a `.git` file leads to; None where `.git` is the folder itself."""
    text = _read(file) if os.path.isfile(file) else b""
    if not text.startswith(_POINTER):
        return None
    target = os.fsdecode(text[len(_POINTER) :])
    return os.path.realpath(os.path.join(os.path.dirname(file), target))


def _common(own: str) -> str | None:
    """The shared Git folder, as the worktree's own Git folder names it; a submodule's names none."""
    text = _read(os.path.join(own, "commondir"))
    return os.path.realpath(os.path.join(own, os.fsdecode(text))) if text else None


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(_MOST).rstrip(b"\r\n")
    except OSError:
        return b""


def _main(common: str) -> Path | None:
    """The main work tree: beside its Git folder, or where `core.worktree` says (that of a submodule)."""
    done = ask_git(Path(common), f"--git-dir={common}", "config", "-z", "--get-regexp", r"^core\.(bare|worktree)$")
    said = {} if done is None else dict(_pair(record) for record in done.stdout.split(b"\0") if record)
    if "core.worktree" in said:
        return Path(os.path.realpath(os.path.join(common, said["core.worktree"])))
    if said.get("core.bare") == "true" or os.path.basename(common) != ".git":
        return None
    return Path(os.path.dirname(common))


def _pair(record: bytes) -> tuple[str, str]:
    key, _, value = os.fsdecode(record).partition("\n")
    return key, value


def shown(path: Path, base: Path) -> str:
    """The path text that leads from one folder to another: relative where both are on one disk drive."""
    try:
        return encode_path(os.path.relpath(path, base).replace(os.sep, "/"))
    except ValueError:
        return encode_path(str(path))


def followed(text: str, base: Path) -> Path:
    """The inverse of `shown`."""
    return Path(os.path.normpath(base / decode_path(text)))
