"""At a terminal: the command sees one, and the keyboard works as without Cloche."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from execution_bench import Bench, posix_only

pytest.importorskip("pexpect")

import pexpect

pytestmark = posix_only

INTR, QUIT, SUSPEND = b"\x03", b"\x1c", b"\x1a"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@contextlib.contextmanager
def terminal(bench: Bench, words: list[str], echo: bool = False) -> Iterator[pexpect.spawn[Any]]:
    session = pexpect.spawn(words[0], words[1:], cwd=str(bench.folder), timeout=60, echo=echo, dimensions=(33, 77))
    session.delaybeforesend = None
    try:
        yield session
    finally:
        session.close(force=True)


@contextlib.contextmanager
def shell(bench: Bench) -> Iterator[pexpect.spawn[Any]]:
    """An interactive bash, whose prompt is `prompt> `."""
    with terminal(bench, ["bash", "--norc", "--noprofile", "--noediting", "-i"]) as session:
        session.sendline("PS1='pro''mpt> '; unset HISTFILE")
        session.expect_exact("prompt> ")
        yield session


def read_to_end(session: pexpect.spawn[Any]) -> tuple[bytes, int | None]:
    """The output, and the exit status or minus the signal."""
    output = session.read()
    session.wait()
    status = -session.signalstatus if session.signalstatus else session.exitstatus
    return output, status


LOOK = """
import os, sys, termios
print([os.isatty(fd) for fd in (0, 1, 2)], os.get_terminal_size(1), os.get_terminal_size(2), sys.stdout.line_buffering)
print(os.tcgetpgrp(0) == os.getpgrp(), [termios.tcgetattr(fd)[3] for fd in (0, 1, 2)])
print("error", file=sys.stderr)
"""


def test_the_same_as_directly(bench: Bench) -> None:
    program = [sys.executable, "-c", LOOK]
    seen = []
    for words in (program, bench.words(program)):
        with terminal(bench, words) as session:
            seen.append(read_to_end(session))
    assert seen[0] == seen[1]
    assert seen[0][1] == 0
    assert b"[True, True, True] os.terminal_size(columns=77, lines=33)" in seen[0][0]
    assert bench.log.read_bytes() == seen[0][0].replace(b"\r\n", b"\n")


def test_output_in_part(bench: Bench) -> None:
    program = ["sh", "-c", f"{shlex.join([sys.executable, '-c', LOOK])} 2>&1 | cat; test -t 1 && test ! -t 2"]
    for words in (program, bench.words(program)):
        with terminal(bench, ["sh", "-c", shlex.join(words) + " 2>errors"]) as session:
            assert read_to_end(session)[1] == 0


def test_bytes_arrive_as_they_are(bench: Bench) -> None:
    text = r"printf 'a\tb\r50%%\r100%%\n\033[31mred\033[0m\nlast'; printf '\377\000'"
    seen = []
    for words in (bench.direct(text), bench.words(text)):
        with terminal(bench, words) as session:
            seen.append(read_to_end(session))
    assert seen[0] == seen[1]
    assert bench.log.read_bytes() == b"a\tb\r50%\r100%\n\x1b[31mred\x1b[0m\nlast\xff\x00"


def test_the_keyboard(bench: Bench) -> None:
    program = [
        sys.executable,
        "-c",
        "import time; time.sleep(.1); print('hello ' + input('name? ') + input('again? '))",
    ]
    with terminal(bench, bench.words(program)) as session:
        session.expect_exact("name? ")
        session.sendline("ann")
        session.expect_exact("again? ")
        session.sendline("bob")
        session.expect_exact("hello annbob")
        assert read_to_end(session)[1] == 0


def test_a_password_that_is_asked_on_the_terminal_itself(bench: Bench) -> None:
    program = [sys.executable, "-c", "import getpass; print(len(getpass.getpass('secret? ')))"]
    words = ["sh", "-c", f"echo data | {shlex.join(bench.words(program))}"]
    with terminal(bench, words, echo=True) as session:
        session.expect_exact("secret? ")
        session.sendline("12345")
        session.expect_exact("5\r\n")
        assert read_to_end(session)[1] == 0
    assert b"secret" not in bench.log.read_bytes()


def test_the_window_changes_its_size(bench: Bench) -> None:
    program = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'now %d %d' % os.get_terminal_size(1)))\n"
        "print('started', flush=True)\n"
        "end = time.monotonic() + 5\n"
        "while time.monotonic() < end and os.get_terminal_size(1).columns != 99: time.sleep(.01)\n"
        "time.sleep(.1)"
    )
    with terminal(bench, bench.words([sys.executable, "-c", program])) as session:
        session.expect_exact("started")
        session.setwinsize(44, 99)
        session.expect_exact("now 99 44")
        assert read_to_end(session)[1] == 0


@pytest.mark.parametrize(("key", "name"), [(INTR, "SIGINT"), (QUIT, "SIGQUIT")])
def test_a_key_that_ends_the_command(bench: Bench, key: bytes, name: str) -> None:
    with terminal(bench, bench.words("ulimit -c 0; echo started; exec sleep 30")) as session:
        session.expect_exact("started\r\n")
        session.send(key)
        assert read_to_end(session)[1] == -signal.Signals[name]
    assert (bench.execution.signal, bench.execution.interrupted) == (name, True)


def test_a_training_that_saves_on_ctrl_c(bench: Bench) -> None:
    text = "trap 'echo saved; exit 0' INT; echo started; while :; do sleep 0.05; done"
    with terminal(bench, bench.words(text)) as session:
        session.expect_exact("started\r\n")
        session.send(INTR)
        output, status = read_to_end(session)
        assert (output.replace(b"\r\n", b"\n"), status) == (b"saved\n", 0)
    assert bench.execution.exit_status == 0
    assert bench.execution.interrupted


def test_more_than_one_ctrl_c(bench: Bench) -> None:
    text = "n=0; trap 'n=$((n+1)); echo got $n' INT; echo started; while test $n -lt 3; do sleep 0.05; done; exit 9"
    with terminal(bench, bench.words(text)) as session:
        session.expect_exact("started\r\n")
        for count in (1, 2, 3):
            session.send(INTR)
            session.expect_exact(f"got {count}\r\n")
        assert read_to_end(session)[1] == 9
    assert bench.execution.interrupted


def test_ctrl_c_ends_a_loop_in_a_script(bench: Bench) -> None:
    script = bench.folder / "sweep.sh"
    script.write_text(f"for i in 1 2 3; do {shlex.join(bench.words('echo started; sleep 5'))}; done; echo after\n")
    with terminal(bench, ["bash", "sweep.sh"]) as session:
        session.expect_exact("started\r\n")
        session.send(INTR)
        output, status = read_to_end(session)
    assert status == -signal.SIGINT
    assert b"started" not in output
    assert b"after" not in output


def test_ctrl_c_reaches_the_python_program_that_started_us(bench: Bench) -> None:
    words = bench.words("trap 'exit 0' INT; echo started; while :; do sleep 0.05; done")
    text = (
        "import subprocess, sys, time\n"
        "try:\n"
        f"    subprocess.run({words!r})\n"
        "    time.sleep(1)\n"
        "    print('not interrupted')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    with terminal(bench, [sys.executable, "-c", text]) as session:
        session.expect_exact("started\r\n")
        session.send(INTR)
        session.expect_exact("interrupted\r\n")


def test_ctrl_z_and_back(bench: Bench) -> None:
    command = shlex.join(bench.words("echo started; read x; echo got $x; read y; echo got $y; exit 5"))
    with shell(bench) as session:
        session.sendline(command)
        session.expect_exact("started\r\n")
        session.send(SUSPEND)
        session.expect_exact("Stopped")
        session.expect_exact("prompt> ")
        session.sendline("echo meanwhile; fg")
        session.expect_exact("meanwhile\r\n")
        session.sendline("one")
        session.expect_exact("got one\r\n")
        session.send(SUSPEND)
        session.expect_exact("Stopped")
        session.sendline("fg")
        session.sendline("two")
        session.expect_exact("got two\r\n")
        session.sendline("echo status $?")
        session.expect_exact("status 5\r\n")
    assert bench.execution.exit_status == 5
    assert not bench.execution.interrupted


def test_into_the_background_and_back(bench: Bench) -> None:
    text = "echo started; for i in 1 2 3 4 5 6; do sleep 0.1; done; echo counted; read x; echo got $x"
    with shell(bench) as session:
        session.sendline(shlex.join(bench.words(text)))
        session.expect_exact("started\r\n")
        session.send(SUSPEND)
        session.expect_exact("Stopped")
        session.sendline("bg")
        session.expect_exact("counted\r\n")
        session.sendline("echo shell $((20 + 3)); sleep 0.3; jobs")
        session.expect_exact("shell 23\r\n")
        session.expect_exact("Stopped")
        session.sendline("fg")
        session.sendline("line")
        session.expect_exact("got line\r\n")
        session.expect_exact("prompt> ")


def test_started_in_the_background(bench: Bench) -> None:
    with shell(bench) as session:
        session.sendline(shlex.join(bench.words("echo started; sleep 0.3; read x; echo got $x")) + " &")
        session.expect_exact("started\r\n")
        session.sendline("echo shell $((20 + 3)); sleep 0.6; jobs")
        session.expect_exact("shell 23\r\n")
        session.expect_exact("Stopped")
        session.sendline("fg")
        session.sendline("line")
        session.expect_exact("got line\r\n")
        session.expect_exact("prompt> ")


def test_the_shell_has_its_terminal_afterwards(bench: Bench) -> None:
    with shell(bench) as session:
        for text in ("true", "kill -9 $$", "kill -INT $$"):
            session.sendline(shlex.join(bench.words(text)) + "; echo status $((1 + 1))$?")
            if text != "kill -INT $$":
                session.expect(r"status 2\d+\r\n")
            session.expect_exact("prompt> ")
        session.sendline(shlex.join(bench.words(["no-such-command"])) + "; echo status $?")
        session.expect_exact("command not found")
        session.expect_exact("status 127\r\n")
        session.sendline("cat")
        session.sendline("typed")
        session.expect_exact("typed\r\n")
        session.send(INTR)
        session.expect_exact("prompt> ")


PAGER = """
import os, sys, time
tty = os.open("/dev/tty", os.O_RDWR)
while True:
    line = sys.stdin.readline()
    if not line: break
    os.write(tty, b"press return: ")
    os.read(tty, 100)
    os.write(tty, b"page " + line.encode())
"""


def test_a_pager_in_the_pipeline(bench: Bench) -> None:
    (bench.folder / "pager.py").write_text(PAGER)
    command = shlex.join(bench.words("echo one; sleep 0.3; echo two; sleep 0.3; exit 0"))
    with shell(bench) as session:
        session.sendline(f"{command} | {sys.executable} pager.py")
        for word in ("one", "two"):
            session.expect_exact("press return: ")
            time.sleep(0.05)
            session.sendline("")
            session.expect_exact(f"page {word}")
        session.expect_exact("prompt> ")


def test_a_daemon_goes_on_writing_to_the_terminal(bench: Bench) -> None:
    with shell(bench) as session:
        session.sendline(shlex.join(bench.words("(sleep 0.8; echo la''te) & echo started")))
        session.expect_exact("started\r\n")
        session.expect_exact("prompt> ")
        session.expect_exact("late\r\n")
