"""Naming remotes: what is refused, what is kept, and hints that work as they stand."""

from __future__ import annotations

import random
import re
import shlex
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from places import S3

import cloche
from cloche.errors import Conflict, NotFound
from cloche.remotes.folder import FolderBackend
from shell import Shell

Marks = list[tuple[str, bool, bool]]


def remotes(shell: Shell) -> Marks:
    """Name, local and default of each."""
    return [(one["name"], one["local"], one["default"]) for one in shell.facts("remote")]


def test_the_first_remote_is_the_default_until_another_is_made_it(plain: Shell, tmp_path: Path) -> None:
    stick, lab, third = (str(tmp_path / name) for name in ("stick", "lab", "third"))

    def marks() -> Marks:
        return [(one.name, one.local, one.default) for one in project.remote()]

    with closing(cloche.open(plain.folder)) as project:
        assert project.remote_add("stick", stick, local=True).default
        assert not project.remote_add("lab", lab).default
        assert marks() == [("lab", False, False), ("stick", True, True)]
        assert project.remote_add("third", third, default=True).default
        assert marks() == [("lab", False, False), ("stick", True, False), ("third", False, True)]
        project.remote_add("lab", lab, default=True)
        project.remote_add("stick", stick)
        assert marks() == [("lab", False, True), ("stick", True, False), ("third", False, False)]
        assert "stick" not in plain.read("cloche.toml")


def test_revert_keeps_where_to_push_to_and_the_way_back_leaves_no_trace(plain: Shell, tmp_path: Path) -> None:
    first = plain.run(command=["true"])["id"]
    plain.cloche("remote", "add", "origin", str(tmp_path / "remote"))
    said = plain.cloche("revert", first, "--only", "code,config").err
    assert "not put back: the remotes of cloche.toml: this copy of the project keeps origin" in said
    assert str(tmp_path / "remote") not in plain.read("cloche.toml")
    assert plain.facts("status")["clean"]
    assert remotes(plain) == [("origin", True, True)]
    assert "pushed 1 run" in plain.cloche("push").err
    plain.cloche("undo")
    assert remotes(plain) == [("origin", False, True)]


def test_revert_to_another_remote_of_that_time_keeps_the_one_of_now(plain: Shell, tmp_path: Path) -> None:
    old, new = (str(tmp_path / name) for name in ("old", "new"))
    with closing(cloche.open(plain.folder)) as project:
        for name in ("aside", "origin"):
            project.remote_add(name, f"{old}-{name}")
        run = plain.run(command=["true"])["id"]
        for name in ("aside", "origin"):
            project.remote_remove(name)
        project.remote_add("origin", new)
        project.revert(run, only=("code", "config"))
        marks = [(one.name, one.url, one.default) for one in project.remote()]
        assert marks == [("aside", f"{old}-aside", False), ("origin", new, True)]


