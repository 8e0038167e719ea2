"""Versions of data that only `.dvc` files in Git tell of: each becomes a run that one can go back to."""

from __future__ import annotations

from by_hand import cached, listing, lock, md5, reasons

from shell import Shell


def version(shell: Shell, *names: str) -> str:
    """Commit a version of the folder `images` with these files, as `dvc add` leaves it; its commit."""
    whole = cached(shell, listing(*((name, cached(shell, name.encode())) for name in names)), folder=True)
    shell.write("images.dvc", f"outs:\n- md5: {whole}.dir\n  hash: md5\n  path: images\n")
    shell.write(".gitignore", "/images\n")
    for name in names:
        shell.write(f"images/{name}", name)
    return shell.commit(f"images: {' '.join(names)}")


def test_each_version_of_data_is_a_run_that_one_can_go_back_to(bare: Shell) -> None:
    for number in (1, 2, 3):
        version(bare, *"abc"[:number])
        bare("git", "tag", f"v{number}")
    foretold = bare.facts("import", "dvc", "--dry-run")
    done = bare.facts("import", "dvc")
    assert [one["message"] for one in done["runs"]] == ["images: a", "images: a b", "images: a b c"]
    assert [one["commit"] for one in foretold["runs"]] == [one["commit"] for one in done["runs"]]
    assert done["skipped"] == []
    assert bare.cloche("cat", "v2", "images/b").out == "b"
    run = bare.facts("show", "v1")["run"]
    assert "no stage ran" in run["findings"][0]["message"]
    assert (run["outputs"], run["metrics"], run["stages"]) == ([], {}, [])
    bare.cloche("revert", "v1")
    assert [path for path in bare.files() if path.startswith("images/")] == ["images/a"]
    bare.cloche("undo")
    assert {one["state"] for one in bare.facts("import", "dvc")["runs"]} == {"known"}


def test_data_that_changes_beside_results_that_do_not(bare: Shell) -> None:
    bare.write("dvc.yaml", "stages:\n  a:\n    cmd: x\n    metrics:\n    - m.json:\n        cache: false\n")
    bare.write("m.json", '{"auc": 0.5}')
    bare.write("dvc.lock", lock(("m.json", md5(b'{"auc": 0.5}'))))
    version(bare, "a")
    bare.write("code.py", "1")
    bare.commit("code only")
    bare.write("images.dvc", bare.read("images.dvc") + "desc: what the images show\n")
    bare.commit("a description only")
    bare("git", "tag", "model@v1.0.0")
    version(bare, "a", "b")
    done = bare.facts("import", "dvc")
    assert [one["message"] for one in done["runs"]] == ["images: a", "images: a b"]
    rows = {row["message"]: row for row in bare.facts("log")}
    assert rows["images: a"]["metrics"] == {"auc": 0.5}
    assert rows["images: a"]["tags"] == ["model@v1.0.0"]
    assert rows["images: a b"]["metrics"] == {}
    assert bare.cloche("cat", rows["images: a b"]["id"], "images/b").out == "b"


def test_a_version_whose_content_is_gone_and_a_file_that_was_broken_are_listed(bare: Shell) -> None:
    bare.write("images.dvc", f"outs:\n- md5: {md5(b'gone')}.dir\n  hash: md5\n  path: images\n")
    gone = bare.commit("gone")[:12]
    bare.write("dvc.lock", "schema: '2.0'\nstages: [1\n")
    bare.write("other.dvc", "- 1\n")
    broken = version(bare, "a")[:12]
    bare.write("dvc.lock", "schema: '2.0'\nstages: {}\n")
    (bare.folder / "other.dvc").unlink()
    version(bare, "a", "b")
    foretold = bare.facts("import", "dvc", "--dry-run")
    done = bare.facts("import", "dvc")
    assert reasons(done)[f"{gone}: images"] == "it is not in the cache"
    assert {f"{broken}: dvc.lock", f"{broken}: other.dvc"} <= reasons(done).keys()
    assert reasons(foretold) == reasons(done)
    assert [one["message"] for one in done["runs"]] == ["gone", "images: a", "images: a b"]


def test_another_version_than_the_stages_ran_with_is_told(bare: Shell) -> None:
    old = cached(bare, b"old")
    bare.write("x.dvc", f"outs:\n- md5: {cached(bare, b'new')}\n  hash: md5\n  path: x\n")
    bare.write("dvc.lock", lock(deps=(("x", old),)))
    commit = bare.commit("no repro")[:12]
    done = bare.facts("import", "dvc")
    assert "another version than the stages ran with" in reasons(done)[f"{commit}: x"]
    assert bare.cloche("cat", "@", "x").out == "old"
