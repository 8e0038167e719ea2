"""Runs and their content travel: what one pushes, others fetch, whichever place lies between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from places import S3, Sshd

import cloche
from cloche.api import OpenProject
from cloche.errors import Conflict, RemoteError
from cloche.project.fetching import fetch_objects
from cloche.project.project import Project
from cloche.project.remotes import open_remote
from cloche.remotes.folder import FolderBackend
from cloche.store import receiving, transfer
from cloche.store.checking import faults_of
from shell import Done, Shell, variables

Colleague = Callable[[str], "Person"]


class Person(Shell):
    """Somebody with a copy of the project: at a shell, or in Python where that is quicker."""

    def __call__(self, *words: str | bytes, status: int | None = 0, **variables: str) -> Done:
        self.close()
        return super().__call__(*words, status=status, **variables)

    @property
    def python(self) -> OpenProject:
        """The project, opened in this process."""
        if not hasattr(self, "_opened"):
            self._opened = cloche.open(self.folder)
        return self._opened

    def close(self) -> None:
        """Close what is open."""
        if hasattr(self, "_opened"):
            self._opened.close()

    def runs(self) -> list[str]:
        """The ids of the runs, newest first."""
        return [row.id for row in self.python.log()]


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Where the remote is."""
    return tmp_path / "the remote"


@pytest.fixture(scope="session")
def a_run(an_empty_folder: Callable[[], Shell], a_model: Shell) -> Shell:
    """What `ada` begins with."""
    made = a_model.copied_to(an_empty_folder())
    made.write("data/large.bin", bytes(range(256)) * 2000)
    made.cloche("add", "data")
    made.commit("more data")
    made.run()
    return made


@pytest.fixture
def ada(folder: Shell, a_run: Shell, remote: Path) -> Iterator[Person]:
    """A project with a run and a remote that holds nothing yet, all committed."""
    made = Person(folder.folder, folder.variables)
    a_run.copied_to(made)
    made.python.remote_add("origin", str(remote))
    made.commit("a remote")
    yield made
    made.close()


@pytest.fixture
def colleague(ada: Person, tmp_path: Path) -> Iterator[Colleague]:
    """Clones the Git repository of ada, without her `.cloche/`, for somebody of that name."""
    people: list[Person] = []

    def make(name: str) -> Person:
        home = tmp_path / f"home-{name}"
        home.mkdir()
        people.append(Person(tmp_path / name, variables(home)))
        ada("git", "clone", "--quiet", str(ada.folder), str(people[-1].folder))
        return people[-1]

    yield make
    for one in people:
        one.close()


def contents(shell: Shell) -> dict[str, bytes]:
    return {path: data for path, data in shell.files().items() if path.startswith("data/")}


def test_a_colleague_sees_the_same_runs_and_can_go_back_to_any(ada: Person, colleague: Colleague) -> None:
    first = ada.run()
    ada.write("data/points.csv", "id,x\n1,9\n")
    ada.cloche("add")
    ada.commit("other data")
    ada.run("-P", "train.factor=3")
    ada.cloche("tag", "champion", first["id"])
    ada.cloche("note", "the first good one", "--run", first["id"])
    before = contents(ada)
    ada.python.push()
    bob = colleague("bob")
    assert "fetched 3 runs" in bob.cloche("pull").err
    assert contents(bob) == before
    for words in (["log", "--all"], ["show", "champion"], ["note"], ["tag"]):
        assert bob.facts(*words) == ada.facts(*words)
    assert bob.cloche("show", "champion", "--log").out == ada.cloche("show", "champion", "--log").out
    bob.cloche("revert", "champion", "--only", "code,data,config")
    assert bob.read("data/points.csv").startswith("id,x\n1,1.5")
    bob.cloche("undo")
    assert contents(bob) == before
    assert not [one for one in bob.facts("doctor") if one["state"] == "error"]


def test_pushing_again_sends_nothing_and_new_runs_send_only_what_is_new(ada: Person, remote: Path) -> None:
    assert ada.python.push().size > 1000
    packs = sorted(remote.rglob("*.pack"))
    again = ada.python.push()
    assert (again.runs, again.objects, again.facts, again.lock) == ((), 0, 0, False)
    ada.write("new.py", "1\n")
    ada.run()
    more = ada.python.push()
    assert len(more.runs) == 1
    assert more.size < 5000
    assert set(packs) < set(remote.rglob("*.pack"))


