"""Two people, two clones of one Git repository, one remote: whatever they do in whatever order, nothing is lost.

Beside the real thing a plain model keeps what every client must be able to put back: which runs it knows, the files
that each of them had, and what its `cloche.lock` names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

import cloche
from cloche.api import OpenProject
from cloche.errors import ClocheError, Conflict, NotFound
from shell import variables

Files = dict[str, bytes]
WHO = st.sampled_from((0, 1))
PATHS = ("data/a.csv", "data/sub/b.bin", "data/c")
CONTENTS = {"empty": b"", "one": b"1\n", "two": b"2\n", "large": bytes(range(256)) * 400, "other": b"\xff" * 100_001}


@dataclass(frozen=True)
class Recorded:
    """A run as the model knows it."""

    id: str
    data: tuple[tuple[str, bytes], ...]
    code: bytes


@dataclass
class Client:
    """What the model knows of one person: the project; the runs whose content is here; those it took out of the log."""

    root: Path
    project: OpenProject
    runs: dict[str, Recorded] = field(default_factory=dict)
    records: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    locked: Files | None = None  # what `cloche.lock` names, where the model can tell

    def data(self) -> Files:
        """The data in the work tree."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted((self.root / "data").rglob("*"))
            if path.is_file()
        }


class Team(RuleBasedStateMachine):
    runs = Bundle("runs")

    @initialize()
    def start(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="cloche-team-", dir=_fast()))
        (self.place / "home").mkdir()
        self.patch = pytest.MonkeyPatch()
        for name, value in variables(self.place / "home").items():
            self.patch.setenv(name, value)
        first, second = self.place / "first", self.place / "second"
        first.mkdir()
        self.git(first, "init", "-q", "--initial-branch=main")
        one = cloche.init(first)
        (first / "code.py").write_bytes(b"one")
        self.write(first, PATHS[0], b"1\n")
        one.add("data")
        begun = one.run(["true"])
        one.remote_add("origin", os.fspath(self.place / "remote"), local=True)
        self.git(first, "add", "-A")
        self.git(first, "commit", "-q", "-m", "begin")
        one.push()
        self.git(self.place, "clone", "-q", "first", "second")
        two = cloche.open(second)
        two.remote_add("origin", os.fspath(self.place / "remote"), local=True)
        two.pull()
        self.clients = [Client(first, one), Client(second, two)]
        for client in self.clients:
            assert client.data() == {PATHS[0]: b"1\n"}
            client.runs = {begun.id: Recorded(begun.id, ((PATHS[0], b"1\n"),), b"one")}
            client.records = {begun.id}
            client.locked = client.data()
            self.remote = dict(client.runs)

    def teardown(self) -> None:
        if not hasattr(self, "clients"):
            return
        try:
            for client in self.clients:
                client.project.fetch()
                client.runs.update(self.remote)
                for run in client.runs.values():
                    if run.id not in client.removed:
                        self.put_back(client, run)
                found = client.project.verify()
                assert found.sound, found
                assert [one for one in client.project.doctor() if one.state == "error"] == []
        finally:
            for client in self.clients:
                client.project.close()
            self.patch.undo()
            shutil.rmtree(self.place)

    @staticmethod
    def git(folder: Path, *words: str) -> None:
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)

    @staticmethod
    def write(root: Path, path: str, data: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)

    # What people do

    @rule(who=WHO, path=st.sampled_from(PATHS), name=st.sampled_from(sorted(CONTENTS)))
    def edit(self, who: int, path: str, name: str) -> None:
        self.write(self.clients[who].root, path, CONTENTS[name])

    @rule(who=WHO, name=st.sampled_from(("one", "two")))
    def program(self, who: int, name: str) -> None:
        (self.clients[who].root / "code.py").write_text(name)

    @rule(who=WHO, path=st.sampled_from(PATHS))
    def delete(self, who: int, path: str) -> None:
        client = self.clients[who]
        if len(client.data()) > 1:
            (client.root / path).unlink(missing_ok=True)

    @rule(who=WHO)
    def add(self, who: int) -> None:
        client = self.clients[who]
        if client.data():
            client.project.add("data")
            client.locked = client.data()

    @rule(target=runs, who=WHO)
    def run(self, who: int) -> Any:
        client = self.clients[who]
        before, code = client.data(), (client.root / "code.py").read_bytes()
        if not before:
            return multiple()
        run = client.project.run(["true"])
        recorded = Recorded(run.id, tuple(sorted(before.items())), code)
        client.runs[run.id] = recorded
        client.records.add(run.id)
        return recorded

    @rule(who=WHO)
    def push(self, who: int) -> None:
        client = self.clients[who]
        try:
            client.project.push()
        except ClocheError:
            # Only what it does not have itself can be in its way.
            assert client.records - client.runs.keys() - client.removed - self.remote.keys()
            return
        self.remote.update({run: one for run, one in client.runs.items() if run not in client.removed})

    @rule(who=WHO, data=st.booleans())
    def fetch(self, who: int, data: bool) -> None:
        client = self.clients[who]
        client.project.fetch(data=data)
        client.records |= self.remote.keys()
        if data:
            client.runs.update({run: one for run, one in self.remote.items() if run not in client.removed})

    @rule(who=WHO)
    def pull(self, who: int) -> None:
        client = self.clients[who]
        before = client.data()
        try:
            client.project.pull()
        except Conflict:
            assert before != client.locked, "nothing was in the way"
            assert client.data() == before
            return
        assert client.locked is None or client.data() == client.locked
        client.records |= self.remote.keys()

    @rule(who=WHO, grace=st.sampled_from((0.0, 1e-9, 14.0)))
    def gc(self, who: int, grace: float) -> None:
        self.clients[who].project.gc(grace=grace)

    @rule(who=WHO, run=runs)
    def revert(self, who: int, run: Recorded) -> None:
        client = self.clients[who]
        if run.id in client.removed:
            return
        if run.id in client.runs:
            self.put_back(client, run)
        elif run.id not in client.records:
            with pytest.raises(NotFound):
                client.project.revert(run.id)

    def put_back(self, client: Client, run: Recorded) -> None:
        client.project.revert(run.id, only=["code", "data"])
        assert client.data() == dict(run.data)
        client.locked = None  # of data that the run had not recorded as such, it names what it named
        assert (client.root / "code.py").read_bytes() == run.code

    @rule(who=WHO)
    def revert_lock(self, who: int) -> None:
        client = self.clients[who]
        client.project.revert(lock=True)

    @rule(who=WHO)
    def undo(self, who: int) -> None:
        client = self.clients[who]
        before = client.data()
        verbs = [one.verb for one in client.project.history() if not one.undoes and not one.undone]
        try:
            client.project.undo(force=True)
            client.locked = None
        except ClocheError:
            assert client.data() == before
            return
        if verbs[0] in ("remove", "untrack"):
            client.removed = self.hidden(client)

    @rule(who=WHO, run=runs)
    def remove(self, who: int, run: Recorded) -> None:
        client = self.clients[who]
        if run.id in client.records - client.removed:
            client.project.remove(run.id, with_tags=True)
            client.removed.add(run.id)

    @rule(who=WHO, run=runs, name=st.sampled_from(("best", "last")))
    def tag(self, who: int, run: Recorded, name: str) -> None:
        client = self.clients[who]
        if run.id in client.records - client.removed:
            client.project.tag(name, run.id, move=True)

    @rule(who=WHO)
    def commit_and_meet(self, who: int) -> None:
        """What Git does between the two: one takes the `cloche.lock` of the other, once its data is pushed."""
        mine, theirs = self.clients[who], self.clients[1 - who]
        try:
            theirs.project.push(data=True)
        except ClocheError:
            return
        lock = theirs.root / "cloche.lock"
        if lock.exists():
            shutil.copy(lock, mine.root / "cloche.lock")
            mine.project.fetch()
            mine.records |= self.remote.keys()
            mine.runs.update({run: one for run, one in self.remote.items() if run not in mine.removed})
            mine.project.revert(lock=True)
            mine.locked = theirs.locked
            assert mine.locked is None or mine.data() == mine.locked

    # What holds at any time

    @staticmethod
    def hidden(client: Client) -> set[str]:
        return {one.id for one in client.project.log(hidden=True)} - {one.id for one in client.project.log()}

    @invariant()
    def every_run_is_there(self) -> None:
        for client in getattr(self, "clients", ()):
            listed = {one.id for one in client.project.log(hidden=True)}
            assert client.records | client.runs.keys() <= listed
            client.removed = self.hidden(client)  # removals travel, too

    @invariant()
    def nothing_is_lost(self) -> None:
        for client in getattr(self, "clients", ()):
            found = client.project.verify()
            assert not found.damaged
            assert not {one.record for one in found.affected} & (client.runs.keys() - client.removed)


def _fast() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


quiet = settings(deadline=None, suppress_health_check=list(HealthCheck))


class Longer(Team):
    """The same machine, for `make test-long`."""


TestTeam = Team.TestCase
TestTeam.settings = settings(
    quiet, max_examples=14, stateful_step_count=18, derandomize=True, phases=(Phase.explicit, Phase.generate)
)
TestLonger = pytest.mark.slow(pytest.mark.timeout(3600)(Longer.TestCase))
TestLonger.settings = settings(quiet, max_examples=300, stateful_step_count=40)
