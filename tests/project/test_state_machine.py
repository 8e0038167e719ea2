"""Whatever one does in whatever order: nothing that was recorded is ever lost, and undo restores exactly.

The machine works on a project without Git through the Python API. Beside it a model keeps what the work tree was at
each moment, and what each operation may and may not have changed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
)

import cloche
from cloche.model.changes import PARTS, Part
from cloche.model.paths import inside

Content = tuple[str, bytes]  # kind as in a tree: f, x, l; and the bytes
Files = dict[str, Content]

SOURCES = ("a.py", "b.py", "sub/c.py", "sub/deep/d.py")
CONFIG = "params.toml"
DATA = ("data/x.csv", "data/y/z.csv")
OUTPUTS = ("one.bin", "two.bin")
CONTENTS = {"empty": b"", "one": b"1\n", "two": b"2\n", "large": b"\x00\xff" * 40_000}


@dataclass(frozen=True)
class Recorded:
    """A run as the model knows it: its inputs as they were at its start, and its outputs."""

    id: str
    inputs: Files
    outputs: Files
    written: frozenset[str]


@dataclass(frozen=True)
class Done:
    """An operation as the model knows it: the work tree before and after it."""

    number: int
    before: Files
    after: Files

    @property
    def changed(self) -> set[str]:
        return {
            path for path in self.before.keys() | self.after.keys() if self.before.get(path) != self.after.get(path)
        }


class Project(RuleBasedStateMachine):
    runs = Bundle("runs")
    undoings = Bundle("undoings")

    @initialize(target=runs)
    def start(self) -> Any:
        self.root = Path(tempfile.mkdtemp(prefix="cloche-machine-"))
        self.project = cloche.init(self.root)
        self.operations: dict[int, Done] = {}
        self.recorded: list[Recorded] = []
        self.written: set[str] = set()
        for path in (*SOURCES[:3], *DATA):
            self.write(path, "one", "f")
        self.add()
        return self.run("one.bin")

    def teardown(self) -> None:
        if not hasattr(self, "root"):
            return
        try:
            for run in self.recorded:
                self.project.revert(run.id)
                self.check_reverted(run, PARTS)
            broken = [one for one in self.project.doctor() if one.state == "error"]
            assert broken == []
        finally:
            self.project.close()
            shutil.rmtree(self.root)

    def files(self) -> Files:
        """Every file of the work tree but Cloche's own."""
        found: Files = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".cloche"]
            for name in names:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    content = ("l", os.fsencode(os.readlink(path)))
                else:
                    content = ("x" if os.access(path, os.X_OK) else "f", Path(path).read_bytes())
                found[os.path.relpath(path, self.root).replace(os.sep, "/")] = content
        lock = found.get("cloche.lock", ("f", b""))[1]
        if all(line.startswith(b"#") for line in lock.splitlines()):
            found.pop("cloche.lock", None)  # a lock that names nothing is as good as none
        return found

    def tracked(self) -> Any:
        return self.project.status().data

    def there(self, path: str, files: Files) -> bool:
        """Whether anything lies at a path, be it an empty folder."""
        return os.path.lexists(self.root / path) or path in files

    def note(self, before: Files) -> int:
        """Remember what the newest operation did to the work tree; its number."""
        number = self.project.history(1)[0].number
        self.operations[number] = Done(number, before, self.files())
        return number

    # What people do

    @rule(
        path=st.sampled_from(SOURCES + DATA + OUTPUTS),
        name=st.sampled_from(sorted(CONTENTS)),
        kind=st.sampled_from("ffxl"),
    )
    def write(self, path: str, name: str, kind: str) -> None:
        file = self.root / path
        self.make_room(file)
        if kind == "l":
            os.symlink(name, file)
            return
        file.write_bytes(CONTENTS[name])
        file.chmod(0o755 if kind == "x" else 0o644)

    @rule(number=st.integers(1, 3))
    def configure(self, number: int) -> None:
        (self.root / CONFIG).write_text(f"[train]\nfactor = {number}\n")

    @rule(path=st.sampled_from((*SOURCES, *DATA, *OUTPUTS, "sub", "sub/deep", "data", "data/y", CONFIG)))
    def delete(self, path: str) -> None:
        self.clear(self.root / path)

    @rule(path=st.sampled_from(("sub", "data/y", "sub/deep")))
    def replace_a_folder_by_a_file(self, path: str) -> None:
        self.clear(self.root / path)
        self.make_room(self.root / path)
        (self.root / path).write_text("where a folder was\n")

    def make_room(self, file: Path) -> None:
        for folder in reversed(file.relative_to(self.root).parents):
            if (self.root / folder).is_symlink() or (self.root / folder).is_file():
                (self.root / folder).unlink()
        file.parent.mkdir(parents=True, exist_ok=True)
        self.clear(file)

    def clear(self, file: Path) -> None:
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        elif os.path.lexists(file):
            file.unlink()

    # What Cloche does

    @rule()
    def add(self) -> None:
        before = self.files()
        number = self.project.history(1)[0].number
        if not self.there("data", before) or (self.root / "data").is_symlink():
            with pytest.raises(cloche.ClocheError):
                self.project.add("data")
            assert self.files() == before
            return
        self.project.add("data")
        if self.project.history(1)[0].number != number:
            self.note(before)
        now = self.files()
        assert {**now, "cloche.lock": b""} == {**before, "cloche.lock": b""}

    @rule(target=runs, writes=st.sampled_from(("", *OUTPUTS)))
    def run(self, writes: str) -> Any:
        before = self.files()
        script = f"cat a.py params.toml > {writes} 2> /dev/null; echo more >> {writes}" if writes else "true"
        if writes and os.path.lexists(self.root / writes):
            script = f"rm -rf {writes}; {script}"
        if any(not self.there(item.path, before) for item in self.tracked()):
            with pytest.raises(cloche.ClocheError, match="tracked data is missing"):
                self.project.run(["sh", "-c", script])
            assert self.files() == before
            return multiple()
        run = self.project.run(["sh", "-c", script])
        after = self.files()
        inputs = {path: content for path, content in before.items() if path not in self.written}
        inputs.pop("cloche.lock", None)  # it follows the data, and may have named older ones
        outputs = {path: after[path] for path in ([writes] if writes else [])}
        assert {one.path for one in run.outputs} == set(outputs)
        self.written |= set(outputs)
        recorded = Recorded(run.id, inputs, outputs, frozenset(self.written))
        self.recorded.append(recorded)
        number = self.project.history(1)[0].number
        self.operations[number] = Done(number, after, after)
        return recorded

    @rule(run=runs, only=st.sets(st.sampled_from(("code", "data", "config"))))
    def revert(self, run: Recorded, only: set[Part]) -> None:
        before = self.files()
        preview = self.project.revert(run.id, only=sorted(only), dry_run=True)
        assert self.files() == before
        plan = self.project.revert(run.id, only=sorted(only))
        assert plan == preview
        assert not only or {one.part for one in plan.files} <= only
        after = self.files()
        planned = [one.change.path for one in plan.files]
        both = before.keys() | after.keys()
        assert {path for path in both if before.get(path) != after.get(path)} == {
            path
            for path in both
            if any(inside(path, one) for one in planned)  # a folder may come whole
        }
        if plan.files:
            self.note(before)
        self.check_reverted(run, tuple(only) or PARTS)

    def check_reverted(self, run: Recorded, parts: tuple[Part, ...]) -> None:
        now = self.files()
        if parts == PARTS:
            wanted = {**run.outputs, **run.inputs}
            assert {path: now.get(path) for path in wanted} == wanted
            left = now.keys() - wanted.keys() - {"cloche.lock"}
            assert left <= self.written, "only outputs of other runs may be left"
        if "data" in parts:
            assert {one.lock for one in self.tracked()} <= {"same"}
        if "config" in parts:
            assert now.get(CONFIG) == run.inputs.get(CONFIG)

    @precondition(lambda self: any(not one.undoes for one in self.project.history()))
    @rule(target=undoings)
    def undo(self) -> Any:
        return self.take_back(None)

    @rule(target=undoings, number=consumes(undoings))
    def redo(self, number: int) -> Any:
        return self.take_back(number)

    def is_undone(self, number: int) -> bool:
        """Whether an operation is undone, by an undoing that is not undone itself."""
        by = {one.number: one.undone for one in self.project.history()}
        return bool(by[number]) and not self.is_undone(by[number])

    def is_blocked(self, done: Done, files: Files) -> bool:
        """Whether one of these files stands where a folder has to be for what comes back, or below a file of it."""
        back = done.before.keys() & done.changed
        others = files.keys() - done.changed
        return any(path.startswith(f"{other}/") or other.startswith(f"{path}/") for path in back for other in others)

    def take_back(self, number: int | None) -> Any:
        before = self.files()
        standing = [one for one in self.project.history() if one.verb != "init" and not one.undoes]
        if number is None and all(self.is_undone(one.number) for one in standing):
            with pytest.raises(cloche.ClocheError, match="nothing to undo"):
                self.project.undo()
            return multiple()
        preview = self.project.undo(number, dry_run=True, force=True)
        done = self.operations[preview.operation.number]
        edited = {path for path in done.changed if before.get(path) != done.after.get(path)}
        if edited or self.is_blocked(done, before):
            with pytest.raises(cloche.ClocheError, match="changed since operation"):
                self.project.undo(number)
            assert self.files() == before
        undone = self.project.undo(number, force=True)
        now = self.files()
        assert {path: now.get(path) for path in done.changed} == {path: done.before.get(path) for path in done.changed}
        untouched = {path for path in before.keys() - done.changed if not self.is_blocked(done, {path: before[path]})}
        assert {path: now.get(path) for path in untouched} == {path: before[path] for path in untouched}
        assert now.keys() == untouched | {path for path in done.changed if path in done.before}
        self.operations[undone.number] = Done(undone.number, before, now)
        return undone.number


quiet = settings(deadline=None, suppress_health_check=list(HealthCheck))


class Longer(Project):
    """The same machine, for `make test-long`."""


TestProject = Project.TestCase
TestProject.settings = settings(
    quiet, max_examples=20, stateful_step_count=16, derandomize=True, phases=(Phase.explicit, Phase.generate)
)
TestLonger = pytest.mark.slow(Longer.TestCase)
TestLonger.settings = settings(quiet, max_examples=150, stateful_step_count=30)
