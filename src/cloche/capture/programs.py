"""Which file a program's name stands for, and which interpreter such a file names on its first line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_PYTHON_NAME = re.compile(r"(python|pypy)[0-9.]*t?(\.exe)?|py(\.exe)?")
_HEAD_BYTES = 512
# How installers write a first line that is too long, or has a space: a shell script that is Python too.
_LONG_SHEBANG = re.compile(rb"""'''exec' "?([^"\n]+?)"? "?\$0""")


def is_python_name(word: str) -> bool:
    """Whether a command's first word names a Python.

    >>> is_python_name("/usr/bin/python3.12"), is_python_name("pytest")
    (True, False)
    """
    return _PYTHON_NAME.fullmatch(os.path.basename(word).lower()) is not None


def find_program(name: str, folder: str, environ: Mapping[str, str]) -> str | None:
    """The path of the program that `name` starts in `folder`; None where there is none."""
    if not name or "\0" in name:
        return None
    if os.sep in name or "/" in name:
        return _runnable(os.path.join(folder, name), environ)
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        found = _runnable(os.path.join(folder, entry, name), environ)
        if found:
            return found
    return None


def _runnable(path: str, environ: Mapping[str, str]) -> str | None:
    endings = [""]
    if os.name == "nt":
        endings += environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";")
    for ending in endings:
        if os.path.isfile(path + ending) and os.access(path + ending, os.X_OK):
            return os.path.normpath(path + ending) if "/../" not in path else path + ending
    return None


def head_of(path: str) -> bytes:
    """The first bytes of a file; empty where it cannot be read."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(_HEAD_BYTES)
    except (OSError, ValueError):
        return b""


def shebang(path: str) -> list[str]:
    """The words of the interpreter line of a script; empty where it has none."""
    head = head_of(path)
    if not head.startswith(b"#!"):
        return []
    long = _LONG_SHEBANG.search(head)
    if long:
        return [os.fsdecode(long[1])]
    line = os.fsdecode(head[2:].split(b"\n", 1)[0]).strip()
    if not line.startswith("/") or " " not in line:
        return [line] if line else []
    program, _, rest = line.partition(" ")
    return [program, *rest.split()]


def python_of(environment: str) -> str | None:
    """The interpreter of a virtual environment or conda prefix; None where the folder is none."""
    for place in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        path = os.path.join(environment, *place.split("/"))
        if os.path.isfile(path):
            return path
    return None


def python_beside(program: str) -> str | None:
    """The interpreter of the virtual environment in whose folder of programs `program` lies."""
    environment = os.path.dirname(os.path.dirname(program))
    return python_of(environment) if os.path.exists(os.path.join(environment, "pyvenv.cfg")) else None
