"""What the suites of bad input share: the state of a project, and the promise that a refusal keeps."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloche.ops.diff import diff
from cloche.ops.doctor import doctor
from cloche.ops.history import history
from cloche.ops.log import log
from cloche.ops.status import Status, status
from cloche.project.project import Project
from cloche.project.recovery import BEGINNING
from shell import BIN, Done, Shell

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, permissions and links of POSIX")


@dataclass(frozen=True)
class State:
    """All that a user would call lost if it were gone: the work tree, bit by bit, and what the verbs that look say."""

    tree: dict[bytes, tuple[str, bytes]]
    log: object = None
    history: object = None
    status: Status | None = None


def tree(folder: Path) -> dict[bytes, tuple[str, bytes]]:
    """Every name below a folder with its mode and digest (links: target), without Git's and Cloche's own."""
    found: dict[bytes, tuple[str, bytes]] = {}
    pending = [os.fsencode(folder)]
    while pending:
        for entry in os.scandir(pending.pop()):
            mode = entry.stat(follow_symlinks=False).st_mode
            if entry.name in (b".git", b".cloche"):
                continue
            if stat.S_ISDIR(mode):
                pending.append(entry.path)
            found[entry.path] = (stat.filemode(mode), _content(entry.path, mode))
    return found


def _content(path: bytes, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if not stat.S_ISREG(mode):
        return b""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def state_of(shell: Shell) -> State:
    """The state of a project, asked in this process; a folder that is none has only its files."""
    files = tree(shell.folder)
    if not (shell.folder / "cloche.toml").is_file():
        return State(files)
    with opened(shell) as project:
        return State(files, log(project, hidden=True), history(project), status(project))


@contextmanager
def opened(shell: Shell) -> Iterator[Project]:
    """The project of a shell in this process, which sees the variables that the shell's commands see. For looking
    only, many times cheaper than a command; what is tested is typed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*os.environ, *shell.variables):
            if name in shell.variables:
                patch.setenv(name, shell.variables[name])
            else:
                patch.delenv(name)
        project = Project.find(shell.folder)
        try:
            yield project
        finally:
            project.catalog.close()


def assert_refused(
    shell: Shell, *words: str | bytes, status: int, says: str, hint: str, whole: bool = True, **variables: str
) -> Done:
    """Type a command that must be refused: this exit status, this message, this hint, and nothing else happens.

    whole: compare what `log`, `history` and `status` say, too, and not only the work tree.
    """
    before: object = state_of(shell) if whole else tree(shell.folder)
    done = shell.cloche(*words, status=status, **variables)
    assert_complaint(done, says, hint)
    assert (state_of(shell) if whole else tree(shell.folder)) == before
    return done


def assert_complaint(done: Done, says: str, hint: str) -> None:
    """Check the two lines of an error: what happened, and what to type."""
    message, found, advice = done.err.rpartition("hint: ")
    assert found, f"no hint: {done.err}"
    assert message.startswith("cloche: "), done.err
    assert says in message, done.err
    assert hint in advice, done.err
    assert done.out == ""


def assert_healthy(shell: Shell) -> None:
    """Every verb that looks works, nothing is half-way or left over, and `doctor` finds no error."""
    assert troubles(shell) == []
    with opened(shell) as project:
        # The folder of a run that was killed before its record began is kept for so long.
        project.clock = lambda: time.time() + 2 * BEGINNING
        diff(project) if log(project) else None
        history(project)
        assert {path.name for path in project.runs_folder.glob("*")} == set(status(project).going)
    assert list((shell.folder / ".cloche/tmp").glob("checkout/*")) == []


def troubles(shell: Shell) -> list[str]:
    """The names of the checks of `doctor` that find an error."""
    with opened(shell) as project:
        return [one.name for one in doctor(project) if one.state == "error"]


def start(shell: Shell, *words: str, **variables: str) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, without waiting for it."""
    return subprocess.Popen(
        [BIN / "cloche", *words],
        cwd=shell.folder,
        env={**shell.variables, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@contextmanager
def going(shell: Shell, *words: str, code: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A run that is going, and goes on until a file `stop` is there. Killed at the end of the block if need be."""
    shell.write("wait.py", code + WAIT)
    process = start(shell, "run", *words, "--", "python", "wait.py")
    try:
        until((shell.folder / "ready").exists, process)
        yield process
        (shell.folder / "stop").touch()
        process.communicate(timeout=60)
    finally:
        kill_session(process)


WAIT = """
import os, time
open("ready", "w").close()
end = time.monotonic() + 60
while not os.path.exists("stop") and time.monotonic() < end:
    time.sleep(0.01)
"""


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of a started command, its children's process groups included."""
    if sys.platform != "win32":
        for pid in _session(process.pid):
            with_suppressed(lambda pid=pid: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]
    process.kill()
    process.communicate()


def _session(leader: int) -> list[int]:
    import psutil

    found = []
    for pid in psutil.pids():
        with_suppressed(lambda pid=pid: found.append(pid) if os.getsid(pid) == leader else None)  # type: ignore[misc]
    return found


def with_suppressed(act: Callable[[], object]) -> None:
    """Do something to a process that may be gone by now."""
    with suppress(ProcessLookupError):
        act()


def until(happened: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something happened; fail where it does not, or where the process that should do it ended."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it never happened"
        if process is not None and process.poll() is not None and not happened():
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")
        time.sleep(0.005)


def bound_by_permissions() -> Sequence[str]:
    """What to write before a command so that permissions hold for it, even where the tests are run by root."""
    if sys.platform == "win32":
        pytest.skip("permissions of POSIX")
    if os.geteuid() != 0:
        return ()
    less = "-dac_override,-dac_read_search,-fowner"
    words = ("setpriv", f"--bounding-set={less}", f"--inh-caps={less}")
    try:
        done = subprocess.run([*words, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("root, and no setpriv to be less than that")
    if done.returncode:
        pytest.skip("root that cannot be less")
    return words
