"""Runs a program on Windows: plain pipes, one thread each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from cloche.execution.command import Program, not_started
from cloche.execution.ending import Execution
from cloche.execution.outlets import STDERR, STDOUT, Log, Outlet, our_outlets, same_file
from cloche.execution.sampling import Sampler
from cloche.execution.signals import STOPPING, can_handle, is_handled
from cloche.model.run import Resources

assert sys.platform == "win32"  # noqa: S101 tells the type checker

LINGER = 1.0


def run_program(
    program: Program, folder: Path, variables: Mapping[str, str], log: Path, on_start: Callable[[int], None]
) -> Execution:
    """Run `program` to its end (see `cloche.execution.execute`)."""
    asked = threading.Event()
    outlets = our_outlets(asked.is_set)
    lines = Log(log, outlets[1].say)
    started, begin = time.time(), time.monotonic()
    try:
        process = subprocess.Popen(
            program.arguments,
            executable=program.path,
            cwd=folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if same_file(STDOUT, STDERR) else subprocess.PIPE,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    except OSError as error:
        raise not_started(program, folder, error) from error
    threads = _copy(process, outlets, lines)
    sampler = Sampler(process.pid, begin)
    handlers = _forward(process, asked)
    try:
        on_start(process.pid)
        cpu = _watch(process, sampler)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    wall, ended = time.monotonic() - begin, time.time()
    for thread in threads:
        thread.join(LINGER)
    left = any(thread.is_alive() for thread in threads)
    lines.close()
    resources = Resources(wall=wall, cpu=cpu + sampler.stray_cpu(), peak_memory=sampler.peak_memory)
    return Execution(process.returncode, "", resources, started, ended, asked.is_set(), left)


def _copy(process: subprocess.Popen[bytes], outlets: tuple[Outlet, Outlet], log: Log) -> list[threading.Thread]:
    pairs = [
        (source, outlet) for source, outlet in zip((process.stdout, process.stderr), outlets, strict=True) if source
    ]
    threads = [threading.Thread(target=_pass_on, args=(source, outlet, log), daemon=True) for source, outlet in pairs]
    for thread in threads:
        thread.start()
    return threads


def _pass_on(source: IO[bytes], outlet: Outlet, log: Log) -> None:
    with source:
        while data := os.read(source.fileno(), 1 << 16):
            outlet.write(data)
            log.write(data)


def _forward(process: subprocess.Popen[bytes], asked: threading.Event) -> dict[int, Any]:
    """Send requests to stop on to the command as CTRL_BREAK, the only one that reaches a process group."""

    def forward(_number: int, _frame: object) -> None:
        asked.set()
        if process.poll() is None:
            process.send_signal(signal.CTRL_BREAK_EVENT)

    numbers = [number for number in STOPPING if is_handled(number)] if can_handle() else []
    return {number: signal.signal(number, forward) for number in numbers}


def _watch(process: subprocess.Popen[bytes], sampler: Sampler) -> float:
    """Wait for the end. Returns the processor time of the command as far as it was seen, in seconds."""
    import psutil

    cpu = 0.0
    while True:
        try:
            process.wait(max(sampler.next_at - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            sampler.sample()
            try:
                cpu = sum(psutil.Process(process.pid).cpu_times()[:2])
            except psutil.Error:
                continue
        else:
            return cpu
