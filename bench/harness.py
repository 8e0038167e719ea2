"""Repeat each operation in turn over the tools (A B C A B C), with what each took kept by row and tool."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from data import Sizes, size_of
from timing import Call, Failed, Taken, environment, take
from tools import BUCKET, Lacks, Tool

ENOUGH = 60.0  # seconds of one tool in one row, after which it is not repeated
WORLD = Path("/dev/shm")


@dataclass
class Row:
    """One operation: what it took each tool, turn by turn, or why it has no figure; and bytes where they count."""

    taken: dict[str, list[Taken]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    of: int = 0  # the bytes of the data, where `bytes` are to be compared with them
    requests: dict[str, int] = field(default_factory=dict)


class Wrong(Exception):
    """A tool did not bring back the bytes it was given."""


class Bench:
    """The tools, the data's sizes, and the rows measured so far."""

    def __init__(self, place: Path, sizes: Sizes, runs: int, limit: float) -> None:
        self.place, self.sizes, self.runs, self.limit = place, sizes, runs, limit
        self.tools: list[Tool] = []
        self.rows: dict[str, Row] = {}
        self.s3: ObjectServer | None = None

    def row(self, key: str) -> Row:
        """The row of that name, made when it is new."""
        return self.rows.setdefault(key, Row())

    def turns(
        self,
        key: str,
        action: Callable[[Tool, int], Sequence[Call]],
        after: Callable[[Tool, int], None] = lambda tool, turn: None,
        tools: Sequence[Tool] | None = None,
        runs: int | None = None,
    ) -> list[Tool]:
        """Measure what `action` returns; it prepares and `after` checks untimed. Returns the tools that got through."""
        row = self.row(key)
        asked = self.tools if tools is None else tools
        for turn in range(runs or self.runs):
            for tool in asked:
                taken = row.taken.setdefault(tool.name, [])
                if tool.name in row.missing or sum(one.wall for one in taken) > ENOUGH:
                    continue
                self._say(key, tool.name, turn)
                try:
                    taken.append(take(action(tool, turn), tool.base, tool.limit))
                    after(tool, turn)
                except (Lacks, Failed, Wrong, OSError) as error:
                    row.missing[tool.name] = str(error)
                    del row.taken[tool.name]
        return [tool for tool in asked if tool.name not in row.missing]

    def fresh(self, tool: Tool) -> None:
        """An empty project, whatever was there before."""
        shutil.rmtree(tool.folder, ignore_errors=True)
        tool.create()

    def clear(self) -> None:
        """Give the room back after a scenario."""
        self._say("", "", 0)
        for tool in self.tools:
            shutil.rmtree(tool.folder, ignore_errors=True)

    def stored(self, tool: Tool) -> int:
        """Bytes in the store of a tool."""
        return size_of(tool.stored())

    @staticmethod
    def _say(key: str, name: str, turn: int) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{key}: {name}, turn {turn + 1}" if key else "\r\x1b[K", end="", file=sys.stderr, flush=True)


class ObjectServer:
    """moto's S3 server from the peers' environment, in memory, on a port of its own."""

    def __init__(self, commands: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.commands, self.log = commands, log
        self.process: subprocess.Popen[bytes] | None = None

    def variables(self) -> Mapping[str, str]:
        """What points every client at it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Start it where it is not running."""
        if self.process is None:
            words: list[str | Path] = [self.commands / "moto_server", "--host", "127.0.0.1", "--port", str(self.port)]
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(words, stdout=log, stderr=log, env=environment())
            for _ in range(300):
                try:
                    return self.empty()
                except OSError:
                    time.sleep(0.1)
            raise Failed("the S3 server does not answer")
        return None

    def empty(self) -> None:
        """Forget everything; make the bucket."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for method, path in (("POST", "/moto-api/reset"), ("PUT", f"/{BUCKET}")):
            connection.request(method, path)
            connection.getresponse().read()
        connection.close()

    def requests(self) -> int:
        """How many requests it has answered since it was started."""
        return len(re.findall(r'" [2-5]\d\d -', self.log.read_text(errors="replace")))

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.terminate()
            self.process.wait()


def where(need: int) -> Path | None:
    """In memory where there is room for so many bytes and a seventh more, else on disk (None)."""
    if not (WORLD.is_dir() and os.access(WORLD, os.W_OK)):
        return None
    free = min(shutil.disk_usage(WORLD).free, psutil.virtual_memory().available)
    return WORLD if free > need * 1.15 else None
