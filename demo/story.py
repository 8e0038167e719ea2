"""The life of a model, told with real data: grown, tuned, quietly harmed, and put back.

    python demo/story.py [--folder FOLDER] [--fast]

Every command is run as it is printed, and what it brought about is checked: when something is not as told, the
story stops and the exit status is 1. It needs Git, and `cloche` and `uv` beside the interpreter that runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOOLS = Path(sys.executable).parent  # not resolved: in a venv the interpreter itself is a link to elsewhere
WIDTH = 96
CLEARLY = 0.005  # a difference in AUC that the story calls one; the full one makes at least 0.008


class Unexpected(Exception):
    """Something is not as the story tells it."""


@dataclass(frozen=True)
class Chapters:
    """What the full and the fast telling differ in. Months are those of 2013; September and October are the test."""

    first: str
    more: str
    first_words: str
    more_words: str


FULL = Chapters("1-3", "4-8", "January to March", "April to August")
FAST = Chapters("1", "6", "January", "June")


class Voice:
    """Prints: words of the story, commands, files. Colours only where somebody looks."""

    def __init__(self) -> None:
        self.coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.chapter = 0

    def paint(self, code: str, text: str) -> str:
        """`text` in a colour, or as it is."""
        return f"\033[{code}m{text}\033[0m" if self.coloured else text

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self.chapter += 1
        heading = f"{self.chapter}. {text}"
        print(f"\n{self.paint('1;36', heading)}\n{self.paint('36', '─' * len(heading))}", flush=True)

    def say(self, text: str) -> None:
        """A paragraph."""
        print("\n" + textwrap.fill(" ".join(text.split()), WIDTH), flush=True)

    def command(self, text: str) -> None:
        """A command, the way it is typed."""
        print(f"\n{self.paint('1;32', '$')} {self.paint('1', text)}", flush=True)

    def quote(self, text: str) -> None:
        """Lines as they are, a little to the right."""
        print("\n" + textwrap.indent(text.rstrip(), "    "), flush=True)

    def good(self, text: str) -> None:
        """Something that was checked and is so."""
        print(f"\n{self.paint('1;32', '✓')} {text}", flush=True)


class Place:
    """The project's folder, with its environment activated."""

    def __init__(self, folder: Path, voice: Voice) -> None:
        self.folder = folder
        self.voice = voice
        self.variables = activated(folder / ".venv")

    def type(self, command: str) -> None:
        """Print a command and run it. Raises Unexpected where it fails."""
        self.voice.command(command)
        self.do(command)

    def do(self, command: str, **variables: str) -> None:
        """Run a command unseen. Raises Unexpected where it fails."""
        process = subprocess.Popen(
            self.words(command),
            cwd=self.folder,
            env=self.variables | variables,
            stderr=subprocess.STDOUT,  # keeps both in order where they go to a file
        )
        try:
            status = process.wait()
        except KeyboardInterrupt:
            process.wait()  # it was interrupted too, and ends as it must
            raise
        if status:
            raise Unexpected(f"`{command}` ended with exit status {status}")

    def ask(self, command: str, status: int = 0) -> str:
        """Run a command unseen; what it prints. Raises Unexpected unless it ends with `status`."""
        done = subprocess.run(
            self.words(command), cwd=self.folder, env=self.variables, check=False, stdout=subprocess.PIPE
        )
        if done.returncode != status:
            raise Unexpected(f"`{command}` ended with exit status {done.returncode}")
        return done.stdout.decode()

    def words(self, command: str) -> list[str]:
        """The words of a command, its program looked up where the project would find it."""
        program, *rest = shlex.split(command)
        found = shutil.which(program, path=self.variables["PATH"])
        if found is None:
            raise Unexpected(f"there is no `{program}` here; the story needs Git, and `make setup` for the rest")
        return [found, *rest]

    def show(self, run: str = "@") -> Mapping[str, Any]:
        """The record of a run."""
        record: dict[str, Any] = json.loads(self.ask(f"cloche show {run} --json"))["run"]
        return record

    def read(self, name: str) -> str:
        """A file of the project."""
        return (self.folder / name).read_text(encoding="utf-8")


