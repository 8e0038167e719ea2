"""Run a command as a whole process and say what it took."""

from __future__ import annotations

import os
import resource
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOOK_EVERY = 0.2  # seconds between two looks at the memory of a process and its children


@dataclass(frozen=True)
class Call:
    """One command line, where it is typed, and variables beside the common ones."""

    words: Sequence[str | Path]
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """What one operation (one command or several) took: seconds, seconds of its whole process tree, bytes."""

    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    printed: str = ""

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.wall + other.wall, self.cpu + other.cpu, max(self.memory, other.memory), self.printed + other.printed
        )


class Failed(Exception):
    """A command that ended badly or was stopped; the text says which and how."""


def environment(home: Path | None = None) -> Mapping[str, str]:
    """What a command sees: nothing of the developer's own that would change a timing."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    quiet = {"DVC_NO_ANALYTICS": "1", "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"}
    return kept | quiet | ({"HOME": str(home)} if home else {})


def take(calls: Sequence[Call], base: Mapping[str, str], limit: float = 600) -> Taken:
    """Run commands one after the other; Failed when one ends badly or lasts more than `limit` seconds."""
    taken = Taken()
    for call in calls:
        taken += _one(call, base, limit)
    return taken


def _one(call: Call, base: Mapping[str, str], limit: float) -> Taken:
    words = [str(word) for word in call.words]
    with tempfile.TemporaryFile() as printed, open(os.devnull, "rb") as null:
        began = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=call.folder,
            stdin=null,
            stdout=printed,
            stderr=printed,
            env={**base, **call.variables},
            start_new_session=True,
        )
        ended = _Ending(process.pid)
        highest, late = 0, False
        while not ended.wait(LOOK_EVERY if highest else LOOK_EVERY / 8):
            highest = max(highest, _memory(process.pid))
            if not late and time.perf_counter() - began > limit:
                late = True
                os.killpg(process.pid, signal.SIGKILL)
        process.returncode = ended.code
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    said = " ".join([Path(words[0]).name, *words[1:3]])
    if late:
        raise Failed(f"`{said}` stopped after {limit:.0f} s")
    if ended.code:
        last = (text.strip().splitlines() or ["nothing printed"])[-1]
        raise Failed(f"`{said}` ended with {ended.code}: {last[:200]}")
    return Taken(ended.at - began, ended.cpu, max(highest, ended.memory), text)


class _Ending(threading.Thread):
    """Waits for a child and takes down when it ended and what the kernel accounted to it and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.code, self.at, self.cpu, self.memory = pid, 0, 0.0, 0.0, 0
        self.start()

    def run(self) -> None:
        _, status, usage = os.wait4(self.pid, 0)
        self.at = time.perf_counter()
        self.code = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        # The largest single process; _memory adds up what runs at once. A child's count begins with ours.
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.memory = usage.ru_maxrss * 1024 if usage.ru_maxrss > ours else 0

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self.join(seconds)
        return not self.is_alive()


def _memory(pid: int) -> int:
    """Resident bytes of a process and its children now, shared pages counted in each."""
    total = 0
    try:
        top = psutil.Process(pid)
        for process in [top, *top.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.Error:
        pass
    return total


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of ratios turn by turn, so that a machine whose speed drifts does not bend it."""
    pairs = list(zip(above, below, strict=False))
    return statistics.median(a / max(b, 1e-6) for a, b in pairs)
