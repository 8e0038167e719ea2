"""Facts of the machine: processor, cores, memory, sizes of thread pools."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cloche.model.environment import Machine

# The variables that set the size of a thread pool, in the order in which its library looks at them.
POOLS = {
    "blis": ("BLIS_NUM_THREADS", "OMP_NUM_THREADS"),
    "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
    "numexpr": ("NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"),
    "omp": ("OMP_NUM_THREADS",),
    "openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "polars": ("POLARS_MAX_THREADS",),
    "rayon": ("RAYON_NUM_THREADS",),
}


def machine_of_here(environ: Mapping[str, str], python: str) -> Machine:
    """This machine. environ: the variables of the run. python: path of its interpreter, as path text."""
    cpus = usable_cpus()
    return Machine(
        system=_system(),
        cpu=_cpu(),
        cpus=cpus,
        memory=_memory(),
        threads={name: _pool(environ, names, cpus) for name, names in POOLS.items()},
        python=python,
    )


def usable_cpus() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool(environ: Mapping[str, str], names: tuple[str, ...], cpus: int) -> int:
    for name in names:
        # OMP_NUM_THREADS may list one size for each level of nesting.
        first = environ.get(name, "").partition(",")[0].strip()
        if first.isdecimal() and 0 < int(first) < 2**31:
            return int(first)
    return cpus


def _system() -> str:
    if hasattr(os, "uname"):
        about = os.uname()
        return f"{about.sysname} {about.release}"
    version = sys.getwindowsversion()  # type: ignore[attr-defined,unused-ignore]
    return f"Windows {version.major}.{version.minor}.{version.build}"


def _cpu() -> str:
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string")
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            head = file.read(4096).decode("utf-8", "replace")
    except OSError:
        return os.environ.get("PROCESSOR_IDENTIFIER", "")
    facts = dict(line.partition(":")[::2] for line in head.splitlines())
    named = {key.strip().lower(): value.strip() for key, value in facts.items()}
    if "model name" in named:
        return named["model name"]
    arm = [named.get(key, "") for key in ("cpu implementer", "cpu part")]
    return named.get("cpu model") or named.get("hardware") or (f"ARM {arm[0]} {arm[1]}" if any(arm) else "")


def _memory() -> int:
    """Bytes of physical memory; 0 where they cannot be had."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        size = _sysctl("hw.memsize")
        return int(size) if size.isdecimal() else 0


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(
            ["sysctl", "-n", name], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _windows_memory() -> int:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "page", "page_free", "virtual", "left", "more")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    known = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
    return int(status.total) if known else 0
