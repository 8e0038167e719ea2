"""`kill -9` at any moment, again and again, on one project that lives on."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_server import Server

import cloche
from cloche.api import OpenProject
from cloche.model.digest import digest_bytes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX thing")

Files = dict[str, str]
CALLS = (
    "project.add('data')",
    "project.add('data')",
    "project.run(['cp', 'data/a.csv', 'out.csv'])",
    "project.revert('@~1', only=['code', 'data'])",
    "project.revert('@~2', only=['code', 'data'])",
    "project.revert(lock=True)",
    "project.undo(force=True)",
    "project.gc(grace=1e-9)",
    "project.gc(grace=1e-9)",
    "project.gc(grace=0)",
    "project.remove('@~5')",
    "project.verify(repair=True)",
    "project.push()",
    "project.push()",
    "project.fetch()",
    "project.pull(force=True)",
    "project.status()",
)


def files_of(root: Path) -> Files:
    """The digest of each file of the work tree."""
    found: Files = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".cloche"]
        for name in names:
            path = Path(folder, name)
            found[path.relative_to(root).as_posix()] = digest_bytes(path.read_bytes())
    return found


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


class Life:
    """A project, and what was recorded in it."""

    def __init__(self, root: Path, server: Server, seed: int) -> None:
        self.root = root
        self.chance = random.Random(seed)
        self.server = server
        self.took: dict[str, float] = {}
        self.killed: Counter[str] = Counter()
        with cloche.init(root) as project:
            self.edit()
            project.add("data")
            for _ in range(3):
                project.run(["cp", "data/a.csv", "out.csv"])
            project.remote_add("here", os.fspath(root.parent / "remote"), local=True)
            self.runs = {run.id for run in project.log()}

    def edit(self) -> None:
        """Change some files."""
        chance = self.chance
        (self.root / "data/sub").mkdir(parents=True, exist_ok=True)
        for name in ("data/a.csv", "data/sub/b.csv", "code.py", "data/big.bin"):
            if chance.random() < 0.5 or not (self.root / name).exists():
                size = 90_000 if name.endswith("bin") else 50
                path = self.root / name
                path.unlink(missing_ok=True)
                path.write_bytes(chance.randbytes(size))
        if chance.random() < 0.1:
            shutil.rmtree(self.root / "data/sub")

    def step(self) -> None:
        """Do something, kill it, and see that all is well."""
        call = self.chance.choice(CALLS)
        with cloche.open(self.root) as project:
            if self.chance.random() < 0.5:
                self.edit()
            before = files_of(self.root)
            newest = project.history(1)[0].number
            removed = {run.id for run in project.log(hidden=True)} - {run.id for run in project.log()}
        usual = self.took.get(call, 0.1)
        ended = self.server.do(self.root, call, self.chance.uniform(0, usual * 1.2))
        if not ended.killed:
            self.took[call] = 0.7 * usual + 0.3 * ended.took
        self.killed[call] += ended.killed
        if ended.killed and self.chance.random() < 0.3:  # the recovery is killed as well
            self.server.do(self.root, "project.status()", self.chance.uniform(0, 0.02))
        with cloche.open(self.root) as project:
            self.check(project, before, newest, call)
            found = project.verify()
            back = {one.record for one in found.affected} & removed
            if back:  # gc had deleted what they were made of; the undo that brings them back to the log says so
                assert ".undo(" in call
                for run in back:
                    project.remove(run)
                found = project.verify()
            assert found.sound, (call, found)

    def check(self, project: OpenProject, before: Files, newest: int, call: str) -> None:
        for number in project.status().cut_off:
            project.undo(number)
            assert without_output(files_of(self.root)) == without_output(before), call
        done = [one for one in project.history() if one.number > newest]
        if not done and ".run(" not in call:
            assert files_of(self.root) == before, call
        runs = {run.id for run in project.log(hidden=True)}
        assert self.runs <= runs, call
        self.runs = runs
        assert all(run.status != "running" for run in project.log())

    def assert_ends_well(self) -> None:
        """Everything that was ever recorded can be had, and new things can be recorded."""
        with cloche.open(self.root) as project:
            for run in project.log():
                for one in project.ls(run.id):
                    assert digest_bytes(b"".join(project.cat(run.id, one.path))) == one.digest
            self.edit()
            project.add("data")
            project.push()
            project.gc(grace=0)
            assert project.verify().sound
            assert [one for one in project.doctor() if one.state == "error"] == []
            records = {run.id: {one.path: one.digest for one in project.ls(run.id)} for run in project.log()}
            left = [name for name in os.listdir(self.root / ".cloche/store/tmp") if not name.endswith(".lock")]
            assert left == []
        self.assert_another_reads(records)

    def assert_another_reads(self, records: dict[str, dict[str, str]]) -> None:
        """Another client finds every run on the remote that so many pushes were killed on, and reads all of it."""
        with cloche.init(self.root.parent / "other") as other:
            other.remote_add("here", os.fspath(self.root.parent / "remote"), local=True)
            other.fetch()
            assert other.verify().sound
            assert records.keys() <= {run.id for run in other.log()}
            for run, files in records.items():
                for path, digest in files.items():
                    assert digest_bytes(b"".join(other.cat(run, path))) == digest


def without_output(files: Files) -> Files:
    return {path: digest for path, digest in files.items() if path != "out.csv"}


def test_hundreds_of_kills(tmp_path: Path, server: Server) -> None:
    life = Life(tmp_path / "work", server, 11)
    for _ in range(300):
        life.step()
    life.assert_ends_well()
    assert life.killed.total() > 80
    assert set(life.killed) == set(CALLS), "each was killed"
    assert life.killed["project.push()"] > 2


class Shared:
    """A remote that holds one of the two runs of a project, and somebody who reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ada, self.remote = folder, folder / "ada", folder / "remote"
        chance = random.Random(5)
        with cloche.init(self.ada) as project:
            project.remote_add("origin", os.fspath(self.remote), local=True)
            for _ in range(2):
                (self.ada / "data").mkdir(exist_ok=True)
                for number in range(30):
                    (self.ada / f"data/{number}").write_bytes(chance.randbytes(30_000))
                project.add("data")
                self.last = project.run(["true"]).id
                if not self.remote.exists() or not any(self.remote.rglob("*.bundle")):
                    project.push()
        self.before = shutil.copytree(self.remote, folder / "before")

    def reset(self) -> None:
        """As before the push."""
        shutil.rmtree(self.remote)
        shutil.copytree(self.before, self.remote)

    def read(self) -> int:
        """Somebody takes all of it; how many runs that are, each of them whole."""
        reader = self.folder / "reader"
        shutil.rmtree(reader, ignore_errors=True)
        with cloche.init(reader) as other:
            other.remote_add("origin", os.fspath(self.remote), local=True)
            fetched = other.fetch()
            assert (fetched.problems, fetched.elsewhere) == ((), 0)
            assert other.verify().sound
            return len(other.log())


