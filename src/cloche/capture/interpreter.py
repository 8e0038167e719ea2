"""Which Python a command will most likely run, guessed without running anything.

A guess is enough to take the snapshot before the run; what really ran is reported by the bootstrap from inside.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cloche.capture.programs import find_program, head_of, is_python_name, python_beside, python_of, shebang
from cloche.capture.tools import RUNNERS, in_runner
from cloche.errors import SettingsError
from cloche.model.settings import Settings

MOST_SCRIPTS = 4
MOST_SCRIPT_BYTES = 65536
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "ash"})
# Programs that run the program named after their options.
_WRAPPERS = frozenset(
    {
        *(
            "builtin",
            "caffeinate",
            "catchsegv",
            "chronic",
            "chrt",
            "command",
            "coverage",
            "cpulimit",
            "doas",
            "dumb-init",
        ),
        *(
            "env",
            "exec",
            "flock",
            "ionice",
            "kernprof",
            "ltrace",
            "mpiexec",
            "mpirun",
            "nice",
            "nohup",
            "nsys",
            "numactl",
        ),
        *(
            "orterun",
            "parallel",
            "perf",
            "prlimit",
            "py-spy",
            "scalene",
            "script",
            "setarch",
            "setsid",
            "srun",
            "stdbuf",
        ),
        *("strace", "sudo", "systemd-run", "taskset", "time", "timeout", "tini", "unbuffer", "unshare", "valgrind"),
        *("watch", "xargs", "xvfb-run", "if", "then", "else", "while", "until", "do", "!", "{"),
    }
)
_NO_PROGRAM = frozenset({"--version", "-V", "-VV", "--help", "-h"})
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_COMMENT = re.compile(r"(?m)(?:^|(?<=[ \t;]))#[^\n]*")
_OPERATOR = re.compile(r"[;&|()\n]+")
_PIN_FILES = (".python-version", ".tool-versions", "mise.toml", ".mise.toml")


def find_python(
    command: Sequence[str] | str,
    root: Path,
    settings: Settings,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> str | None:
    """The path of the interpreter that a command will most likely run; None where there is no Python at all.

    command: its words, or shell text. root: the project. folder: where the command starts (the project by default).
    environ: its variables. `[environment] python` of cloche.toml goes before any guess; raises SettingsError where
    that does not exist. A command that names no Python gets the project's `.venv`, or else the one on PATH.
    """
    variables = dict(os.environ if environ is None else environ)
    where = os.path.abspath(folder or root)
    if settings.environment.python:
        return _configured(settings.environment.python, os.path.abspath(root), variables)
    search = _Search(where, variables)
    found = search.text(command) if isinstance(command, str) else search.words(list(command))
    return found or _usual(os.path.abspath(root), variables)


def starts_python(command: Sequence[str] | str) -> bool:
    """Whether a command names a Python as its program, to run something with it. A script or `make` that starts one
    further down is not looked into.

    >>> starts_python("PYTHONPATH=src python3 -m train"), starts_python(["echo", "python"]), starts_python("python -V")
    (True, False, False)
    """
    simple = _simple_commands(command) if isinstance(command, str) else [list(command)]
    return any(_starts_python(words) for words in simple)


def _starts_python(words: Sequence[str]) -> bool:
    for at, word in enumerate(words):
        name = os.path.basename(word)
        if name in _SHELLS and "-c" in words[at:-1]:
            return starts_python(words[words.index("-c", at) + 1])
        if is_python_name(word):
            return not _NO_PROGRAM.intersection(words[at + 1 : at + 2])
        if name not in _WRAPPERS and not word.startswith("-") and not _ASSIGNMENT.fullmatch(word):
            return False
    return False


def pinning_files(program: str, where: str, variables: Mapping[str, str]) -> Iterator[str]:
    """The files by which a version manager picks the interpreter, if `program` is such a manager's stand-in."""
    if not head_of(program).startswith(b"#!"):
        return
    home = variables.get("HOME", "")
    yield os.path.join(variables.get("PYENV_ROOT") or os.path.dirname(os.path.dirname(program)), "version")
    yield os.path.join(home, ".tool-versions")
    yield os.path.join(home, ".config", "mise", "config.toml")
    while True:
        for name in _PIN_FILES:
            yield os.path.join(where, name)
        above = os.path.dirname(where)
        if above == where:
            return
        where = above


def _configured(name: str, root: str, variables: Mapping[str, str]) -> str:
    path = os.path.expanduser(name)
    found = python_of(os.path.join(root, path)) or find_program(path, root, variables)
    if found is None:
        raise SettingsError(
            f"[environment] python in cloche.toml names {name}, which does not exist",
            hint="name an interpreter, or the folder of a virtual environment",
        )
    return found


