"""Paths: missing, outside, pipes, and things that are not what they were."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from bad_input_helpers import (
    assert_complaint,
    assert_healthy,
    assert_refused,
    posix,
    tree,
)

from shell import Shell, growing


def test_data_that_does_not_exist_is_named(model: Shell) -> None:
    assert_refused(model, "add", "nowhere", status=8, says="nowhere does not exist", hint="check the spelling")
    model.write("more.csv", "a\n")
    assert_refused(model, "add", "more.csv", "nowhere/x", status=8, says="nowhere/x does not exist", hint="")
    assert_refused(model, "add", "", status=8, says="is the project itself", hint="inside the project")


@pytest.mark.parametrize("path", ["..", "/", "/etc/hosts", "../other", "data/../../other", "~nobody", "."])
def test_paths_outside_the_project_are_refused(model: Shell, path: str) -> None:
    (model.folder.parent / "other").write_text("theirs")
    expected = "does not exist" if path == "~nobody" else "the project"
    assert_refused(model, "add", path, status=8, says=expected, hint="")
    assert model.cloche("diff", "@", ".", path, status=None).status in (5, 8)


def test_paths_of_git_and_cloche_are_refused(model: Shell) -> None:
    for path in (".git", ".git/config", ".cloche", ".cloche/store"):
        assert_refused(model, "add", path, status=8, says="which no one may track", hint="another path")
    for path in ("cloche.toml", "cloche.lock"):
        assert_refused(model, "add", path, status=6, says="describes the project", hint="Git")


def test_data_that_became_a_file_is_data_that_changed(model: Shell) -> None:
    first = model.run(command=["true"])
    (model.folder / "data/points.csv").rename(model.folder / "kept.csv")
    (model.folder / "data").rmdir()
    model.write("data", "now a file\n")
    assert model.facts("status")["data"][0]["lock"] == "changed"
    model.run(command=["true"])
    model.cloche("diff", "@~1", "@")
    model.cloche("revert", first["id"])
    assert model.read("data/points.csv").startswith("id,x")
    model.cloche("revert", "@")
    assert model.read("data") == "now a file\n"
    assert_healthy(model)


def test_data_that_is_gone_stops_a_run_and_comes_back(model: Shell) -> None:
    before = model.data("data/points.csv")
    model.run()
    (model.folder / "data/points.csv").unlink()
    (model.folder / "data").rmdir()
    says, hint = "tracked data is missing: data", "cloche revert --lock"
    assert_refused(model, "run", "--", "true", status=8, says=says, hint=hint)
    assert_refused(model, "add", status=8, says="tracked data is missing: data", hint="cloche untrack data")
    assert model.facts("status")["data"][0]["lock"] == "missing"
    assert "missing" in model.cloche("status").out
    model.cloche("diff")
    model.cloche("revert", "@", "--only", "data")
    assert model.data("data/points.csv") == before
    assert_healthy(model)


def test_a_file_of_code_that_became_a_folder_comes_back(model: Shell) -> None:
    model.run()
    before = model.data("train.py")
    (model.folder / "train.py").unlink()
    model.write("train.py/inner/notes.txt", "mine\n")
    preview = model.facts("revert", "@", "--dry-run")
    assert "train.py/inner/notes.txt" in [one["change"]["path"] for one in preview["files"]]
    model.cloche("revert", "@")
    assert model.data("train.py") == before
    model.cloche("undo")
    assert model.read("train.py/inner/notes.txt") == "mine\n"
    assert_healthy(model)


def test_a_folder_of_code_that_became_a_file_comes_back(model: Shell) -> None:
    model.write("src/a/b.py", "1\n")
    model.run(command=["true"])
    (model.folder / "src/a/b.py").unlink()
    (model.folder / "src/a").rmdir()
    model.write("src/a", "mine\n")
    model.cloche("revert", "@")
    assert model.read("src/a/b.py") == "1\n"
    model.cloche("undo")
    assert model.read("src/a") == "mine\n"
    assert_healthy(model)


def test_pipes_sockets_and_devices_are_never_opened(model: Shell) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names")
    os.mkfifo(model.folder / "data/pipe")
    assert_refused(model, "add", "data", status=8, says="data/pipe is no file, folder or link", hint="move it out")
    os.rename(model.folder / "data/pipe", model.folder / "pipe")
    assert_refused(model, "add", "pipe", status=8, says="pipe is no file, folder or link", hint="move it out")
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(model.folder)
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        run = model.run()
        assert run["status"] == "finished"
        assert sorted(model.facts("status")["special"]) == ["pipe", "socket"]
    model.cloche("revert", "@")
    assert_healthy(model)


def test_empty_files_and_folders_come_back(model: Shell) -> None:
    model.write("data/empty.csv", "")
    (model.folder / "data/nothing/deep").mkdir(parents=True)
    model.write("empty.py", "")
    (model.folder / "hollow").mkdir()
    model.cloche("add", "hollow")
    model.cloche("add", "data")
    model.run()
    before = {path: one for path, one in tree(model.folder).items() if b"/work/hollow" in path or b"/data/" in path}
    (model.folder / "data/nothing/deep").rmdir()
    (model.folder / "data/nothing").rmdir()
    (model.folder / "data/empty.csv").unlink()
    (model.folder / "hollow").rmdir()
    (model.folder / "empty.py").unlink()
    assert model.facts("status")["clean"] is False
    model.cloche("revert", "@")
    assert {path: tree(model.folder)[path] for path in before} == before
    assert model.data("empty.py") == b""
    assert_healthy(model)


@posix
def test_executable_bits_count_and_come_back(model: Shell) -> None:
    model.write("tool.sh", "#!/bin/sh\necho ran\n").chmod(0o755)
    model.write("data/tool", "#!/bin/sh\n").chmod(0o755)
    model.cloche("add", "data")
    model.run(command=["./tool.sh"])
    (model.folder / "tool.sh").chmod(0o644)
    (model.folder / "data/tool").chmod(0o644)
    found = model.facts("status")
    assert [one["path"] for one in found["code"]] == ["tool.sh"]
    assert [one["path"] for one in found["data"][0]["since"]] == ["data/tool"]
    assert_complaint(model.cloche("run", "--", "./tool.sh", status=126), "not executable", "")
    model.cloche("revert", "@")
    assert os.access(model.folder / "tool.sh", os.X_OK)
    assert os.access(model.folder / "data/tool", os.X_OK)
    assert model.facts("status")["clean"] is True


def test_a_file_that_keeps_changing_while_it_is_added_is_refused(model: Shell) -> None:
    before_lock = model.data("cloche.lock")
    file = model.write("raw/growing.csv", b"0" * 30_000_000)
    with growing(file):
        done = model.cloche("add", "raw", status=8)
    assert_complaint(
        done, "raw/growing.csv kept changing while it was read", "wait until the program that writes it is done"
    )
    assert model.data("cloche.lock") == before_lock
    assert model.facts("add", "raw")["paths"][0]["tracked"]["size"] == file.stat().st_size
    assert_healthy(model)


def test_files_that_come_and_go_meanwhile_break_nothing(model: Shell) -> None:
    """Editors and programs make and delete files all the time, also between the listing of a folder and the reading."""
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            for folder in ("src", "data"):
                file = model.write(f"{folder}/{number % 7}.py", str(number))
                file.rename(file.with_suffix(".txt"))
                file.with_suffix(".txt").unlink()

    model.write("src/stays.py", "1\n")
    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for words in (["run", "--", "true"], ["status"], ["diff"], ["add"], ["run", "--", "python", "train.py"]) * 2:
            model.cloche(*words)
    finally:
        stop.set()
        worker.join()
    assert_healthy(model)


def test_a_secret_stays_out_and_untouched(model: Shell) -> None:
    model.write(".env", "API_KEY=hunter2hunter2\n")
    model.write("id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n")
    model.write("keys.ini", "AWS_SECRET_ACCESS_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzKEY'\n")
    run = model.run()
    assert sorted(one["path"] for one in run["snapshot"]["code"]["left_out"]) == [".env", "id_rsa", "keys.ini"]
    stored = b"".join(file.read_bytes() for file in (model.folder / ".cloche").rglob("*") if file.is_file())
    assert b"hunter2" not in stored
    assert "hunter2" not in model.cloche("diff").out
    model.write("train.py", "print(2)\n")
    model.cloche("revert", "@")
    assert model.read(".env") == "API_KEY=hunter2hunter2\n"
    assert_healthy(model)


def test_a_very_deep_folder_is_recorded_or_refused_in_words(plain: Shell) -> None:
    deep = plain.folder / "data"
    for _ in range(60):
        deep = deep / ("d" * 40)
    deep.mkdir(parents=True)
    (deep / "a.csv").write_text("a\n")
    plain.cloche("add", "data")
    plain.run(command=["true"])
    (deep / "a.csv").unlink()
    plain.cloche("revert", "@")
    assert (deep / "a.csv").read_text() == "a\n"
    assert_healthy(plain)
