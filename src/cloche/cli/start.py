"""Where `cloche` starts: as little as possible before the command is known."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """The console script."""
    _forget_coercion()
    _isolate()
    # Large projects make millions of small objects and hardly a cycle: collecting often costs a third of the time.
    gc.set_threshold(100_000, 50, 50)
    if sys.argv[1:] == ["--version"]:
        from cloche.version import __version__

        if _printed(f"cloche {__version__}\n"):
            return
    from cloche.cli.app import run

    run()


def _printed(text: str) -> bool:
    """Write a text to stdout; False where that cannot be, which the whole program then says."""
    try:
        os.write(1, text.encode("ascii"))
    except OSError:
        return False
    return True


def _forget_coercion() -> None:
    """Take back the LC_CTYPE that Python sets for itself in the C locale (PEP 538): the user's program never had it."""
    if "LC_CTYPE" not in os.environ or sys.platform != "linux":
        return
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read().split(b"\0")
    except OSError:
        return
    if not any(one.startswith(b"LC_CTYPE=") for one in given):
        del os.environ["LC_CTYPE"]


def _isolate() -> None:
    """Start again without the user's PYTHON* variables, which are meant for their program and not for this one.

    A `json.py` or `sitecustomize.py` on their PYTHONPATH would otherwise run in here. The program that `cloche run`
    starts gets the variables untouched.
    """
    meant_for_them = any(name.startswith("PYTHON") for name in os.environ)
    if sys.flags.ignore_environment or not meant_for_them or "CLOCHE_NOT_ISOLATED" in os.environ:
        return
    arguments = [sys.executable, "-E", "-P", "-m", "cloche", *sys.argv[1:]]
    if sys.platform == "win32":
        import subprocess

        sys.exit(subprocess.call(arguments))
    os.execv(sys.executable, arguments)  # noqa: S606
