"""Signals that are sent to Cloche reach the command, and only what is meant."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from execution_bench import Bench, posix_only

pytestmark = posix_only


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def wait_for(fact: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def stopped_by(bench: Bench, number: int, text: str) -> tuple[int, bytes]:
    """Send a signal to Cloche while `text` runs, once it has created `ready`. Returns how it ended, and its output."""
    process = bench.start(text)
    wait_for((bench.folder / "ready").exists)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    return process.returncode, out


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"])
def test_a_request_to_stop_reaches_the_command(bench: Bench, name: str) -> None:
    number = signal.Signals[name]
    assert stopped_by(bench, number, "ulimit -c 0; touch ready; exec sleep 30")[0] == -number
    assert bench.execution.signal == name
    assert bench.execution.interrupted


def test_a_handler_runs_and_its_status_counts(bench: Bench) -> None:
    text = "trap 'echo saved; exit 7' TERM; touch ready; while :; do sleep 0.05; done"
    assert stopped_by(bench, signal.SIGTERM, text) == (7, b"saved\n")
    assert bench.execution.exit_status == 7
    assert bench.execution.interrupted
    assert b"saved\n" in bench.log.read_bytes()


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_a_checkpoint_signal_is_no_interruption(bench: Bench, name: str) -> None:
    text = f"trap 'echo checkpoint' {name[3:]}; touch ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done; echo end"
    assert stopped_by(bench, signal.Signals[name], text) == (0, b"checkpoint\nend\n")
    assert not bench.execution.interrupted


def test_the_whole_tree_is_reached_once(bench: Bench) -> None:
    child = (
        "import signal, time, pathlib\n"
        "def handle(number, frame):\n"
        "    print('child got', number, flush=True)\n"
        "    raise SystemExit(3)\n"
        "signal.signal(signal.SIGTERM, handle)\n"
        "pathlib.Path('ready').touch()\n"
        "time.sleep(30)\n"
    )
    (bench.folder / "child.py").write_text(child)
    text = f"trap 'echo shell got it' TERM; {sys.executable} child.py; echo status $?"
    assert stopped_by(bench, signal.SIGTERM, text) == (0, b"child got 15\nshell got it\nstatus 3\n")


def test_a_stage_of_a_training_that_saves_on_ctrl_c(bench: Bench) -> None:
    child = (
        "import time, pathlib\n"
        "try:\n"
        "    pathlib.Path('ready').touch()\n"
        "    time.sleep(30)\n"
        "except KeyboardInterrupt:\n"
        "    print('saved')\n"
    )
    (bench.folder / "child.py").write_text(child)
    assert stopped_by(bench, signal.SIGINT, f"exec {sys.executable} child.py") == (0, b"saved\n")
    assert bench.execution.exit_status == 0
    assert bench.execution.interrupted


def test_a_second_request_does_not_lose_the_record(bench: Bench) -> None:
    process = bench.start(
        "trap 'echo once more' INT; touch ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.1; done; exit 4"
    )
    wait_for((bench.folder / "ready").exists)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.12)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 4
    assert out == b"once more\n" * 3
    assert bench.execution.interrupted


def test_the_command_is_killed(bench: Bench) -> None:
    process = bench.start("echo $$ > pid; echo started; touch ready; sleep 30")
    wait_for((bench.folder / "ready").exists)
    os.kill(int((bench.folder / "pid").read_text()), signal.SIGKILL)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (-signal.SIGKILL, b"started\n")
    assert (bench.execution.signal, bench.execution.interrupted) == ("SIGKILL", False)


def test_a_signal_to_our_group_arrives_once(bench: Bench) -> None:
    process = bench.start("trap 'echo got it' USR1; touch ready; for i in 1 2 3 4 5 6; do sleep 0.05; done")
    wait_for((bench.folder / "ready").exists)
    os.killpg(process.pid, signal.SIGUSR1)
    assert process.communicate(timeout=20)[0] == b"got it\n"


def test_what_we_inherited_ignored_stays_ignored(bench: Bench) -> None:
    text = "touch ready; sleep 0.5; echo alive"
    words = ["nohup", *bench.words(text)]
    process = subprocess.Popen(words, cwd=bench.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    wait_for((bench.folder / "ready").exists)
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=20)[0] == b"alive\n"
    assert process.returncode == 0
    assert not bench.execution.interrupted


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD, signal.SIGUSR1])
def test_dispositions_and_mask_are_the_inherited_ones(bench: Bench, number: signal.Signals) -> None:
    def prepare() -> None:
        signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    command = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    direct = bench.run_directly(command, preexec_fn=prepare)
    ours = bench.run(command, preexec_fn=prepare)
    assert ours.stdout == direct.stdout
    assert ours.returncode == 0


def test_a_group_of_its_own(bench: Bench) -> None:
    done = bench.run("kill -USR2 0; echo not reached")
    assert done.returncode == -signal.SIGUSR2
    assert done.stdout == b""
    assert bench.execution.signal == "SIGUSR2"


def test_a_stuck_reader_does_not_cost_the_record(bench: Bench) -> None:
    process = bench.start("touch ready; exec seq 10000000")
    wait_for((bench.folder / "ready").exists)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM
    assert bench.execution.interrupted
    process.communicate()


def test_held_signals_take_effect_at_the_end(tmp_path: Path) -> None:
    text = (
        "import os, signal\n"
        "from cloche.execution import hold_signals\n"
        "try:\n"
        "    with hold_signals():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        print('recorded', flush=True)\n"
        "    print('not reached')\n"
        "except KeyboardInterrupt:\n"
        "    print('then stopped', flush=True)\n"
        "with hold_signals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('recorded', flush=True)\n"
        "print('not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=False, timeout=20)
    assert done.stdout == b"recorded\nthen stopped\nrecorded\n"
    assert done.returncode == -signal.SIGTERM
