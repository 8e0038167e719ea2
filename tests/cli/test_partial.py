"""Where the store has lost one file of many, `--partial` brings the others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from blake3 import blake3

from cloche.project.project import Project
from shell import Shell


def lose(shell: Shell, data: bytes) -> None:
    """Damage the one copy of a content."""
    store = Project.find(shell.folder).store
    [place] = store.packs.places(blake3(data).digest())
    pack = Path(store.packs.path(store.packs.order[place.pack]))
    raw = bytearray(pack.read_bytes())
    raw[place.end - 1] ^= 1
    pack.write_bytes(raw)


@pytest.fixture(scope="module")
def a_hurt(tmp_path_factory: pytest.TempPathFactory, a_plain_project: Shell) -> Shell:
    """What `hurt` is a copy of."""
    plain = a_plain_project.copied_to(Shell(tmp_path_factory.mktemp("hurt"), a_plain_project.variables))
    contents = {f"data/{name}.bin": os.urandom(2000) for name in ("deep/a", "deep/bad", "deep/c", "d")}
    for path, data in contents.items():
        plain.write(path, data)
    plain.cloche("add", "data")
    plain.run(command=["true"])
    shutil.rmtree(plain.folder / "data")
    lose(plain, contents["data/deep/bad.bin"])
    return plain


@pytest.fixture
def hurt(folder: Shell, a_hurt: Shell) -> Shell:
    """A project with a run, whose data is gone from the work tree, and one file of it from the store."""
    return a_hurt.copied_to(folder)


def there(shell: Shell) -> set[str]:
    return {name for name in shell.files() if name.startswith("data/")}


GOOD = {"data/deep/a.bin", "data/deep/c.bin", "data/d.bin"}


@pytest.mark.parametrize(
    ("words", "repaired"),
    [(("revert", "--lock"), True), (("checkout", "@", "data"), True), (("revert", "--lock"), False)],
)
def test_what_is_good_comes_and_what_is_lost_is_named(hurt: Shell, words: tuple[str, ...], repaired: bool) -> None:
    if repaired:
        assert "revert --lock --partial` and" in hurt.cloche("verify", "--repair", status=1).err
    refused = hurt.cloche(*words, status=None)
    assert refused.status == (5 if repaired else 9)
    assert "data/deep/bad.bin" in refused.err
    assert f"`cloche {' '.join(words)} --partial`" in refused.err
    assert there(hurt) == set()
    hurt.write("data/deep/bad.bin", "mine")
    plan = hurt.cloche(*words, "--partial", "--dry-run", "--json", status=9).json
    assert plan["lost"] == ["data/deep/bad.bin"]
    assert {one["change"]["path"] for one in plan["files"]} == GOOD
    assert "left as it is: data/deep/bad.bin" in hurt.cloche(*words, "--partial", status=9).err
    assert there(hurt) == {*GOOD, "data/deep/bad.bin"}
    assert hurt.read("data/deep/bad.bin") == "mine"
    hurt.cloche("undo")
    assert there(hurt) == {"data/deep/bad.bin"}


def test_of_a_folder_whose_list_is_lost_all_stays(hurt: Shell) -> None:
    project = Project.find(hurt.folder)
    [item] = project.tracked
    [deep] = [one for one in project.store.read_tree(item.digest) if one.kind == "d"]
    lose(hurt, project.store.read(deep.digest))
    hurt.write("data/deep/c.bin", "mine")
    for words in (("revert", "--lock"), ("checkout", "@", "data")):
        (hurt.folder / "data/d.bin").unlink(missing_ok=True)
        assert "data/deep" in hurt.cloche(*words, status=None).err
        assert hurt.cloche(*words, "--partial", "--json", status=9).json["lost"] == ["data/deep"]
        assert there(hurt) == {"data/d.bin", "data/deep/c.bin"}
    assert "all else is here" in hurt.cloche("revert", "--lock", "--partial", status=9).err
    for line in ("status", "diff", "revert @", "revert @ --dry-run"):
        said = hurt.cloche(*line.split(), status=9).err
        assert "has lost the list of data/deep/" in said
        assert ("checkout @ PATH --partial`" in said) == line.startswith("revert")
    assert "goes with --lock" in hurt.cloche("revert", "@", "--partial", status=2).err


@pytest.mark.parametrize("words", [("revert", "--lock"), ("checkout", "@", "data"), ("revert", "@")])
@pytest.mark.parametrize("repaired", [False, True])
def test_a_preview_promises_nothing_that_is_known_to_be_lost(
    hurt: Shell, words: tuple[str, ...], repaired: bool
) -> None:
    hurt.cloche("verify", *(["--repair"] if repaired else []), status=1)
    for more in (["--dry-run"], []):
        done = hurt.cloche(*words, *more, status=None)
        assert done.status == (5 if repaired else 9)
        assert "data/deep/bad.bin" in done.err
        assert "--partial` " in done.err
    assert there(hurt) == set()


def test_a_hook_names_the_files_that_are_lost(hurt: Shell) -> None:
    hurt("git", "init", "--quiet")
    lock = hurt.read("cloche.lock")
    hurt.write("data/new", "1")
    hurt.cloche("add", "data")
    hurt.cloche("hook", "post-checkout", "0" * 40, "1" * 40, "1")
    hurt.write("cloche.lock", lock)
    assert (
        "has lost data/deep/bad.bin" in hurt.cloche("hook", "post-checkout", "0" * 40, "1" * 40, "1", status=None).err
    )
