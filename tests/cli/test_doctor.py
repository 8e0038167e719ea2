"""`cloche doctor`: is everything in order, and what to do where it is not."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import Any

from shell import Shell


def bad(shell: Shell, status: int = 1) -> dict[str, Any]:
    """What is no longer in order, by name."""
    found = shell.cloche("doctor", "--json", status=status).json
    return {one["name"]: one for one in found if one["state"] == "error"}


def packs(shell: Shell) -> list[Any]:
    return sorted((shell.folder / ".cloche" / "store").rglob("*.pack"), key=lambda file: -file.stat().st_size)


def test_all_is_well(model: Shell) -> None:
    model.run()
    found = {one["name"]: one for one in model.facts("doctor")}
    assert {one["state"] for name, one in found.items() if name != "disk"} == {"ok"}
    assert "1 runs" in found["catalog"]["message"] or "1 run" in found["catalog"]["message"]
    assert "every object matches its digest" in found["store"]["message"]
    assert "1 tracked data path" in found["data"]["message"]
    assert "main" in found["git"]["message"]
    shown = model.cloche("doctor").out
    for name in ("cloche", "settings", "git", "catalog", "store", "data", "runs", "python", "disk"):
        assert name in shown


def test_no_git_is_a_warning_with_a_hint(plain: Shell) -> None:
    found = {one["name"]: one for one in plain.facts("doctor")}
    assert (found["git"]["state"], found["git"]["hint"]) == ("warning", "type `git init`")


def test_a_flipped_bit_is_found(model: Shell) -> None:
    model.run()
    pack = packs(model)[0]
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0x10
    pack.chmod(0o644)
    pack.write_bytes(data)
    found = bad(model)
    assert set(found) - {"store", "content"} == set()
    assert found["store"]["hint"]


def test_runs_that_lost_something_are_named(model: Shell) -> None:
    model.write("data/unlike.bin", os.urandom(50_000))
    model.cloche("add")
    first, second = model.run()["id"], model.run()["id"]
    [holder] = [pack for pack in packs(model) if pack.stat().st_size > 50_000]
    data = bytearray(holder.read_bytes())
    place = data.index((model.folder / "data/unlike.bin").read_bytes()[:20])
    data[place] ^= 0x10
    holder.chmod(0o644)
    holder.write_bytes(data)
    found = model.cloche("doctor", status=None).out
    for run in (first, second):
        assert f"run {run[:8]}: the store does not hold data" in found


def test_a_lost_store_is_found(model: Shell) -> None:
    model.run()
    shutil.rmtree(model.folder / ".cloche" / "store")
    found = bad(model)
    assert "data" in found
    assert "cloche add data" in found["data"]["hint"]
    model.cloche("add")
    found = bad(model)
    assert "data" not in found
    assert "run" in found["content"]["message"], "what the run was made of is lost all the same, and its id is named"


def test_a_damaged_catalog_is_found(model: Shell) -> None:
    model.run()
    file = model.folder / ".cloche" / "catalog.db"
    with closing(sqlite3.connect(file)) as catalog:
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(file.read_bytes())
    data[4096 * 2 : 4096 * 6] = bytes(4096 * 4)
    file.write_bytes(data)
    assert "catalog" in bad(model)


def test_settings_that_cannot_be_read_hide_nothing_else(model: Shell) -> None:
    model.run()
    model.write("cloche.toml", "[stages.x]\nruns = 'true'\n")
    found = bad(model)
    assert "settings" in found
    assert "run" in found["settings"]["message"] + found["settings"]["hint"]
    assert "store" not in found