def test_a_push_that_is_killed_again_and_again(tmp_path: Path, server: Server) -> None:
    """Between the kills a reader sees the old state or the new one, whole; and the next push goes on."""
    shared = Shared(tmp_path)
    chance = random.Random(1)
    usual = server.do(shared.ada, "project.push()").took
    assert shared.read() == 2
    shared.reset()
    killed, grown = 0, 0
    for _ in range(60):
        if killed >= 3 and grown:
            break
        packs = len([*shared.remote.rglob("*.pack*")])
        ended = server.do(shared.ada, "project.push()", chance.uniform(0.1, 0.95) * usual)
        usual = usual if ended.killed else ended.took
        killed += ended.killed
        grown += ended.killed and len([*shared.remote.rglob("*.pack*")]) > packs
        seen = shared.read()
        assert seen == 2 or ended.killed
        if seen == 2:
            shared.reset()
    assert killed >= 3
    assert grown, "no kill fell between the first pack and the bundle"
    with cloche.open(shared.ada) as project:
        project.push()
        assert project.remote_test(data=True).problems == ()


def test_a_pull_that_is_killed_again_and_again(tmp_path: Path, server: Server) -> None:
    """What came stays, what is there is whole, and the next pull brings the rest."""
    shared = Shared(tmp_path)
    with cloche.open(shared.ada) as project:
        project.push()
    chance = random.Random(2)
    bob, start = tmp_path / "bob", tmp_path / "start"
    with cloche.init(start) as project:
        project.remote_add("origin", os.fspath(shared.remote), local=True)
        shutil.copy(shared.ada / "cloche.lock", start / "cloche.lock")
    shutil.copytree(start, bob, symlinks=True)
    usual = server.do(bob, "project.pull()").took
    killed = 0
    for number in range(30):
        if killed >= 3:
            break
        if number % 3 == 0:
            shutil.rmtree(bob)
            shutil.copytree(start, bob, symlinks=True)
        ended = server.do(bob, "project.pull()", chance.uniform(0.1, 0.95) * usual)
        killed += ended.killed
        with cloche.open(bob) as project:
            for cut_off in project.status().cut_off:
                project.undo(cut_off)
            assert len(project.log()) in (0, 2)
            assert not project.verify().damaged
    assert killed >= 3
    with cloche.open(bob) as project:
        project.pull(force=True)
        assert project.fetch().elsewhere == 0
        assert project.verify().sound
    assert {path.name: path.read_bytes() for path in (bob / "data").iterdir()} == {
        path.name: path.read_bytes() for path in (shared.ada / "data").iterdir()
    }


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(8))
def test_thousands_of_kills(tmp_path: Path, server: Server, seed: int) -> None:
    life = Life(tmp_path / "work", server, seed)
    for _ in range(600):
        life.step()
    life.assert_ends_well()
