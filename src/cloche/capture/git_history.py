"""Every version of a file that Git can still give back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cloche.capture.git import ask_git
from cloche.errors import StoreError

_HINT = "look at what `git fsck` says: what Git cannot tell, nothing may be deleted on"

_REFS = {"refs/heads/": "branch", "refs/remotes/": "branch", "refs/tags/": "tag"}


class FileVersion(NamedTuple):
    """A content of a file. commit: the hash of the newest one that brought it; empty where only the index has it, or
    the history is cut off. blob: its name in Git."""

    commit: str
    blob: str
    content: bytes


def versions_of(root: Path, name: str) -> Iterator[FileVersion]:
    """The content of the file `name` in the folder `root` in every commit that a branch, tag, stash, reflog or worktree
    leads to, and in the index; each content once, newest commit first.

    Raises StoreError where Git cannot tell: an empty answer would mean that nothing is needed.
    """
    log = ("log", "--all", "--reflog", "--format=%H", "--raw", "--no-abbrev", "--no-renames", "-m", "--full-history")
    found: dict[bytes, bytes] = {}
    before: set[bytes] = set()
    commit = b""
    for line in _ask(root, *log, "--", name).split(b"\n"):
        fields = line.split(b" ")  # :mode mode old new letter
        if len(fields) > 4 and line.startswith(b":"):
            before.add(fields[2])
            found.setdefault(fields[3], commit)
        elif line:
            commit = line
    for record in _ask(root, "ls-files", "--stage", "-z", "--", name).split(b"\0"):
        fields = record.split(b" ")
        if len(fields) > 1:
            before.add(fields[1])
    for one in sorted(before):
        found.setdefault(one, b"")
    wanted = [one for one in found if one.strip(b"0")]
    for blob, content in _contents(root, wanted) if wanted else ():
        yield FileVersion(found[blob].decode(), blob.decode(), content)


def refs_with(root: Path, name: str) -> dict[str, list[str]]:
    """The branches and tags whose newest commit has the file `name` in the folder `root`, in words (`branch main`), by
    the name in Git of its content there. Raises StoreError."""
    refs = _ask(root, "for-each-ref", "--format=%(refname)", *_REFS).decode("utf-8", "surrogateescape").splitlines()
    asked = "".join(f"{ref}:./{name}\n" for ref in refs).encode("utf-8", "surrogateescape")
    answers = _ask(root, "cat-file", "--batch-check=%(objectname)", stdin=asked).decode("ascii", "replace")
    found: dict[str, list[str]] = {}
    for ref, blob in zip(refs, answers.splitlines(), strict=False):  # `missing` where it is not there
        start = next(one for one in _REFS if ref.startswith(one))
        found.setdefault(blob, []).append(f"{_REFS[start]} {ref.removeprefix(start)}")
    return found


def _contents(root: Path, ids: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
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
            yield one, answer[at : at + size]
        at += size + 1


def _ask(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = ask_git(root, *arguments, stdin=stdin)
    if done is None or done.returncode:
        said = b"" if done is None else done.stderr.strip().rpartition(b"\n")[2]
        raise StoreError(f"Git cannot tell its history: {said.decode('utf-8', 'replace') or 'no git'}", hint=_HINT)
    return done.stdout
