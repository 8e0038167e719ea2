"""Time Cloche and its peers in turn, in one run, as whole processes; print medians and ratios.

    .venv/bin/python bench/run.py             all of it
    .venv/bin/python bench/run.py --write     and write the tables into docs/benchmarks.md
    .venv/bin/python bench/run.py --no-peers  without installing DVC into a folder of its own

Each command runs once to warm up, then `--runs` times, the commands in turn (A B C A B C …), so that a machine that
slows down slows all of them. CPU is user + system time of the process and its children, as the kernel accounts it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLOCHE = Path(sys.executable).with_name("cloche")
PEERS = ROOT / "build" / "peers"
DOCUMENT = ROOT / "docs" / "benchmarks.md"


@dataclass
class Timed:
    """A command and what its runs took, in seconds."""

    name: str
    command: Sequence[str]
    folder: Path
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def run(self, keep: bool) -> None:
        """Run it once."""
        began = time.perf_counter()
        with open(os.devnull, "r+b") as null:
            process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=null, stdout=null, stderr=null, env=environment()
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"exit status {process.returncode}: {' '.join(map(str, self.command))}")
        if keep:
            self.wall.append(time.perf_counter() - began)
            self.cpu.append(usage.ru_utime + usage.ru_stime)


def environment() -> Mapping[str, str]:
    """What a command sees: nothing of the developer's own that would change a timing."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"DVC_NO_ANALYTICS": "1", "GIT_CONFIG_NOSYSTEM": "1"}


def together(runs: int, timed: Sequence[Timed]) -> None:
    """Run the commands in turn."""
    for number in range(runs + 1):
        for one in timed:
            one.run(keep=number > 0)


def table(timed: Sequence[Timed], base: Timed, goal: Mapping[str, str]) -> str:
    """A Markdown table of medians in milliseconds, and ratios to `base`, run by run."""
    rows = ["| command | CPU ms | wall ms | wall / " + base.name + " | goal |", "|---|---:|---:|---:|---|"]
    for one in timed:
        ratio = statistics.median(a / b for a, b in zip(one.wall, base.wall, strict=True))
        cpu, wall = (statistics.median(values) * 1000 for values in (one.cpu, one.wall))
        rows.append(f"| `{one.name}` | {cpu:.0f} | {wall:.0f} | {ratio:.2f} | {goal.get(one.name, '')} |")
    return "\n".join(rows) + "\n"


def start_up(runs: int, peers: Path | None, folder: Path) -> str:
    """How long it takes to start."""
    python = Timed("python -c pass", [sys.executable, "-c", "pass"], folder)
    timed = [
        python,
        Timed("python -c 'import cloche'", [sys.executable, "-c", "import cloche"], folder),
        Timed("cloche --version", [str(CLOCHE), "--version"], folder),
        Timed("cloche --help", [str(CLOCHE), "--help"], folder),
        Timed("git --version", ["git", "--version"], folder),
    ]
    if peers:
        timed.append(Timed("dvc --version", [str(peers / "bin" / "dvc"), "--version"], folder))
    together(runs, timed)
    imported, version = (1000 * above(one, python) for one in timed[1:3])
    goal = {
        timed[1].name: f"30 ms CPU above bare Python: {imported:.0f}",
        timed[2].name: f"60 ms CPU above bare Python: {version:.0f}",
    }
    return table(timed, python, goal)


def above(one: Timed, base: Timed) -> float:
    """CPU seconds beyond those of `base`, run by run."""
    return statistics.median(a - b for a, b in zip(one.cpu, base.cpu, strict=True))


def project(folder: Path, peers: Path | None) -> Path:
    """A Git repository of 1,000 code files and 10,000 data files, with Cloche and DVC set up in it."""
    root = folder / "project"
    for number in range(1000):
        file = root / f"src/part{number // 50:02}/module{number:03}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'"""Module {number}."""\n' + "".join(f"VALUE_{i} = {i * number}\n" for i in range(40)))
    for number in range(10_000):
        file = root / f"data/{number // 500:02}/row{number:05}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a,b,c\n" + "".join(f"{i},{number},{i * number}\n" for i in range(30)))
    calls = [["git", "init", "--quiet"], [str(CLOCHE), "init"], [str(CLOCHE), "add", "data"], ["git", "add", "-A"]]
    if peers:
        calls += [[str(peers / "bin" / "dvc"), *words] for words in (["init", "-q"], ["add", "-q", "data"])]
        calls += [["git", "add", "-A"]]
    calls += [["git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "--quiet", "-m", "all"]]
    calls += [[str(CLOCHE), "run", "--", "true"]]
    for call in calls:
        subprocess.run(call, cwd=root, check=True, capture_output=True, env=environment())
    return root


def everyday(runs: int, peers: Path | None, folder: Path) -> str:
    """What is typed all day, in a project where nothing changed."""
    root = project(folder, peers)
    git = Timed("git status", ["git", "status"], root)
    timed = [
        git,
        Timed("cloche run -- true", [str(CLOCHE), "run", "--", "true"], root),
        Timed("cloche status", [str(CLOCHE), "status"], root),
        Timed("cloche log", [str(CLOCHE), "log"], root),
    ]
    if peers:
        timed.append(Timed("dvc status", [str(peers / "bin" / "dvc"), "status"], root))
    together(runs, timed)
    wall = statistics.median(timed[1].wall)
    return table(timed, git, {"cloche run -- true": f"400 ms wall: {wall * 1000:.0f}"})


def install_peers() -> Path:
    """A virtual environment with DVC in it, kept in build/."""
    if not (PEERS / "bin" / "dvc").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, PEERS], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", PEERS / "bin" / "python", "dvc"], check=True)
    return PEERS


def versions(peers: Path | None) -> str:
    """What was measured, and on what."""
    calls = {"cloche": [str(CLOCHE), "--version"], "git": ["git", "--version"]}
    if peers:
        calls["dvc"] = [str(peers / "bin" / "dvc"), "--version"]
    printed = {name: subprocess.run(call, capture_output=True, text=True, check=True) for name, call in calls.items()}
    found = {name: re.search(r"\d[\w.]*", done.stdout) for name, done in printed.items()}
    listed = ", ".join(f"{name} {match[0]}" for name, match in found.items() if match)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{machine}, Python {platform.python_version()}; {listed}."


def main() -> int:
    """Measure, print, and with --write put the tables into the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    peers = None if given.no_peers else install_peers()
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    where = "in memory" if place else "on disk"
    with tempfile.TemporaryDirectory(dir=place) as name:
        text = (
            f"{versions(peers)} Medians of {given.runs} runs, commands in turn, files {where}."
            f"\n\n### Starting\n\n{start_up(given.runs, peers, Path(name))}"
            "\n### A project of 1,000 code files and 10,000 data files, nothing changed\n\n"
            f"{everyday(given.runs, peers, Path(name))}"
        )
    print(text)
    if given.write:
        before = DOCUMENT.read_text("utf-8")
        marks = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
        marked = marks.sub(lambda match: match[1] + text + match[2], before)
        DOCUMENT.write_text(marked, "utf-8")
    return 0


if __name__ == "__main__":
    shutil.which("git") or sys.exit("git is needed")
    sys.exit(main())
