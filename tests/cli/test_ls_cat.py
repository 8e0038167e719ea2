"""`cloche ls` and `cloche cat`: what a run holds, without putting it back."""

from __future__ import annotations

import pytest

import cloche
from shell import Shell


@pytest.fixture
def run(model: Shell) -> Shell:
    """A run of a project whose work tree has changed since."""
    model.write("src/deep/code.py", "x = 1\n")
    model.write("data/odd\nname.csv", b"\xff\x00")
    model.cloche("add")
    model.run()
    model.write("src/deep/code.py", "x = 2\n")
    model.write("params.toml", "seed = 9\n")
    (model.folder / "data/points.csv").unlink()
    (model.folder / "model.bin").unlink()
    return model


def test_every_file_with_what_it_was_to_the_run(run: Shell) -> None:
    found = {one["path"]: one["part"] for one in run.facts("ls")}
    assert found["src/deep/code.py"] == found["train.py"] == "code"
    assert (found["params.toml"], found["data/points.csv"], found["model.bin"]) == ("config", "data", "outputs")
    assert "data/odd\\x0aname.csv" in found
    shown = run.cloche("ls").out
    assert len(shown.splitlines()) == len(run.facts("ls"))
    assert "data/points.csv" in shown


def test_only_what_is_below_a_path(run: Shell) -> None:
    assert [one["path"] for one in run.facts("ls", "@", "src")] == ["src/deep/code.py"]
    assert [one["path"] for one in run.facts("ls", "@", "data/points.csv")] == ["data/points.csv"]
    inner = Shell(run.folder / "src", run.variables)
    assert [one["path"] for one in inner.facts("ls", "@", "deep")] == ["src/deep/code.py"]
    done = run.cloche("ls", "@", "data/point.csv", status=5)
    assert "has no data/point.csv" in done.err
    assert "did you mean `data/points.csv`?" in done.err


def test_a_file_byte_for_byte(run: Shell) -> None:
    assert run.cloche("cat", "@", "src/deep/code.py").out == "x = 1\n"
    assert "seed = 7" in run.cloche("cat", "@", "params.toml").out
    assert run.cloche("cat", "@", "data/points.csv").out.startswith("id,x")
    assert run.cloche("cat", "@", "model.bin").out == "16.0"
    project = cloche.open(run.folder)
    assert b"".join(project.cat("@", "data/odd\\x0aname.csv")) == b"\xff\x00"
    assert run.read("src/deep/code.py") == "x = 2\n", "the work tree is as it was"


def test_what_is_no_file_is_named(run: Shell) -> None:
    assert "src is a folder\nhint: type `cloche ls @ src`" in run.cloche("cat", "@", "src", status=8).err
    assert "has no nothing.py" in run.cloche("cat", "@", "nothing.py", status=5).err
    assert "lies outside the project" in run.cloche("cat", "@", "../x", status=8).err


def test_what_was_only_seen_is_listed_and_not_held(project: Shell) -> None:
    project.write(".gitignore", "*.csv\n")
    project.write("in.csv", "1")
    project.write("train.py", "open('in.csv').read()\n")
    project.run()
    assert [(one["path"], one["part"]) for one in project.facts("ls", "@", "in.csv")] == [("in.csv", "read")]
    done = project.cloche("cat", "@", "in.csv", status=5)
    assert "does not hold in.csv" in done.err
    assert "`cloche add` it" in done.err


@pytest.mark.parametrize("typed", [b"data/odd\nname.csv", "data/odd\\x0aname.csv"])
def test_a_path_is_taken_as_it_is_and_as_it_is_printed(run: Shell, typed: str | bytes) -> None:
    assert run.cloche("cat", "@", typed).out == "\ufffd\0"
    assert "data/odd\\x0aname.csv" in run.cloche("ls", "@", typed).out
    file = run.folder / "data/odd\nname.csv"
    file.write_bytes(b"2")
    assert "data/odd\\x0aname.csv" in run.cloche("diff", "@", ".", typed).out
    run.cloche("checkout", "@", typed)
    assert file.read_bytes() == b"\xff\x00"
    file.write_bytes(b"2")
    run.write("data/odd\\x0aname.csv", "the name itself")
    run.run(command=["true"])
    wanted = "2" if isinstance(typed, bytes) else "the name itself"
    assert run.cloche("cat", "@", typed).out == wanted, "what is so called goes before what is only printed so"


def test_a_commit_without_a_run_lists_what_cat_prints(model: Shell) -> None:
    model.write("data/points.csv", "id,x\n")
    model.cloche("add")
    model.commit("more")
    listed = {one["path"]: (one["part"], one["size"]) for one in model.facts("ls", "HEAD~1")}
    assert {"train.py", "params.toml", "cloche.lock", "data/points.csv"} <= listed.keys()
    for path, (part, size) in listed.items():
        assert part == ("data" if path.startswith("data/") else "code")
        assert len(model.cloche("cat", "HEAD~1", path).out.encode()) == size
    assert [one["path"] for one in model.facts("ls", "HEAD~1", "data")] == ["data/points.csv"]
    assert "`cloche ls HEAD~1`" in model.cloche("cat", "HEAD~1", "nope", status=5).err
    assert "has no nope" in model.cloche("ls", "HEAD~1", "nope", status=5).err
    assert "`cloche ls HEAD~1`" in model.cloche("checkout", "HEAD~1", "data", status=5).err
