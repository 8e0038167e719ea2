"""What is typed all day: starting, and the commands of a project where nothing changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timing import Call, Taken, environment, median, ratio, take
from tools import CLOCHE


@dataclass
class Timed:
    """A command and what its runs took."""

    name: str
    command: Sequence[str]
    folder: Path
    taken: list[Taken] = field(default_factory=list)

    @property
    def cpu(self) -> list[float]:
        """Seconds, run by run."""
        return [one.cpu for one in self.taken]

    @property
    def wall(self) -> list[float]:
        """Seconds, run by run."""
        return [one.wall for one in self.taken]

    def run(self, keep: bool) -> None:
        """Run it once."""
        taken = take([Call(self.command, self.folder)], environment())
        if keep:
            self.taken.append(taken)


def together(runs: int, timed: Sequence[Timed]) -> None:
    """Run the commands in turn."""
    for number in range(runs + 1):
        for one in timed:
            one.run(keep=number > 0)


def table(timed: Sequence[Timed], base: Timed, goal: Mapping[str, str]) -> str:
    """A Markdown table of medians in milliseconds, and ratios to `base`, run by run."""
    rows = ["| command | CPU ms | wall ms | wall / " + base.name + " | goal |", "|---|---:|---:|---:|---|"]
    for one in timed:
        against = ratio(one.wall, base.wall)
        cpu, wall = 1000 * median(one.cpu), 1000 * median(one.wall)
        rows.append(f"| `{one.name}` | {cpu:.0f} | {wall:.0f} | {against:.2f} | {goal.get(one.name, '')} |")
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
        timed.append(Timed("dvc --version", [str(peers / "dvc"), "--version"], folder))
    together(runs, timed)
    imported, version = (1000 * above(one, python) for one in timed[1:3])
    goal = {
        timed[1].name: f"30 ms CPU above bare Python: {imported:.0f}",
        timed[2].name: f"60 ms CPU above bare Python: {version:.0f}",
    }
    return table(timed, python, goal)


def above(one: Timed, base: Timed) -> float:
    """CPU seconds beyond those of `base`, run by run."""
    return median([a - b for a, b in zip(one.cpu, base.cpu, strict=True)])


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
        calls += [[str(peers / "dvc"), *words] for words in (["init", "-q"], ["add", "-q", "data"])]
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
        timed.append(Timed("dvc status", [str(peers / "dvc"), "status"], root))
    together(runs, timed)
    wall = median(timed[1].wall)
    return table(timed, git, {"cloche run -- true": f"400 ms wall: {wall * 1000:.0f}"})