def test_a_preview_sends_and_takes_nothing(ada: Person, colleague: Colleague, remote: Path) -> None:
    before = sorted(remote.rglob("*"))
    preview = ada.python.push(dry_run=True)
    assert sorted(remote.rglob("*")) == before
    done = ada.python.push()
    assert msgspec.structs.replace(preview, dry_run=False, size=done.size) == done
    bob = colleague("bob")
    assert bob.python.fetch(dry_run=True).objects > 3
    assert bob.runs() == []
    assert bob.python.pull(dry_run=True).plan is None
    assert contents(bob) == {}


def test_some_runs_or_only_the_data_can_be_pushed(ada: Person, colleague: Colleague) -> None:
    second = ada.run()
    assert ada.python.push(data=True).runs == ()
    bob = colleague("bob")
    bob.python.pull()
    assert (contents(bob), bob.runs()) == (contents(ada), [])
    assert ada.python.push("@").runs == (second["id"],)
    bob.python.fetch()
    assert bob.runs() == [second["id"]]


def test_removed_runs_are_not_pushed_and_removals_travel(ada: Person, colleague: Colleague) -> None:
    never = ada.run()
    ada.python.remove(never["id"])
    later = ada.run()
    assert never["id"] not in ada.python.push().runs
    bob = colleague("bob")
    bob.python.pull()
    assert len(bob.runs()) == 2
    ada.python.remove(later["id"])
    ada.python.push()
    assert "was removed by somebody" in bob.cloche("fetch").err
    assert len(bob.runs()) == 1
    ada.python.undo()
    ada.python.push()
    bob.python.fetch()
    assert len(bob.runs()) == 2


def test_the_last_change_of_a_tag_holds_and_notes_of_two_people_both_stay(ada: Person, colleague: Colleague) -> None:
    first, second = ada.runs()[0], ada.run()["id"]
    ada.python.push()
    bob = colleague("bob")
    bob.python.pull()
    ada.python.tag("best", first)
    ada.python.note("of ada", first)
    bob.python.tag("best", second)
    bob.python.note("of bob", second)
    ada.python.push()
    assert "best" not in bob.cloche("fetch").err  # his is the later one
    bob.python.push()
    told = ada.cloche("fetch").err
    assert f"tag best names run {second[:8]} now (it named {first[:8]})" in told
    assert ada.python.tags() == bob.python.tags()
    assert {one.text for one in ada.python.notes()} == {one.text for one in bob.python.notes()} == {"of ada", "of bob"}
    ada.python.undo()
    assert ada.python.tags()[0].run == first


def test_records_alone_bring_their_content_when_it_is_needed(ada: Person, colleague: Colleague) -> None:
    ada.write("src/model.py", "1\n")
    run = ada.run()["id"]
    ada.python.push()
    bob = colleague("bob")
    told = bob.cloche("fetch", "--no-data").err
    assert "the content of 2 runs is only there" in told
    assert bob.facts("log") == ada.facts("log")
    assert not [one for one in bob.facts("doctor") if one["name"] == "content" and one["state"] == "error"]
    assert bob.facts("ls", run) == ada.facts("ls", run)
    assert bob.cloche("show", run, "--log").out == ada.cloche("show", run, "--log").out
    assert "src/model.py" in [one["path"] for one in bob.facts("diff", "@~1", run)["code"]]
    assert bob.cloche("cat", run, "src/model.py").out == "1\n"
    bob.cloche("checkout", run, "model.bin")
    assert bob.data("model.bin") == ada.data("model.bin")
    bob.cloche("revert", run, "--only", "data")
    assert contents(bob) == contents(ada)
    bob.python.fetch("@~1")
    assert "only there" not in bob.cloche("fetch").err


def test_records_alone_without_a_remote_say_what_to_type(ada: Person, colleague: Colleague) -> None:
    ada.python.push()
    bob = colleague("bob")
    bob.cloche("fetch", "--no-data")
    bob.cloche("remote", "remove", "origin")
    assert "cloche fetch" in bob.cloche("revert", "@", status=11).err


