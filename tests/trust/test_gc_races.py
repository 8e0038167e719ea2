"""`gc` at every moment of another command: it waits, or takes nothing that anybody is about to need.

The interleavings are forced: before each step of a command to the disk or the catalog a `gc` is tried, by a project of
its own, and not waited for. Where the command keeps it out it is refused at once; at each of the other moments the
command is done once more, with one `gc` just there.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cloche
from cloche.api import OpenProject
from cloche.catalog.database import Database
from cloche.errors import Busy, ClocheError
from cloche.ops.prune import Rules
from cloche.project import project as project_module
from cloche.project.project import Project
from cloche.remotes.folder import FolderBackend
from cloche.store.filesystem import FileSystem
from cloche.store.objects import Store
from cloche.store.recipes import RECIPE
from shell import BIN, Shell

STEPS = ("create", "open_lock", "write", "sync", "sync_folder", "rename", "link", "unlink", "mkdir", "rmdir", "close")
Act = Callable[[OpenProject], object]
BIG = 300_000


def noise(seed: int, size: int = BIG) -> bytes:
    return random.Random(seed).randbytes(size)


def write(project: OpenProject, path: str, data: bytes) -> None:
    file = project.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


@contextlib.contextmanager
def at_each_step(act: Callable[[int], None]) -> Iterator[list[int]]:
    """Do something before each step of whatever is done meanwhile; it is told the step's number."""
    count = [0]
    inside = [False]

    def step() -> None:
        if not inside[0]:
            inside[0] = True
            count[0] += 1
            try:
                act(count[0])
            finally:
                inside[0] = False

    def counted(real: Any) -> Any:
        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            step()
            return real(self, *arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(FileSystem, name, counted(getattr(FileSystem, name)))
        patch.setattr(Database, "_execute", counted(Database._execute))
        yield count


def collect(root: Path, grace: float) -> bool:
    """Try a `gc` that does not wait; whether nobody kept it out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project_module, "LONG", 0)
        with cloche.open(root) as other:
            try:
                other.gc(grace=grace)
            except Busy:
                return False
    return True


def garbage(project: OpenProject) -> None:
    """Versions of the data that no record needs: what a command brings back is there, and nobody needs it yet."""
    for number in (2, 3):
        write(project, "data/big.bin", noise(number))
        write(project, "code.py", b"print(%d)\n" % number)
        project.add("data")
        project.undo()
        Store(project.root / ".cloche/store").close()
    write(project, "data/big.bin", noise(2))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    """One run, and unused packs that hold just what lies in the work tree now."""
    with cloche.init(tmp_path / "work") as opened:
        write(opened, "data/big.bin", noise(1))
        write(opened, "data/sub/a.csv", b"a\n")
        write(opened, "code.py", b"print(1)\n")
        opened.add("data")
        opened.run(["cp", "data/big.bin", "out.bin"])
        garbage(opened)
        opened.status()
        yield opened


def add(project: OpenProject) -> object:
    return project.add("data")


def run(project: OpenProject) -> object:
    project.add("data")
    return project.run(["cp", "data/big.bin", "out.bin"])


def revert(project: OpenProject) -> object:
    return project.revert("@", only=["code", "data"])


def undo(project: OpenProject) -> object:
    project.add("data")
    return project.undo()


def repair(project: OpenProject) -> object:
    return project.verify(repair=True)


def fetch(project: OpenProject) -> object:
    return project.fetch()


def pull(project: OpenProject) -> object:
    return project.pull(force=True)


def checkout(project: OpenProject) -> object:
    return project.checkout("@", "data", "code.py")


def prune(project: OpenProject) -> object:
    return project.prune(Rules(last=1))


def push(project: OpenProject) -> object:
    return project.push()


def has_remote(project: OpenProject) -> None:
    """The data of a second run waits to be pushed."""
    project.remote_add("origin", os.fspath(project.root.parent / "remote"), local=True)
    project.add("data")
    project.run(["true"])
    project.close()
    shutil.copytree(project.root.parent / "remote", project.root.parent / "empty")


def assert_whole(remote: Path, reader: Path) -> None:
    """Whoever reads the remote finds both runs with all their content."""
    shutil.rmtree(reader, ignore_errors=True)
    with cloche.init(reader) as other:
        other.remote_add("origin", os.fspath(remote), local=True)
        other.fetch()
        assert len(other.log()) == 2
        assert other.verify().sound


def others(project: OpenProject) -> None:
    """A run of somebody else, on other data, is on the remote."""
    project.remote_add("origin", os.fspath(project.root.parent / "remote"), local=True)
    project.push()
    project.close()
    other = shutil.copytree(project.root, project.root.parent / "other", symlinks=True)
    with cloche.open(other) as there:
        write(there, "data/big.bin", noise(9))
        there.add("data")
        there.run(["true"])
        there.push()


COMMANDS = [
    pytest.param(add, 1e-9, id="add"),
    pytest.param(add, 0, id="add, nothing spared"),
    pytest.param(run, 1e-9, id="run"),
    pytest.param(revert, 0, id="revert"),
    pytest.param(undo, 1e-9, id="undo"),
    pytest.param(lambda project: project.gc(grace=0), 0, id="gc"),
    pytest.param(lambda project: project.gc(grace=1e-9), 0, id="gc that sets aside"),
    pytest.param(repair, 0, id="repair"),
    pytest.param(fetch, 0, id="fetch"),
    pytest.param(pull, 1e-9, id="pull"),
    pytest.param(push, 0, id="push"),
    pytest.param(checkout, 0, id="checkout"),
    pytest.param(prune, 0, id="prune"),
]


@pytest.mark.parametrize(("act", "grace"), COMMANDS)
def test_gc_at_every_moment_of_a_command(project: OpenProject, act: Act, grace: float) -> None:
    if act in (fetch, pull):
        others(project)
    elif act is push:
        has_remote(project)
    elif act is prune:
        project.run(["true"])
    project.close()
    start = shutil.copytree(project.root, project.root.parent / "start", symlinks=True)
    free: list[int] = []

    def again() -> OpenProject:
        shutil.rmtree(project.root)
        shutil.copytree(start, project.root, symlinks=True)
        if act is push:
            shutil.rmtree(project.root.parent / "remote")
            shutil.copytree(project.root.parent / "empty", project.root.parent / "remote")
        return cloche.open(project.root)

    def look(number: int) -> None:
        with contextlib.suppress(Busy), Project(project.root).collecting():
            free.append(number)

    with pytest.MonkeyPatch.context() as patch, again() as opened, at_each_step(look) as count:
        patch.setattr(project_module, "LONG", 0)
        act(opened)
    assert count[0] > 5
    assert len(free) < count[0], "some of it keeps gc out"
    moments = free if len(free) <= 6 else sorted(random.Random(len(free)).sample(free, 6))
    got_in = 0
    for moment in moments:
        with again() as opened:
            done: list[bool] = []

            def at(number: int, moment: int = moment, done: list[bool] = done) -> None:
                if number == moment:
                    done.append(collect(project.root, grace))

            with at_each_step(at):
                act(opened)
            got_in += any(done)  # steps may shift by one or two: what changed just now is read again
            if act is push:
                assert_whole(project.root.parent / "remote", project.root.parent / "reader")
            assert opened.verify().sound, f"gc at step {moment} of {count[0]}"
            assert all(check.state != "error" for check in opened.doctor())
            opened.add("data")
            opened.revert("@", only=["code", "data"])
            assert (project.root / "data/big.bin").read_bytes() in (noise(1), noise(2), noise(9))
            assert opened.gc(grace=0).missing == 0
            assert opened.verify().sound
    assert got_in * 2 >= len(moments)


def test_gc_stays_out_for_as_long_as_push_sends(project: OpenProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is taken out of the log meanwhile is pushed whole, or not at all."""
    has_remote(project)
    got_in: list[bool] = []
    real = FolderBackend.put

    def put(self: FolderBackend, name: str, data: bytes, *, create: bool = False) -> bool:
        if name.startswith(("packs/", "indexes/", "bundles/", "runs/", "inventory")):
            got_in.append(collect(project.root, 0))
        return real(self, name, data, create=create)

    monkeypatch.setattr(FolderBackend, "put", put)
    project.push()
    assert len(got_in) > 2
    assert not any(got_in)
    monkeypatch.undo()
    assert_whole(project.root.parent / "remote", project.root.parent / "reader")


def test_a_run_that_is_going_loses_nothing_to_gc(project: OpenProject) -> None:
    """Its inputs are needed from the moment it begins, its outputs once they are recorded."""
    write(project, "data/big.bin", noise(7))
    project.add("data")
    gc = f"import cloche; cloche.open({os.fspath(project.root)!r}).gc(grace=1e-9)"
    script = f"import shutil; shutil.copy('data/big.bin', 'out.bin'); {gc}"
    run = project.run([sys.executable, "-c", script])
    assert run.status == "finished"
    project.gc(grace=0)
    assert project.verify().sound
    assert b"".join(project.cat(run.id, "out.bin")) == noise(7)


def test_two_gcs_wait_for_each_other_and_both_do_well(model: Shell) -> None:
    for number in range(3):
        model.write("data/big.bin", noise(number))
        model.cloche("add", "data")
        model.run(command=["true"])
    model.cloche("remove", "@~1")
    several = [
        subprocess.Popen([BIN / "cloche", "gc", "--grace", "0"], cwd=model.folder, env=model.variables)
        for _ in range(3)
    ]
    assert [one.wait(60) for one in several] == [0, 0, 0]
    assert model.facts("verify")["sound"]


def test_gc_in_one_worktree_while_another_one_adds(model: Shell) -> None:
    """They share a store; the other one's `cloche.lock` is not committed, and nothing else names its data."""
    model.commit()
    model("git", "worktree", "add", "-q", "../side")
    side = Shell(model.folder.parent / "side", model.variables)
    side.cloche("status")
    root = model.folder

    def at(number: int) -> None:
        if number % 7 == 0:
            collect(root, 1e-9)

    side.write("data/big.bin", noise(4))
    with at_each_step(at), cloche.open(side.folder) as project:
        project.add("data")
    model.cloche("gc", "--grace", "0", "--tips-only")
    assert side.facts("verify")["sound"]
    side.write("data/big.bin", b"other")
    side.cloche("revert", "--lock")
    assert side.data("data/big.bin") == noise(4)


class TestReaders:
    def test_an_open_file_reads_on_while_its_pack_is_written_anew(self, project: OpenProject) -> None:
        with project.open_file("@", "data/big.bin") as file:
            first = file.read(100)
            for number in range(9):  # many small packs: they become one
                project.note(f"{number}", "@")
                write(project, "data/small.csv", b"%d" % number)
                project.add("data")
            assert collect(project.root, 0)
            assert first + file.read() == noise(1)

    @pytest.mark.parametrize("grace", [0, 1e-9])
    def test_a_file_that_nobody_needs_is_read_right_or_not_at_all(self, project: OpenProject, grace: float) -> None:
        write(project, "data/big.bin", noise(5))
        project.add("data")
        project.run(["true"])
        with project.open_file("@", "data/big.bin") as file:
            first = file.read(100)
            project.remove("@")
            project.undo()
            project.remove("@")
            assert collect(project.root, grace)
            with contextlib.suppress(ClocheError):
                assert first + file.read() == noise(5)

    def test_a_stream_goes_on_through_gc(self, project: OpenProject) -> None:
        pieces = project.cat("@", "data/big.bin")
        found = [next(pieces)]
        assert collect(project.root, 0)
        assert b"".join([*found, *pieces]) == noise(1)


class TestStatCache:
    def test_what_it_calls_stored_is_looked_for_after_gc(self, project: OpenProject) -> None:
        """Marks say that the store holds a file; gc took away the pack that they relied on."""
        project.add("data")
        project.close()
        number = project.history(1)[0].number
        project.undo(number)
        write(project, "data/big.bin", noise(2))
        project.status()
        assert collect(project.root, 0)
        project.add("data")
        project.gc(grace=0)
        assert project.verify().sound
        write(project, "data/big.bin", b"other")
        project.revert(lock=True)
        assert (project.root / "data/big.bin").read_bytes() == noise(2)

    def test_a_tree_that_is_there_without_those_below_it_is_stored_again(self, project: OpenProject) -> None:
        """As an interrupted transfer leaves it."""
        write(project, "pkg/deep/er/code.py", b"1\n")
        project.run(["true"])
        project.close()
        store = Store(project.root / ".cloche/store")
        tree = store.read(project.show("@").run.snapshot.code.tree)
        project.close()
        shutil.rmtree(project.root / ".cloche/store")
        with Store(project.root / ".cloche/store").writer() as writer:
            writer.add_bytes(tree)
        project.add("data")
        run = project.run(["true"])
        project.close()
        found = project.verify()
        assert [one for one in found.affected if one.record == run.id] == []


def test_what_a_dead_list_names_is_stored_again(project: OpenProject) -> None:
    """A list of chunks is there, a chunk of it is not: whoever adds the file again brings back what is missing."""
    project.add("data")
    project.close()
    store = Store(project.root / ".cloche/store")
    lists = [place.digest for _, places in store.packs.contents() for place in places if place.kind == RECIPE]
    assert lists
    data = noise(2)
    project.close()
    for pack in list((project.root / ".cloche/store/packs").glob("*/*.pack")):
        if pack.stat().st_size > BIG:
            pack.unlink()
            pack.with_suffix(".index").unlink()
    project.add("data")
    project.gc(grace=0)
    write(project, "data/big.bin", b"other")
    project.revert(lock=True)
    assert (project.root / "data/big.bin").read_bytes() == data
