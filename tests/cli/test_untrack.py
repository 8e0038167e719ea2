"""`cloche untrack` stops tracking data; the files stay, and so does what runs recorded."""

from __future__ import annotations

from shell import Shell


def test_files_stay_and_git_sees_them_again(model: Shell) -> None:
    done = model.facts("untrack", "data")
    assert done == {"paths": ["data"], "ignored": [".gitignore"], "dry_run": False, "links": {}}
    assert model.read("data/points.csv").startswith("id,x\n")
    assert model.read(".gitignore") == "*.bin\n"
    assert [line for line in model.read("cloche.lock").splitlines() if not line.startswith("#")] == []
    assert "?? data/" in model("git", "status", "--short").out


def test_runs_keep_the_data_that_they_used(model: Shell) -> None:
    record = model.run()
    model.cloche("untrack", "data")
    (model.folder / "data" / "points.csv").unlink()
    model.cloche("revert", record["id"], "--only", "data")
    assert model.read("data/points.csv") == "id,x\n1,1.5\n2,2.5\n3,4\n"
    assert model.facts("status")["clean"] is False, ".gitignore is code and still lacks its line"


def test_undo_tracks_it_again(model: Shell) -> None:
    before = model.files()
    model.cloche("untrack", "data")
    model.cloche("undo")
    assert model.files() == before


def test_a_preview_changes_nothing(model: Shell) -> None:
    before = model.files()
    assert model.facts("untrack", "-n", "data")["dry_run"] is True
    assert model.files() == before


def test_a_path_that_is_not_tracked_is_named_with_what_was_meant(model: Shell) -> None:
    done = model.cloche("untrack", "dataa", status=5)
    assert "dataa is not tracked" in done.err
    assert "did you mean `data`?" in done.err
    model.cloche("untrack", status=2)
    before = model.files()
    model.cloche("untrack", "data", "nowhere", status=5)
    assert model.files() == before
