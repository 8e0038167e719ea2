"""Cloche itself is killed with no warning, at moments spread over all of what it does."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

import pytest
from bad_input_helpers import assert_healthy, kill_session, posix, start, tree

from cloche.project.recovery import BEGINNING
from shell import Shell

pytestmark = posix
MOMENTS = 6


def duration(shell: Shell, *words: str) -> float:
    """Seconds that a command takes, in a copy of the project."""
    place = shell.folder.parent / "timed"
    shutil.copytree(shell.folder, place, symlinks=True)
    started = time.monotonic()
    Shell(place, shell.variables).cloche(*words)
    taken = time.monotonic() - started
    shutil.rmtree(place)
    return taken


def kill_after(shell: Shell, seconds: float, words: Sequence[str]) -> bool:
    """Start a command and kill it and its children; whether it was alive until then."""
    process = start(shell, *words)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    kill_session(process)
    return process.returncode == -signal.SIGKILL


@pytest.fixture
def large(model: Shell) -> Shell:
    """A project with enough to do that there is time to be killed in."""
    for number in range(300):
        model.write(f"data/{number}.csv", f"id,x\n{number},{number}\n" * 50)
        model.write(f"src/{number}.py", f"x = {number}\n" * 20)
    model.write("train.py", "import cloche; cloche.log(auc=1); open('model.bin', 'w').write('1')\n")
    return model


@pytest.mark.parametrize("words", [["add", "data"], ["run", "--", "python", "train.py"]], ids=lambda words: words[0])
def test_killed_at_any_moment(large: Shell, words: list[str]) -> None:
    """What was recorded before is whole, the work tree is as it was, and the same command then works."""
    first = large.run(command=["true"])["id"]
    large.cloche("add")
    large.write("data/new.csv", "id,x\n" + "1,2\n" * 100_000)
    kept = {path: one for path, one in tree(large.folder).items() if not path.endswith((b"model.bin", b"cloche.lock"))}
    whole = duration(large, *words)
    killed = 0
    for step in range(MOMENTS):
        killed += kill_after(large, whole * (step + 0.5) / MOMENTS, words)
        now = tree(large.folder)
        assert {path: now[path] for path in kept} == kept
        rows = large.facts("log")
        assert rows[-1]["id"] == first
        assert {row["status"] for row in rows} <= {"finished", "killed"}, "nothing seems to go on for ever"
        assert_healthy(large)
    assert killed >= MOMENTS // 2, "it was really killed, and not over"
    large.cloche(*words)
    large.cloche("revert", first, "--only", "code,data")
    assert_healthy(large)


def test_the_folder_of_a_run_that_was_never_recorded_goes_after_a_minute(large: Shell) -> None:
    """Within its first moments it may belong to a run that is about to be recorded."""
    runs = large.folder / ".cloche/runs"
    for name, seconds in (("f" * 16, 2 * BEGINNING), ("e" * 16, BEGINNING / 2)):
        (runs / name).mkdir(parents=True)
        os.utime(runs / name, (time.time() - seconds,) * 2)
    large.cloche("log")
    assert [path.name for path in runs.iterdir()] == ["e" * 16]


def test_a_revert_killed_at_any_moment_can_be_undone(large: Shell) -> None:
    large.cloche("add")
    first = large.run(command=["true"])["id"]
    for number in range(300):
        large.write(f"data/{number}.csv", "changed\n")
        large.write(f"src/{number}.py", "changed\n")
    words = ["revert", first, "--only", "code,data"]
    whole, before, halfway = duration(large, *words), tree(large.folder), 0
    for step in range(MOMENTS):
        kill_after(large, whole * (step + 1) / (MOMENTS + 1), words)
        for number in large.facts("status")["cut_off"]:
            halfway += 1
            large.cloche("undo", str(number))
        if tree(large.folder) != before:
            large.cloche("undo")
        assert tree(large.folder) == before
        assert_healthy(large)
    large.cloche(*words)
    assert large.read("src/7.py") == "x = 7\n" * 20
    assert halfway <= MOMENTS