def test_what_is_recorded_nowhere_is_not_overwritten_by_a_pull(ada: Person, colleague: Colleague) -> None:
    ada.python.push()
    bob = colleague("bob")
    bob.write("data/points.csv", "mine\n")
    assert "recorded nowhere" in bob.cloche("pull", status=6).err
    assert bob.read("data/points.csv") == "mine\n"
    bob.cloche("pull", "--force")
    assert contents(bob) == contents(ada)
    bob.cloche("undo")
    assert bob.read("data/points.csv") == "mine\n"


def test_two_who_push_at_once_both_succeed(ada: Person, colleague: Colleague) -> None:
    ada.python.push()
    people = [colleague(name) for name in ("bob", "cleo")]
    for number, one in enumerate(people):
        one.python.pull()
        one.write("note.txt", f"{number}\n" * 1000)
        one.run()
    threads = [Thread(target=one.cloche, args=("push",)) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ada.python.fetch()
    assert len(ada.runs()) == 3
    assert ada.python.remote_test().problems == ()


def test_what_a_remote_lost_is_named_and_pushed_again(ada: Person, colleague: Colleague, remote: Path) -> None:
    ada.python.push()
    for pack in remote.rglob("*.pack"):
        pack.unlink()
    assert "packs that are not there" in ada.cloche("remote", "test", status=9).out
    bob = colleague("bob")
    failed = bob.cloche("fetch", "--no-data", status=0)
    assert "fetched 1 run" in failed.err
    assert "does not hold" in bob.cloche("revert", "@", status=11).err
    assert ada.python.push().objects > 0
    bob.python.pull()
    assert contents(bob) == contents(ada)


def test_content_that_is_lost_here_is_not_pushed_as_if_it_were_there(ada: Person, remote: Path) -> None:
    for pack in (ada.folder / ".cloche/store/packs").rglob("*.pack"):
        pack.unlink()
    assert ada.cloche("push", status=9).err
    assert not list(remote.rglob("*.bundle"))


def test_a_remote_alone_can_be_cloned(ada: Person, folder: Shell, remote: Path, tmp_path: Path) -> None:
    ada.python.push()
    other = Shell(tmp_path / "elsewhere", ada.variables)
    other.folder.mkdir()
    told = other.cloche("clone", str(remote), "copy").err
    assert "`cloche revert @` brings the code" in told
    copy = Shell(other.folder / "copy", ada.variables)
    assert contents(copy) == contents(ada)
    copy.cloche("revert", "@", "--only", "code,config")
    assert copy.read("train.py") == ada.read("train.py")
    assert copy.facts("log") == ada.facts("log")
    assert copy.facts("push", "--dry-run")["runs"] == []


def test_a_git_repository_can_be_cloned_with_its_data(ada: Person, tmp_path: Path) -> None:
    ada.python.push()
    other = Shell(tmp_path / "other", ada.variables)
    other.folder.mkdir()
    assert other.facts("clone", str(ada.folder))["git"]
    copy = Person(other.folder / "work", ada.variables)
    assert (contents(copy), copy.runs()) == (contents(ada), ada.runs())
    copy.close()
    assert "is there already" in other.cloche("clone", str(ada.folder), status=6).err


def test_what_cannot_be_cloned_leaves_nothing(folder: Shell) -> None:
    assert "git clone" in folder.cloche("clone", "/nowhere/at/all", "x", status=8).err
    assert folder.cloche("clone", "s3://", "x", status=2).err
    assert not (folder.folder / "x").exists()


def test_over_s3(ada: Person, colleague: Colleague, s3: S3) -> None:
    url = f"s3://{s3.bucket()}/flights"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    ada.variables.update(keys)
    ada.cloche("remote", "add", "cloud", url, "--endpoint", s3.endpoint, "--region", "us-east-1", "--default")
    ada.commit("s3")
    ada.python.push()
    bob = colleague("bob")
    bob.variables.update(keys)
    bob.python.pull()
    assert contents(bob) == contents(ada)
    assert bob.facts("remote", "test")["can"]["creates"]
    assert "access" not in ada.read("cloche.toml").lower()
    missing = ada.cloche("remote", "add", "no", "s3://nowhere-at-all/x", "--endpoint", s3.endpoint, status=11).err
    assert "there is no bucket nowhere-at-all" in missing


def test_over_ssh(ada: Person, colleague: Colleague, sshd: Sshd, tmp_path: Path) -> None:
    ada.variables["HOME"] = str(sshd.home)
    ada.cloche("remote", "add", "lab", sshd.url(tmp_path / "over ssh"), "--default")
    ada.commit("ssh")
    ada.cloche("push")
    bob = colleague("bob")
    refused = bob.cloche("pull", status=11).err
    assert "is not known" in refused
    bob.variables["HOME"] = str(sshd.home)
    bob.cloche("pull")
    assert contents(bob) == contents(ada)


def test_from_a_web_server_that_can_only_be_read(ada: Person, tmp_path: Path, remote: Path) -> None:
    ada.python.push()
    ada.run()
    ada.python.push()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def list_directory(self, path: object) -> None:
            self.send_error(403)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(remote)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        other = Shell(tmp_path, ada.variables)
        other.cloche("clone", url, "web")
        web = Shell(tmp_path / "web", ada.variables)
        assert web.facts("log") == ada.facts("log")
        assert contents(web) == contents(ada)
        web.cloche("tag", "mine")
        assert "cannot be written to" in web.cloche("push", status=11).err
        for at, pack in enumerate(sorted(remote.glob("packs/*/*.pack"))[:2]):
            pack.write_bytes(b"") if at else pack.unlink()
        torn = other.cloche("clone", url, "torn", status=9).err
        assert torn.count("of the remote is gone, or empty") == 2
        assert "not hold all of" in torn
        assert Shell(tmp_path / "torn", ada.variables).facts("log") == ada.facts("log")
        ada.cloche("remote", "add", "web", url)
        assert "cannot be written to" in ada.cloche("push", "--remote", "web", status=11).err
        assert "no remote of Cloche yet" in web.cloche("remote", "add", "a", f"{url}/packs", status=11).err
    finally:
        server.shutdown()
        server.server_close()


def test_remotes_are_listed_changed_and_forgotten(plain: Shell, tmp_path: Path) -> None:
    plain.write("cloche.toml", "# mine\n[code]\nignore = ['x']  # this stays\n")
    assert "there are no remotes" in plain.cloche("remote").err
    assert "cloche remote add" in plain.cloche("push", status=5).err
    plain.cloche("remote", "add", "a", "../one")
    plain.cloche("remote", "add", "b", str(tmp_path / "two"), "--local")
    assert "this stays" in plain.read("cloche.toml")
    assert "two" not in plain.read("cloche.toml")
    assert [(one["name"], one["local"], one["default"]) for one in plain.facts("remote")] == [
        ("a", False, True),
        ("b", True, False),
    ]
    assert plain.facts("push")["remote"] == "a"
    plain.cloche("remote", "add", "b", str(tmp_path / "two"), "--local", "--default")
    assert plain.facts("push")["remote"] == "b"
    assert "a is" in plain.cloche("remote", "add", "a", str(tmp_path / "other"), status=6).err
    assert "did you mean" in plain.cloche("push", "--remote", "bb", status=5).err
    plain.cloche("remote", "remove", "a")
    assert plain.read("cloche.toml") == "# mine\n[code]\nignore = ['x']  # this stays\n"
    plain.cloche("undo")
    assert len(plain.facts("remote")) == 2
    gone = plain.cloche("remote", "remove", "b").err
    assert f"to have it back: `cloche remote add --local --default b {tmp_path / 'two'}`" in gone


def test_a_place_that_is_something_else_is_refused(plain: Shell, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "format").write_text("something else\n")
    assert "not Cloche's" in plain.cloche("remote", "add", "a", str(other), status=11).err
    (other / "format").write_text("cloche-remote-9\n" + "0" * 32 + "\n")
    assert "newer Cloche" in plain.cloche("remote", "add", "a", str(other), status=11).err
    assert "the store of this project itself" in plain.cloche("remote", "add", "a", ".cloche/store", status=2).err
    secret = plain.cloche("remote", "add", "a", "https://ada:hunter2@example.org/x", status=2)
    assert "hunter2" not in secret.err
    assert plain.facts("remote") == []
    shutil.rmtree(other)
    plain.cloche("remote", "add", "a", str(other))
    shutil.rmtree(other)
    assert "there is no remote of Cloche" in plain.cloche("push", status=11).err


# Interrupted


def test_an_interrupted_push_sends_only_the_rest(
    ada: Person, remote: Path, colleague: Colleague, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PACK_LIMIT", 200_000)
    ada.write("data/more.bin", os.urandom(1_500_000))
    ada.python.add("data")
    whole, left = FolderBackend.put, [5]

    def put(self: FolderBackend, name: str, data: bytes, *, create: bool = False) -> bool:
        left[0] -= name.endswith(".pack")
        if left[0] < 0:
            raise RemoteError("the network is gone")
        return whole(self, name, data, create=create)

    monkeypatch.setattr(FolderBackend, "put", put)
    everything = ada.python.push(dry_run=True)
    with pytest.raises(RemoteError, match="gone"):
        ada.python.push()
    assert not list(remote.rglob("*.bundle"))
    monkeypatch.setattr(FolderBackend, "put", whole)
    rest = ada.python.push()
    assert 0 < rest.size <= everything.size - 4 * 150_000
    assert ada.python.remote_test().problems == ()


def test_an_interrupted_fetch_takes_only_the_rest(
    ada: Person, colleague: Colleague, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PACK_LIMIT", 300_000)
    monkeypatch.setattr(receiving, "_GENEROUS", 200_000)
    ada.write("data/more.bin", os.urandom(1_500_000))
    ada.python.add("data")
    ada.commit("more")
    sent = ada.python.push().size
    bob = colleague("bob")
    whole, left = FolderBackend.get, [4]

    def get(self: FolderBackend, name: str, most: int) -> bytes | None:
        left[0] -= name.endswith(".pack")
        if left[0] < 0:
            raise RemoteError("the network is gone")
        return whole(self, name, most)

    monkeypatch.setattr(FolderBackend, "get", get)
    with pytest.raises(RemoteError, match="gone"):
        bob.python.pull()
    assert contents(bob) == {}
    assert len(bob.runs()) == 1
    monkeypatch.setattr(FolderBackend, "get", whole)
    done = bob.python.pull()
    assert 0 < done.fetched.size < sent - 300_000
    assert contents(bob) == contents(ada)


def test_a_place_that_overwrites_is_only_for_one_who_says_so(ada: Person) -> None:
    class Careless(MemoryFileSystem):  # type: ignore[misc]
        protocol = "careless"

        def _open(self, path: str, mode: str = "rb", **options: object) -> object:
            if "x" in mode:
                raise ValueError(mode)
            return super()._open(path, mode, **options)

    fsspec.register_implementation("careless", Careless, clobber=True)
    place = f"careless://{ada.folder.parent.name}/y"  # all memory of a process is one
    with pytest.raises(Conflict, match="could harm each other") as caught:
        ada.python.remote_add("odd", place, local=True)
    assert f"cloche remote add odd {place} --local --single-writer" in caught.value.hint
    ada.python.remote_add("odd", place, local=True, single_writer=True)
    assert len(ada.python.push(remote="odd").runs) == 1
    assert not ada.python.remote_test("odd").can.creates


def test_objects_that_are_damaged_here_are_had_again_from_a_remote(ada: Person) -> None:
    ada.python.push()
    ada.close()
    project = Project.find(ada.folder)
    [place] = project.store.packs.places(bytes.fromhex(project.tracked[0].digest))
    pack = Path(project.store.packs.path(project.store.packs.order[place.pack]))
    data = bytearray(pack.read_bytes())
    data[place.end - 1] ^= 1
    pack.write_bytes(data)
    lost = {bytes.fromhex(fault.digest) for fault in faults_of(project.store) if fault.digest}
    assert lost
    brought = fetch_objects(project, open_remote(project), lost)
    assert (brought.objects, brought.lost) == (len(lost), frozenset())
    assert all(project.store.is_sound(raw.hex()) for raw in lost)
    project.close()
