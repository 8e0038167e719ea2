"""The files of a commit, as Git holds them: nothing is checked out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cloche.capture.git import ask_git
from cloche.errors import Damaged, InputError, NotFound
from cloche.model.paths import encode_path
from cloche.model.tree import Kind

_KINDS: dict[str, Kind] = {"100644": "f", "100664": "f", "100755": "x", "120000": "l"}


class GitFile(NamedTuple):
    """A file or link of a commit. path: below the folder that was asked for. name: that of its content in Git. size: -1
    where it was not asked for."""

    path: str
    kind: Kind
    name: str
    size: int = -1


def files_at(folder: Path, commit: str, *, sizes: bool = True) -> Iterator[GitFile]:
    """The files of a commit that lie below `folder`; submodules are left out. Raises InputError where Git cannot say.

    sizes: not to be asked for in a clone without contents, since Git would fetch every one.
    """
    options = ("-r", "-z", "-l") if sizes else ("-r", "-z")
    done = ask_git(folder, "ls-tree", *options, commit)
    if done is None or done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip() if done else "there is no `git`"
        raise InputError(f"Git cannot list the files of {commit[:12]}: {reason}", hint="see that `git status` works")
    for record in done.stdout.split(b"\0"):
        about, _, name = record.partition(b"\t")
        fields = about.decode("ascii").split()
        if fields and fields[0] in _KINDS:
            path = encode_path(os.fsdecode(name))
            yield GitFile(path, _KINDS[fields[0]], fields[2], int(fields[3]) if sizes else -1)


def read_file(folder: Path, name: str) -> bytes:
    """A content by its name in Git, proven to be what the name says. Raises NotFound, Damaged."""
    done = ask_git(folder, "cat-file", "blob", name)
    if done is None or done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip() if done else "there is no `git`"
        raise NotFound(f"Git does not give {name[:12]}: {reason}", hint="see that `git fsck` there is content")
    hasher = hashlib.sha1(usedforsecurity=False) if len(name) == 40 else hashlib.sha256()
    hasher.update(b"blob %d\0" % len(done.stdout))
    hasher.update(done.stdout)
    if hasher.hexdigest() != name:
        raise Damaged(f"Git holds other bytes than {name[:12]} says", hint="type `git fsck`")
    return done.stdout


def time_of(folder: Path, commit: str) -> float:
    """When a commit was made, in seconds since 1970; 0 where Git cannot say."""
    done = ask_git(folder, "show", "--no-patch", "--format=%ct", commit)
    text = done.stdout.strip() if done is not None and not done.returncode else b""
    return float(text) if text.isdigit() else 0.0
