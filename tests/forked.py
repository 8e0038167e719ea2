"""The `cloche` command without the time to import it: a process that has it all imported forks for every command.

Importing takes two thirds of what most commands take, and the suites type thousands of them. What a forked command
sees is what the console script sees: its own arguments, folder, variables, streams and exit status, in a process of
its own. `CLOCHE_TESTS_START=1` starts the real one every time, which `make test-long` does.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
COMMAND = str(BIN / "cloche")
# What the interpreter reads when it starts, and so a fork never does.
AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "CLOCHE_", "TZ")


def serves(variables: Mapping[str, str]) -> bool:
    """Whether a fork does the same as the console script would with these variables."""
    if not hasattr(os, "pidfd_open") or "CLOCHE_TESTS_START" in os.environ:
        return False
    given = {name: value for name, value in variables.items() if name.startswith(AT_START)}
    return given == {name: value for name, value in _inherited().items() if name.startswith(AT_START)}


def _inherited() -> dict[str, str]:
    """The variables that the process starts with."""
    return {name: value for name, value in os.environ.items() if name == "LANG" or not name.startswith(AT_START)}


def run(
    words: Sequence[str | bytes], cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """Run `cloche` with these words, as `subprocess.run` would with nothing to read and its output captured."""
    (out, out_write), (err, err_write) = os.pipe(), os.pipe()
    ours, theirs = socket.socketpair()
    with ours:
        try:
            socket.send_fds(_server(), [b"+"], [theirs.fileno(), out_write, err_write])
        finally:
            theirs.close()
            os.close(out_write)
            os.close(err_write)
        request = {"words": [os.fsdecode(word) for word in words], "cwd": str(cwd), "env": dict(env)}
        ours.sendall(json.dumps(request).encode() + b"\n")
        try:
            texts = _drained({out: bytearray(), err: bytearray()}, timeout)
        finally:
            os.close(out)
            os.close(err)
        ours.settimeout(timeout)
        status = int(ours.recv(32))
    return subprocess.CompletedProcess([COMMAND, *words], status, bytes(texts[out]), bytes(texts[err]))


def _drained(texts: dict[int, bytearray], timeout: float) -> dict[int, bytearray]:
    """What comes out of the pipes until their other ends are closed."""
    with selectors.DefaultSelector() as selector:
        for fd in texts:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(timeout)
            assert ready, f"the command said nothing for {timeout} s"
            for key, _ in ready:
                piece = os.read(key.fd, 1 << 16)
                texts[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
    return texts


@functools.cache
def _server() -> socket.socket:
    """The way to the process that forks; it ends when this one does."""
    ours, theirs = socket.socketpair()
    # Its streams are pipes from the start, as those are that the forks get in their place.
    reader, writer = os.pipe()
    with theirs:
        server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env=_inherited(),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            pass_fds=[theirs.fileno()],
        )
    os.close(writer)

    @atexit.register
    def end() -> None:
        os.close(reader)
        ours.close()
        server.wait(timeout=10)

    return ours


def _serve(control: socket.socket) -> dict[str, Any]:
    """Fork for everyone who asks; returns what was asked, and only in the forks."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    selector.unregister(key.fd)
                    _ended(key.fd, *key.data)
                    continue
                _, fds, _, _ = socket.recv_fds(control, 1, 3)
                if not fds:
                    os._exit(0)
                child = os.fork()
                if child == 0:
                    selector.close()
                    control.close()
                    return _taken(*fds)
                answer, *others = fds
                for fd in others:
                    os.close(fd)
                selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, answer))


def _ended(pidfd: int, child: int, answer: int) -> None:
    """Say how a fork ended."""
    os.close(pidfd)
    _, status = os.waitpid(child, 0)
    with socket.socket(fileno=answer) as one, contextlib.suppress(OSError):
        one.sendall(b"%d" % os.waitstatus_to_exitcode(status))


def _taken(asked: int, out: int, err: int) -> dict[str, Any]:
    """The request; the streams are in their places."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    with socket.socket(fileno=asked) as one, one.makefile("rb") as file:
        request: dict[str, Any] = json.loads(file.readline())
    return request


def _imported() -> None:
    """Import the verbs and all that they use, which starts no thread."""
    import cloche.cli
    import cloche.ops

    for package in (cloche.cli, cloche.ops):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.path[0] = str(BIN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and their end this
    _imported()
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv = [COMMAND, *asked["words"]]
    runpy.run_module("cloche", run_name="__main__")
