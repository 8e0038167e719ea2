"""Starts a command here and stays with it to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cloche.execution.command import find_program
from cloche.execution.ending import Execution

if sys.platform == "win32":
    from cloche.execution.on_windows import run_program
else:
    from cloche.execution.on_posix import run_program


def execute(
    command: Sequence[str] | str,
    *,
    folder: Path,
    variables: Mapping[str, str],
    log: Path,
    on_start: Callable[[int], None] | None = None,
) -> Execution:
    """Run a command to its end, as if it had been started without Cloche.

    command: the program and its arguments; a text is for the shell (`sh -c`). folder: where it starts. variables: its
    whole environment, on whose PATH the program is looked up. log: a file to which a copy of its output is added.
    on_start: called once with its process number.

    Its input is ours, its output and errors go to ours unmodified as they come, and it sees a terminal where ours is
    one. It has a process group of its own, to which INT, TERM, HUP, QUIT, USR1 and USR2 are forwarded; Ctrl-C and
    Ctrl-Z at a terminal work as without Cloche. Output that nobody reads any more, or that cannot be logged, does not
    stop it. A process that it leaves behind is neither waited for nor ended.

    Raises RunFailed with `exit_status` 127 where the program does not exist, 126 where it cannot be executed.
    """
    program = find_program(command, folder, variables)
    return run_program(program, folder, _placed(variables, folder), log, on_start or _nothing)


def _placed(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables, with PWD naming `folder` where it would name another, as after `cd`."""
    found = dict(variables)
    if "PWD" in found and not _same_folder(found["PWD"], folder):
        found["PWD"] = str(folder.absolute())
    return found


def _same_folder(one: str, other: Path) -> bool:
    try:
        return other.samefile(one)
    except OSError:
        return False


def _nothing(_pid: int) -> None:
    pass
