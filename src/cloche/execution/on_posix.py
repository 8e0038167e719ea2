"""Runs a program on Linux and macOS: one loop that passes output on, watches the process and serves the terminal."""

# ruff: noqa: E402 (on Windows the type checker stops at the assertion)

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

assert sys.platform != "win32"  # noqa: S101 tells the type checker

from cloche.execution.channels import Channels, readable
from cloche.execution.command import Program, not_started, through_shell
from cloche.execution.ending import Execution, signal_name
from cloche.execution.forwarding import Forwarding
from cloche.execution.outlets import Log, our_outlets
from cloche.execution.sampling import Sampler
from cloche.execution.terminal import Terminal, Witness, enter_foreground
from cloche.model.run import Resources

# How often the size of our terminal is looked at, in seconds: the system tells its change to the foreground only.
SIZE_EVERY = 0.25
IDLE = 5.0
# How long helpers of the command, such as a pool of workers, may take to end after it, in seconds.
LINGER = 0.3
WITHOUT_SIGNALS = 0.02
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def run_program(
    program: Program, folder: Path, variables: Mapping[str, str], log: Path, on_start: Callable[[int], None]
) -> Execution:
    """Run `program` to its end (see `cloche.execution.execute`)."""
    with contextlib.ExitStack() as stack:
        supervision = Supervision(stack, log)
        process = supervision.start(program, folder, variables)
        return supervision.stay(process, on_start)


class Supervision:
    """One program that runs. All that it holds is closed by the stack."""

    def __init__(self, stack: contextlib.ExitStack, log: Path) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        self._signals = stack.enter_context(Forwarding())
        outlets = our_outlets(self._stopping)
        self._log = Log(log, outlets[1].say)
        stack.callback(self._log.close)
        self._channels = Channels(self._log, outlets)
        stack.callback(self._channels.leave)
        self._terminal = Terminal()
        stack.callback(self._terminal.close)
        stack.callback(self._terminal.take_back)
        self._witness: Witness | None = None
        stack.callback(self._last_key)
        self._own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._started, self._begin = time.time(), time.monotonic()

    def start(self, program: Program, folder: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the program in a process group of its own. Raises RunFailed."""
        offered = self._terminal.offered
        ignored = self._signals.children_ignored

        def prepare() -> None:
            if offered:
                enter_foreground()
            if ignored:
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        def spawn(program: Program) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                program.arguments,
                executable=program.path,
                cwd=folder,
                env=variables,
                stdout=self._channels.stdout,
                stderr=self._channels.stderr,
                close_fds=False,  # files that we inherited, as in `command <(other)`, are the command's
                process_group=0,
                preexec_fn=prepare if offered or ignored else None,  # noqa: PLW1509 only where there is a terminal
            )

        self._terminal.given = offered
        try:
            process = self._spawned(spawn, program)
        except OSError as error:
            raise not_started(program, folder, error) from error
        self._channels.started()
        if offered:
            self._terminal.give(process.pid)
            self._witness = Witness(process.pid)
        return process

    def _spawned(
        self, spawn: Callable[[Program], subprocess.Popen[bytes]], program: Program
    ) -> subprocess.Popen[bytes]:
        try:
            return spawn(program)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return spawn(through_shell(program))

    def stay(self, process: subprocess.Popen[bytes], on_start: Callable[[int], None]) -> Execution:
        """Stay with the program to its end, and say how it went."""
        self._signals.start(process.pid)
        try:
            on_start(process.pid)
            sampler = Sampler(process.pid, self._begin)
            status, usage = self._watch(process.pid, sampler)
        except BaseException:
            self._signals.send(signal.SIGKILL)
            process.wait()
            raise
        wall, ended = time.monotonic() - self._begin, time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
        self._last_key()
        self._signals.stop()
        self._terminal.take_back()
        resources = Resources(
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime + sampler.stray_cpu(),
            peak_memory=max(sampler.peak_memory, self._peak(usage)),
        )
        self._channels.drain()
        left = self._channels.held(LINGER) or outlived(process.pid, LINGER)
        name = signal_name(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ""
        exit_status = None if name else process.returncode
        return Execution(exit_status, name, resources, self._started, ended, self._signals.asked, left)

    def _peak(self, usage: resource.struct_rusage) -> int:
        """Peak memory of the largest single process. Up to the moment when it became the program it was a copy of
        this process, so a figure that is no larger than ours says nothing."""
        return usage.ru_maxrss * MAXRSS_UNIT if usage.ru_maxrss > self._own_peak else 0

    def _watch(self, pid: int, sampler: Sampler) -> tuple[int, resource.struct_rusage]:
        while True:
            self._wait(sampler.next_at)
            ended, status, usage = os.wait4(pid, os.WNOHANG | os.WUNTRACED)
            if ended and not os.WIFSTOPPED(status):
                return status, usage
            if ended:
                self._stopped(pid, os.WSTOPSIG(status))
            self._serve_terminal(pid)
            if time.monotonic() >= sampler.next_at:
                sampler.sample()

    def _wait(self, until: float) -> None:
        """Wait for output, a signal or a time, and pass the output on."""
        wakeup = self._signals.wakeup
        timeout = min(max(until - time.monotonic(), 0), SIZE_EVERY if self._channels.terminals else IDLE)
        if wakeup < 0:
            timeout = min(timeout, WITHOUT_SIGNALS)
        sources = self._channels.sources
        ready = readable([*sources, wakeup] if wakeup >= 0 else sources, timeout)
        if wakeup in ready:
            self._signals.clear_wakeup()
        self._channels.pump(ready)

    def _stopping(self) -> bool:
        """Whether the command was asked to stop; looks for a Ctrl-C that only its group was sent."""
        number = self._witness.seen() if self._witness else 0
        if self._witness and number:
            self._signals.relay(number)
            self._witness.start()
        return self._signals.asked

    def _serve_terminal(self, pid: int) -> None:
        self._stopping()
        if self._channels.resize():
            self._signals.send(signal.SIGWINCH)
        if self._signals.wanted:
            # Another program of our pipeline, such as a pager, was stopped because the command has the terminal.
            self._signals.wanted = False
            self._terminal.take_back()
            os.killpg(0, signal.SIGCONT)
        elif self._signals.continued:
            self._signals.continued = False
            self._resume(pid)

    def _resume(self, pid: int) -> None:
        if self._terminal.offered:
            self._terminal.give(pid)
        self._signals.send(signal.SIGCONT)

    def _stopped(self, pid: int, number: int) -> None:
        """The command was stopped. Ctrl-Z stops our group too, so that the shell notices. A command that wants the
        terminal gets it if it is ours to give."""
        wants = number in (signal.SIGTTIN, signal.SIGTTOU)
        if wants and self._terminal.foreground:
            self._terminal.give(pid)
            self._signals.send(signal.SIGCONT)
            return
        if number == signal.SIGSTOP and not self._terminal.given:
            return  # whoever stopped that one process will continue it
        self._terminal.take_back()
        self._signals.suspend(number if wants else signal.SIGTSTP)
        if self._signals.continued or not wants:
            self._signals.continued = False
            self._resume(pid)

    def _last_key(self) -> None:
        number = self._witness.finish() if self._witness else 0
        if number:
            self._signals.relay(number)


def outlived(group: int, patience: float) -> bool:
    """Whether a process of this group still runs after so many seconds. One that nobody has buried yet does not."""
    end = time.monotonic() + patience
    while _exists(group) and _lives(group):
        if time.monotonic() > end:
            return True
        time.sleep(0.02)
    return False


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lives(group: int) -> bool:
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
