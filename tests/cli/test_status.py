"""`cloche status`: what changed since a run, in each of the four inputs."""

from __future__ import annotations

import os
from typing import Any

import pytest

from shell import Shell


def paths(changes: Any) -> list[tuple[str, str]]:
    """Path and act of each change."""
    acts = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    return [(one["path"], acts[one["before"] is not None, one["after"] is not None]) for one in changes]


def test_right_after_a_run_nothing_changed(model: Shell) -> None:
    run = model.run()
    found = model.facts("status")
    assert found["clean"] is True
    assert (found["base"], found["branch"], found["commit"]) == (run["id"], "main", run["snapshot"]["code"]["commit"])
    assert (found["code"], found["config"], found["data"][0]["since"]) == ([], [], [])
    assert f"nothing changed since run {run['id'][:8]}" in model.cloche("status", "--exit-code").out


def test_before_the_first_run_it_shows_what_would_be_recorded(model: Shell) -> None:
    found = model.facts("status")
    assert (found["base"], found["clean"], found["files"]) == ("", False, 3)
    [data] = found["data"]
    assert data == {
        "path": "data",
        "lock": "same",
        "files": 1,
        "size": 21,
        "since": [],
        "held": True,
        "in_place": False,
        "back": "",
    }
    model.cloche("status")


def test_changed_new_and_deleted_code(model: Shell) -> None:
    model.write("old.py", "1\n")
    model.run()
    model.write("train.py", "pass\n")
    model.write("new.py", "1\n")
    (model.folder / "old.py").unlink()
    found = model.facts("status")
    assert paths(found["code"]) == [("new.py", "added"), ("old.py", "removed"), ("train.py", "changed")]
    assert found["clean"] is False
    shown = model.cloche("status", "--exit-code", status=1).out
    for line in ("+ new.py", "- old.py", "~ train.py"):
        assert line in shown
    assert f"cloche revert {found['base'][:8]}" in shown


def test_an_executable_bit_and_a_link_are_changes(model: Shell) -> None:
    model.run()
    os.chmod(model.folder / "train.py", 0o755)
    os.symlink("train.py", model.folder / "link.py")
    assert paths(model.facts("status")["code"]) == [("link.py", "added"), ("train.py", "changed")]


def test_changed_config_with_both_values(model: Shell) -> None:
    model.run()
    model.write("params.toml", "seed = 7.0\n\n[train]\nfactor = 3\nextra = true\n")
    changes = {one["key"]: one for one in model.facts("status")["config"]}
    assert (changes["train.factor"]["before"], changes["train.factor"]["after"]) == (2, 3)
    assert changes["train.extra"]["has_before"] is False
    assert changes["train.name"]["has_after"] is False
    assert "seed" in changes, "7 and 7.0 differ"
    assert "train.factor" in model.cloche("status").out


def test_a_comment_in_the_config_is_no_change_of_a_value(model: Shell) -> None:
    model.run()
    model.write("params.toml", "# new words\n" + model.read("params.toml"))
    assert model.facts("status")["config"] == []


def test_changed_data_against_the_run_and_against_the_lock(model: Shell) -> None:
    model.run()
    model.write("data/points.csv", "id,x\n1,1\n")
    model.write("data/more.csv", "id,x\n")
    (state,) = model.facts("status")["data"]
    assert (state["lock"], state["files"]) == ("changed", 2)
    assert paths(state["since"]) == [("data/more.csv", "added"), ("data/points.csv", "changed")]
    shown = model.cloche("status").out
    assert "not yet in cloche.lock" in shown
    assert "hint: `cloche add` records the new data" in shown
    model.cloche("add")
    (state,) = model.facts("status")["data"]
    assert (state["lock"], len(state["since"])) == ("same", 2), "known to Git now, and still not what the run used"
    model.run()
    assert model.facts("status")["clean"] is True


def test_missing_untracked_and_newly_tracked_data(model: Shell) -> None:
    model.run()
    os.rename(model.folder / "data", model.folder / "elsewhere")
    found = model.facts("status")
    assert (found["data"][0]["lock"], found["clean"]) == ("missing", False)
    assert "missing" in model.cloche("status").out
    os.rename(model.folder / "elsewhere", model.folder / "data")
    model.cloche("untrack", "data")
    assert model.facts("status")["forgotten"] == ["data"]


def test_a_changed_environment(venv: Shell) -> None:
    venv.run(command=["python", "-c", "pass"])
    assert venv.facts("status")["clean"] is True
    site = venv("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").out.strip()
    os.mkdir(f"{site}/added-1.0.dist-info")
    with open(f"{site}/added-1.0.dist-info/METADATA", "w", encoding="utf-8") as file:
        file.write("Metadata-Version: 2.1\nName: added\nVersion: 1.0\n")
    found = venv.facts("status")
    assert [(one["name"], one["direction"]) for one in found["environment"]["packages"]] == [("added", "added")]
    assert found["clean"] is False


def test_any_run_can_be_the_base(model: Shell) -> None:
    first = model.run()
    model.write("train.py", "pass\n")
    model.run()
    model.cloche("tag", "champion", "@~1")
    assert model.facts("status")["clean"] is True
    found = model.facts("status", "champion")
    assert (found["base"], paths(found["code"]), found["tags"]) == (
        first["id"],
        [("train.py", "changed")],
        ["champion"],
    )
    model.cloche("status", "nobody", status=5)


def test_it_stores_nothing(model: Shell) -> None:
    model.run()
    model.write("data/big.bin", os.urandom(100_000))
    model.write("new.py", "1\n")
    before = sorted((model.folder / ".cloche" / "store").rglob("*"))
    model.cloche("status")
    assert sorted((model.folder / ".cloche" / "store").rglob("*")) == before


def test_left_out_and_odd_files_are_named(model: Shell) -> None:
    model.write(".env", "TOKEN=1\n")
    os.mkfifo(model.folder / "data" / "pipe")
    found = model.facts("status")
    assert [one["path"] for one in found["left_out"]] == [".env"]
    assert found["special"] == ["data/pipe"]
    assert "left out of code: .env" in model.cloche("status").out


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can read everything")
def test_unreadable_folders_are_named(model: Shell) -> None:
    model.write("data/closed/x", "1")
    os.chmod(model.folder / "data" / "closed", 0)
    try:
        assert model.facts("status")["unreadable"][0][0] == "data/closed"
    finally:
        os.chmod(model.folder / "data" / "closed", 0o755)


def test_an_output_that_was_committed_since_is_no_change(project: Shell) -> None:
    project.write("t.py", "open('o.txt', 'w').write('x')\n")
    project.commit()
    project.run(command=["python", "t.py"])
    project.commit()
    assert project.facts("status")["clean"]
    assert project.facts("diff")["same"] == ["code", "data", "config", "environment"]
    project.write("o.txt", "y")
    assert [one["path"] for one in project.facts("status")["code"]] == ["o.txt"]
