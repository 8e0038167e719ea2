"""Samples memory and processor time of a process tree while it lives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

# A process that ends sooner is not sampled at all, so that short commands pay nothing, not even the import of psutil.
FIRST_AFTER = 0.03
# Only the kernel's own record of the first process is looked at before, which costs some microseconds.
GLIMPSE_AFTER = 0.01
SHORTEST, LONGEST = 0.02, 0.5
# What sampling may use: this much processor time at once, in seconds, and beside it this share of the time that passes.
CREDIT, SHARE = 0.03, 0.008

# A process number may be given again; with the time of its creation it names one process only.
_Key = tuple[int, float]


class Sampler:
    """Watches the process `pid` and everything below it. `next_at` is the monotonic time of the next sample.

    A descendant that was seen once is followed even after its parent has gone.
    """

    def __init__(self, pid: int, now: float) -> None:
        self.next_at = now + GLIMPSE_AFTER
        self._glimpsed = False
        self.peak_memory = 0
        self._pid = pid
        self._begin = now
        self._spent = 0.0
        self._pause = SHORTEST
        self._known: dict[_Key, psutil.Process] = {}
        self._strays: dict[_Key, float] = {}
        self._started = False

    def sample(self) -> None:
        """Take a sample, and plan the next."""
        if not self._glimpsed:
            self._glimpsed = True
            self.peak_memory = _own_peak(self._pid)
            self.next_at = self._begin + FIRST_AFTER
            return
        import psutil

        begin = time.thread_time()
        self._started = True
        memory = 0
        tree = self._tree()
        for key, process in {**tree, **self._orphans(tree)}.items():
            try:
                with process.oneshot():
                    memory += process.memory_info().rss
                    if key not in tree:
                        self._strays[key] = sum(process.cpu_times()[:4])
            except psutil.Error:
                continue
        self.peak_memory = max(self.peak_memory, memory)
        cost = time.thread_time() - begin
        self._spent += cost
        self._pause = min(self._pause * 1.5, LONGEST)
        affordable = self._begin + (self._spent + cost - CREDIT) / SHARE
        self.next_at = max(time.monotonic() + self._pause, affordable)

    def stray_cpu(self) -> float:
        """Seconds of processor time of descendants that nobody waited for, as far as they were seen. To be called
        after the end of the process itself."""
        if self._started:
            import psutil

            for key, process in self._orphans({}).items():
                try:
                    self._strays[key] = sum(process.cpu_times()[:4])
                except psutil.Error:
                    continue
        return sum(self._strays.values())

    def _tree(self) -> dict[_Key, psutil.Process]:
        import psutil

        try:
            root = psutil.Process(self._pid)
            found = {_key(process): process for process in (root, *root.children(recursive=True))}
        except psutil.Error:
            return {}
        self._known.update(found)
        return found

    def _orphans(self, tree: dict[_Key, psutil.Process]) -> dict[_Key, psutil.Process]:
        """Processes that belonged to the tree, still live, and now belong to nobody; with all below them."""
        import psutil

        found: dict[_Key, psutil.Process] = {}
        for key, process in list(self._known.items()):
            if key in tree or key[0] == self._pid:
                continue
            if not process.is_running():
                del self._known[key]
                continue
            try:
                found[key] = process
                found.update((_key(below), below) for below in process.children(recursive=True))
            except psutil.Error:
                continue
        self._known.update(found)
        return found


def _own_peak(pid: int) -> int:
    """The most resident memory that one process had so far, in bytes; 0 where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            row = next((line for line in file if line.startswith(b"VmHWM:")), b"")
    except OSError:
        return 0
    return int(row.split()[1]) * 1024 if row else 0


def _key(process: psutil.Process) -> _Key:
    return process.pid, process.create_time()
