"""The wrong moment: a full disk, a run that is still going, a project that a newer Cloche wrote."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shell import Shell


@pytest.fixture
def small_disk(folder: Shell) -> Iterator[Shell]:
    """A project on a disk of 8 MB."""
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root may mount a disk")
    place = folder.folder
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        folder.cloche("init")
        yield folder
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def digests(shell: Shell) -> dict[str, bytes]:
    files = (file for file in shell.folder.rglob("*") if file.is_file() and ".cloche" not in file.parts)
    return {str(file.relative_to(shell.folder)): file.read_bytes() for file in files}


def test_a_disk_that_fills_up_while_data_is_added(small_disk: Shell) -> None:
    small_disk.write("data/big.bin", os.urandom(5_000_000))
    before = digests(small_disk)
    done = small_disk.cloche("add", "data", status=9)
    assert "no space left on the disk" in done.err
    assert "hint: " in done.err
    assert digests(small_disk) == before
    (small_disk.folder / "data" / "big.bin").write_bytes(b"small")
    small_disk.cloche("add", "data")
    small_disk.cloche("doctor")


def test_a_disk_that_fills_up_while_a_run_writes(small_disk: Shell) -> None:
    small_disk.write("train.py", "import os\nopen('model.bin', 'wb').write(os.urandom(5_000_000))\n")
    small_disk.cloche("run", "--", "python", "train.py", status=9)
    assert (small_disk.folder / "model.bin").stat().st_size == 5_000_000
    (small_disk.folder / "model.bin").unlink()
    (row,) = small_disk.facts("log")
    assert row["status"] in ("failed", "killed")
    small_disk.cloche("run", "--", "true")
    small_disk.cloche("doctor")


def test_a_disk_that_fills_up_while_reverting(small_disk: Shell) -> None:
    small_disk.write("data/zeros.bin", bytes(3_000_000))
    small_disk.cloche("add", "data")
    small_disk.cloche("run", "--", "true")
    (small_disk.folder / "data" / "zeros.bin").write_bytes(b"short")
    small_disk.write("filler.tmp", os.urandom(7_500_000))
    small_disk.write("cloche.toml", '[code]\nignore = ["*.tmp"]\n')
    before = digests(small_disk)
    done = small_disk.cloche("revert", "@", "--only", "data", status=9)
    assert "hint: " in done.err
    assert digests(small_disk) == before
    (small_disk.folder / "filler.tmp").unlink()
    small_disk.cloche("revert", "@", "--only", "data")
    assert (small_disk.folder / "data" / "zeros.bin").stat().st_size == 3_000_000


@pytest.fixture
def going(model: Shell) -> Iterator[str]:
    """A run that is going, after one that has ended; its id."""
    model.run()
    model.write("wait.py", "import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    cloche = shutil.which("cloche", path=model.variables["PATH"]) or "cloche"
    words = [cloche, "run", "-q", "--", "python", "wait.py"]
    with subprocess.Popen(words, cwd=model.folder, env=model.variables, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield next(row["id"] for row in model.facts("log") if row["status"] == "running")
        finally:
            process.terminate()
            process.wait(30)


def test_a_run_that_is_still_going(model: Shell, going: str) -> None:
    assert model.facts("status")["going"] == [going]
    assert model.facts("show", going)["run"]["status"] == "running"
    until = time.monotonic() + 10
    while model.cloche("show", going, "--log").out != "ready\n" and time.monotonic() < until:
        time.sleep(0.05)
    assert model.cloche("show", going, "--log").out == "ready\n"
    assert "is going" in model.cloche("status").out
    assert "metrics" in model.facts("show", going)["run"]
    assert "still going" in model.cloche("remove", going, status=7).err
    model.cloche("tag", "now", going)
    model.write("train.py", "changed\n")
    assert "still going" in model.cloche("revert", "@~1", status=7).err
    assert model.read("train.py") == "changed\n"
    assert "would revert" in model.cloche("revert", "@~1", "--dry-run").out
    assert "still going" in model.cloche("run", "-P", "seed=8", "--", "true", status=7).err


def test_a_layout_of_a_newer_cloche(model: Shell) -> None:
    model.write(".cloche/format", "99\n")
    for words in (["status"], ["log"], ["run", "--", "true"], ["undo"]):
        done = model.cloche(*words, status=9)
        assert "format 99" in done.err
        assert "upgrade cloche" in done.err


def test_a_catalog_of_a_newer_cloche(model: Shell) -> None:
    model.run()
    file: Path = model.folder / ".cloche" / "catalog.db"
    with closing(sqlite3.connect(file)) as catalog:
        catalog.execute("PRAGMA user_version = 99")
    done = model.cloche("log", status=9)
    assert "newer" in done.err
    assert "hint: " in done.err
    with closing(sqlite3.connect(file)) as catalog:
        assert catalog.execute("PRAGMA user_version").fetchone() == (99,)


def test_on_a_full_disk_one_can_look_and_free_space(small_disk: Shell) -> None:
    for _ in ("old", "new"):
        small_disk.write("data/one.bin", os.urandom(1_000_000))
        small_disk.cloche("add", "data")
        small_disk.cloche("run", "--", "true")
    small_disk.cloche("prune", "--keep-last", "1")
    fill(small_disk.folder / "filler.tmp")
    for verb in (["status"], ["log"], ["cat", "@", "data/one.bin"], ["verify"], ["du"], ["diff"], ["gc", "--dry-run"]):
        small_disk.cloche(*verb)
    small_disk.cloche("run", "--", "true", status=9)
    assert small_disk.facts("gc", "--grace", "0")["deleted"] > 1_000_000
    small_disk.cloche("run", "--", "true")
    assert small_disk.facts("verify")["sound"]


def fill(file: Path) -> None:
    """Write until nothing more can be written, down to the last byte."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while True:
                    out.write(bytes(size))