def test_added_again_a_remote_keeps_the_options_that_are_not_given(
    plain: Shell, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    url = f"s3://{s3.bucket()}/x"
    with closing(cloche.open(plain.folder)) as project:
        project.remote_add("o", url, endpoint=s3.endpoint, region="us-east-1", default=True)
        before = plain.read("cloche.toml")
        project.remote_add("o", url)
        assert plain.read("cloche.toml") == before
        assert project.remote_add("o", url, single_writer=True).single_writer
        project.remote_add("o", url, single_writer=False)
        assert plain.read("cloche.toml") == before
        project.remote_add("o", url, region="")
        assert 'region = "us-east-1"' not in plain.read("cloche.toml")


@pytest.mark.parametrize("place", [".", "inside", "../bob", "../bob/data", "../bare", "../full"])
def test_a_folder_that_is_something_else_is_no_remote(plain: Shell, tmp_path: Path, place: str) -> None:
    for name in ("inside", "../bob/.cloche", "../bob/data", "../bare", "../full"):
        (plain.folder / name).mkdir(parents=True)
    for name in ("bob/cloche.toml", "bare/HEAD", "full/thesis.tex"):
        (tmp_path / name).write_text("")
    before = sorted(tmp_path.rglob("*"))
    hint = plain.cloche("remote", "add", "o", place, status=None)
    assert hint.status in (2, 6)
    assert "hint: name a " in hint.err
    after = [one for one in tmp_path.rglob("*") if ".cloche" not in one.parts]
    assert sorted(after) == [one for one in before if ".cloche" not in one.parts]
    assert remotes(plain) == []


def test_a_place_of_others_is_no_remote(plain: Shell, tmp_path: Path, s3: S3) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").write_text("")
    bucket = f"s3://{s3.bucket()}"
    with cloche.open(plain.folder) as project:
        for url, endpoint, inner in ((f"local://{tmp_path}/full", None, "full"), (bucket, s3.endpoint, "b")):
            project.remote_add(inner, f"{url}/cloche", endpoint=endpoint)
            with pytest.raises(Conflict, match="holds other things, such as"):
                project.remote_add("o", url, endpoint=endpoint)
        (tmp_path / "full/cloche/.git").mkdir()
        with pytest.raises(Conflict, match="is a project or Git repository itself"):
            project.remote_add("o", f"local://{tmp_path}/full/cloche")


@pytest.mark.parametrize("endpoint", ["http://user:hunter2@127.0.0.1:5599", "hunter2"])
def test_a_secret_is_neither_stored_nor_shown(plain: Shell, endpoint: str) -> None:
    refused = plain.cloche("remote", "add", "n", "s3://b/y", "--endpoint", endpoint, status=2)
    assert "hunter2" not in refused.err + plain.read("cloche.toml")
    assert "Traceback" not in refused.err
    plain.write("cloche.toml", f'[remotes.n]\nurl = "s3://b/y"\nendpoint = "{endpoint}"\n')
    refused = plain.cloche("push", status=2)
    assert "hunter2" not in refused.err
    assert "cloche remote remove n" in refused.err


def test_a_secret_that_somebody_wrote_down_is_not_shown(plain: Shell, tmp_path: Path) -> None:
    url = "https://ada:hunter2@host.invalid/x"
    plain.write("cloche.toml", f'[remotes.n]\nurl = "{url}"\n[remotes.m]\nurl = "s3://b/x?tok=hunter2"\n')
    for words in (["remote"], ["pull"], ["fetch", "--remote", "m"], ["remote", "test"], ["clone", url]):
        done = plain.cloche(*words, status=None)
        assert "hunter2" not in done.out + done.err, words
    refused = plain.cloche("remote", "add", "m", str(tmp_path / "n"), status=6).err
    assert "m is s3://b/x already" in refused
    assert "hunter2" not in plain.cloche("remote", "remove", "n").err


def hinted(error: str) -> list[str]:
    """The words of the command that a hint names."""
    found = re.search(r"`cloche (remote add [^`]*)`", error)
    assert found, error
    return shlex.split(found[1])


def test_a_folder_that_vanished_is_asked_about_and_its_hint_can_be_typed(plain: Shell, tmp_path: Path) -> None:
    place = tmp_path / "a stick's folder"
    plain.cloche("remote", "add", "o", str(place), "--local")
    (place / "format").unlink()
    error = plain.cloche("push", status=11).err
    assert "mounted?" in error
    plain.cloche(*hinted(error))
    plain.cloche("push")
    assert remotes(plain) == [("o", True, True)]


@pytest.fixture(scope="module")
def shared(an_empty_folder: Callable[[], Shell], a_model: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A project that was pushed to the remote `shared` beside it, with a tag on the first of two runs."""
    made = a_model.copied_to(an_empty_folder())
    made.write("data/deep/large.bin", random.Random(1).randbytes(3_000_000))
    (made.folder / "data/link").symlink_to("points.csv")
    made.cloche("add")
    made.run()
    with closing(cloche.open(made.folder)) as project:
        project.tag("champion")
        project.remote_add("origin", str(made.folder.parent / "shared"))
        project.push()
    return made


def test_a_file_or_folder_of_a_remote_comes_without_the_rest(shared: Shell, folder: Shell) -> None:
    remote = str(shared.folder.parent / "shared")
    assert " from run " in folder.cloche("get", remote, "data/points.csv", "--rev", "champion").err
    got = cloche.get(remote, "data/link", out=folder.folder / "followed")
    assert (got.url, got.version) == (remote, shared.facts("log")[0]["id"])
    cloche.get(remote, "train.py", out=folder.folder / "code.py")
    with pytest.raises(NotFound) as caught:
        cloche.get(remote, "data/pionts.csv", out=folder.folder / "x")
    assert caught.value.hint == "did you mean `data/points.csv`?"
    with pytest.raises(NotFound):
        cloche.get(remote, "train.py", revision="nobody", out=folder.folder / "x")
    points = shared.read("data/points.csv").encode()
    assert folder.files() == {
        "points.csv": points,
        "followed": points,
        "code.py": shared.read("train.py").encode(),
    }


def test_a_run_of_a_git_repository_comes_from_its_remote(shared: Shell, folder: Shell, tmp_path: Path) -> None:
    there = shared.copied_to(Shell(tmp_path / "there", shared.variables))
    there.commit("with a remote")
    there("git", "clone", "--quiet", "--bare", ".", "../hub.git")
    hub = str(tmp_path / "hub.git")
    for run in ("champion", "@"):
        cloche.get(hub, "model.bin", revision=run, out=folder.folder / run)
        assert folder.data(run) == shared.data("model.bin")
    with pytest.raises(NotFound, match="no run, tag or Git revision is called `nobody`"):
        cloche.get(hub, "model.bin", revision="nobody", out=folder.folder / "x")
    settings = there.read("cloche.toml")
    there.write("cloche.toml", settings.replace(str(shared.folder.parent / "shared"), str(tmp_path / "gone")))
    there.commit("a remote that is gone")
    there("git", "push", "--quiet", "../hub.git", "HEAD")
    with pytest.raises(NotFound, match="no Git revision is called `champion`") as caught:
        cloche.get(hub, "model.bin", revision="champion", out=folder.folder / "x")
    assert "its remote could not be asked" in caught.value.hint


def test_of_a_remote_only_what_is_asked_for_is_read(
    shared: Shell, folder: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[int]()
    real = FolderBackend.get_range

    def counting(self: FolderBackend, name: str, start: int, length: int) -> bytes:
        read.append(length)
        return real(self, name, start, length)

    monkeypatch.setattr(FolderBackend, "get_range", counting)
    cloche.get(str(shared.folder.parent / "shared"), "data/points.csv", out=folder.folder / "x")
    assert read
    assert sum(read) < 1_000_000


def test_a_clone_keeps_the_server_that_it_came_from(shared: Shell, folder: Shell, s3: S3) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    folder.variables.update(keys)
    shared.variables.update(keys)
    url = f"s3://{s3.bucket()}/x"
    server = ("--endpoint", s3.endpoint, "--region", "us-east-1")
    shared.cloche("remote", "add", "cloud", url, "--local", *server)
    shared.cloche("push", "--remote", "cloud")
    folder.cloche("clone", url, "copy", *server)
    copy = Shell(folder.folder / "copy", folder.variables)
    assert copy.facts("fetch")["problems"] == []
    assert copy.read("data/points.csv") == shared.read("data/points.csv")
    assert "only s3:// has an endpoint" in folder.cloche("clone", str(shared.folder), "x", *server, status=2).err


def test_a_project_is_no_remote_even_if_somebody_made_it_one(shared: Shell, plain: Shell, tmp_path: Path) -> None:
    marker = (shared.folder.parent / "shared/format").read_bytes()
    plain.write("format", marker)
    refused = Shell(tmp_path, plain.variables).cloche("clone", "work", "copy", status=8).err
    assert "a project without Git, and no remote" in refused
    assert not (tmp_path / "copy").exists()


def test_data_follows_git_clone_where_the_hooks_are_global(shared: Shell, folder: Shell, tmp_path: Path) -> None:
    shared.commit("a remote")
    folder.variables["GIT_CONFIG_GLOBAL"] = str(tmp_path / "gitconfig")
    folder("git", "clone", "--quiet", str(shared.folder), "plain")
    copy = Shell(folder.folder / "plain", folder.variables)
    told = copy.cloche("status")
    assert "`cloche pull` fetches the missing data" in told.out + told.err
    folder.cloche("install", "--global")
    told = folder("git", "clone", "--quiet", str(shared.folder), "copy")
    assert "fetched from origin" in told.err
    copy = Shell(folder.folder / "copy", folder.variables)
    assert copy.read("data/points.csv") == shared.read("data/points.csv")
    assert copy.facts("log") == [], "runs come by `cloche pull`"
    (shared.folder.parent / "shared").rename(tmp_path / "gone")
    try:
        told = folder("git", "clone", "--quiet", str(shared.folder), "without")
    finally:
        (tmp_path / "gone").rename(shared.folder.parent / "shared")
    assert "there is no remote of Cloche" in told.err
    assert (folder.folder / "without/train.py").exists()


class Closed(BaseHTTPRequestHandler):
    """A server that lets nobody in."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_words: object) -> None:
        """Nothing is logged."""


def test_a_remote_that_cannot_be_read_is_not_taken_for_a_git_repository(folder: Shell) -> None:
    folder.write("lab/format", "cloche-remote-2\nand more\n")
    for words in (("clone", "lab"), ("get", "lab", "data")):
        assert "was made by a newer Cloche" in folder.cloche(*words, status=11).err
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        told = folder.cloche("clone", url, "copy", status=11).err
        server.shutdown()
    assert f"{url} answers 403" in told
    assert "`git clone` fails for it, too" in told


def test_an_empty_remote_says_that_it_is(plain: Shell, tmp_path: Path) -> None:
    plain.cloche("remote", "add", "o", "../empty")
    assert "holds no run yet" in Shell(tmp_path, plain.variables).cloche("clone", "empty", "copy").err
    with pytest.raises(NotFound):
        cloche.get(str(tmp_path / "empty"), "x", out=tmp_path / "x")
