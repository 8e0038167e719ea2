"""The rows of the store benchmark as Markdown, and its goals with what was reached."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data import GIB, MIB, Sizes
from harness import Row
from timing import Taken, median, ratio

OURS = "cloche"
TITLES: Mapping[str, str] = {
    "add many": "add MANY, cold store",
    "status": "status of MANY, nothing changed",
    "status million": "status of a million files",
    "add 1%": "add MANY after touching 1%",
    "switch": "switch MANY to the previous version",
    "restore many": "restore MANY into an empty work tree",
    "push folder": "push MANY to a folder",
    "push s3": "push MANY to an S3 server",
    "clone and pull": "clone + pull MANY",
    "add big": "add BIG",
    "copy big": "copy BIG",
    "one byte": "add BIG with one byte inserted",
    "add table": "add TABLE",
    "table 2": "add version 2 of TABLE",
    "add narrow": "add TABLE of narrow rows",
    "narrow 2": "add version 2 of TABLE of narrow rows",
    "model": "add ten versions of MODEL",
    "add million": "add a million files",
    "add crowd": "add 3,500,000 files",
    "status crowd": "status of 3,500,000 files",
}


@dataclass(frozen=True)
class Verdict:
    """What was measured for a goal, and whether that reaches it; None where it was not measured."""

    measured: str
    reached: bool | None


@dataclass(frozen=True)
class Goal:
    """One demand on one row."""

    row: str
    text: str
    judge: Callable[[Row], Verdict]


def _unmeasured(row: Row) -> Verdict:
    return Verdict(f"{OURS}: {row.missing[OURS]}" if OURS in row.missing else "not measured", None)


def _against(peer: str, least: float) -> Callable[[Row], Verdict]:
    """Cloche at least `least` times as fast as a peer, judged by wall time; CPU time beside it."""

    def judge(row: Row) -> Verdict:
        ours, theirs = row.taken.get(OURS), row.taken.get(peer)
        if not ours or not theirs:
            return _unmeasured(row)
        wall = ratio([one.wall for one in theirs], [one.wall for one in ours])
        cpu = ratio([one.cpu for one in theirs], [one.cpu for one in ours])
        return Verdict(f"{wall:.2f} × wall, {cpu:.2f} × CPU", wall >= least)

    return judge


def _bytes(most: Callable[[Row], float], show: Callable[[Row, int], str]) -> Callable[[Row], Verdict]:
    def judge(row: Row) -> Verdict:
        if OURS not in row.bytes:
            return _unmeasured(row)
        return Verdict(show(row, row.bytes[OURS]), row.bytes[OURS] <= most(row))

    return judge


def _seconds(most: float) -> Callable[[Row], Verdict]:
    def judge(row: Row) -> Verdict:
        taken = row.taken.get(OURS)
        if not taken:
            return _unmeasured(row)
        wall = median([one.wall for one in taken])
        return Verdict(f"{wall:.2f} s wall, {median([one.cpu for one in taken]):.2f} s CPU", wall <= most)

    return judge


def _memory(most: int) -> Callable[[Row], Verdict]:
    def judge(row: Row) -> Verdict:
        taken = row.taken.get(OURS)
        return Verdict(f"{_peak(taken) / MIB:.0f} MiB", _peak(taken) <= most) if taken else _unmeasured(row)

    return judge


def _requests(row: Row) -> Verdict:
    if OURS not in row.requests:
        return _unmeasured(row)
    asked, pushed = row.requests[OURS], row.of
    return Verdict(f"{asked} for {pushed / MIB:.0f} MiB", asked <= 2 * pushed / (32 * MIB) + 30)


def _faster(row: str, peers: Mapping[str, float]) -> list[Goal]:
    return [
        Goal(row, f"{least:g} × as fast as {peer}" if least > 1 else f"no slower than {peer}", _against(peer, least))
        for peer, least in peers.items()
    ]


def goals(sizes: Sizes, full: bool) -> list[Goal]:
    """What issue and design ask for; absolute figures as they scale with the data."""
    part = sizes.model * sizes.checkpoints / 2_000_000_000
    share = _bytes(lambda row: 0.15 * row.of, lambda row, size: f"{100 * size / row.of:.1f}% of its size")
    found = [
        *_faster("add many", {"dvc": 8, "git": 1, "oxen": 1, "restic": 1, "borg": 1}),
        *_faster("status", {"dvc": 10}),
        Goal("status", "at most 2 × git", _against("git", 0.5)),
        *_faster("add 1%", {"dvc": 12, "git": 1}),
        *_faster("switch", {"dvc": 12}),
        *_faster("restore many", {"dvc": 5}),
        Goal("restore many", "at most 1.5 × `cp -r`", _against("by hand", 1 / 1.5)),
        *_faster("push folder", {"dvc": 15}),
        *_faster("push s3", {"dvc": 15}),
        Goal("push s3", "requests about bytes / 32 MiB", _requests),
        *_faster("clone and pull", {"dvc": 12, "git": 1}),
        *_faster("add big", {"dvc": 4}),
        Goal("add big", "half the speed of reading and hashing", _against("by hand", 0.5)),
        Goal(
            "one byte",
            "at most 512 KiB more",
            _bytes(lambda row: 512 << 10, lambda row, size: f"{size / 1024:.0f} KiB"),
        ),
        Goal("add table", "at most 1.4 × dvc", _against("dvc", 1 / 1.4)),
        Goal("table 2", "at most 15% new bytes", share),
        Goal(
            "model",
            f"at most {450 * part:.0f} MB stored",
            _bytes(lambda row: 450e6 * part, lambda row, size: f"{size / 1e6:.0f} MB"),
        ),
    ]
    if full:
        found.append(Goal("status million", "under 6 s", _seconds(6)))
        found += [Goal(row, "under 1 GiB of memory", _memory(GIB)) for row in ("add crowd", "status crowd")]
    return found


@dataclass(frozen=True)
class Measured:
    """What one run of the benchmark measured. form: how much data; tools: their names; said: how it was done."""

    form: str
    tools: list[str]
    said: str
    sizes: Sizes
    rows: dict[str, Row]

    @classmethod
    def read(cls, file: Path) -> Measured:
        """What `--json` wrote."""
        raw = json.loads(file.read_text("utf-8"))
        for row in raw["rows"].values():
            row["taken"] = {name: [Taken(**one) for one in taken] for name, taken in row["taken"].items()}
        rows = {key: Row(**row) for key, row in raw["rows"].items()}
        return cls(raw["form"], raw["tools"], raw["said"], Sizes(**raw["sizes"]), rows)

    def write(self, file: Path) -> None:
        """Every single figure, without what was printed."""
        raw = asdict(self)
        for row in raw["rows"].values():
            for one in (one for taken in row["taken"].values() for one in taken):
                del one["printed"]
        file.write_text(json.dumps(raw, indent=1), "utf-8")


def put_together(runs: Sequence[Measured]) -> str:
    """Everything measured: times, goals, bytes, memory, and why a figure is missing. Each row is one run's, so that its
    ratios are of commands that ran in turn; of the last run that has it."""
    sizes, form = runs[-1].sizes, runs[-1].form
    if any(run.sizes != sizes for run in runs):
        raise SystemExit("these runs had other data: they cannot stand in one table")
    rows = {key: row for run in runs for key, row in run.rows.items()}
    names = list(dict.fromkeys(name for run in runs for name in run.tools))
    full = form == "the full data"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}."
    parts = [
        f"{machine} Store: {form}.\n",
        *(f"- {run.said}" for run in runs),
        "\nSeconds wall (seconds CPU of the process tree), medians:\n",
        _matrix("operation", names, rows, _time),
        "" if full else "\nThe goals are meant for the full data: with less, the start of a process weighs more.",
        "\n| operation | goal | measured | |\n|---|---|---|---|",
        *_goal_lines(rows, sizes, full),
        "\nMiB stored (for a further version: added), and what share of the data that is:\n",
        _matrix("operation", names, {key: row for key, row in rows.items() if row.bytes}, _stored),
        "\nPeak memory in MiB, child processes included:\n",
        _matrix("operation", names, rows, lambda row, name: _peak_text(row.taken.get(name))),
        *_missing_lines(rows),
    ]
    return "\n".join(parts) + "\n"


def _goal_lines(rows: Mapping[str, Row], sizes: Sizes, full: bool) -> list[str]:
    lines = []
    for goal in goals(sizes, full):
        if goal.row in rows:
            verdict = goal.judge(rows[goal.row])
            word = {True: "reached", False: "**not reached**", None: ""}[verdict.reached]
            lines.append(f"| {TITLES[goal.row]} | {goal.text} | {verdict.measured} | {word} |")
    return lines


def _missing_lines(rows: Mapping[str, Row]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for key, row in rows.items():
        for name, reason in row.missing.items():
            reasons.setdefault(f"{name}: {reason}", []).append(TITLES[key])
    lines = [f"- {reason} ({'; '.join(keys)})" for reason, keys in sorted(reasons.items())]
    return ["\nWithout a figure:\n", *lines] if lines else []


def _matrix(corner: str, names: Sequence[str], rows: Mapping[str, Row], cell: Callable[[Row, str], str]) -> str:
    lines = [f"| {corner} | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for key, title in TITLES.items():
        if key in rows:
            lines.append(f"| {title} | " + " | ".join(cell(rows[key], name) or "–" for name in names) + " |")
    return "\n".join(lines)


def _time(row: Row, name: str) -> str:
    taken = row.taken.get(name)
    if not taken:
        return ""
    return f"{median([one.wall for one in taken]):.2f} ({median([one.cpu for one in taken]):.2f})"


def _stored(row: Row, name: str) -> str:
    if name not in row.bytes:
        return ""
    share = f" ({100 * row.bytes[name] / row.of:.0f}%)" if row.of else ""
    return f"{row.bytes[name] / MIB:.1f}{share}"


def _peak(taken: Sequence[Taken]) -> int:
    return max(one.memory for one in taken)


def _peak_text(taken: Sequence[Taken] | None) -> str:
    return f"{_peak(taken) / MIB:.0f}" if taken else ""
