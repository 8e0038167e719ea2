"""`cloche get`: a file or folder of another project, from a folder of this machine or its Git."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import cloche
from cloche.model.tree import Entry, build_tree
from cloche.store.objects import Store
from shell import BIN, Shell


@pytest.fixture(scope="module")
def a_source(an_empty_folder: Callable[[], Shell], a_model: Shell) -> Shell:
    """A project with two versions of its data, in Git and as runs; its work tree has moved on."""
    made = a_model.copied_to(an_empty_folder())
    made.write("src/tool.sh", "#!/bin/sh\n").chmod(0o755)
    made.write("data/deep/größe 1.csv", "old")
    (made.folder / "data/link").symlink_to("deep/größe 1.csv")
    (made.folder / "data/empty").mkdir()
    made.cloche("add")
    made.commit("first")
    made("git", "tag", "v1")
    made.run()
    made.cloche("tag", "champion")
    made.write("data/points.csv", "id,x\n1,100\n")
    made.cloche("add")
    made.run()
    made.commit("second")
    made.write("data/points.csv", "changed since\n")
    made.write("train.py", "changed since\n")
    return made


@pytest.fixture
def source(a_source: Shell) -> str:
    return str(a_source.folder)


def test_a_file_of_the_newest_commit(folder: Shell, source: str) -> None:
    done = folder.cloche("get", source, "data/points.csv")
    assert folder.read("points.csv") == "id,x\n1,100\n"
    assert "fetched 1 file, 11 B, from " in done.err
    folder.cloche("get", source, "train.py", "-o", "code.py")
    assert folder.read("code.py").startswith("import csv"), "as Git has it, not as it lies there"


def test_a_folder_with_all_that_is_in_it(folder: Shell, source: str) -> None:
    folder.cloche("get", source, "data")
    assert folder.files() == {
        "data/deep/größe 1.csv": b"old",
        "data/link": "deep/größe 1.csv".encode(),
        "data/points.csv": b"id,x\n1,100\n",
    }
    assert (folder.folder / "data/empty").is_dir()
    folder.cloche("get", source, "src")
    assert os.access(folder.folder / "src/tool.sh", os.X_OK)
    assert sorted(os.listdir(folder.folder)) == ["data", "src"], "nothing is left over"


def test_runs_tags_and_git_revisions(folder: Shell, source: str, a_source: Shell) -> None:
    first = a_source.facts("show", "champion")["run"]["id"]
    for name in ("champion", "v1", "@~1", first, first[:7], "HEAD~1"):
        folder.cloche("get", source, "data/points.csv", "--rev", name, "--force")
        assert folder.read("points.csv").startswith("id,x\n1,1.5"), name
    done = folder.cloche("get", source, "model.bin", "--rev", "HEAD", status=5)
    assert "the last run of that project has it: add `--rev @`" in done.err
    folder.cloche("get", source, "model.bin", "--rev", "@")
    assert folder.read("model.bin") == "200.0"
    assert "no run, tag or Git revision" in folder.cloche("get", source, "x", "--rev", "nobody", status=5).err
    assert "work tree" in folder.cloche("get", source, "train.py", "--rev", ".", status=2).err


def test_where_it_goes(folder: Shell, source: str) -> None:
    (folder.folder / "here").mkdir()
    folder.cloche("get", source, "train.py", "-o", "here")
    folder.cloche("get", source, "src", "-o", "here/other")
    folder.cloche("get", source, "data/link", "-o", "here/linked.csv")
    assert sorted(folder.files()) == ["here/linked.csv", "here/other/tool.sh", "here/train.py"]
    assert folder.read("here/linked.csv") == "old", "a link that is asked for itself is followed"
    assert "no folder to put" in folder.cloche("get", source, "src", "-o", "nowhere/src", status=8).err
    assert "where to put a whole project" in folder.cloche("get", source, ".", status=2).err
    folder.cloche("get", source, ".", "-o", "whole")
    assert {"whole/cloche.lock", "whole/data/points.csv", "whole/train.py"} <= folder.files().keys()


def test_what_is_there_stays_unless_it_is_to_be_replaced(folder: Shell, source: str) -> None:
    folder.write("train.py", "mine")
    folder.write("data/mine", "mine")
    for path in ("train.py", "data"):
        done = folder.cloche("get", source, path, "-o", f"./{path}" if path != "data" else ".", status=6)
        assert "is there already" in done.err
        assert "--force" in done.err
    (folder.folder / "dangling").symlink_to("nowhere")
    folder.cloche("get", source, "train.py", "-o", "dangling", status=6)
    assert folder.read("train.py") == folder.read("data/mine") == "mine"
    folder.cloche("get", source, "train.py", "--force")
    folder.cloche("get", source, "data", "-o", ".", "--force")
    assert folder.read("train.py").startswith("import csv")
    assert "data/mine" not in folder.files()
    assert sorted(os.listdir(folder.folder)) == ["dangling", "data", "train.py"]


def test_it_can_be_previewed(folder: Shell, source: str) -> None:
    done = folder.cloche("get", source, "data", "--dry-run")
    assert "11 B  data/points.csv" in done.out
    assert "would fetch" in done.err
    found = folder.facts("get", source, "data", "-n")
    assert [one["path"] for one in found["files"]] == ["deep/größe 1.csv", "empty", "link", "points.csv"]
    assert (found["dry_run"], found["out"]) == (True, "data")
    assert folder.files() == {}
    folder.write("data", "")
    folder.cloche("get", source, "data", "-n", status=6)


def test_from_git_alone_comes_the_code(folder: Shell, a_source: Shell, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    folder("git", "clone", "--quiet", "--bare", str(a_source.folder), str(bare))
    for url in (str(bare), bare.as_uri()):
        found = folder.facts("get", url, "src/tool.sh", "--force")
        assert (found["url"], found["version"]) == (bare.as_uri(), a_source("git", "rev-parse", "HEAD").out.strip())
        assert os.access(folder.folder / "tool.sh", os.X_OK)
    folder.cloche("get", str(bare), "cloche.lock", "--rev", "v1", "-o", "old.lock")
    assert folder.data("old.lock") == a_source("git", "show", "v1:cloche.lock").out.encode()
    commit = a_source("git", "rev-parse", "v1").out.strip()
    folder.cloche("get", str(bare), "cloche.lock", "--rev", commit, "-o", "same.lock")
    assert folder.data("same.lock") == folder.data("old.lock")
    done = folder.cloche("get", str(bare), "data/points.csv", status=5)
    assert "the data is not in" in done.err
    assert "remote" in done.err
    assert "Git brings none" in folder.cloche("get", str(bare), "model.bin", "--rev", "@", status=5).err
    assert "no Git revision is called `v9`" in folder.cloche("get", str(bare), "x", "--rev", "v9", status=5).err
    assert "has no nothing.py" in folder.cloche("get", str(bare), "nothing.py", status=5).err


def test_a_project_within_a_repository(folder: Shell, tmp_path: Path) -> None:
    outer = Shell(tmp_path / "outer", folder.variables)
    outer.write("lib/inner/cloche.toml", "")
    outer.write("lib/inner/a.py", "1\n")
    outer("git", "init", "--quiet")
    outer.commit()
    for url in (str(outer.folder / "lib/inner"), outer.folder.as_uri(), str(outer.folder)):
        folder.cloche("get", url, "a.py", "--force")
        assert folder.read("a.py") == "1\n"
    assert not (outer.folder / "lib/inner/.cloche").exists(), "it is only read"
    outer.write("other/cloche.toml", "")
    outer.commit()
    assert "several projects" in folder.cloche("get", outer.folder.as_uri(), "b.py", status=8).err


WRONG: dict[str, tuple[list[str], int, str]] = {
    "no such folder": (["nowhere", "x"], 8, "there is no folder nowhere"),
    "no project": (["/", "x"], 8, "Git cannot clone file:///"),
    "empty": (["", "x"], 2, "is empty"),
    "out of the project": (["SOURCE", "../x"], 2, "does not lie in the other project"),
    "absolute": (["SOURCE", "/etc/passwd"], 2, "does not lie in the other project"),
    "misspelt": (["SOURCE", "data/pionts.csv"], 5, "did you mean `data/points.csv`?"),
    "a command for Git": (["ext::sh -c touch% evil", "x"], 8, "there is no folder"),
    "an option for Git": (["--upload-pack=touch evil", "x"], 2, "No such option"),
    "a host like an option": (["-oProxyCommand=x:y", "x"], 2, ""),
    "an unknown host": (["https://u:secret@localhost:1/x.git", "x"], 8, "Git cannot clone https://localhost:1/x.git"),
    "a range": (["SOURCE", "x", "--rev", "a..b"], 2, "is a range"),
    "an option as revision": (["SOURCE", "x", "--rev", "--all"], 2, "names no run"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_changes_nothing(folder: Shell, source: str, case: str) -> None:
    words, status, why = WRONG[case]
    done = folder.cloche("get", *(source if word == "SOURCE" else word for word in words), status=status)
    assert why in done.err
    assert "secret" not in done.err
    assert os.listdir(folder.folder) == []


def _forged(folder: Shell, tree: dict[str, tuple[str, bytes]]) -> str:
    """A project whose `cloche.lock` names a tree that no Cloche would write."""
    folder.cloche("init", "other")
    other = folder.folder / "other"
    with Store(other / ".cloche/store").writer() as writer:
        entries = {
            path: Entry(path.rpartition("/")[2], kind, writer.add_bytes(data), len(data))  # type: ignore[arg-type]
            for path, (kind, data) in tree.items()
        }
        built = build_tree(entries, "data")
        for data in built.trees.values():
            writer.add_tree(data)
    line = f"{built.entry.digest} d {built.entry.size} {built.entry.count} data\n"
    (other / "cloche.lock").write_text("# cloche.lock 1: the tracked data\n" + line)
    shell = Shell(other, folder.variables)
    shell("git", "init", "--quiet")
    shell.commit()
    return str(other)


HOSTILE: dict[str, dict[str, tuple[str, bytes]]] = {
    "a hook of Git": {".git/hooks/post-checkout": ("x", b"evil")},
    "Git in capitals": {"deep/.GIT/config": ("f", b"evil")},
    "Git as Windows spells it": {"git~1/config": ("f", b"evil")},
    "Git with a trailing dot": {".git./config": ("f", b"evil")},
    "Cloche's own": {".cloche/format": ("f", b"evil")},
    "an absolute link": {"a": ("l", b"/etc/passwd")},
    "a link out": {"deep/a": ("l", b"../../x")},
    "a link out by a link": {"d": ("l", b"."), "e": ("l", b"d/d/../../x")},
    "an impossible link": {"a": ("l", b"")},
    "a link with NUL": {"a": ("l", b"a\0b")},
    "a link under which files lie": {"a": ("l", b"/tmp"), "a0/x": ("f", b""), "b": ("l", b"../../..")},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_trees_are_refused(folder: Shell, case: str) -> None:
    source = _forged(folder, HOSTILE[case])
    done = folder.cloche("get", source, "data", status=None)
    assert done.status in (8, 9), done
    assert done.err.startswith("cloche: ")
    assert os.listdir(folder.folder) == ["other"]
    if "link" not in case:
        assert folder.cloche("get", source, "data", "-n", status=None).status == done.status


def test_links_that_stay_within_are_kept(folder: Shell) -> None:
    source = _forged(folder, {"a/b": ("f", b"1"), "a/up": ("l", b"../c"), "c": ("l", b"a/b"), "gone": ("l", b"no")})
    folder.cloche("get", source, "data")
    assert folder.read("data/a/up") == "1"
    assert os.readlink(folder.folder / "data/gone") == "no"


def test_damage_is_an_error_and_leaves_nothing(folder: Shell) -> None:
    source = _forged(folder, {"big": ("f", os.urandom(500_000)), "small": ("f", b"1")})
    pack = max(Path(source).rglob("*.pack"), key=lambda file: file.stat().st_size)
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[250_000] ^= 1
    pack.write_bytes(data)
    folder.write("data/mine", "mine")
    for options in (("-o", "new"), ("-o", ".", "--force")):
        done = folder.cloche("get", source, "data", *options, status=9)
        assert "damaged" in done.err
        assert "cloche verify" in done.err
    assert sorted(os.listdir(folder.folder)) == ["data", "other"]
    assert folder.read("data/mine") == "mine"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(folder: Shell, source: str) -> None:
    (folder.folder / "shut").mkdir(mode=0o555)
    assert "cannot write" in folder.cloche("get", source, "train.py", "-o", "shut", status=8).err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killed_at_any_moment_the_place_is_old_or_new(folder: Shell) -> None:
    source = _forged(folder, {f"{n}": ("f", os.urandom(3000)) for n in range(300)})
    folder.write("data/mine", "mine")
    for wait in (0.1, 0.2, 0.3, 0.4):
        going = subprocess.Popen(
            [BIN / "cloche", "get", source, "data", "--force", "-o", "."],
            cwd=folder.folder,
            env=folder.variables,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(wait)
        going.send_signal(signal.SIGKILL)
        going.wait()
        names = set(os.listdir(folder.folder / "data")) if (folder.folder / "data").exists() else None
        assert names is None or names == {"mine"} or len(names) == 300
        if names is None:  # between two names: the old folder is whole beside it
            kept = list(folder.folder.glob(".cloche-*/old"))
            assert kept
            kept[0].rename(folder.folder / "data")
    folder.cloche("get", source, "data", "--force", "-o", ".")
    assert len(os.listdir(folder.folder / "data")) == 300


def test_from_python(folder: Shell, source: str, tmp_path: Path) -> None:
    done = cloche.get(source, "data/points.csv", tmp_path / "p.csv", revision="v1")
    assert (done.path, done.size, [one.path for one in done.files]) == ("data/points.csv", 21, [""])
    assert (tmp_path / "p.csv").read_text().startswith("id,x\n1,1.5")
    with pytest.raises(cloche.ClocheError, match="is there already"):
        cloche.get(source, "data/points.csv", tmp_path / "p.csv")
    code = f"import cloche; print(cloche.get({source!r}, 'src').files[0].kind)"
    assert folder(sys.executable, "-c", code).out == "x\n"
