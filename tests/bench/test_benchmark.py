"""`make bench` on a thousandth of its data, so that the harness cannot rot. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "bench" / "run.py"


def bench(place: Path, *words: str, path: str | None = None) -> str:
    call = [sys.executable, str(RUN), "--divide", "1000", "--runs", "1", "--place", str(place), *words]
    variables = None if path is None else {"PATH": path}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_store_is_measured_beside_git_with_goals_and_raw_figures(tmp_path: Path) -> None:
    raw = tmp_path / "raw.json"
    printed = bench(tmp_path, "--tools", "cloche,git", "--only", "many", "--only", "table", "--json", str(raw))
    rows = json.loads(raw.read_text())["rows"]

    for key in ("add many", "status", "add 1%", "switch", "restore many", "add table", "table 2"):
        for tool in ("cloche", "git"):
            assert len(rows[key]["taken"][tool]) == 1, (key, tool, rows[key]["missing"])
    assert 0 < rows["add many"]["bytes"]["cloche"] < rows["add many"]["of"]
    assert "| add MANY, cold store | no slower than git |" in printed
    assert not list(tmp_path.glob("cloche-bench-*")), "the working folder is removed"

    again = bench(tmp_path, "--tools", "cloche", "--only", "big", "--from", str(raw))
    assert [line for line in printed.splitlines() if line.startswith("| add MANY")] == [
        line for line in again.splitlines() if line.startswith("| add MANY")
    ]
    assert "| add BIG |" in again


def test_a_tool_that_does_nothing_has_no_figure(tmp_path: Path) -> None:
    idle = tmp_path / "bin" / "git"
    idle.parent.mkdir()
    idle.write_text("#!/bin/sh\necho git version 9.9.9\n")
    idle.chmod(0o755)
    printed = bench(tmp_path, "--tools", "git", "--only", "many", path=f"{idle.parent}:/usr/bin:/bin")

    assert "- git: status does not see a changed file (status of MANY" in printed
    assert "- git: many has other bytes than it was given (" in printed


@pytest.mark.parametrize("words", [("--tools", "nothing"), ("--only", "nothing")])
def test_an_unknown_name_is_refused(tmp_path: Path, words: tuple[str, str]) -> None:
    done = subprocess.run([sys.executable, RUN, *words], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "nothing" in done.stderr
