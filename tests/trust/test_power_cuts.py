"""The power goes at any moment: everything is as before or as after, nothing that was recorded is lost, and the next
command works.

What each command does to the disk is recorded once. Then, for each step of it, the project is put on a disk as a power
cut right after that step could have left it (see `power_cut`), and opened.
"""

from __future__ import annotations

import os
import random
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from power_cut import CATALOG, Bits, Cut, Log, Node, Rebuilt, fast, read_catalog, read_disk, recording

import cloche
from cloche.api import OpenProject
from cloche.errors import ClocheError
from cloche.model.digest import digest_bytes
from cloche.project import fetching
from cloche.store import pack_writer, transfer

Files = dict[str, bytes | str | None]
Act = Callable[[OpenProject], object]
CUTS: tuple[tuple[Bits, Bits], ...] = (
    ("dropped", "dropped"),
    ("torn", "torn"),
    ("kept", "dropped"),
    ("torn", "kept"),
    ("torn", "torn"),
    ("torn", "dropped"),
    ("kept", "torn"),
)
SAMPLE = 8  # moments of each command that CI looks at, each with another kind of cut


def files_of(root: Path) -> Files:
    """Every file, link and empty folder of the work tree."""
    found: Files = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".cloche"]
        for name in (*names, *folders):
            path = os.path.join(folder, name)
            inner = os.path.relpath(path, root)
            if os.path.islink(path):
                found[inner] = os.readlink(path)
            elif os.path.isfile(path):
                found[inner] = Path(path).read_bytes()
            elif not os.listdir(path):
                found[inner] = None
    return found


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def write(root: Path, path: str, data: bytes) -> None:
    """As an editor that waits for the disk: a new file under the old name."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).unlink(missing_ok=True)
    (root / path).write_bytes(data)


def settled() -> None:
    """Long enough after the last change for the stat cache to believe in it."""
    time.sleep(0.06)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenProject]:
    """Two runs on two versions of the data, and a third version that is not recorded yet."""
    monkeypatch.setattr(pack_writer, "PACK_LIMIT", 150_000)
    monkeypatch.setattr(transfer, "WORTH_ITSELF", 50_000)
    monkeypatch.setattr(fetching, "_WORTH_ITSELF", 50_000)
    root = tmp_path / "disk/work"
    opened = cloche.init(root)
    write(root, "train.py", b"print(1)\n")
    write(root, "params.toml", b"lr = 1\n")
    write(root, "data/big.bin", noise(1, 300_000))
    write(root, "data/table.csv", b"a,b\n1,2\n")
    write(root, "data/sub/deep/c.csv", b"c\n")
    (root / "data/empty").mkdir()
    (root / "data/link").symlink_to("table.csv")
    opened.add("data")
    opened.run(["cp", "data/table.csv", "out.csv"])
    write(root, "data/big.bin", noise(1, 200_000) + noise(2, 100_000))
    write(root, "data/table.csv", b"a,b\n1,2\n3,4\n")
    write(root, "train.py", b"print(2)\n")
    opened.add("data")
    opened.run(["cp", "data/table.csv", "out.csv"])
    opened.tag("second")
    write(root, "data/big.bin", noise(2, 350_000))
    write(root, "data/new/d.csv", b"d\n")
    write(root, "train.py", b"print(3)\n")
    settled()
    opened.status()
    yield opened
    opened.close()


class Replay:
    """One command, recorded; and what must hold wherever it is cut off."""

    def __init__(self, project: OpenProject, act: Act) -> None:
        self.root = project.root
        self.shared = act is push
        self.home = self.root.parent if self.shared else self.root
        self.place = f"{self.root.name}/{CATALOG}" if self.shared else CATALOG
        self.needs_repair = act in (repair, pull, pull_packs)  # before a pull, `cloche.lock` names what is not here
        self.project = project
        self.runs = {run.id for run in project.log(hidden=True)}
        self.readable = {run.id: self.listed(project, run.id) for run in project.log()}
        self.operations = len(project.history())
        project.close()
        self.before = files_of(self.root)
        self.start = shutil.copytree(self.home, self.root.parent.parent / "start", symlinks=True)
        self.catalog = read_catalog(self.root)
        with recording(self.home, self.place) as log:
            self.result = act(project)
            project.close()
        self.log: Log = log
        self.after = files_of(self.root)
        self.gone = {run.id for run in project.log(hidden=True)} - {run.id for run in project.log()}
        project.close()

    @staticmethod
    def listed(project: OpenProject, run: str) -> dict[str, str]:
        return {one.path: one.digest for one in project.ls(run)}

    def cut(self, at: int, names: Bits, bits: Bits, seed: int) -> Rebuilt:
        """Put the project on the disk that a cut after so many steps leaves."""
        cut = Cut(read_disk(self.start), self.catalog)
        for step in self.log.steps[:at]:
            cut.take(step)
        rebuilt = Rebuilt(self.home, self.place)
        rebuilt.bring(cut.leave(random.Random(seed), names, bits), cut.catalog)
        return rebuilt

    def everywhere(self, sample: int | None) -> Iterator[str]:
        """Cut off at every moment, or at so many of them; yields with the project as it is then."""
        last = len(self.log.steps)
        moments = range(last + 1)
        if sample is not None and sample < last:
            moments = sorted({round(number * last / (sample - 1)) for number in range(sample)})  # type: ignore[assignment]
        for number, at in enumerate(moments):
            cuts = CUTS if sample is None else (CUTS[number % len(CUTS)],)
            for how, (names, bits) in enumerate(cuts):
                where = f"after step {at} of {last} {self.log.steps[at - 1][:3] if at else ''!s:.120}, {names}, {bits}"
                with fast(rebuilt := self.cut(at, names, bits, zlib.crc32(f"{at} {how}".encode()))):
                    _ = rebuilt
                    yield where
                self.project.close()

    def assert_old_or_new(self, sample: int | None) -> None:
        """What must hold."""
        for where in self.everywhere(sample):
            try:
                self.check_here(ended=where.startswith(f"after step {len(self.log.steps)} "))
            except (AssertionError, ClocheError, OSError) as error:
                hint = getattr(error, "hint", "")
                raise AssertionError(f"{where}: {type(error).__name__}: {error} {hint}") from error

    def check_here(self, *, ended: bool) -> None:
        with cloche.open(self.root) as project:
            for number in project.status().cut_off:
                project.undo(number)
                assert files_of(self.root) == self.before
            now = files_of(self.root)
            assert now == self.after if ended else now in (self.before, self.after), difference(now, self.before)
            done = len(project.history()) > self.operations
            if done and self.after != self.before and not project.status().cut_off:
                assert now == self.after or project.history()[0].verb == "undo"
            kept = {run.id for run in project.log(hidden=True)}
            assert self.runs <= kept, "a run is gone"
            assert all(run.status != "running" for run in project.log()), "a run was not closed"
            found = project.verify(repair=self.needs_repair)
            assert found.sound, found
            for run, listed in self.readable.items():
                if run not in self.gone:
                    assert self.listed(project, run) == listed
            if self.shared:
                self.check_remote(project)
            self.go_on(project)

    def check_remote(self, project: OpenProject) -> None:
        """Whoever reads the remote finds no run without its content, and the next push completes it."""
        reader = self.root.parent.parent / "reader"
        shutil.rmtree(reader, ignore_errors=True)
        with cloche.init(reader) as other:
            other.remote_add("origin", os.fspath(self.root.parent / "remote"), local=True)
            for complete in (False, True):
                other.fetch()
                assert {run.id for run in other.log()} <= self.readable.keys()
                assert other.verify().sound, "a run is on the remote, and its content is not"
                for run in other.log():
                    assert self.listed(other, run.id) == self.readable[run.id]
                if not complete:
                    project.push()
            assert {run.id for run in other.log()} == self.readable.keys()

    def go_on(self, project: OpenProject) -> None:
        """The next command works, and what it records can be had again."""
        write(self.root, "data/next.csv", b"next\n")
        project.add("data")
        there = files_of(self.root)
        assert project.verify().sound
        assert os.listdir(self.root / ".cloche/store/tmp") in ([], ["checkout.lock"])
        first = project.log(sort=["created"])[0]
        project.revert(first.id, only=["code", "data"])
        assert (self.root / "train.py").read_bytes() == b"print(1)\n"
        assert (self.root / "data/big.bin").read_bytes() == noise(1, 300_000)
        project.undo()
        assert files_of(self.root) == there


def difference(one: Files, other: Files) -> str:
    return ", ".join(sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path)))


def add(project: OpenProject) -> object:
    return project.add("data")


def run(project: OpenProject) -> object:
    return project.run(["true"])


def revert(project: OpenProject) -> object:
    return project.revert("@~1", only=["code", "data"])


def revert_whole(project: OpenProject) -> object:
    return project.revert("@~1", only=["data"])


def undo(project: OpenProject) -> object:
    return project.undo()


def collect(project: OpenProject) -> object:
    return project.gc(grace=0)


def set_aside(project: OpenProject) -> object:
    return project.gc(grace=1e-9)


def nothing(project: OpenProject) -> None:
    """As it is."""


def added(project: OpenProject) -> None:
    project.add("data")
    settled()


def reverted(project: OpenProject) -> None:
    project.revert("@~1", only=["code", "data"])


def data_gone(project: OpenProject) -> None:
    shutil.rmtree(project.root / "data")


def one_removed(project: OpenProject) -> None:
    project.remove("@", with_tags=True)


def in_quarantine(project: OpenProject) -> None:
    project.add("data")
    project.undo()
    project.gc(grace=1e-9)


def damaged(project: OpenProject) -> None:
    project.add("data")
    project.close()
    big = max((project.root / ".cloche/store/packs").glob("*/*.pack"), key=lambda path: path.stat().st_size)
    raw = bytearray(big.read_bytes())
    raw[len(raw) // 2] ^= 1
    big.write_bytes(raw)


def repair(project: OpenProject) -> object:
    return project.verify(repair=True)


def push(project: OpenProject) -> object:
    return project.push()


def fetch(project: OpenProject) -> object:
    return project.fetch()


def pull(project: OpenProject) -> object:
    return project.pull(force=True)


def pull_packs(project: OpenProject) -> object:
    there = {file.name for file in (project.root.parent / "remote/packs").rglob("*.pack")}
    result = pull(project)
    assert there & {file.name for file in (project.root / ".cloche/store/packs").rglob("*.pack")}
    return result


def has_remote(project: OpenProject) -> None:
    project.remote_add("origin", os.fspath(project.root.parent / "remote"), local=True)
    project.add("data")


def others_have_pushed(project: OpenProject) -> None:
    """A run of somebody else is on the remote, and what is here is not yet recorded."""
    remote = os.fspath(project.root.parent / "remote")
    project.remote_add("origin", remote, local=True)
    project.push()
    project.close()
    other = shutil.copytree(project.root, project.root.parent / "other", symlinks=True)
    with cloche.open(other) as there:
        write(other, "data/big.bin", noise(8, 250_000))
        write(other, "data/sub/their.csv", b"theirs\n")
        there.add("data")
        there.run(["true"])
        there.push()


def their_lock_came(project: OpenProject) -> None:
    """As by `git pull`: their `cloche.lock`, before their data."""
    others_have_pushed(project)
    project.revert(lock=True)
    shutil.copy(project.root.parent / "other/cloche.lock", project.root / "cloche.lock")


def their_many_files_came(project: OpenProject) -> None:
    """Such as fill packs of their own, which are taken over as they are."""
    others_have_pushed(project)
    with cloche.open(project.root.parent / "other") as there:
        for number in range(30):
            write(there.root, f"data/many/{number}", noise(100 + number, 10_000))
        there.add("data")
        there.push()
    project.revert(lock=True)
    shutil.copy(project.root.parent / "other/cloche.lock", project.root / "cloche.lock")


COMMANDS = [
    pytest.param(nothing, add, id="add"),
    pytest.param(nothing, run, id="run"),
    pytest.param(nothing, revert, id="revert"),
    pytest.param(data_gone, revert_whole, id="revert of a whole folder"),
    pytest.param(reverted, undo, id="undo"),
    pytest.param(one_removed, collect, id="gc that deletes"),
    pytest.param(one_removed, set_aside, id="gc that sets aside"),
    pytest.param(in_quarantine, add, id="add of what lies in quarantine"),
    pytest.param(damaged, repair, id="repair"),
    pytest.param(has_remote, push, id="push"),
    pytest.param(others_have_pushed, fetch, id="fetch"),
    pytest.param(their_lock_came, pull, id="pull"),
    pytest.param(their_many_files_came, pull_packs, id="pull of packs as they are"),
]


@pytest.mark.parametrize(("prepare", "act"), COMMANDS)
def test_a_power_cut_at_any_moment(project: OpenProject, prepare: Callable[[OpenProject], None], act: Act) -> None:
    prepare(project)
    replay = Replay(project, act)
    assert len(replay.log.steps) > 15
    replay.assert_old_or_new(SAMPLE)


def test_a_power_cut_while_a_project_is_made(tmp_path: Path) -> None:
    """All that is ever recorded relies on a few folders: they are there for good before anything is in them."""
    root, start = tmp_path / "work", tmp_path / "start"
    for place in (root, start):
        write(place, "data/a.csv", b"a\n")
    with recording(root) as log, cloche.init(root) as project:
        project.add("data")
        project.close()
    last = len(log.steps)
    for number, at in enumerate(sorted({*range(0, last, 4), last})):
        for names, bits in (CUTS[number % 3],):
            cut = Cut(read_disk(start), b"")
            for step in log.steps[:at]:
                cut.take(step)
            rebuilt = Rebuilt(root)
            rebuilt.bring(cut.leave(random.Random(at), names, bits), cut.catalog)
            with fast(rebuilt), cloche.init(root) as project:
                assert at < last or (root / "cloche.lock").exists()
                project.add("data")
                assert project.verify().sound, f"after step {at} of {last}, {names}, {bits}"
                assert project.history()[-1].verb == "init"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("prepare", "act"), COMMANDS)
def test_a_power_cut_at_every_moment(project: OpenProject, prepare: Callable[[OpenProject], None], act: Act) -> None:
    prepare(project)
    Replay(project, act).assert_old_or_new(None)


def assert_old_or_new(reader: Path, remote: Path, runs: tuple[int, int]) -> int:
    """Somebody who takes everything has the runs of before or of after, with all their content; how many."""
    with cloche.init(reader) as other:
        other.remote_add("origin", os.fspath(remote), local=True)
        other.fetch()
        assert other.verify().sound
        assert len(other.log()) in runs
        for run in other.log():
            for one in other.ls(run.id):
                if one.kind != "d":
                    assert digest_bytes(b"".join(other.cat(run.id, one.path))) == one.digest
        return len(other.log())


def test_a_power_cut_where_the_remote_lies_leaves_no_reference_without_its_content(
    project: OpenProject, tmp_path: Path
) -> None:
    """The remote is a folder: cut off during a push, with whatever was not waited for dropped, torn or out of order."""
    has_remote(project)
    remote = project.root.parent / "remote"
    first = project.log(sort=["created"])[0].id
    project.push(first)
    start = shutil.copytree(remote, remote.with_name("start"))
    with recording(remote) as log:
        project.push()
    project.close()
    bundle = next(at for at, step in enumerate(log.steps) if "bundles" in str(step[1]))
    last = len(log.steps)
    moments = sorted({*range(0, bundle, 30), *range(bundle - 2, min(bundle + 8, last), 2), last})
    counted: set[int] = set()
    for number, at in enumerate(moments):
        for names, bits in (CUTS[number % len(CUTS) if at != last else 0],):
            cut = Cut(read_disk(start), b"")
            for step in log.steps[:at]:
                cut.take(step)
            Rebuilt(remote).bring(cut.leave(random.Random(at), names, bits), b"")
            where = f"after step {at} of {last} {log.steps[at - 1][:3]!s:.120}, {names}, {bits}"
            try:
                found = assert_old_or_new(tmp_path / f"reader-{at}-{names}-{bits}", remote, (1, 2))
            except (AssertionError, ClocheError, OSError) as error:
                raise AssertionError(f"{where}: {error}") from error
            counted.add(found)
            assert found == 2 or at < last, where
    assert counted == {1, 2}
    Rebuilt(remote).bring(_after(start, log, last // 2), b"")
    with cloche.open(project.root) as again:
        again.push()
        assert again.remote_test(data=True).problems == ()


def _after(start: Path, log: Log, at: int) -> Node:
    cut = Cut(read_disk(start), b"")
    for step in log.steps[:at]:
        cut.take(step)
    return cut.leave(random.Random(at), "torn", "torn")
