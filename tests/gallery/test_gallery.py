"""Training scripts that know nothing of Cloche run under it as they run without it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from shell import Shell

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
ARGUMENTS = {"options_and_exit.py": ["--depth", "1"]}
INPUT = {"read_standard_input.py": b"1 2\n2 4.1\n3 5.9\n"}
STATUS = {"options_and_exit.py": 3, "fail_with_a_traceback.py": 1}
OURS = b"cloche: "


@dataclass(frozen=True)
class Seen:
    """Everything that someone who runs a program can see of it."""

    status: int
    out: bytes
    err: bytes
    files: dict[str, str]


def files(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and ".cloche" not in file.parts and "__pycache__" not in file.parts
    }


def execute(folder: Path, words: list[str], script: str, variables: dict[str, str]) -> Seen:
    command = [*words, script, *ARGUMENTS.get(script, [])]
    done = subprocess.run(
        command, cwd=folder, env=variables, input=INPUT.get(script, b""), capture_output=True, check=False, timeout=120
    )
    err = b"".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith(OURS))
    return Seen(done.returncode, done.stdout, placeless(err, folder), files(folder))


def placeless(text: bytes, folder: Path) -> bytes:
    """Without the folder's own name: a traceback names the script by its whole path."""
    return text.replace(os.fsencode(os.path.realpath(folder)), b"FOLDER")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_runs_as_it_runs_without(script: Path, folder: Shell) -> None:
    variables = {**folder.variables, "OMP_NUM_THREADS": "1"}  # threads that spin for a busy core take minutes
    alone, under = folder.folder / "alone", folder.folder / "under"
    for place in (alone, under):
        place.mkdir()
        shutil.copy(script, place)
    project = Shell(under, variables)
    project.cloche("init")
    shutil.copy(under / "cloche.toml", alone)
    direct = execute(alone, ["python"], script.name, variables)
    cloche = str(Path(sys.executable).with_name("cloche"))
    recorded = execute(under, [cloche, "run", "--", "python"], script.name, variables)
    assert recorded == direct
    assert direct.status == STATUS.get(script.name, 0), direct.err.decode()
    shown = project.facts("show")["run"]
    assert shown["exit_status"] == direct.status
    assert shown["status"] == ("failed" if direct.status else "finished")
    written = {path for path in direct.files if path not in (script.name, "cloche.toml")}
    assert {output["path"] for output in shown["outputs"]} == written
    log = placeless(project.cloche("show", "--log").out.encode(), under)
    assert sorted(log) == sorted(direct.out + direct.err)  # the two streams meet in the log in any order


def test_there_are_scripts_of_many_kinds() -> None:
    assert len(SCRIPTS) >= 14
    for script in SCRIPTS:
        assert "cloche" not in script.read_text("utf-8")
