"""Time Cloche and its peers in turn, in one run, as whole processes; print medians, ratios and goals.

    .venv/bin/python bench/run.py                      all of it, on a tenth of the data
    .venv/bin/python bench/run.py --full               on all of it
    .venv/bin/python bench/run.py --only many          one scenario; --only may be given again
    .venv/bin/python bench/run.py --tools cloche,git   some of the tools
    .venv/bin/python bench/run.py --write              and write the tables into docs/benchmarks.md
    .venv/bin/python bench/run.py --from a.json --from b.json --write    what earlier runs measured, in one table

The commands of a row run in turn (A B C A B C …), so that a machine that slows down slows all of them. CPU is user +
system time of the process and its children, as the kernel accounts it; memory is what they hold at the same time.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import everyday
import peers
import store
from data import Sizes
from harness import Bench, ObjectServer, where
from report import Measured, put_together
from timing import environment
from tools import Tool

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
EVERYDAY = ("start", "everyday")


def main() -> int:
    """Measure, print, and with --write put the tables into the document."""
    given = _arguments()
    commands = Path(given.peers) if given.peers else peers.install() if _peers_needed(given.tools) else Path()
    asked = given.only or ([] if given.earlier else [*EVERYDAY, *store.SCENARIOS])
    if any(name in EVERYDAY for name in asked):
        _put("everyday", _everyday(asked, commands if commands.name else None, given.runs or 9), given.write)
    asked = [name for name in asked if name in store.SCENARIOS]
    if asked or given.earlier:
        runs = [Measured.read(Path(file)) for file in given.earlier]
        runs += [_store(given, asked, commands)] if asked else []
        if given.json and asked:
            runs[-1].write(Path(given.json))
        _put("store", put_together(runs), given.write)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all of the data instead of a tenth")
    parser.add_argument("--divide", type=int, help="a part of the data instead: 1000 is a thousandth")
    parser.add_argument("--only", action="append", choices=[*EVERYDAY, *store.SCENARIOS])
    parser.add_argument("--tools", default=",".join(tool.name for tool in peers.ALL))
    parser.add_argument("--runs", type=int, help="turns of each operation (3; 9 for the everyday commands)")
    parser.add_argument("--limit", type=float, help="seconds after which a command is stopped (300; 1800 with --full)")
    parser.add_argument("--place", type=Path, help="a folder to work in, instead of memory or the disk")
    parser.add_argument("--peers", help="the folder of commands of an environment that has the peers")
    parser.add_argument("--json", metavar="FILE", help="write every single figure there")
    parser.add_argument(
        "--from", dest="earlier", metavar="FILE", action="append", default=[], help="what --json wrote, with the rest"
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    given = parser.parse_args()
    unknown = set(given.tools.split(",")) - {tool.name for tool in peers.ALL}
    if unknown:
        parser.error(f"there is no tool {', '.join(sorted(unknown))}")
    return given


def _peers_needed(tools: str) -> bool:
    return any(name in tools.split(",") for name in ("dvc", "oxen"))


def _everyday(asked: Sequence[str], commands: Path | None, runs: int) -> str:
    with tempfile.TemporaryDirectory(dir=where(0)) as name:
        kinds = [kind for kind in peers.ALL if kind.name in ("cloche", "git", "dvc" if commands else "")]
        tools = [kind(Path(name), environment(), commands or Path(), 0) for kind in kinds]
        listed = ", ".join(f"{tool.name} {_number(tool.version())}".strip() for tool in tools)
        held = "in memory" if "shm" in name else "on disk"
        parts = [f"{listed}. Medians of {runs} runs, commands in turn, files {held}.\n"]
        if "start" in asked:
            parts.append(f"\n### Starting\n\n{everyday.start_up(runs, commands, Path(name))}")
        if "everyday" in asked:
            parts.append("\n### A project of 1,000 code files and 10,000 data files, nothing changed\n\n")
            parts.append(everyday.everyday(runs, commands, Path(name)))
    return _machine() + " " + "".join(parts)


def _store(given: argparse.Namespace, asked: Sequence[str], commands: Path) -> Measured:
    sizes = Sizes() if given.full else Sizes().divided(given.divide or 10)
    runs, limit = given.runs or 3, given.limit or (1800.0 if given.full else 300.0)
    rows: dict[str, Bench] = {}
    wanted = [kind for kind in peers.ALL if kind.name in given.tools.split(",")]
    places: dict[str, str] = {}
    for name in asked:
        place = given.place or where(store.room(name, sizes, len(wanted)))
        places[name] = "in memory" if place and "shm" in str(place) else "on disk"
        with tempfile.TemporaryDirectory(dir=place, prefix="cloche-bench-") as folder:
            bench = Bench(Path(folder), sizes, runs, limit)
            absent = _equip(bench, wanted, commands, limit)
            try:
                store.SCENARIOS[name](bench)
            finally:
                if bench.s3:
                    bench.s3.stop()
        rows[name] = bench
    whole = next(iter(rows.values()))
    for bench in rows.values():
        whole.rows.update(bench.rows)
    held = "; ".join(f"{name} {place}" for name, place in places.items())
    used = "; ".join(f"{tool.name} {_number(tool.version())}({tool.used})" for tool in whole.tools)
    said = f"Medians of {runs} turns; {held}. Tools: {used}.{absent}"
    form = "the full data" if given.full else f"1/{given.divide or 10} of the data"
    return Measured(form, [tool.name for tool in whole.tools], said, sizes, whole.rows)


def _equip(bench: Bench, wanted: Sequence[type[Tool]], commands: Path, limit: float) -> str:
    """Give the bench its tools; says which are not installed."""
    home = bench.place / "home"
    home.mkdir()
    if (commands / "moto_server").exists():
        bench.s3 = ObjectServer(commands, bench.place / "s3.log")
    people = {f"GIT_{who}_{what}": "bench@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    base = {
        **environment(home),
        **people,
        **(bench.s3.variables() if bench.s3 else {}),
        "RESTIC_PASSWORD": "bench",
        "RESTIC_FROM_PASSWORD": "bench",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "DVC_SITE_CACHE_DIR": str(home / "dvc"),
    }
    missing = []
    for kind in wanted:
        tool = kind(bench.place / kind.name.replace(" ", "-"), base, commands, limit)
        if tool.version():
            bench.tools.append(tool)
        else:
            missing.append(kind.name)
    return f" Absent, not installed here: {', '.join(missing)}." if missing else ""


def _number(version: str) -> str:
    found = re.search(r"\d[\w.]*", version)
    return f"{found[0]} " if found else ""


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}."


def _put(mark: str, text: str, write: bool) -> None:
    print(text, flush=True)
    if write:
        marks = re.compile(rf"(<!-- measured: {mark} -->\n).*?(<!-- /measured -->)", re.DOTALL)
        after, found = marks.subn(lambda match: match[1] + text + match[2], DOCUMENT.read_text("utf-8"))
        assert found == 1, f"{DOCUMENT} has no marks for {mark}"
        DOCUMENT.write_text(after, "utf-8")


if __name__ == "__main__":
    shutil.which("git") or sys.exit("git is needed")
    sys.exit(main())
