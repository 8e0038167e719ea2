"""Paths: missing, unreadable, outside, links of every kind, pipes, and things that are not what they were."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from bad_input_helpers import bound_by_permissions, complaint, healthy, posix, refused, state_of, tree

from shell import BIN, Shell

CLOCHE = str(BIN / "cloche")


def test_data_that_does_not_exist_is_named(model: Shell) -> None:
    refused(model, "add", "nowhere", status=8, says="nowhere does not exist", hint="check the spelling")
    model.write("more.csv", "a\n")
    refused(model, "add", "more.csv", "nowhere/x", status=8, says="nowhere/x does not exist", hint="")
    refused(model, "add", "", status=8, says="is the project itself", hint="inside the project")


@pytest.mark.parametrize("path", ["..", "/", "/etc/hosts", "../other", "data/../../other", "~nobody", "."])
def test_paths_outside_the_project_are_refused(model: Shell, path: str) -> None:
    (model.folder.parent / "other").write_text("theirs")
    expected = "does not exist" if path == "~nobody" else "the project"
    refused(model, "add", path, status=8, says=expected, hint="")
    assert model.cloche("diff", "@", ".", path, status=None).status in (5, 8)


def test_paths_of_git_and_cloche_are_refused(model: Shell) -> None:
    for path in (".git", ".git/config", ".cloche", ".cloche/store"):
        refused(model, "add", path, status=8, says="which no one may track", hint="another path")
    for path in ("cloche.toml", "cloche.lock"):
        refused(model, "add", path, status=6, says="describes the project", hint="Git")


def test_a_path_through_a_link_is_the_path_that_it_leads_to(model: Shell) -> None:
    (model.folder.parent / "other").mkdir()
    (model.folder.parent / "other/a.csv").write_text("theirs")
    (model.folder / "out").symlink_to("../other")
    refused(model, "add", "out/a.csv", status=8, says="lies outside the project", hint="inside the project")
    (model.folder / "way").symlink_to("data")
    refused(model, "add", "way/points.csv", status=6, says="data/points.csv overlaps data", hint="cloche untrack data")


def test_a_link_is_no_data(model: Shell) -> None:
    (model.folder / "linked").symlink_to("data")
    refused(model, "add", "linked", status=6, says="linked is a symbolic link", hint="the folder that it points to")
    (model.folder / "dangling").symlink_to("nowhere")
    refused(model, "add", "dangling", status=6, says="dangling is a symbolic link", hint="")
    (model.folder / "loop").symlink_to("loop")
    refused(model, "add", "loop", status=6, says="loop is a symbolic link", hint="")
    refused(model, "add", "loop/x", status=8, says="loop/x", hint="")


def test_links_among_the_files_are_recorded_as_links_and_come_back(model: Shell) -> None:
    links = {"up": "..", "loop": "loop", "one": "two", "two": "one", "dangling": "nowhere/at all", "self": "."}
    for name, target in links.items():
        (model.folder / "data" / name).symlink_to(target)
        (model.folder / name).symlink_to(target)
    model.cloche("add", "data")
    before = tree(model.folder)
    run = model.run()
    assert run["status"] == "finished"
    for name in links:
        (model.folder / "data" / name).unlink()
        model.write(f"data/{name}", "a file now")
        (model.folder / name).unlink()
        (model.folder / name).mkdir()
    model.cloche("status")
    model.cloche("diff")
    model.cloche("revert", "@")
    now = tree(model.folder)
    assert {path: now[path] for path in before} == before
    healthy(model)


def test_links_that_lead_out_of_the_project_are_reported(model: Shell) -> None:
    (model.folder.parent / "huge.csv").write_text("a\n")
    (model.folder / "data/huge.csv").symlink_to("../../huge.csv")
    (model.folder / "inside").symlink_to("data/points.csv")
    done = model.cloche("add", "data")
    assert "data/huge.csv leads out of the project" in done.err
    [finding] = model.run()["findings"]
    assert (finding["check"], finding["place"]["file"]) == ("link-outside", "data/huge.csv")


def test_data_that_became_a_link_is_no_input(model: Shell) -> None:
    model.run()
    (model.folder / "data").rename(model.folder.parent / "elsewhere")
    (model.folder / "data").symlink_to("../elsewhere")
    says, hint = "tracked data data is a symbolic link now", "cloche untrack data"
    refused(model, "run", "--", "true", status=8, says=says, hint=hint)
    refused(model, "add", status=6, says="data is a symbolic link", hint="")
    before = (model.folder.parent / "elsewhere/points.csv").read_bytes()
    model.cloche("revert", "@")
    assert not (model.folder / "data").is_symlink()
    assert model.data("data/points.csv") == before
    assert (model.folder.parent / "elsewhere/points.csv").read_bytes() == before
    healthy(model)
    model.cloche("undo")
    assert (model.folder / "data").is_symlink()


def test_revert_does_not_write_through_a_link_that_took_a_folders_place(model: Shell) -> None:
    model.write("src/deep/code.py", "print(1)\n")
    model.run(command=["true"])
    (model.folder / "src").rename(model.folder.parent / "moved")
    (model.folder.parent / "moved/deep/code.py").write_text("theirs\n")
    (model.folder / "src").symlink_to("../moved")
    model.cloche("revert", "@")
    assert (model.folder.parent / "moved/deep/code.py").read_text() == "theirs\n"
    assert model.read("src/deep/code.py") == "print(1)\n"
    assert not (model.folder / "src").is_symlink()
    healthy(model)
    model.cloche("undo")
    assert (model.folder / "src").is_symlink()
    assert (model.folder.parent / "moved/deep/code.py").read_text() == "theirs\n"


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
    healthy(model)


def test_data_that_is_gone_stops_a_run_and_comes_back(model: Shell) -> None:
    before = model.data("data/points.csv")
    model.run()
    (model.folder / "data/points.csv").unlink()
    (model.folder / "data").rmdir()
    says, hint = "tracked data is missing: data", "cloche revert --lock"
    refused(model, "run", "--", "true", status=8, says=says, hint=hint)
    refused(model, "add", status=8, says="data does not exist", hint="")
    assert model.facts("status")["data"][0]["lock"] == "missing"
    assert "missing" in model.cloche("status").out
    model.cloche("diff")
    model.cloche("revert", "@", "--only", "data")
    assert model.data("data/points.csv") == before
    healthy(model)


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
    healthy(model)


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
    healthy(model)


@posix
def test_data_that_cannot_be_read_is_named_and_nothing_is_half_added(model: Shell) -> None:
    less = bound_by_permissions()
    model.write("raw/a.csv", "a\n")
    model.write("raw/secret.csv", "b\n").chmod(0)
    before = state_of(model)
    done = model(*less, CLOCHE, "add", "raw", status=8)
    complaint(done, "cannot read", "make it readable")
    assert "raw/secret.csv" in done.err
    assert "permission denied" in done.err
    assert state_of(model) == before
    (model.folder / "raw/secret.csv").chmod(0o644)
    model.write("raw/closed/c.csv", "c\n")
    (model.folder / "raw/closed").chmod(0)
    done = model(*less, CLOCHE, "add", "raw", status=8)
    complaint(done, "cannot read raw/closed", "make it readable")
    (model.folder / "raw/closed").chmod(0o755)
    model(*less, CLOCHE, "add", "raw")
    healthy(model)


@posix
def test_data_that_may_only_be_read_is_added_and_comes_back(model: Shell) -> None:
    less = bound_by_permissions()
    model.write("raw/a.csv", "a\n").chmod(0o444)
    (model.folder / "raw").chmod(0o555)
    model(*less, CLOCHE, "add", "raw")
    before = tree(model.folder)
    model(*less, CLOCHE, "run", "--", "true")
    (model.folder / "raw").chmod(0o755)
    (model.folder / "raw/a.csv").unlink()
    model.write("raw/a.csv", "changed\n").chmod(0o444)
    (model.folder / "raw").chmod(0o555)
    model(*less, CLOCHE, "revert", "@")
    assert tree(model.folder) == before
    (model.folder / "raw").chmod(0o755)


@posix
def test_code_that_cannot_be_read_stops_a_run_and_a_revert(model: Shell) -> None:
    less = bound_by_permissions()
    model.run()
    model.write("train.py", "print('mine')\n").chmod(0)
    before = tree(model.folder)
    for words in (["run", "--", "true"], ["revert", "@"]):
        done = model(*less, CLOCHE, *words, status=8)
        complaint(done, "cannot read", "make it readable")
        assert "train.py" in done.err
    model(*less, CLOCHE, "status", status=None)
    assert tree(model.folder) == before
    (model.folder / "train.py").chmod(0o644)
    healthy(model)


@posix
def test_a_project_that_may_not_be_written_to_is_left_alone(model: Shell) -> None:
    less = bound_by_permissions()
    model.run()
    model.write("train.py", "print(2)\n")
    state_of(model)
    folders = [model.folder, *(path for path in model.folder.rglob("*") if path.is_dir() and ".git" not in path.parts)]
    for folder in folders:
        folder.chmod(0o555)
    for file in (model.folder / ".cloche").rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    before = tree(model.folder)
    try:
        for words in (["run", "--", "true"], ["add", "data"], ["revert", "@"], ["tag", "x"], ["undo"], ["log"]):
            done = model(*less, CLOCHE, *words, status=9)
            complaint(done, "", "check")
            assert "permission denied" in done.err or "for writing" in done.err
    finally:
        for folder in folders:
            folder.chmod(0o755)
        for file in (model.folder / ".cloche").rglob("*"):
            if file.is_file():
                file.chmod(0o644)
        # permission bits of the folders, set above, are part of what is compared
    assert {path: one[1] for path, one in tree(model.folder).items()} == {path: one[1] for path, one in before.items()}
    healthy(model)


@posix
def test_a_work_tree_folder_that_may_not_be_written_to_is_opened_for_a_revert_and_closed_again(model: Shell) -> None:
    less = bound_by_permissions()
    model.write("src/a.py", "1\n")
    model.run(command=["true"])
    model.write("src/a.py", "2\n").chmod(0o444)
    (model.folder / "src").chmod(0o555)
    model(*less, CLOCHE, "revert", "@")
    assert model.read("src/a.py") == "1\n"
    assert (model.folder / "src").stat().st_mode & 0o777 == 0o555
    (model.folder / "src").chmod(0o755)


def test_pipes_sockets_and_devices_are_never_opened(model: Shell) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names")
    os.mkfifo(model.folder / "data/pipe")
    refused(model, "add", "data", status=8, says="data/pipe is no file, folder or link", hint="move it out")
    os.rename(model.folder / "data/pipe", model.folder / "pipe")
    refused(model, "add", "pipe", status=8, says="pipe is no file, folder or link", hint="move it out")
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
    healthy(model)


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
    healthy(model)


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
    complaint(model.cloche("run", "--", "./tool.sh", status=126), "not executable", "")
    model.cloche("revert", "@")
    assert os.access(model.folder / "tool.sh", os.X_OK)
    assert os.access(model.folder / "data/tool", os.X_OK)
    assert model.facts("status")["clean"] is True


def test_a_file_that_keeps_changing_while_it_is_added_is_refused(model: Shell) -> None:
    before_lock = model.data("cloche.lock")
    file = model.write("raw/growing.csv", b"0" * 30_000_000)
    stop = threading.Event()

    def grow() -> None:
        with file.open("ab", buffering=0) as out:
            while not stop.is_set():
                out.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        done = model.cloche("add", "raw", status=8)
    finally:
        stop.set()
        writer.join()
    complaint(done, "raw/growing.csv kept changing while it was read", "wait until the program that writes it is done")
    assert model.data("cloche.lock") == before_lock
    assert model.facts("add", "raw")["paths"][0]["tracked"]["size"] == file.stat().st_size
    healthy(model)


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
    healthy(model)


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
    healthy(model)


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
    healthy(plain)
