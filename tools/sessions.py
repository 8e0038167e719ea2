"""Run the sessions in the documentation, and write or check what they print.

A fenced block marked `console` is a session: lines that begin with `$ ` are commands (a here-document runs to its end
mark), the lines after one are what it prints. All blocks of a file run in one empty folder, in order. A command may
fail only where its line ends in `# fails`. Ids, digests, times and sizes differ from run to run: the check compares
texts in which each is replaced by one word.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE = re.compile(r"<<'?(\w+)'?")
VARYING = (
    (re.compile(r"\b(?=[k-z]*[k-z])[k-z]{16}\b"), "RUNID"),
    (re.compile(r"\b[k-z]{8}\b"), "RUN"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"\b(\d+ h )?(\d+ min )?\d+(\.\d+)? (s|h|min)\b"), "DURATION"),
    (re.compile(r"\b\d+(\.\d+)? ([kMG]?B)\b"), "SIZE"),
    (re.compile(r"/[^\s:]*/session\b"), "FOLDER"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r"[─━]+"), "-"),
    (re.compile(r"(?m)^\s*machine .*$"), "MACHINE"),
    (re.compile(r"(?m)^\s*(environment|ok python|ok cloche|ok disk|ok uv|variable) .*$"), "HERE"),
    (re.compile(r"(?m)^(peak memory|wall time|CPU time) .*$"), "RESOURCES"),
)


@dataclass(frozen=True)
class Step:
    """One command of a session and what stands after it."""

    command: str
    output: str


def steps(block: str) -> Iterator[Step]:
    """The commands of one block with their outputs."""
    lines = block.splitlines()
    at = 0
    while at < len(lines):
        command = [lines[at].removeprefix("$ ")]
        mark = HERE.search(command[0])
        at += 1
        while mark and at < len(lines) and command[-1] != mark[1]:
            command.append(lines[at])
            at += 1
        output = []
        while at < len(lines) and not lines[at].startswith("$ "):
            output.append(lines[at])
            at += 1
        yield Step("\n".join(command), "\n".join(output))


def play(step: Step, folder: Path) -> str:
    """Run one command in the folder where the last one ended; what it prints. Raises SystemExit where it fails."""
    state = folder / "cwd"
    here = state.read_text().strip() if state.exists() else str(folder / "session")
    script = f'cd "{here}" || exit 97\n{step.command}\ncode=$?\npwd > "{state}"\nexit $code\n'
    done = subprocess.run(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        env=variables(folder),
    )
    if (done.returncode != 0) != step.command.endswith("# fails"):
        raise SystemExit(f"exit status {done.returncode} of: {step.command}\n{done.stdout}")
    return "\n".join(line.rstrip() for line in done.stdout.rstrip("\n").splitlines())


def variables(folder: Path) -> dict[str, str]:
    """The variables of a session: nothing of the developer's own."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }


def replay(text: str) -> str:
    """The text of a document with the outputs of its sessions as they are now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "session").mkdir()
        (folder / ".gitconfig").write_text("[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n")

        def again(match: re.Match[str]) -> str:
            played = [(step.command, play(step, folder)) for step in steps(match[1])]
            body = "".join(f"$ {command}\n" + (f"{output}\n" if output else "") for command, output in played)
            return f"```console\n{body.replace(str(folder), '~')}```"

        return BLOCK.sub(again, text)


def settled(text: str) -> str:
    """A text with everything that differs from run to run replaced by a word."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text


def documents() -> list[Path]:
    """Every document that holds a session."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [file for file in files if BLOCK.search(file.read_text("utf-8"))]


def main() -> int:
    """Write the sessions of the documents named (default: all) again."""
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or documents()
    for file in chosen:
        file.write_text(replay(file.read_text("utf-8")), "utf-8")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
