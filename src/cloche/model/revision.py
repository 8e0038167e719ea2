"""How a run is named: the grammar of what stands where a command takes a RUN.

    @          the last run                 @~2       the run before the one before it (@~ is @~1, as in Git)
    kmxqtvzp   a run by its id, or by the beginning of it (letters k to z only)
    champion   a tag                        main~3    a Git revision: the last run of that commit
    flights@champion   a tag, of a run of the experiment `flights`
    .          the work tree, which is no run yet

An address names one file of one of them: `champion:data/x.csv`.

Reading a text needs no store: whether the run, tag or commit exists is looked up by the caller, a tag first.
"""

from __future__ import annotations

import re

import msgspec

from cloche.errors import UsageError
from cloche.model.run import ID_LENGTH, ID_LETTERS


class Latest(msgspec.Struct, frozen=True, tag="latest"):
    """The last run, or the one `back` runs before it."""

    back: int = 0


class Prefix(msgspec.Struct, frozen=True, tag="prefix"):
    """Letters that can begin an id. A short tag or a branch may be spelled so too."""

    letters: str


class Name(msgspec.Struct, frozen=True, tag="name"):
    """A tag or a Git revision: it cannot be an id."""

    name: str


class Member(msgspec.Struct, frozen=True, tag="member"):
    """A name within a group: today a tag and the experiment that its run belongs to."""

    group: str
    name: str


class WorkTree(msgspec.Struct, frozen=True, tag="work-tree"):
    """The files as they are now."""


Revision = Latest | Prefix | Name | Member | WorkTree

_LATEST = re.compile(r"@(?:(~)([0-9]{0,9}))?")
_MEMBER = re.compile(r"([^@]+)@([^@{][^@]*)")
_ID = re.compile(f"[{ID_LETTERS}]{{1,{ID_LENGTH}}}")
_LIKE_ID = re.compile(f"[{ID_LETTERS}]{{4,}}")
_LIKE_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_RESERVED = "~^:?*[\\"
_LONGEST_TAG = 100


def parse_revision(text: str) -> Revision:
    """What `text` names. Raises UsageError for what can name nothing.

    >>> parse_revision("@~2"), parse_revision("kmxq"), parse_revision("main~3")
    (Latest(back=2), Prefix(letters='kmxq'), Name(name='main~3'))
    """
    if text == ".":
        return WorkTree()
    if text.startswith("@") and not text.startswith("@{"):
        found = _LATEST.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r} names no run", hint="the last run is @, the one before it @~1, then @~2")
        return Latest(int(found[2] or 1) if found[1] else 0)
    if _ID.fullmatch(text):
        return Prefix(text)
    if not text or text.isspace():
        raise UsageError("the name of a run is empty", hint="the last run is @; `cloche log` lists all of them")
    if text.startswith("-") or not text.isprintable():
        raise UsageError(f"{text!r} names no run", hint="give an id, a tag, @ or a Git revision")
    if ".." in text:
        raise UsageError(f"{text!r} is a range, not one run", hint="give the two runs apart: A B")
    member = _MEMBER.fullmatch(text)
    return Member(member[1], member[2]) if member else Name(text)


def parse_address(text: str) -> tuple[str, str]:
    """The revision and the path of `REVISION:PATH`. Raises UsageError where it is none.

    >>> parse_address("flights@champion:data/x.csv")
    ('flights@champion', 'data/x.csv')
    """
    revision, colon, path = text.partition(":")
    if not colon or not revision or not path:
        hint = "write RUN:PATH, such as @:data/x.csv for the last run's file or .:data/x.csv for the work tree's"
        raise UsageError(f"{text!r} names no file of a run", hint=hint)
    return revision, path


def check_tag(name: str) -> str:
    """`name` if it can be a tag; raises UsageError otherwise.

    A tag must not be mistaken for anything else that names a run: no spaces or control characters, none of
    ``~ ^ : ? * [ \\``, no ``..``, no `@` or `-` at the start; not `.` and not `HEAD`; not four or more letters
    from k to z only (an id); not 7 to 64 hexadecimal digits only (a commit).
    """
    problem = _tag_problem(name)
    if problem:
        why, hint = problem
        raise UsageError(f"{name!r} cannot be a tag: {why}", hint=hint)
    return name


def _tag_problem(name: str) -> tuple[str, str] | None:
    plain = "letters, digits, `-`, `_`, `.` and `/` are always fine"
    if not name:
        return "it is empty", "give it a name, such as champion or v1.0"
    if len(name) > _LONGEST_TAG:
        return f"it has more than {_LONGEST_TAG} characters", "a longer text can be a note: type `cloche note`"
    if not name.isprintable() or " " in name:
        return "it holds spaces or control characters", f"write {'-'.join(name.split()) or 'v1'!r}"
    reserved = next((char for char in name if char in _RESERVED), "")
    if reserved or ".." in name:
        return f"it holds `{reserved or '..'}`, which has a meaning in names of runs", plain
    if name[0] in "@-":
        return f"it begins with `{name[0]}`", plain
    if name in (".", "HEAD"):
        return "it already means something else", "give it another name, such as champion or v1.0"
    if _LIKE_ID.fullmatch(name):
        return "letters from k to z only could be the id of a run", f"write it with another character: {name}-1"
    if _LIKE_COMMIT.fullmatch(name):
        return "it could be a Git commit", f"write it with another letter: v{name}"
    return None
