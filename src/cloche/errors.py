"""Every error that Cloche raises on purpose.

ClocheError                   exit  code
├── UsageError                2     usage
├── NotAProject               3     not-a-project
├── SettingsError             4     settings
├── NotFound                  5     not-found
│   └── Ambiguous             5     ambiguous
├── Conflict                  6     conflict
├── Busy                      7     busy
├── InputError                8     input
│   └── ChangedWhileReading   8     changed-while-reading
├── StoreError                9     store
│   ├── Damaged               9     damaged
│   ├── DiskFull              9     disk-full
│   └── NewerVersion          9     newer-version
├── PackageError              10    environment
├── RemoteError               11    remote
└── RunFailed                 1     run-failed

The message says what happened; the hint says what to type. Foreign errors (OSError, sqlite3.Error,
msgspec.DecodeError) are translated where the outside world is touched, in the packages of layer 3.
"""

from __future__ import annotations

import re

_SECRET = re.compile(r"(?<=://)(?:[^\s/@:]*:(?!\d+/)\S*|[^\s/]*:[^\s/]*)@|(?<=http://)[^\s/]+@|(?<=https://)[^\s/]+@")


def hide_secrets(text: str) -> str:
    """A text in which no address shows a password, nor what may be a token.

    >>> hide_secrets("cannot clone https://ada:secret@example.org/x; sftp://ada@host/x is fine")
    'cannot clone https://***@example.org/x; sftp://ada@host/x is fine'
    """
    return _SECRET.sub("***@", text) if "@" in text else text


class ClocheError(Exception):
    """Something the user can act on. `str(error)` is the message; `hint` says what to do, by default the advice of
    its class."""

    code = "error"
    exit_status = 1
    advice = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(hide_secrets(message))
        self.message = hide_secrets(message)
        self.hint = hide_secrets(hint or self.advice)


class UsageError(ClocheError):
    """The call itself makes no sense: an argument is missing, malformed or contradicts another."""

    code = "usage"
    exit_status = 2
    advice = "see `cloche --help`"


class NotAProject(ClocheError):
    """No `cloche.toml` here or above, or one where it must not be."""

    code = "not-a-project"
    exit_status = 3


class SettingsError(ClocheError):
    """`cloche.toml`, `cloche.lock` or a parameter file cannot be understood."""

    code = "settings"
    exit_status = 4
    advice = "correct the file, then try again"


class NotFound(ClocheError):
    """A run, tag, path, key or operation with that name does not exist."""

    code = "not-found"
    exit_status = 5


class Ambiguous(NotFound):
    """A name fits more than one thing."""

    code = "ambiguous"


class Conflict(ClocheError):
    """Going on would overwrite or contradict something that is there."""

    code = "conflict"
    exit_status = 6


class Busy(ClocheError):
    """Another process, or a run that is still going, holds what is needed."""

    code = "busy"
    exit_status = 7


class InputError(ClocheError):
    """A file or folder given to Cloche is missing, unreadable or outside the project."""

    code = "input"
    exit_status = 8
    advice = "check that it is there, and yours to read"


class ChangedWhileReading(InputError):
    """A file kept changing while it was read."""

    code = "changed-while-reading"


class StoreError(ClocheError):
    """The store or the catalog in `.cloche/` cannot do what was asked."""

    code = "store"
    exit_status = 9
    advice = "type `cloche doctor` to see what is wrong"


class Damaged(StoreError):
    """Stored bytes do not match their digest, or are gone."""

    code = "damaged"
    advice = "`cloche verify --repair` brings back what it can"


class DiskFull(StoreError):
    """The disk has no room. What was there before is untouched."""

    code = "disk-full"


class NewerVersion(StoreError):
    """`.cloche/` was written by a newer Cloche than this one."""

    code = "newer-version"


class PackageError(ClocheError):
    """An environment cannot be read, or its packages cannot be put back."""

    code = "environment"
    exit_status = 10
    advice = "type `cloche doctor` to see which Python and which installer are used"


class RemoteError(ClocheError):
    """A remote cannot be reached, refuses, or does not hold what it should."""

    code = "remote"
    exit_status = 11
    advice = "type `cloche remote test` to see what it can do"


class RunFailed(ClocheError):
    """The command of a run could not be started, or a declared output is missing."""

    code = "run-failed"
    exit_status = 1
