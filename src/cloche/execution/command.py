"""Finds the program of a command, as a shell would, and explains what is wrong where there is none."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cloche.errors import InputError, RunFailed, UsageError

NOT_FOUND = 127
NOT_EXECUTABLE = 126

# What to type for a file that is no program itself, by its suffix.
_READERS = {".py": "python", ".sh": "sh", ".r": "Rscript", ".jl": "julia", ".js": "node", ".pl": "perl", ".rb": "ruby"}


class Program(NamedTuple):
    """What to start. path: as the system is asked for it, relative to the folder of the command where it was typed
    so. arguments: with the name as typed in front."""

    path: str
    arguments: tuple[str, ...]


def find_program(command: Sequence[str] | str, folder: Path, variables: Mapping[str, str]) -> Program:
    """The program that `command` names, looked up on the PATH of `variables`; a text is for the shell.

    Raises RunFailed with the exit status of a shell: 127 where there is none, 126 where it cannot be executed.
    """
    if isinstance(command, str):
        return _shell(command, variables)
    arguments = tuple(command)
    if not arguments:
        raise UsageError("no command given", hint="write it after --, as in: cloche run -- python train.py")
    if any("\0" in argument for argument in arguments):
        raise UsageError("an argument of the command holds a NUL character")
    if not folder.is_dir():
        raise InputError(f"the folder {str(folder)!r} does not exist", hint="create it, or start from another folder")
    path = _look_up(arguments[0], folder, variables)
    if path is None:
        raise not_found(arguments[0], folder, variables)
    if not _executable(folder, path):
        raise not_executable(path, folder)
    return Program(path, arguments)


def through_shell(program: Program) -> Program:
    """The same program read by the shell, which is what a shell does with a script that has no `#!` line."""
    return Program("/bin/sh", ("sh", program.path, *program.arguments[1:]))


def _shell(text: str, variables: Mapping[str, str]) -> Program:
    if not text.strip():
        raise UsageError("the command is empty")
    if "\0" in text:
        raise UsageError("the command holds a NUL character")
    if sys.platform == "win32":
        shell = variables.get("COMSPEC", "cmd.exe")
        return Program(shell, (shell, "/d", "/s", "/c", text))
    else:  # noqa: RET505 both are seen by the type checker
        return Program("/bin/sh", ("sh", "-c", text))


def _look_up(name: str, folder: Path, variables: Mapping[str, str]) -> str | None:
    """The path of an executable file called so, else of any file called so."""
    if sys.platform == "win32":
        return shutil.which(name, path=os.pathsep.join((str(folder), variables.get("PATH", ""))))
    elif "/" in name:  # noqa: RET505
        return name if (folder / name).exists() else None
    else:
        candidates = [os.path.join(place, name) for place in _places(variables)] if name else []
        there = [path for path in candidates if (folder / path).is_file()]
        return next((path for path in there if _executable(folder, path)), there[0] if there else None)


def _places(variables: Mapping[str, str]) -> Iterator[str]:
    for place in variables.get("PATH", os.defpath).split(os.pathsep):
        yield place or "."


def _executable(folder: Path, path: str) -> bool:
    where = folder / path
    return where.is_file() and os.access(where, os.X_OK)


def not_found(name: str, folder: Path, variables: Mapping[str, str]) -> RunFailed:
    """The error for a command that does not exist, with what was probably meant."""
    return _failed(f"command not found: {name}", _meant(name, folder, variables), NOT_FOUND)


def _meant(name: str, folder: Path, variables: Mapping[str, str]) -> str:
    words = name.split()
    if len(words) > 1 and _look_up(words[0], folder, variables):
        return f"write the command without quotes: {name}"
    if (folder / name).is_file():
        return f"type: {_reading(name)}"
    close = _closest(name, folder, variables)
    if close is None:
        return "check the spelling, and that its environment is active"
    if (folder / close).is_file():
        return f"did you mean {_reading(close)}?"
    return f"did you mean {close}?"


def _closest(name: str, folder: Path, variables: Mapping[str, str]) -> str | None:
    import difflib

    if "/" in name:
        above, _, last = name.rpartition("/")
        beside = {f"{above}/{other}": other for other in _names(folder / above)}
        close = difflib.get_close_matches(last, beside.values(), 1, 0.6)
        return f"{above}/{close[0]}" if close else None
    known = set(_names(folder)).union(*(_names(folder / place) for place in _places(variables)))
    close = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return close[0] if close else None


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _reading(path: str) -> str:
    """What to type to run a file that lies in the folder of the command."""
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is not None:
        return f"{reader} {path}"
    return path if "/" in path else f"./{path}"


def not_executable(path: str, folder: Path) -> RunFailed:
    """The error for a file that is there and cannot be executed."""
    if (folder / path).is_dir():
        return _failed(f"{path} is a folder, not a program", "name a program", NOT_EXECUTABLE)
    known = Path(path).suffix.lower() in _READERS
    hint = f"type: {_reading(path)}" if known else f"type: chmod +x {path}"
    return _failed(f"{path} is not executable", hint, NOT_EXECUTABLE)


def not_started(program: Program, folder: Path, error: OSError) -> RunFailed:
    """The error for a program that the system refused to start."""
    if error.errno == errno.ENOENT:
        reader = _interpreter_line(folder / program.path)
        message = f"{program.path} cannot be started: its interpreter {reader or ''} does not exist"
        return _failed(" ".join(message.split()), "correct its first line, or name the interpreter", NOT_EXECUTABLE)
    if error.errno == errno.E2BIG:
        return _failed("the arguments of the command are too long", "pass them in a file", NOT_EXECUTABLE)
    return _failed(f"{program.path} cannot be started: {error.strerror}", "", NOT_EXECUTABLE)


def _interpreter_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return ""
    return first[2:].decode("utf-8", "replace").strip() if first.startswith(b"#!") else ""


def _failed(message: str, hint: str, exit_status: int) -> RunFailed:
    error = RunFailed(message, hint=hint)
    error.exit_status = exit_status
    return error