def activated(venv: Path) -> dict[str, str]:
    """The variables of a shell in which `venv` is activated, and `cloche` and `uv` are found after it."""
    foreign = {"PYTHONHOME", "PYTHONPATH", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    slow = {"PYTHONDONTWRITEBYTECODE"}  # would compile all of scikit-learn again in every stage
    kept = {name: value for name, value in os.environ.items() if name not in foreign | slow}
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    path = os.pathsep.join([str(scripts), str(TOOLS), os.environ.get("PATH", os.defpath)])
    return kept | {"PATH": path, "VIRTUAL_ENV": str(venv)}


def expect(so: bool, otherwise: str) -> None:
    """Raises Unexpected unless `so`."""
    if not so:
        raise Unexpected(otherwise)


def free_folder(wanted: Path) -> Path:
    """`wanted`, or the first of `wanted-2`, `wanted-3`... that does not exist: nothing of the user's is touched."""
    folder, number = wanted, 1
    while folder.exists() or folder.is_symlink():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def trained(place: Place, reused: tuple[str, ...] = ()) -> float:
    """The AUC of the run that just ended, after a look at its record."""
    run, metrics = place.show(), json.loads(place.read("metrics.json"))
    expect(run["status"] == "finished" and run["exit_status"] == 0, f"the run is {run['status']}")
    expect(run["metrics"] == metrics, f"recorded metrics {run['metrics']} are not those of metrics.json {metrics}")
    taken = tuple(stage["name"] for stage in run["stages"] if stage["reused"])
    expect(taken == reused, f"stages {taken} were taken from earlier runs, expected {reused}")
    return float(metrics["auc"])


def settle(place: Place, voice: Voice) -> None:
    """Chapter 1: the project, its repository and its environment."""
    voice.title("A project like any other")
    voice.say(f"""A small project was copied to {place.folder}: will a flight from New York City arrive more than 15
        minutes late, judged by what is known before it departs? It is five Python files that know nothing of Cloche,
        a file of parameters, and locked requirements. It goes into Git and gets an environment of its own.""")
    shutil.copytree(HERE / "flights", place.folder, ignore=shutil.ignore_patterns("__pycache__", "data", ".venv"))
    shutil.copyfile(HERE / "requirements.lock", place.folder / "requirements.lock")
    place.do("git init --quiet --initial-branch=main")
    for name, value in {"user.name": "Demo", "user.email": "demo@example.org", "commit.gpgsign": "false"}.items():
        place.do(f"git config {name} {value}")
    place.type("git add .")
    place.type("git commit --quiet -m 'Predict late flights'")
    voice.command("uv venv --quiet")
    place.do("uv venv --quiet", UV_PYTHON=sys.executable)
    place.type("uv pip install --quiet --require-hashes -r requirements.lock")
    voice.command("source .venv/bin/activate" if os.name != "nt" else r".venv\Scripts\activate")


def begin(place: Place, voice: Voice, chapters: Chapters) -> float:
    """Chapter 2: the first version."""
    voice.title("The first version")
    voice.say(f"""Fetch {chapters.first_words} to train on, and September and October, which every version will be
        judged on.""")
    place.type(f"python fetch.py {chapters.first} 9 10")
    voice.say("""This folder has a cloche.toml, which makes it a project; `cloche init` writes one where there is none.
        The data is too large for Git: Cloche keeps its content, and Git gets one line a path in cloche.lock.""")
    place.type("cloche init")
    place.type("cloche add data/raw")
    expect("data/raw" in place.read("cloche.lock"), "cloche.lock does not name data/raw")
    place.type("git add cloche.lock")
    place.type("git commit --quiet -m 'Track the raw data'")
    voice.say("""cloche.toml names three stages, with what they read and write. Where it names none, `cloche run --
        COMMAND` records any command just as completely.""")
    voice.quote(place.read("cloche.toml"))
    place.type(f"cloche run -m '{chapters.first_words}'")
    auc = trained(place)
    voice.good(f"""One version is recorded: code, data, parameters, every installed package, and all that came out.
  AUC {auc:.4f} (0.5 is chance, 1 is never wrong).""")
    return auc


def grow(place: Place, voice: Voice, chapters: Chapters, before: float) -> float:
    """Chapter 3: more months of data."""
    voice.title("More data")
    place.type(f"python fetch.py {chapters.more}")
    voice.say("What changed since the last run?")
    place.type("cloche status")
    place.ask("cloche status --exit-code --json", status=1)
    place.type("cloche add")
    place.type(f"git commit --quiet -am 'Add {chapters.more_words}'")
    place.type(f"cloche run -m 'and {chapters.more_words}'")
    auc = trained(place)
    expect(auc > before + CLEARLY, f"more data did not help: AUC {before:.4f}, then {auc:.4f}")
    voice.good(f"More data helps: AUC {before:.4f} → {auc:.4f}.")
    return auc


def tune(place: Place, voice: Voice, before: float) -> float:
    """Chapter 4: a tuned parameter."""
    voice.title("A parameter")
    voice.say("""The trees learn in great strides: a learning rate of 0.3. `-P` sets it in params.toml, with every
        comment left in its place. Preparing the data does not depend on it, so that stage is not run again.""")
    place.type("cloche run -P train.learning_rate=0.15 -m 'smaller steps'")
    auc = trained(place, reused=("prepare",))
    rate = place.show()["snapshot"]["config"]["values"]["train.learning_rate"]
    expect(rate == 0.15, f"the recorded learning rate is {rate}")
    expect("0.15" in place.ask("git diff params.toml"), "params.toml does not say 0.15")
    expect(auc > before + CLEARLY, f"tuning did not help: AUC {before:.4f}, then {auc:.4f}")
    voice.good(f"Better still: AUC {before:.4f} → {auc:.4f}. This one gets a name.")
    place.type("cloche tag best")
    place.type("git commit --quiet -am 'Learn in smaller steps'")
    return auc


def harm(place: Place, voice: Voice, before: float) -> float:
    """Chapter 5: the silent mistake."""
    voice.title("A harmless refactoring")
    voice.say("""Kilometres instead of miles: a few lines, nicely reviewed, and trees do not care for units anyway. But
        one of the two programs that read flights was overlooked and still hands miles to a function that now
        expects kilometres. Nothing crashes; no test turns red.""")
    place.type(f"git apply {shlex.quote(Path(os.path.relpath(HERE / 'mistake.patch', place.folder)).as_posix())}")
    place.type("git diff --stat")
    place.type("git commit --quiet -am 'Use kilometres (no change in behaviour)'")
    place.type("cloche run -m 'kilometres'")
    auc = trained(place, reused=("prepare",))
    expect(auc < before - CLEARLY, f"the mistake does no harm: AUC {before:.4f}, then {auc:.4f}")
    return auc


def look(place: Place, voice: Voice, best: float, harmed: float) -> None:
    """Chapter 6: log and diff."""
    voice.title("What happened?")
    place.type("cloche log --sort -metrics.auc --columns metrics.auc,metrics.log_loss")
    rows = [row["metrics"]["auc"] for row in json.loads(place.ask("cloche log --sort -metrics.auc --json"))]
    expect(rows == sorted(rows, reverse=True) and len(rows) == 4, f"the log lists AUCs {rows}")
    voice.say(f"""The AUC fell from {best:.4f} to {harmed:.4f} with a change that was to change nothing. What differs
        between the last two versions?""")
    place.type("cloche diff @~1 @")
    differs = json.loads(place.ask("cloche diff @~1 @ --no-rows --json"))
    files = {file["path"] for file in differs["code"]}
    expect(files == {"evaluate.py", "features.py"}, f"the code that differs is {files}")
    expect(set(differs["same"]) == {"data", "config", "environment"}, f"only {differs['same']} are the same")
    voice.good("""Data, parameters and packages are the same: it is the code, and these are the lines.
  evaluate.py reads kilometres now, train.py still reads miles.""")


def put_back(place: Place, voice: Voice, best: float) -> None:
    """Chapter 7: revert, run again, prove it."""
    voice.title("Put it back")
    voice.say("The name still leads to what worked. How far from it is this folder?")
    place.type("cloche status best")
    place.type("cloche revert @~1 --dry-run")
    expect("def load" in place.read("features.py"), "a dry run changed features.py")
    place.type("cloche revert @~1")
    expect("def load" not in place.read("features.py"), "features.py was not put back")
    voice.say("""Git's branch and history stay as they are; the files are those of the version. Now the proof: run
        every stage again, nothing taken from earlier runs.""")
    place.type("cloche run --force -m 'is it back?'")
    expect(trained(place) == best, "the metric is not back")
    prove(place, voice)
    place.type("git commit --quiet -am 'Back to miles'")
    expect(not place.ask("git status --porcelain").strip(), "the work tree is not clean")


def prove(place: Place, voice: Voice) -> None:
    """Compare the record of the run that was reverted to with that of the new one, byte for byte."""
    place.type("cloche diff best @")
    voice.say("And the records themselves, as `cloche show --json` has them:")
    then, now = place.show("best"), place.show("@")
    before, after = ({item["path"]: item["digest"] for item in run["outputs"]} for run in (then, now))
    expect(then["id"] != now["id"], "`best` and the last run are the same run")
    names = sorted(before.keys() | after.keys())
    width = max(map(len, [*names, *then["metrics"]]))
    rows = [(name, repr(then["metrics"].get(name)), repr(now["metrics"].get(name))) for name in then["metrics"]]
    rows += [(name, before.get(name, "-")[:16], after.get(name, "-")[:16]) for name in names]
    voice.quote(
        "\n".join(f"{name:{width}}  {a:20}  {b:20}  {'same' if a == b else 'DIFFERENT'}" for name, a, b in rows)
    )
    expect(then["metrics"] == now["metrics"], "the metrics differ")
    expect(before == after, "the outputs differ")
    voice.good("Every metric is back to the last digit, and every file is back to the last byte.")


def goodbye(place: Place, voice: Voice, aucs: list[float], seconds: float) -> None:
    """The end: the whole life at a glance, and what to type next."""
    voice.title("Over to you")
    names = ["first version", "more data", "smaller steps", "kilometres", "put back"]
    voice.quote("\n".join(f"{name:14} AUC {auc:.4f}" for name, auc in zip(names, aucs, strict=True)))
    voice.say(f"That took {seconds:.0f} seconds. The project is yours; nothing outside its folder was touched.")
    scripts = Path(os.path.relpath(TOOLS, place.folder)).as_posix()
    voice.quote(f"""cd {shlex.quote(os.path.relpath(place.folder))}
source .venv/bin/activate
export PATH="$PATH:$PWD/{scripts}"      # where cloche is

cloche log "metrics.auc > 0.66"          # search
cloche diff best @~1 --only code         # the mistake once more
cloche run -P train.max_leaf_nodes=15    # try something
cloche revert best                       # ... and go back
cloche history                           # everything that was done here
cloche --help""")


def tell(folder: Path, chapters: Chapters, voice: Voice) -> None:
    """The story, from beginning to end."""
    began = time.monotonic()
    place = Place(folder, voice)
    settle(place, voice)
    first = begin(place, voice, chapters)
    more = grow(place, voice, chapters, first)
    best = tune(place, voice, more)
    harmed = harm(place, voice, best)
    look(place, voice, best, harmed)
    put_back(place, voice, best)
    goodbye(place, voice, [first, more, best, harmed, best], time.monotonic() - began)


def main() -> int:
    """Tell the story; 0 when everything was as told."""
    parser = argparse.ArgumentParser(description="Take a real model through its life.")
    parser.add_argument("--folder", type=Path, default=Path("flights"), help="where to put the project (flights)")
    parser.add_argument("--fast", action="store_true", help="the same story with fewer months of data")
    options = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    voice, wanted = Voice(), Path(os.path.abspath(options.folder))
    folder = free_folder(wanted)
    if folder != wanted:
        print(f"{options.folder} is there already and stays as it is: this time the project goes to {folder.name}")
    try:
        tell(folder, FAST if options.fast else FULL, voice)
    except Unexpected as problem:
        print(
            f"\n{voice.paint('1;31', 'The story stops here')}: {problem}\nThe project is in {folder}", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
