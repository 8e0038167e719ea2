"""`cloche du`: how much the store takes, and what for."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import cloche
from shell import Shell

RANDOM = random.Random(5)
BASE = RANDOM.randbytes(400_000)
OTHER = RANDOM.randbytes(300_000)


def rows(used: list[dict[str, Any]], by: str = "path") -> dict[str, dict[str, Any]]:
    return {one[by]: one for one in used}


@pytest.fixture(scope="module")
def two_runs(an_empty_folder: Callable[[], Shell], a_plain_project: Shell) -> Shell:
    """The second run has a grown version of the data, and writes the same output; a file of the data also lies under a
    second tracked path."""
    plain = a_plain_project.copied_to(an_empty_folder())
    plain.write("train.py", "open('model.bin', 'wb').write(bytes(range(256)) * 100)\n")
    plain.write("data/a.bin", BASE)
    plain.write("data/deep/b.bin", OTHER)
    plain.write("more/a.bin", BASE)
    plain.cloche("add", "data", "more")
    plain.run()
    plain.write("data/a.bin", BASE + RANDOM.randbytes(50_000))
    plain.cloche("add")
    plain.run()
    return plain


@pytest.fixture
def runs(folder: Shell, two_runs: Shell) -> Shell:
    return two_runs.copied_to(folder)


def test_every_byte_is_counted_once(runs: Shell) -> None:
    found = runs.facts("du")
    packs = [file for file in (runs.folder / ".cloche/store/packs").rglob("*") if file.is_file()]
    assert found["disk"] == sum(file.stat().st_size for file in packs)
    assert found["packs"] == sum(file.suffix == ".pack" for file in packs)
    assert found["stored"] <= found["disk"]
    assert sum(part["unique"] for part in found["parts"]) <= found["stored"]
    assert max(part["stored"] for part in found["parts"]) <= found["stored"]
    assert found["unreadable"] == 0


def test_what_is_shared_is_stored_once_and_unique_to_nothing(runs: Shell) -> None:
    paths = rows(runs.facts("du")["paths"])
    data, more = paths["data"], paths["more"]
    assert (data["versions"], data["size"]) == (2, 2 * len(BASE + OTHER) + 50_000)
    assert 750_000 < data["stored"] < 850_000
    assert 330_000 < data["unique"] < 450_000, "what `more` holds as well would stay"
    assert (more["versions"], more["size"]) == (1, 400_000)
    assert 400_000 < more["stored"] < 450_000
    assert more["unique"] < 1000, "its listing alone"
    model = paths["model.bin"]
    assert (model["part"], model["versions"], model["size"]) == ("outputs", 1, 25_600)
    assert model["stored"] < 2000, "compressed"


def test_parts(runs: Shell) -> None:
    parts = rows(runs.facts("du")["parts"], "part")
    assert {"data", "outputs", "code", "logs", "undo"} >= parts.keys() >= {"data", "outputs", "code"}
    assert parts["data"]["unique"] > 750_000, "no other part needs it"
    shown = runs.cloche("du").out
    assert shown.startswith("the store takes ")
    assert "only here" in shown
    assert "kept for `cloche undo`" in shown


def test_runs(runs: Shell) -> None:
    assert runs.facts("du")["runs"] == []
    last, first = (runs.facts("show", name)["run"]["id"] for name in ("@", "@~1"))
    found = rows(runs.facts("du", "--runs")["runs"], "run")
    assert found.keys() == {first, last}
    assert found[first]["size"] > 1_000_000
    assert found[first]["unique"] < 80_000, "a chunk at the old end, and listings"
    assert found[last]["unique"] < 1000, "cloche.lock names its data too"
    runs.cloche("tag", "best", first)
    [asked] = runs.facts("du", "best")["runs"]
    assert asked == found[first]


def test_what_one_run_is_made_of(runs: Shell) -> None:
    found = runs.facts("du", "@")
    assert (found["parts"], found["paths"]) == ([], [])
    assert {one["path"] for one in found["asked"]} >= {"data", "more", "model.bin"}
    assert rows(found["asked"])["more"]["size"] == 400_000
    shown = runs.cloche("du", "@").out
    assert "what of a run" in shown
    assert "model.bin" in shown


def test_the_versions_of_a_path(runs: Shell) -> None:
    last, first = (runs.facts("show", name)["run"]["id"] for name in ("@", "@~1"))
    found = rows(runs.facts("du", "data")["asked"], "run")
    assert found.keys() == {first, last}
    assert {one["path"] for one in found.values()} == {"data"}
    assert found[last]["size"] == len(BASE + OTHER) + 50_000
    inner = runs.facts("du", "data/deep")["asked"]
    assert [(one["path"], one["size"]) for one in inner] == [("data/deep", 300_000)]
    assert inner[0]["unique"] > 290_000, "nothing else needs it"
    assert [one["size"] for one in runs.facts("du", "./data/a.bin")["asked"]] == [450_000, 400_000]
    assert [one["path"] for one in runs.facts("du", "train.py")["asked"]] == ["train.py"]
    here = Shell(runs.folder / "data", runs.variables)
    assert here.facts("du", "deep")["asked"] == inner
    assert "version of a path" in runs.cloche("du", "data", "@").out


def test_what_nothing_names_any_more(runs: Shell) -> None:
    before = rows(runs.facts("du")["parts"], "part")
    assert "nothing" not in before
    with cloche.open(runs.folder)._project.store.writer() as writer:
        writer.add_bytes(RANDOM.randbytes(30_000))
    [nothing] = [one for one in runs.facts("du")["parts"] if one["part"] == "nothing"]
    assert nothing["stored"] == nothing["unique"] == 30_042
    assert "named by nothing" in runs.cloche("du").out


def test_removed_runs_count_until_they_are_gone(runs: Shell) -> None:
    before = rows(runs.facts("du")["paths"])["data"]
    runs.cloche("remove", "@~1")
    assert rows(runs.facts("du")["paths"])["data"] == before


def test_an_empty_project_takes_nothing(plain: Shell) -> None:
    found = plain.facts("du")
    assert (found["paths"], found["runs"]) == ([], [])
    assert plain.cloche("du").out.startswith("the store takes ")


def test_what_is_neither_a_run_nor_a_path_is_said(runs: Shell) -> None:
    done = runs.cloche("du", "nothing", status=5)
    assert "no run, tag or Git revision is called `nothing`, and nothing stored was ever at nothing" in done.err
    assert "lies outside the project" in runs.cloche("du", "../x", status=8).err


def test_a_folder_that_cannot_be_read_is_counted(runs: Shell) -> None:
    for pack in (runs.folder / ".cloche/store/packs").rglob("*.pack"):
        pack.chmod(0o644)
        data = bytearray(pack.read_bytes())
        if b"cloche-tree-1" in data:
            data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
            pack.write_bytes(data)
    found = runs.facts("du")
    assert found["unreadable"] > 0
    assert "type `cloche doctor`" in runs.cloche("du").out


def test_from_python(runs: Shell) -> None:
    project = cloche.open(runs.folder)
    assert [one.path for one in project.du("data").asked] == ["data", "data"]
    assert project.du(runs=True).runs


def test_what_gc_has_taken_on_purpose_is_not_missed(plain: Shell) -> None:
    for text in ("1", "2"):
        plain.write("data/deep/a", text)
        plain.cloche("add", "data")
    plain.write("data/deep/a", "3")
    plain.cloche("revert", "--lock")
    plain.cloche("gc", "--grace", "0")
    assert plain.facts("du")["unreadable"] == 0
