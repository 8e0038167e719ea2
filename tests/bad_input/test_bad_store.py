"""What is under `.cloche` is deleted, cut short or changed between two commands."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from bad_input_helpers import assert_complaint, assert_healthy, tree, troubles

from shell import Shell


def largest_pack(shell: Shell) -> Path:
    """The pack that holds most."""
    packs = (shell.folder / ".cloche/store").rglob("*.pack")
    return max(packs, key=lambda pack: pack.stat().st_size)


def damage_catalog(shell: Shell, data: bytes) -> None:
    """Put these bytes into the place of the catalog."""
    file = shell.folder / ".cloche/catalog.db"
    with closing(sqlite3.connect(file)) as catalog:
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for beside in file.parent.glob("catalog.db-*"):
        beside.unlink()
    file.write_bytes(data)


@pytest.mark.parametrize("what", ["cache", "tmp", "runs"])
def test_what_can_be_made_again_is_made_again(model: Shell, what: str) -> None:
    run = model.run()
    shutil.rmtree(model.folder / ".cloche" / what)
    assert model.facts("log")[0]["id"] == run["id"]
    assert model.facts("status")["clean"]
    model.write("train.py", "print(2)\n")
    model.run()
    model.cloche("diff", "@~", "@")
    model.cloche("revert", run["id"])
    assert_healthy(model)


def test_a_store_that_is_gone_is_said_and_the_next_run_is_whole(model: Shell) -> None:
    lost = model.run()["id"]
    shutil.rmtree(model.folder / ".cloche/store")
    model.write("train.py", "print(3)\n")
    assert_complaint(model.cloche("revert", lost, status=5), "the store does not hold", "cloche verify")
    assert model.read("train.py") == "print(3)\n"
    assert set(troubles(model)) == {"content", "data"}
    model.cloche("add")
    whole = model.run(command=["true"])["id"]
    model.write("train.py", "print(4)\n")
    model.cloche("revert", whole)
    assert model.read("train.py") == "print(3)\n"


@pytest.mark.parametrize("left", [0, 10, 0.5], ids=["nothing", "ten bytes", "half"])
def test_a_pack_that_was_cut_short(model: Shell, left: float) -> None:
    first = model.run()["id"]
    pack = largest_pack(model)
    pack.chmod(0o644)
    data = pack.read_bytes()
    pack.write_bytes(data[: int(len(data) * left) if left < 1 else int(left)])
    before = tree(model.folder)
    assert "store" in troubles(model)
    assert f"run {first[:8]}" in model.cloche("doctor", status=None).out
    model.write("train.py", "print(2)\n")
    done = model.cloche("revert", first, status=None)
    assert done.status in (0, 9)
    if done.status:
        assert "hint: " in done.err
        assert model.read("train.py") == "print(2)\n", "nothing is half-way"
    model.cloche("log")
    pack.write_bytes(data)
    pack.chmod(0o444)
    model.cloche("revert", first)
    assert tree(model.folder) == before
    assert_healthy(model)


def test_a_catalog_that_is_none(model: Shell) -> None:
    model.run()
    data = b"not a database at all" * 500
    damage_catalog(model, data)
    for words in (["log"], ["run", "--", "true"], ["status"], ["revert", "@"]):
        assert_complaint(model.cloche(*words, status=9), "catalog", "copy of that file from a backup")
    assert (model.folder / ".cloche/catalog.db").read_bytes() == data, "it may be all that someone can repair"
    assert "catalog" in model.cloche("doctor", status=None).out


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "gone"])
def test_a_catalog_that_is_gone_is_said_once(model: Shell, empty: bool) -> None:
    model.run()
    damage_catalog(model, b"")
    if not empty:
        (model.folder / ".cloche/catalog.db").unlink()
    said = model.cloche("log").err
    assert "catalog.db is gone, and every record of a run with it" in said
    assert "hint: put back a copy" in said
    assert "is gone" not in model.cloche("log").err
    assert model.run(command=["true"])["status"] == "finished"
    assert_healthy(model)


def test_a_file_whose_stored_copy_is_damaged_is_not_overwritten(model: Shell) -> None:
    """The work tree may hold the last good copy."""
    first = model.run(command=["true"])["id"]
    model.write("data/unlike.bin", os.urandom(50_000))
    model.cloche("add")
    pack = largest_pack(model)
    data = bytearray(pack.read_bytes())
    data[data.index(model.data("data/unlike.bin")[:20])] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    before = tree(model.folder)
    done = model.cloche("revert", first, status=9)
    assert_complaint(done, "the stored copy of data/unlike.bin is damaged", "cloche verify")
    assert tree(model.folder) == before
