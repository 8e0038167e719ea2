"""`cloche.open(".")`: the verbs of the command line as methods, with the structs that `--json` prints."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

import cloche
from shell import Shell


def as_json(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


@pytest.fixture
def opened(model: Shell, monkeypatch: pytest.MonkeyPatch) -> tuple[Shell, Any]:
    """The `model` project after two runs, opened from Python in the same environment as the shell."""
    model.run("-m", "first")
    model.write("train.py", model.read("train.py") + "import cloche; cloche.log(step=1, loss=.5)\n")
    model.write("data/points.csv", "id,x\n1,3\n")
    model.run("-P", "train.factor=3")
    model.cloche("tag", "champion", "@~1")
    model.cloche("note", "a thought")
    for name, value in model.variables.items():
        monkeypatch.setenv(name, value)
    return model, cloche.open(model.folder)


LOOKS: dict[str, tuple[Callable[[Any], object], list[str]]] = {
    "status": (lambda project: project.status(), ["status"]),
    "status of a tag": (lambda project: project.status("champion"), ["status", "champion"]),
    "log": (lambda project: project.log(), ["log"]),
    "log filtered": (
        lambda project: project.log("metrics.total > 10", sort=["-metrics.total"], limit=1),
        ["log", "metrics.total > 10", "--sort", "-metrics.total", "-n", "1"],
    ),
    "show": (lambda project: project.show(), ["show"]),
    "show a tag": (lambda project: project.show("champion"), ["show", "champion"]),
    "diff": (lambda project: project.diff("@~1", "@"), ["diff", "@~1", "@"]),
    "diff with the work tree": (lambda project: project.diff("champion"), ["diff", "champion"]),
    "diff in part": (
        lambda project: project.diff("@~1", "@", only=["data"], paths=["data"], key=["id"]),
        ["diff", "@~1", "@", "data", "--only", "data", "--key", "id"],
    ),
    "history": (lambda project: project.history(), ["history"]),
    "tags": (lambda project: project.tags(), ["tag"]),
    "notes": (lambda project: project.notes(), ["note"]),
    "revert previewed": (lambda project: project.revert("champion", dry_run=True), ["revert", "champion", "-n"]),
    "undo previewed": (lambda project: project.undo(dry_run=True), ["undo", "-n"]),
    "add previewed": (lambda project: project.add(dry_run=True), ["add", "-n"]),
    "untrack previewed": (lambda project: project.untrack("data", dry_run=True), ["untrack", "-n", "data"]),
    "remove previewed": (lambda project: project.remove("@", dry_run=True), ["remove", "-n", "@"]),
}


def test_each_call_returns_what_the_command_prints(opened: tuple[Shell, Any]) -> None:
    shell, project = opened
    for name, (call, words) in LOOKS.items():
        assert as_json(call(project)) == shell.facts(*words), name
    checks = {one.name: one.state for one in project.doctor()}
    assert checks == {one["name"]: one["state"] for one in shell.facts("doctor")}
    assert as_json(project.series()) == shell.cloche("show", "--series").json
    assert b"".join(project.output_log("champion")).decode() == shell.cloche("show", "champion", "--log").out


def test_a_whole_session(folder: Shell, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for name, value in folder.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder.folder.parent)
    project = cloche.init(folder.folder)
    assert project.root == folder.folder
    folder.write(
        "train.py", "import json, sys; json.dump({'n': len(open('data/a.csv').read())}, open('metrics.json', 'w'))\n"
    )
    folder.write("params.toml", "lr = 1\n")
    folder.write("data/a.csv", "x\n1\n")

    assert [one.state for one in project.add("data").paths] == ["new"]
    first = project.run(["python", "train.py"], message="one", experiment="e")
    assert (first.status, first.metrics, first.message, first.experiment) == ("finished", {"n": 4.0}, "one", "e")
    assert project.tag("champion").run == first.id
    folder.write("data/a.csv", "x\n1\n2\n")
    second = project.run(["python", "train.py"], params={"lr": 2})
    assert second.snapshot.config.values == {"lr": 2}
    assert [row.id for row in project.log()] == [second.id, first.id]
    difference = project.diff("champion", "@")
    assert difference.same == ("code", "environment")
    assert [(one.key, one.change) for one in difference.metrics] == [("n", 2.0)]
    note = project.note("better", "@")
    assert project.notes(second.id[:6]) == [note]

    plan = project.revert("champion")
    assert {one.change.path for one in plan.files} >= {"data/a.csv", "params.toml", "metrics.json"}
    assert folder.read("data/a.csv") == "x\n1\n"
    assert project.status("champion").clean
    undone = project.undo()
    assert undone.operation.verb == "revert"
    assert folder.read("data/a.csv") == "x\n1\n2\n"
    assert project.unnote(note.number) == note
    assert project.untag("champion").before == first.id
    assert project.remove("@").runs == (second.id,)
    assert [row.id for row in project.log()] == [first.id]
    assert project.untrack("data").paths == ("data",)
    assert [one.verb for one in project.history(3)] == ["untrack", "remove", "tag"]
    assert capfd.readouterr() == ("", ""), "a library prints nothing of its own"


def test_the_pipeline_from_python(plain: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in plain.variables.items():
        monkeypatch.setenv(name, value)
    first, second = 'run = "echo 1 > a"\nwrites = ["a"]\n', 'run = "cat a > b"\nreads = ["a"]\nwrites = ["b"]\n'
    plain.write("cloche.toml", f"[stages.a]\n{first}\n[stages.b]\n{second}")
    project = cloche.open(plain.folder)
    assert [stage.name for stage in project.run().stages] == ["a", "b"]
    again = project.run(stages=["a"])
    assert [(stage.name, bool(stage.reused)) for stage in again.stages] == [("a", True)]
    assert [stage.reused for stage in project.run(force=True).stages] == ["", ""]


def test_a_failing_command_raises_nothing(plain: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", plain.variables["PATH"])
    run = cloche.open(plain.folder).run(["sh", "-c", "exit 3"])
    assert (run.status, run.exit_status) == ("failed", 3)


def test_errors_carry_a_message_and_a_hint(plain: Shell, folder: Shell, tmp_path: Any) -> None:
    project = cloche.open(plain.folder)
    for call in (
        lambda: project.show("nobody"),
        lambda: project.add("nowhere"),
        lambda: project.log("metrics.auc >"),
        project.run,
        lambda: project.run(["no-such-program"]),
        lambda: project.undo(99),
        project.untrack,
        lambda: project.note("  "),
        lambda: cloche.open(tmp_path / "home"),
    ):
        with pytest.raises(cloche.ClocheError) as caught:
            call()
        assert caught.value.message
        assert str(caught.value)
    with pytest.raises(cloche.ClocheError, match="not in a Cloche project"):
        cloche.open(tmp_path)


def test_paths_are_relative_to_the_project(plain: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    plain.write("sub/data.csv", "1\n")
    monkeypatch.chdir(tmp_path)
    project = cloche.open(plain.folder / "sub")
    assert project.root == plain.folder
    assert project.add("sub/data.csv").paths[0].tracked.path == "sub/data.csv"


def test_an_open_project_sees_what_happens_around_it(model: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in model.variables.items():
        monkeypatch.setenv(name, value)
    project = cloche.open(model.folder)
    before = project.run(["true"])
    model.write("new.py", "1\n")
    commit = model.commit()
    model.write("cloche.toml", '[stages.a]\nrun = "true"\n')
    after = project.run()
    assert after.snapshot.code.files == before.snapshot.code.files + 1
    assert (after.snapshot.code.commit, after.snapshot.code.dirty) == (commit, True)
    theirs = model.run(command=["true"])
    assert project.show().run.id == theirs["id"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux does")
def test_a_closed_project_holds_no_files_and_opens_again(plain: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", plain.variables["PATH"])

    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    gc.collect()  # projects that other tests left open
    before = opened()
    with cloche.open(plain.folder) as project:
        plain.write("train.py", "1\n")
        run = project.run(["true"])
        plain.write("train.py", "2\n")
        project.revert("@")
        assert opened() > before
    assert opened() == before
    assert project.show().run.id == run.id
    project.close()


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX systems")
def test_a_process_that_keeps_many_files_open_can_run_one(plain: Shell) -> None:
    code = (
        "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "if hard != resource.RLIM_INFINITY and hard < 2000: raise SystemExit(77)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))\n"
        "files = [open('/dev/null') for _ in range(1100)]\n"
        "import cloche; print(cloche.open('.').run(['echo', 'hello']).status)\n"
    )
    done = plain("python", "-c", code, status=None)
    if done.status == 77:
        pytest.skip("this system allows no more than 2,000 open files")
    assert done.out == "hello\nfinished\n", done.err


def test_arguments_are_taken_as_people_give_them(opened: tuple[Shell, Any]) -> None:
    model, project = opened
    assert [row.id for row in project.log(sort="-metrics.total")] == [
        row.id for row in project.log(sort=["-metrics.total"])
    ]
    assert project.diff("@~1", "@", only="config").code == ()
    assert project.run([Path("python"), Path("train.py")]).status == "finished"
    model.write("sub/x.py", "print(1)\n")
    assert project.run(["python", "x.py"], folder="sub").folder == "sub"


def test_arguments_that_make_no_sense_change_nothing(opened: tuple[Shell, Any]) -> None:
    model, project = opened
    before = model.files()
    calls: tuple[Callable[[], object], ...] = (
        lambda: project.run(["true"], folder=".."),
        lambda: project.run(["true"], folder="/tmp"),
        lambda: project.run(["true"], folder="nowhere"),
        lambda: project.run(["true"], params={"train.factor": {"a": 1}}),
        lambda: project.history(-1),
        lambda: project.log(limit=-1),
        lambda: project.diff(only="confg"),
    )
    for call in calls:
        with pytest.raises(cloche.ClocheError):
            call()
    assert model.files() == before


def test_another_thread_is_told_to_open_its_own(plain: Shell) -> None:
    project = cloche.open(plain.folder)
    project.log()
    with ThreadPoolExecutor(1) as pool, pytest.raises(cloche.ClocheError, match="belongs to the thread"):
        pool.submit(project.log).result()


def test_parameters_keep_their_shape(project: Shell) -> None:
    project.write("params.toml", "empty = {}\n[[layers]]\nunits = 3\n[[layers]]\nunits = [1, 2]\n")
    project.write("t.py", "import cloche, json; print(json.dumps(cloche.params()))\n")
    done = project.cloche("run", "-q", "--", "python", "t.py")
    assert json.loads(done.out) == {"empty": {}, "layers": [{"units": 3}, {"units": [1, 2]}]}
    assert project.facts("show")["run"]["snapshot"]["config"]["values"]["layers"] == [{"units": 3}, {"units": [1, 2]}]
    project.cloche("show")
    project.cloche("log", "params.layers LIKE '%units%'")
