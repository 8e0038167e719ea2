"""What the command writes arrives unmodified, here and in the log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from execution_bench import Bench, posix_only

pytestmark = posix_only


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


PROGRAMS = {
    "both streams": "echo out; echo err >&2; exit 3",
    "no newline at the end": "printf abc; printf def >&2",
    "binary": "head -c 70000 /dev/urandom > r; cat r; cat r | tr a b >&2",
    "carriage returns": r"printf 'a\rb\r\n\033[1mc\0d'",
    "input": "cat; read x || echo end of input",
    "names": "pwd; umask; nice; ulimit -n; ulimit -c",
    "terminals": "for fd in 0 1 2; do test -t $fd && echo tty || echo none; done",
    "open files": "ls -l /dev/fd/ | wc -l",
    "signals": "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status",
    "variables": "env | sort | grep -v ^_=",
    "broken pipe": "yes | head -2; yes | (exec <&-; sleep .05); echo done",
    "children": "(echo a; (echo b; echo c >&2)); echo d & wait",
    "background": "sleep 0.05 & echo $(jobs | wc -l)",
    "failing": "set -e; false; echo not reached",
    "nothing": "exec >&- 2>&-; exit 4",
    "streams swapped": "{ echo a; echo b >&2; } 3>&1 1>&2 2>&3",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_same_as_directly(bench: Bench, program: str) -> None:
    (bench.folder / "r").write_bytes(b"")
    text = program.replace("head -c 70000 /dev/urandom > r; ", "")
    (bench.folder / "r").write_bytes(os.urandom(70_000))
    if "/proc" in text and not Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    direct, ours = bench.run_directly(text), bench.run(text)
    assert (ours.returncode, ours.stdout, ours.stderr) == (direct.returncode, direct.stdout, direct.stderr)


def test_python_programs_are_the_same(bench: Bench) -> None:
    program = [
        sys.executable,
        "-c",
        "import os, sys, signal, locale\n"
        "print(sys.argv, sys.flags, sys.stdout.encoding, sys.stdout.line_buffering, os.getcwd())\n"
        "print([os.isatty(fd) for fd in (0, 1, 2)], signal.getsignal(signal.SIGINT), os.getpriority(0, 0))\n"
        "print(os.get_terminal_size(), file=sys.stderr)",
        "a b",
        "\udcff",
        "",
    ]
    direct, ours = bench.run_directly(program), bench.run(program)
    assert (ours.returncode, ours.stdout) == (direct.returncode, direct.stdout)
    assert ours.returncode == 1
    assert b"OSError" in ours.stderr


def test_the_log_has_both_streams(bench: Bench) -> None:
    done = bench.run("echo out; sleep 0.1; echo err >&2; sleep 0.1; printf last")
    assert (done.stdout, done.stderr) == (b"out\nlast", b"err\n")
    assert bench.log.read_bytes() == b"out\nerr\nlast"


def test_the_log_is_added_to(bench: Bench) -> None:
    bench.run("echo first")
    subprocess.run(bench.words("echo second"), cwd=bench.folder, check=True, stdout=subprocess.DEVNULL)
    assert bench.log.read_bytes() == b"first\nsecond\n"


def test_the_order_is_kept_where_both_streams_are_one(bench: Bench) -> None:
    text = "for i in $(seq 300); do echo out $i; echo err $i >&2; done"
    done = bench.run(text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    expected = b"".join(b"out %d\nerr %d\n" % (i, i) for i in range(1, 301))
    assert done.stdout == expected
    assert bench.log.read_bytes() == expected


def test_both_streams_in_one_file(bench: Bench) -> None:
    target = bench.folder / "out"
    with target.open("wb") as file:
        bench.run("echo a; echo b >&2; echo c", stdout=file, stderr=file)
    assert target.read_bytes() == b"a\nb\nc\n"


def test_input_is_ours(bench: Bench) -> None:
    done = bench.run("head -c 3; cat", stdin=None, input=b"abc\0def")
    assert done.stdout == b"abc\0def"


def test_a_lot_of_output(bench: Bench) -> None:
    size = 50_000_000
    started = time.monotonic()
    done = bench.run(["head", "-c", str(size), "/dev/zero"])
    assert len(done.stdout) == size
    assert bench.log.stat().st_size == size
    assert time.monotonic() - started < 10


def test_a_reader_that_goes_away_stops_nothing(bench: Bench) -> None:
    process = bench.start("seq 100000; echo finished > done; exit 5")
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    process.stdout.close()
    assert process.wait(20) == 5
    assert (bench.folder / "done").exists()
    assert bench.log.read_bytes().endswith(b"\n100000\n")
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_head_in_a_pipeline(bench: Bench) -> None:
    words = subprocess.list2cmdline(bench.words("seq 100000; echo $? > done"))
    shell = subprocess.run(
        ["bash", "-c", f"{words} | head -1; echo ${{PIPESTATUS[0]}}"],
        cwd=bench.folder,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert (shell.stdout, shell.stderr) == (b"1\n0\n", b"")
    assert (bench.folder / "done").read_text() == "0\n"


def test_a_daemon_that_keeps_our_output_is_left_alone(bench: Bench) -> None:
    text = "(for i in $(seq 16); do echo tick; sleep 0.1; done; echo $? > alive) & echo $! > pid; echo started"
    started = time.monotonic()
    done = bench.run(text)
    assert time.monotonic() - started < 2.5
    assert done.returncode == 0
    assert b"started\n" in done.stdout
    pid = int((bench.folder / "pid").read_text())
    os.kill(pid, 0)
    deadline = time.monotonic() + 10
    while not (bench.folder / "alive").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (bench.folder / "alive").read_text() == "0\n"


def test_what_a_daemon_writes_later_still_reaches_a_file(bench: Bench) -> None:
    target = bench.folder / "out"
    with target.open("wb") as file:
        bench.run("(sleep 0.8; echo late) & echo early", stdout=file)
    assert target.read_bytes() == b"early\n"
    deadline = time.monotonic() + 10
    while target.read_bytes() == b"early\n" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert target.read_bytes() == b"early\nlate\n"
    assert bench.log.read_bytes() == b"early\n"


def test_a_noisy_daemon_does_not_hold_us(bench: Bench) -> None:
    started = time.monotonic()
    bench.run("yes & echo $! > pid; exit 6", stdout=subprocess.DEVNULL)
    os.kill(int((bench.folder / "pid").read_text()), signal.SIGKILL)
    assert bench.execution.exit_status == 6
    assert time.monotonic() - started < 8


def test_the_last_words_of_a_helper_arrive(bench: Bench) -> None:
    words = ["bash", "-c", "for i in 1 2 3; do echo $i; done > >(sleep 0.1; cat)"]
    assert bench.run(words).stdout == b"1\n2\n3\n"


def test_inherited_files_reach_the_command(bench: Bench) -> None:
    words = subprocess.list2cmdline(bench.words(["cat"]))
    done = subprocess.run(
        ["bash", "-c", f"{words} <(echo hello)"], cwd=bench.folder, capture_output=True, timeout=20, check=False
    )
    assert (done.stdout, done.stderr) == (b"hello\n", b"")


CHECK = """import os
state = [os.path.exists(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)]
open("state", "w").write(str(state))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams_are_closed_for_the_command(bench: Bench, closed: str) -> None:
    state = []
    for words in ([sys.executable, "-c", CHECK], bench.words([sys.executable, "-c", CHECK])):
        done = subprocess.run(
            ["bash", "-c", f'"$@" {closed}', "bash", *words],
            cwd=bench.folder,
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0
        state.append((bench.folder / "state").read_text())
    assert state[0] == state[1]
    assert "False" in state[0]


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_the_other_stream_is_kept_where_one_is_closed(bench: Bench, closed: str) -> None:
    words = bench.words("echo out; echo err >&2; true")
    done = subprocess.run(
        ["bash", "-c", f'"$@" {closed}', "bash", *words], cwd=bench.folder, capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0
    assert (b"out" in done.stdout) == (closed != ">&-")
    assert (b"err\n" in done.stderr) == (closed != "2>&-")


def test_a_full_disk_under_the_log(bench: Bench) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    process = bench.start("printf abc; sleep 0.1; seq 10000; exit 3", log="/dev/full")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert out == b"abc" + b"".join(b"%d\n" % i for i in range(1, 10001))
    assert err == b"cloche: the output is no longer logged: No space left on device; the command goes on\n"


def test_a_log_that_cannot_be_opened(bench: Bench) -> None:
    process = bench.start("echo out; exit 3", log=str(bench.folder / "none" / "log"))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (3, b"out\n")
    assert err == b"cloche: the output is no longer logged: No such file or directory; the command goes on\n"


def test_our_own_line_stands_on_a_line_of_its_own(bench: Bench) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    words = bench.words("printf abc", log="/dev/full")
    done = subprocess.run(words, cwd=bench.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    assert done.stdout.startswith(b"abc\ncloche: the output")


def test_output_of_a_slow_reader_is_not_lost(bench: Bench) -> None:
    process = bench.start("seq 100000")
    assert process.stdout is not None
    time.sleep(0.5)
    assert process.stdout.read() == b"".join(b"%d\n" % i for i in range(1, 100_001))
    assert process.wait(10) == 0
    process.communicate()


def test_non_blocking_output(bench: Bench) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    process = subprocess.Popen(bench.words("seq 100000"), cwd=bench.folder, stdout=write)
    os.close(write)
    time.sleep(0.3)
    with open(read, "rb") as file:
        assert file.read() == b"".join(b"%d\n" % i for i in range(1, 100_001))
    assert process.wait(10) == 0
