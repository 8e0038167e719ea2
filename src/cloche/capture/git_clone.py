"""A Git repository from elsewhere, for looking at one of its commits: history and contents come only where needed."""

from __future__ import annotations

import re
from pathlib import Path

from cloche.capture.git import ask_git
from cloche.errors import InputError, NotFound, UsageError

_SCHEMES = ("http://", "https://", "ssh://", "git://", "file://")
_LIKE_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!:)[^\0]+")
_USER = re.compile(r"(?<=://)[^/@\s]+@")
# A repository from elsewhere may name others to fetch from, some of which are commands.
_SAFELY = ("-c", "protocol.ext.allow=never", "-c", "core.symlinks=false", "-c", "submodule.recurse=false")


def is_git_url(text: str) -> bool:
    """Whether a text is an address that Git can fetch from; a path on this machine is none."""
    return text.startswith(_SCHEMES) or (_LIKE_SCP.fullmatch(text) is not None and "\n" not in text)


def without_secrets(text: str) -> str:
    """A text in which no address holds a name or a password.

    >>> without_secrets("https://ada:secret@example.org/x.git")
    'https://example.org/x.git'
    """
    return _USER.sub("", text)


def clone(url: str, revision: str, folder: Path) -> str:
    """Clone into a new folder, without checking anything out; the full hash of the commit that `revision` names (the
    default branch for the empty text). Raises NotFound where there is no such commit, InputError where Git cannot."""
    if not is_git_url(url) or not url.isprintable():
        raise UsageError(f"{without_secrets(url)!r} is no address of a Git repository")
    quick = ["--depth", "1", *(["--branch", revision] if revision else [])]
    problem = _clone(url, folder, *quick)
    if problem and revision:  # not a branch or a tag: any commit, which takes the whole history
        problem = _clone(url, folder)
    if problem:
        raise InputError(
            f"Git cannot clone {without_secrets(url)}: {without_secrets(problem)}",
            hint="see that `git clone` of it works",
        )
    for name in (revision, f"origin/{revision}") if revision else ("HEAD",):
        done = ask_git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if done is not None and not done.returncode:
            return done.stdout.decode("ascii").strip()
    what = f"no Git revision is called `{revision}`" if revision else "there is no commit yet"
    raise NotFound(f"{what} in {without_secrets(url)}", hint="name a branch, a tag or a commit with --rev")


def _clone(url: str, folder: Path, *options: str) -> str:
    """Why it did not work; empty where it did."""
    common = ("--quiet", "--no-checkout", "--filter=blob:none", "--template=", "--no-recurse-submodules")
    done = ask_git(folder.parent, *_SAFELY, "clone", *common, *options, "--", url, str(folder))
    if done is None:
        return "there is no `git` on PATH"
    lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith(("fatal:", "ERROR:"))), lines[-1] if lines else "failed")
    return reason.partition(": ")[2] or reason if done.returncode else ""
