"""Starts a Python that has Cloche loaded already, does things in children that it forks, and kills them.

One JSON line asks: `root`, `call` (Python, with `project`), `after` (seconds until it is killed; null: not at all). One
answers: `status` of the child, `took` seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Ended(NamedTuple):
    """How a child ended. status: as `waitstatus_to_exitcode` has it."""

    status: int
    took: float

    @property
    def killed(self) -> bool:
        """Whether it was killed before it was done."""
        return self.status == -signal.SIGKILL


class Server:
    """Use it in a `with` block."""

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def do(self, root: Path, call: str, after: float | None = None) -> Ended:
        """Do something in a child, and kill it after so many seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"root": os.fspath(root), "call": call, "after": after}), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return Ended(answer["status"], answer["took"])


def main() -> None:
    """Answer until there is nothing more to read."""
    import blake3  # noqa: F401 - loaded before any child begins
    import pyfastcdc  # noqa: F401
    import zstandard  # noqa: F401

    import cloche
    import cloche.api

    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if not child:
            code = 1
            try:
                with cloche.open(asked["root"]) as project:
                    eval(asked["call"], {"project": project})
                code = 0
            except cloche.ClocheError as error:
                print(error, file=sys.stderr)
                code = error.exit_status
            finally:
                sys.stderr.flush()
                os._exit(code)
        if asked["after"] is not None:
            time.sleep(asked["after"])
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status, "took": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