def _usual(root: str, variables: Mapping[str, str]) -> str | None:
    for environment in (".venv", "venv"):
        found = python_of(os.path.join(root, environment))
        if found:
            return found
    names = ("python", "python3") if os.name == "nt" else ("python3", "python")
    candidates = (find_program(name, root, variables) for name in names)
    return next((path for path in candidates if path), None)


class _Search:
    """A walk through a command as a shell would take it. folder, variables: where it has got to."""

    def __init__(self, folder: str, variables: dict[str, str], scripts: int = 0) -> None:
        self.folder = folder
        self.variables = variables
        self.scripts = scripts

    def text(self, text: str) -> str | None:
        """The first Python that shell text runs."""
        for words in _simple_commands(text):
            found = self._moved(words)
            if found is not None:
                continue
            python = self.words(words)
            if python:
                return python
        return None

    def words(self, words: Sequence[str]) -> str | None:
        """The Python that one simple command runs."""
        rest = list(words)
        while rest and (match := _ASSIGNMENT.fullmatch(rest[0])):
            self.variables[match[1]] = self._expand(match[2])
            rest.pop(0)
        if not rest:
            return None
        name = os.path.basename(rest[0]).removesuffix(".exe")
        if name in RUNNERS:
            return in_runner(name, rest[1:], self.folder, self.variables)
        if name in _SHELLS:
            return self._shell(rest[1:])
        if name in _WRAPPERS:
            return self._wrapped(rest[1:])
        return self._program(rest[0])

    def _moved(self, words: list[str]) -> bool | None:
        """True where the command only changes folder or variables for those after it."""
        act = _MOVES.get(words[0])
        if act is None:
            return None
        act(self, words[1:])
        return True

    def change_folder(self, words: Sequence[str]) -> None:
        """`cd`"""
        self.folder = os.path.join(self.folder, os.path.expanduser(words[-1] if words else "~"))

    def export(self, words: Sequence[str]) -> None:
        """`export`"""
        for word in words:
            match = _ASSIGNMENT.fullmatch(word)
            if match:
                self.variables[match[1]] = self._expand(match[2])

    def activate(self, words: Sequence[str]) -> None:
        """`source FOLDER/bin/activate`"""
        if words and os.path.basename(words[0]).startswith("activate"):
            binaries = os.path.dirname(os.path.join(self.folder, words[0]))
            self.variables["PATH"] = os.pathsep.join((binaries, self.variables.get("PATH", os.defpath)))
            self.variables["VIRTUAL_ENV"] = os.path.dirname(binaries)

    def _expand(self, text: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda match: self.variables.get(match[1], ""), text)

    def _shell(self, words: Sequence[str]) -> str | None:
        for at, word in enumerate(words):
            if word.startswith("-") and not word.startswith("--") and "c" in word:
                return self._inner().text(words[at + 1]) if at + 1 < len(words) else None
            if not word.startswith(("-", "+")):
                return self._script(os.path.join(self.folder, word))
        return None

    def _script(self, path: str) -> str | None:
        if self.scripts >= MOST_SCRIPTS:
            return None
        try:
            if not os.path.isfile(path):
                return None
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return self._inner().text(file.read(MOST_SCRIPT_BYTES))
        except (OSError, ValueError):
            return None

    def _inner(self) -> _Search:
        return _Search(self.folder, dict(self.variables), self.scripts + 1)

    def _wrapped(self, words: Sequence[str]) -> str | None:
        for at, word in enumerate(words):
            match = _ASSIGNMENT.fullmatch(word)
            if match:
                self.variables[match[1]] = match[2]
            elif not word.startswith("-"):
                found = self.words(words[at:])
                if found:
                    return found
        return None

    def _program(self, word: str) -> str | None:
        path = find_program(word, self.folder, self.variables)
        if path is None:
            return None
        if is_python_name(word):
            return path
        line = shebang(path)
        if not line:
            return python_beside(path)
        if os.path.basename(line[0]) in _SHELLS:
            return self._script(path)
        return self._inner().words(line)


_MOVES: dict[str, Callable[[_Search, Sequence[str]], None]] = {
    "cd": _Search.change_folder,
    "pushd": _Search.change_folder,
    "export": _Search.export,
    "source": _Search.activate,
    ".": _Search.activate,
}


def _simple_commands(text: str) -> Iterator[list[str]]:
    """The simple commands of shell text, as lists of words."""
    plain = _COMMENT.sub("", text.replace("\\\n", " "))
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=";&|()\n")
    lexer.commenters = ""
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for token in lexer:
            if not _OPERATOR.fullmatch(token):
                words.append(token)
            elif words:
                yield words
                words = []
    except ValueError:
        # Unbalanced quotes: what came before them still counts.
        pass
    if words:
        yield words
