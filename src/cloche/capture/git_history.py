"""Every version of a file that Git can still give back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloche.capture.git import ask_git
from cloche.errors import StoreError

_HINT = "look at what `git fsck` says: what Git cannot tell, nothing may be deleted on"


def versions_of(root: Path, name: str) -> Iterator[bytes]:
    """The content of the file `name` in the folder `root` in every commit that a branch, tag, stash, reflog or worktree
    leads to, and in the index; each content once, in no order.

    Raises StoreError where Git cannot tell: an empty answer would mean that nothing is needed.
    """
    log = ("log", "--all", "--reflog", "--format=", "--raw", "--no-abbrev", "--no-renames", "-m", "--full-history")
    found: set[bytes] = set()
    for line in _ask(root, *log, "--", name).split(b"\n"):
        fields = line.split(b" ")  # :mode mode old new letter
        if len(fields) > 4 and line.startswith(b":"):
            found.update((fields[2], fields[3]))
    for record in _ask(root, "ls-files", "--stage", "-z", "--", name).split(b"\0"):
        fields = record.split(b" ")
        if len(fields) > 1:
            found.add(fields[1])
    wanted = sorted(one for one in found if one.strip(b"0"))
    if wanted:
        yield from _contents(root, wanted)


def _contents(root: Path, ids: list[bytes]) -> Iterator[bytes]:
    answer = _ask(root, "cat-file", "--batch", stdin=b"\n".join(ids) + b"\n")
    at = 0
    for one in ids:
        end = answer.find(b"\n", at)
        head, at = answer[at:end], end + 1
        words = head.split(b" ")
        if len(words) != 3:  # missing: a shallow or partial clone; the commit that names it cannot be checked out here
            continue
        size = int(words[2])
        if words[0] != one or at + size > len(answer):
            raise StoreError("Git gave an answer that cannot be understood", hint=_HINT)
        if words[1] == b"blob":
            yield answer[at : at + size]
        at += size + 1


def _ask(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = ask_git(root, *arguments, stdin=stdin)
    if done is None or done.returncode:
        said = b"" if done is None else done.stderr.strip().rpartition(b"\n")[2]
        raise StoreError(f"Git cannot tell its history: {said.decode('utf-8', 'replace') or 'no git'}", hint=_HINT)
    return done.stdout
