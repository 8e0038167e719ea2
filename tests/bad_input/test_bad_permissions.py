"""What may not be read, and what may not be written to."""

from __future__ import annotations

import os

import pytest
from bad_input_helpers import (
    assert_complaint,
    assert_healthy,
    bound_by_permissions,
    posix,
    state_of,
    tree,
)

from shell import BIN, Shell

CLOCHE = str(BIN / "cloche")


@posix
def test_data_that_cannot_be_read_is_named_and_nothing_is_half_added(model: Shell) -> None:
    less = bound_by_permissions()
    model.write("raw/a.csv", "a\n")
    model.write("raw/secret.csv", "b\n").chmod(0)
    before = state_of(model)
    done = model(*less, CLOCHE, "add", "raw", status=8)
    assert_complaint(done, "cannot read", "make it readable")
    assert "raw/secret.csv" in done.err
    assert "permission denied" in done.err
    assert state_of(model) == before
    (model.folder / "raw/secret.csv").chmod(0o644)
    model.write("raw/closed/c.csv", "c\n")
    (model.folder / "raw/closed").chmod(0)
    done = model(*less, CLOCHE, "add", "raw", status=8)
    assert_complaint(done, "cannot read raw/closed", "make it readable")
    (model.folder / "raw/closed").chmod(0o755)
    model(*less, CLOCHE, "add", "raw")
    assert_healthy(model)


@posix
def test_files_that_cannot_be_read_are_named_and_all_else_is_compared(model: Shell) -> None:
    less = bound_by_permissions()
    model.write("data/closed.csv", "a\n")
    model.cloche("add")
    model.run()
    for file in ("data/closed.csv", "train.py"):
        (model.folder / file).chmod(0)
    model.write("data/more.csv", "b\n")
    done = model(*less, CLOCHE, "status", "--json", status=8)
    assert [path for path, _ in done.json["unreadable"]] == ["train.py", "data/closed.csv"]
    assert (done.json["clean"], done.json["code"]) == (False, [])
    [data] = done.json["data"]
    assert (data["lock"], [one["path"] for one in data["since"]]) == ("unknown", ["data/more.csv"])
    done = model(*less, CLOCHE, "diff", status=8)
    assert "cannot read data/closed.csv: permission denied; it is not compared" in done.out
    assert "+ data/more.csv" in done.out
    assert "same: config, environment" in done.out
    assert model(*less, CLOCHE, "revert", "@", status=8).err.startswith("cloche: cannot read")


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
        assert_complaint(done, "cannot read", "make it readable")
        assert "train.py" in done.err
    model(*less, CLOCHE, "status", status=None)
    assert tree(model.folder) == before
    (model.folder / "train.py").chmod(0o644)
    assert_healthy(model)


@posix
def test_a_project_that_may_not_be_written_to_is_left_alone(model: Shell) -> None:
    less = bound_by_permissions()
    model.run()
    model.write("train.py", "print(2)\n")
    model.write("data/points.csv", model.read("data/points.csv") + "9,9,9\n")
    state_of(model)
    folders = [model.folder, *(path for path in model.folder.rglob("*") if path.is_dir() and ".git" not in path.parts)]
    for folder in folders:
        folder.chmod(0o555)
    for file in (model.folder / ".cloche").rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    before = tree(model.folder)
    try:
        for words in (["run", "--", "true"], ["add", "data"], ["revert", "@"], ["tag", "x"], ["undo"]):
            done = model(*less, CLOCHE, *words, status=9)
            assert_complaint(done, "", "check")
            assert "permission denied" in done.err or "for writing" in done.err
        assert "train.py" in model(*less, CLOCHE, "log").out  # who may only read can look
        assert "data/points.csv" in model(*less, CLOCHE, "diff").out  # also into files
    finally:
        for folder in folders:
            folder.chmod(0o755)
        for file in (model.folder / ".cloche").rglob("*"):
            if file.is_file():
                file.chmod(0o644)
        # permission bits of the folders, set above, are part of what is compared
    assert {path: one[1] for path, one in tree(model.folder).items()} == {path: one[1] for path, one in before.items()}
    assert_healthy(model)


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


@posix
def test_data_in_a_folder_of_somebody_else_is_refused_and_locks_nothing(model: Shell) -> None:
    less = bound_by_permissions()
    if not less:
        pytest.skip("only root can give a folder away")
    model.run(command=["true"])
    model.write("data/points.csv", "id,x\n9,9\n")
    model.run(command=["true"])
    os.chown(model.folder / "data", 65534, 65534)
    before = tree(model.folder)
    for words in (["revert", "@~1"], ["checkout", "@~1", "data"]):
        done = model(*less, CLOCHE, *words, status=8)
        assert_complaint(done, "files in data cannot be changed: it belongs to somebody else", "make it writable")
        assert tree(model.folder) == before
    model(*less, CLOCHE, "log")
    model(*less, CLOCHE, "revert", "@~1", "--only", "code,config")
    os.chown(model.folder / "data", 0, 0)
    model.cloche("revert", "@~1")
    assert model.read("data/points.csv") != "id,x\n9,9\n"
    assert_healthy(model)


@posix
def test_a_checkout_that_cannot_be_taken_back_stops_no_one_from_looking(model: Shell) -> None:
    model.run(command=["true"])
    place = model.folder / ".cloche/tmp/checkout"
    place.mkdir(parents=True, exist_ok=True)
    (place / "journal").write_text("no journal at all")
    for words in (["log"], ["status"], ["show"], ["diff"]):
        model.cloche(*words)
    found = {one["name"]: one for one in model.cloche("doctor", "--json", status=None).json}
    assert found["operations"]["state"] == "error"
    for words in (["run", "--", "true"], ["revert", "@"], ["undo"], ["tag", "x"]):
        assert_complaint(model.cloche(*words, status=9), "interrupted checkout", "")
