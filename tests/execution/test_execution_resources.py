"""What a command used, the processes below it included."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import pytest
from execution_bench import posix_only

from cloche.execution import Execution, execute

pytestmark = posix_only

MEGABYTE = 1_000_000


def run(folder: Path, text: str, *arguments: str) -> Execution:
    command = [sys.executable, "-c", text, *arguments]
    return execute(command, folder=folder, variables=os.environ, log=folder / "log")


BURN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"


def test_processor_time(tmp_path: Path) -> None:
    used = run(tmp_path, BURN.format(seconds=0.3)).resources
    assert 0.3 <= used.cpu < 1.5


def test_processor_time_of_children(tmp_path: Path) -> None:
    burn = BURN.format(seconds=0.2)
    text = f"import subprocess, sys\nfor _ in range(2): subprocess.run([sys.executable, '-c', {burn!r}])\n"
    assert 0.4 <= run(tmp_path, text).resources.cpu < 2


def test_processor_time_of_a_child_that_nobody_waited_for(tmp_path: Path) -> None:
    burn = BURN.format(seconds=0.4) + "time.sleep(2)"
    start = f"subprocess.Popen([sys.executable, '-c', {burn!r}])"
    text = f"import subprocess, sys, time, os\n{start}\ntime.sleep(1)\nos._exit(0)"
    used = run(tmp_path, text).resources
    assert 0.4 <= used.cpu < 1.5
    assert used.wall < 3


GROW = "import time, sys\nheld = bytearray(b'x' * int(sys.argv[1]))\ntime.sleep(float(sys.argv[2]))\n"


def test_peak_memory_of_one_process(tmp_path: Path) -> None:
    used = run(tmp_path, GROW, str(200 * MEGABYTE), "0").resources
    assert 200 * MEGABYTE <= used.peak_memory < 450 * MEGABYTE


def test_peak_memory_is_summed_over_a_deep_tree(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time\n"
        "depth = int(sys.argv[1])\n"
        "held = bytearray(b'x' * 40_000_000)\n"
        "if depth: subprocess.run([sys.executable, '-c', sys.argv[2], str(depth - 1), sys.argv[2]])\n"
        "else: time.sleep(0.8)\n"
    )
    used = run(tmp_path, text, "4", text).resources
    assert 200 * MEGABYTE <= used.peak_memory < 500 * MEGABYTE


def test_our_own_memory_is_not_theirs(tmp_path: Path) -> None:
    held = bytearray(b"x" * (300 * MEGABYTE))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > 300 * MEGABYTE
    used = execute(["sleep", "0.2"], folder=tmp_path, variables=os.environ, log=tmp_path / "log").resources
    assert 0 < used.peak_memory < 50 * MEGABYTE
    del held


def test_a_short_command_costs_nothing(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(20):
        execute(["true"], folder=tmp_path, variables=os.environ, log=tmp_path / "log")
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 20 * 0.01


def test_watching_costs_little(tmp_path: Path) -> None:
    execute(["sleep", "0.1"], folder=tmp_path, variables=os.environ, log=tmp_path / "log")  # imports psutil
    before = time.process_time()
    execute(["sleep", "3"], folder=tmp_path, variables=os.environ, log=tmp_path / "log")
    assert time.process_time() - before < 3 * 0.02


def test_short_commands_import_no_psutil(tmp_path: Path) -> None:
    text = (
        "import os, sys, pathlib\n"
        "from cloche.execution import execute\n"
        "execute(['true'], folder=pathlib.Path(), variables=os.environ, log=pathlib.Path('inner'))\n"
        "print('psutil' in sys.modules)\n"
    )
    run(tmp_path, text)
    if (tmp_path / "log").read_text() == "True\n":
        pytest.skip("the machine was too busy to start `true` within 30 ms")
    assert (tmp_path / "log").read_text() == "False\n"
