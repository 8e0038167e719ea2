"""Cloche is killed at any write of a verb that changes the work tree: nothing is half-done and nothing is lost."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from shell import Shell

# Runs one verb and dies, as if killed, at the given write to the disk.
KILLED = """\
import os, sys
from cloche.store.filesystem import FileSystem

left = int(sys.argv[1])

def dying(method):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return method(*arguments, **options)
    return call

for name in ("create", "write", "sync", "rename", "link", "symlink", "unlink", "mkdir", "rmdir", "chmod"):
    setattr(FileSystem, name, dying(getattr(FileSystem, name)))

import cloche
project = cloche.open(".")
eval(sys.argv[2])
print(left)
"""
STEPS = 8
MANY = 1_000_000


def copy(shell: Shell, name: str) -> Shell:
    """The project with its store, once more."""
    place = shell.folder.parent / name
    shutil.copytree(shell.folder, place, symlinks=True)
    return Shell(place, shell.variables)


CALLS = [
    pytest.param("project.revert('@')", id="revert"),
    pytest.param("project.undo()", id="undo", marks=pytest.mark.slow),
    pytest.param("project.add('data', 'extra')", id="add", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_any_write(model: Shell, tmp_path: Path, call: str) -> None:
    def go(shell: Shell, writes: int) -> int:
        """Make the call and die after so many writes; how many there were, or -1 if it died."""
        done = shell(sys.executable, str(tmp_path / "killed.py"), str(writes), call, status=None)
        assert done.status in (0, 9), done.err
        return writes - int(done.out) if done.status == 0 else -1

    (tmp_path / "killed.py").write_text(KILLED)
    model.run()
    model.write("train.py", "mine\n")
    model.write("new/deep.py", "1\n")
    model.write("data/points.csv", "id,x\n")
    model.write("extra", "1\n")
    (model.folder / "model.bin").unlink()
    if "undo" in call:
        model.cloche("revert", "@")
    before = model.files()
    whole = copy(model, "whole")
    writes = go(whole, MANY)
    after = whole.files()
    assert after != before
    for step in range(STEPS):
        shell = copy(model, f"killed-{step}")
        assert go(shell, round(step * (writes - 1) / STEPS)) == -1
        cut_off = shell.facts("status")["cut_off"]
        assert shell.files() in (before, after)
        for number in cut_off:
            assert f"operation {number} was cut off half-way: type `cloche undo {number}`" in shell.cloche("status").out
            shell.cloche("undo", str(number))
            assert shell.files() == before
        if shell.files() == before:
            go(shell, MANY)
        assert shell.files() == after
        assert {one["state"] for one in shell.facts("doctor") if one["name"] in ("catalog", "store")} == {"ok"}
        shutil.rmtree(shell.folder)
