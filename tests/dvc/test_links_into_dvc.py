"""Work trees that DVC filled with links into its cache: what is recorded is content, and nothing is written through."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from by_hand import lock, md5, reasons, tracked
from dvc_repositories import with_dvc

from shell import BIN, Shell


def linked(shell: Shell, path: str, data: bytes, *, cache: Path | None = None, tracked: bool = False) -> Path:
    """A link at a path to the object of this content; the object."""
    digest = md5(data)
    folder = cache or shell.folder / ".dvc/cache"
    place = folder / "files/md5" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    (shell.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (shell.folder / path).symlink_to(place)
    if tracked:
        shell.write(f"{path}.dvc", f"outs:\n- md5: {digest}\n  hash: md5\n  path: {path}\n")
    return place


@pytest.mark.parametrize("kind", [pytest.param("symlink", marks=pytest.mark.slow), "hardlink"])
def test_links_of_dvc_itself_become_files(bare: Shell, kind: str) -> None:
    dvc = with_dvc(bare, "dvc3")
    bare.write(".dvc/config", f"[cache]\n    type = {kind}\n")
    bare.write("dd/a", "precious\n")
    bare.write("single", "one file\n")
    dvc("dvc", "add", "-q", "dd", "single")
    assert (bare.folder / "dd/a").is_symlink() == (kind == "symlink")
    assert os.stat(bare.folder / "dd/a").st_nlink == (1 if kind == "symlink" else 2)
    bare.commit()
    objects = {path: path.read_bytes() for path in (bare.folder / ".dvc/cache").rglob("*") if path.is_file()}
    assert bare.facts("import", "dvc", "--dry-run")["unlinked"] == ["dd/a", "single"]
    assert bare.facts("import", "dvc")["unlinked"] == ["dd/a", "single"]
    assert [row["state"] for row in bare.facts("add")["paths"]] == ["unchanged", "unchanged"]
    assert bare.run(command=("cat", "dd/a"))["findings"] == []
    bare.write("dd/a", "edited\n")
    bare.write("single", "edited\n")
    assert {path: path.read_bytes() for path in objects} == objects
    shutil.rmtree(bare.folder / ".dvc")
    shutil.rmtree(bare.folder / "dd")
    bare.cloche("revert", "@", "--only", "data")
    assert (bare.read("dd/a"), bare.read("single")) == ("precious\n", "one file\n")
    assert not (bare.folder / "dd/a").is_symlink()


def test_links_in_outputs_and_into_a_cache_that_only_they_name(bare: Shell) -> None:
    """The place of a shared cache often stands in `config.local`, which is not read."""
    shared = bare.folder.parent / "shared"
    linked(bare, "data.csv", b"1,2", cache=shared, tracked=True)
    linked(bare, "out/model.bin", b"model", cache=shared)
    bare.write("dvc.lock", lock(("out/model.bin", md5(b"model"))))
    bare.write(".gitignore", "/data.csv\n/out\n")
    bare.commit()
    done = bare.facts("import", "dvc")
    assert (done["unlinked"], done["skipped"]) == (["data.csv", "out/model.bin"], [])
    bare.write("out/model.bin", "a new one")
    digest = md5(b"model")
    assert (shared / "files/md5" / digest[:2] / digest[2:]).read_bytes() == b"model"
    assert bare.cloche("cat", "@", "out/model.bin").out == "model"


def test_what_is_no_object_of_dvcs_or_is_damaged_stays_a_link(bare: Shell) -> None:
    secret = bare.write("../secret", "top secret")
    damaged = linked(bare, "damaged", b"as it was", tracked=True)
    damaged.write_bytes(b"as it is now")
    gone = linked(bare, "gone", b"gone", tracked=True)
    gone.unlink()
    (bare.folder / "other").symlink_to(secret)
    bare.write("other.dvc", f"outs:\n- md5: {md5(b'top secret')}\n  hash: md5\n  path: other\n")
    tracked(bare, "good", b"good")
    before = bare.files()
    done = bare.facts("import", "dvc")
    assert done["unlinked"] == []
    assert {one["name"] for one in done["skipped"] if one["kind"] == "link"} == {"damaged", "gone"}
    assert "damaged" in reasons(done)["damaged"]
    assert {path: before[path] for path in ("damaged", "gone", "other")} == {
        path: bare.files()[path] for path in ("damaged", "gone", "other")
    }


def test_undo_brings_the_links_back(bare: Shell) -> None:
    place = linked(bare, "a.txt", b"a", tracked=True)
    bare.cloche("import", "dvc")
    assert not (bare.folder / "a.txt").is_symlink()
    bare.cloche("undo")
    assert (bare.folder / "a.txt").readlink() == place


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_kill_half_way_leaves_links_or_files_and_all_of_the_content(bare: Shell) -> None:
    names = [f"dd/{number}" for number in range(100)]
    for number, name in enumerate(names):
        linked(bare, name, b"%d" % number)
        bare.write(f"dd/{number}.dvc", f"outs:\n- md5: {md5(b'%d' % number)}\n  hash: md5\n  path: '{number}'\n")
    bare.cloche("init")
    going = subprocess.Popen(
        [str(BIN / "cloche"), "import", "dvc"], cwd=bare.folder, env=bare.variables, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 30
    while going.poll() is None and (bare.folder / names[-1]).is_symlink() and time.monotonic() < until:
        if any(not (bare.folder / name).is_symlink() for name in names[:3]):
            break
    going.kill()
    going.wait()
    assert [bare.read(name) for name in names] == [str(number) for number in range(100)]
    bare.cloche("import", "dvc")
    assert [bare.read(name) for name in names] == [str(number) for number in range(100)]
    assert not any((bare.folder / name).is_symlink() for name in names)
    assert {row["state"] for row in bare.facts("add")["paths"]} == {"unchanged"}


def test_links_into_a_cache_that_are_recorded_as_links_are_told(bare: Shell) -> None:
    linked(bare, "dd/a", b"precious")
    bare.write(".gitignore", "/dd\n")
    bare.cloche("init")
    done = bare.cloche("add", "dd")
    assert "links lead out of what is recorded: dd/a" in done.err
    assert "cloche import dvc" in done.err
    assert [one["check"] for one in bare.run(command=("true",))["findings"]] == ["link-outside"]
