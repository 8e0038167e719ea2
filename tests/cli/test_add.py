"""`cloche add` records data, tells Git about it in `cloche.lock`, and hides the files themselves from Git."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from cloche.model.lock import render_lock
from cloche.model.snapshot import Tracked
from cloche.model.tree import Entry, build_tree
from cloche.project.project import Project
from shell import Shell


def ignored(shell: Shell, path: str | bytes) -> bool:
    return int(shell("git", "check-ignore", "--quiet", path, status=None).status) == 0


def test_git_keeps_one_line_and_not_the_data(project: Shell) -> None:
    project.write("data/raw/a.csv", "x\n1\n")
    project.write("data/raw/b.csv", "x\n2\n")
    added = project.facts("add", "data/raw")
    (one,) = added["paths"]
    assert (one["state"], one["tracked"]["path"], one["tracked"]["count"]) == ("new", "data/raw", 2)
    assert one["tracked"]["size"] == 8
    assert added["ignored"] == ["data/.gitignore"]
    assert project.read("data/.gitignore") == "/raw\n"
    assert project.read("cloche.lock").count("data/raw") == 1
    assert one["tracked"]["digest"] in project.read("cloche.lock")
    assert ignored(project, "data/raw/a.csv")
    assert project("git", "status", "--short", "--untracked-files=all").out.splitlines() == [
        "?? cloche.lock",
        "?? cloche.toml",
        "?? data/.gitignore",
    ]


def test_what_git_ignores_already_needs_no_line(project: Shell) -> None:
    project.write(".gitignore", "data/\n")
    project.write("data/a.csv", "x\n")
    assert project.facts("add", "data")["ignored"] == []
    assert project.read(".gitignore") == "data/\n"


def test_an_existing_ignore_file_keeps_its_lines(project: Shell) -> None:
    project.write(".gitignore", "*.pyc\r\nsecret")
    project.write("data/a.csv", "x\n")
    project.cloche("add", "data")
    assert project.data(".gitignore") == b"*.pyc\r\nsecret\n/data\n"


def test_without_paths_it_records_what_changed(project: Shell) -> None:
    project.write("one.csv", "1\n")
    project.write("two.csv", "2\n")
    project.cloche("add", "one.csv", "two.csv")
    project.write("two.csv", "22\n")
    states = {one["tracked"]["path"]: one["state"] for one in project.facts("add")["paths"]}
    assert states == {"one.csv": "unchanged", "two.csv": "changed"}
    assert {one["state"] for one in project.facts("add")["paths"]} == {"unchanged"}
    assert len(project.facts("history")) == 3, "the add that found nothing new is no operation"


def test_a_preview_stores_and_writes_nothing(project: Shell) -> None:
    project.write("data/a.csv", "x\n" * 1000)
    before, packs = project.files(), sorted((project.folder / ".cloche/store").rglob("*"))
    preview = project.facts("add", "-n", "data")
    assert project.files() == before
    assert sorted((project.folder / ".cloche/store").rglob("*")) == packs
    real = project.facts("add", "data")
    assert preview["dry_run"] is True
    assert preview["paths"] == real["paths"]


def test_equal_content_is_stored_once(project: Shell) -> None:
    blob = os.urandom(400_000)
    project.write("data/a.bin", blob)
    project.cloche("add", "data")

    def size() -> int:
        return sum(file.stat().st_size for file in (project.folder / ".cloche/store").rglob("*") if file.is_file())

    first = size()
    project.write("data/again.bin", blob)
    project.write("data/longer.bin", blob[:200_000] + b"inserted" + blob[200_000:])
    project.cloche("add")
    assert size() - first < 150_000, "a copy costs nothing, an insertion the chunks around it"


def test_names_may_hold_anything(project: Shell) -> None:
    names = [b"with space", "ümlaut".encode(), b"new\nline", b"not-utf8-\xff", b"#hash", b"!bang", b"a*b"]
    for name in names:
        path = os.path.join(os.fsencode(project.folder), b"data", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"of " + name)
    project.cloche("add", "data")
    record = project.run(command=["true"])
    for name in names:
        os.unlink(os.path.join(os.fsencode(project.folder), b"data", name))
    project.cloche("revert", record["id"], "--only", "data")
    for name in names:
        with open(os.path.join(os.fsencode(project.folder), b"data", name), "rb") as file:
            assert file.read() == b"of " + name


STRANGE = [b"with space", b"#hash", b"!bang", b"a*b", b"back\\slash", b"br[ack]et", b"not-utf8-\xff"]


@pytest.mark.parametrize("name", STRANGE)
def test_a_tracked_path_with_a_strange_name_is_hidden_from_git(project: Shell, name: bytes) -> None:
    with open(os.path.join(os.fsencode(project.folder), name), "wb") as file:
        file.write(b"1\n")
    project.cloche("add", b"./" + name)
    assert ignored(project, b"./" + name)
    project.cloche("untrack", b"./" + name)
    assert not ignored(project, b"./" + name)


def test_paths_are_relative_to_where_one_is(project: Shell) -> None:
    project.write("data/raw/a.csv", "x\n")
    inside = Shell(project.folder / "data", project.variables)
    assert inside.facts("add", "raw")["paths"][0]["tracked"]["path"] == "data/raw"
    assert inside.facts("add", "../data/raw/")["paths"][0]["state"] == "unchanged"
    assert inside.facts("add", str(project.folder / "data" / "raw"))["paths"][0]["state"] == "unchanged"


def test_a_path_git_tracks_is_refused(project: Shell) -> None:
    project.write("data/a.csv", "x\n")
    project.commit()
    done = project.cloche("add", "data", status=6)
    assert "Git already tracks data/a.csv" in done.err
    assert "git rm -r --cached data" in done.err
    project("git", "rm", "-r", "--quiet", "--cached", "data")
    project.cloche("add", "data")


def test_what_cannot_be_data_is_refused_and_nothing_is_written(project: Shell) -> None:
    project.write("data/a.csv", "x\n")
    project.cloche("add", "data")
    os.symlink("data", project.folder / "link")
    before = project.files()
    for path, status, words in [
        ("nowhere", 8, "nowhere does not exist"),
        ("..", 8, "outside the project"),
        ("/", 8, "outside the project"),
        (".", 8, "is the project itself"),
        (".cloche/store", 8, ".cloche"),
        ("cloche.toml", 6, "describes the project"),
        ("cloche.lock", 6, "describes the project"),
        (".gitignore", 6, "describes the project"),
        ("link", 6, "is a symbolic link"),
    ]:
        done = project.cloche("add", path, status=status)
        assert words in done.err
        assert "hint:" in done.err
    assert project.files() == before
    assert "nothing is tracked yet" in _fresh(project).cloche("add", status=8).err


def _fresh(shell: Shell) -> Shell:
    place = shell.folder.parent / "fresh"
    place.mkdir()
    other = Shell(place, shell.variables)
    other.cloche("init")
    return other


def test_one_bad_path_among_good_ones_adds_none(project: Shell) -> None:
    project.write("good.csv", "1\n")
    project.cloche("add", "good.csv", "nowhere.csv", status=8)
    assert not (project.folder / "cloche.lock").exists()
    assert not (project.folder / ".gitignore").exists()


def test_without_git_there_is_a_lock_and_no_ignore_file(plain: Shell) -> None:
    plain.write("data/a.csv", "x\n")
    assert plain.facts("add", "data")["ignored"] == []
    assert not (plain.folder / ".gitignore").exists()
    assert "data" in plain.read("cloche.lock")


def test_it_says_what_to_give_to_git(project: Shell) -> None:
    project.write("data/a.csv", "x\n")
    done = project.cloche("add", "data")
    assert done.out == ""
    assert "data: new, 1 file, 2 B" in done.err
    assert "git add cloche.lock .gitignore" in done.err


@pytest.mark.parametrize("place", ["data/clone/.git/config", "data/clone/.git", "data/a/.GIT/hooks/pre-commit"])
def test_of_a_cloned_dataset_the_files_are_data_and_git_s_own_is_not(project: Shell, place: str) -> None:
    """What lies in a `.git` could be run by the next Git command there, on every machine that gets the data."""
    project.write(place, "x")
    beside = project.write("data/clone/rows.csv", "1\n")
    own = place[: place.lower().index(".git") + 4]
    assert f"note: {own} is left out" in project.cloche("add", "data").err
    assert project.facts("add", "data")["paths"][0]["repositories"] == [own]
    run = project.run(command=("true",))
    assert [(one["severity"], one["place"]["file"]) for one in run["findings"]] == [("info", own)]
    assert "data/clone/rows.csv" in (found := project.cloche("ls", "@", "data").out)
    assert ".git" not in found.lower()
    status = project.cloche("status").out
    assert f"left out of data: {own}" in status
    assert "nothing changed" in status
    beside.unlink()
    project.cloche("revert", "--lock")
    beside.write_text("2\n")
    project.cloche("revert", "@")
    assert (project.read("data/clone/rows.csv"), project.read(place)) == ("1\n", "x")


def test_a_git_folder_that_was_recorded_once_is_never_written(project: Shell) -> None:
    """Runs of early versions hold what lay in one; all else of them comes back, and a note names it."""
    with Project.find(project.folder).store.writer() as writer:
        text = Entry("config", "f", writer.add_bytes(b"x\n"), 2)
        built = build_tree({"clone/.git/config": text, "clone/rows.csv": replace(text, name="rows.csv")}, "old")
        for tree in built.trees.values():
            writer.add_tree(tree)
    one = built.entry
    project.write("cloche.lock", render_lock([Tracked("old", one.kind, one.digest, one.size, one.count)]))
    for there in ((), ("old/clone/.git/config",)):
        for path in there:
            project.write(path, "mine")
        assert "not put back: old/clone/.git, which is Git's own" in project.cloche("revert", "--lock").err
        assert (project.read("old/clone/rows.csv"), *map(project.read, there)) == ("x\n", *("mine" for _ in there))
        assert (project.folder / "old/clone/.git").exists() == bool(there)
        (project.folder / "old/clone/rows.csv").unlink()


def test_a_file_in_a_tracked_folder_stands_for_the_folder(project: Shell) -> None:
    project.write("data/a b.csv", "1\n")
    project.cloche("add", "data")
    project.write("data/more.csv", "2\n")
    done = project.cloche("add", "data/more.csv")
    assert "note: data is recorded as a whole, since it holds data/more.csv" in done.err
    assert project.facts("add", "data/a b.csv", "data/more.csv")["paths"][0] == {
        **project.facts("add")["paths"][0],
        "within": ["data/a b.csv", "data/more.csv"],
    }
    assert "data/typo.csv does not exist" in project.cloche("add", "data/typo.csv", status=8).err
    assert "overlaps" in project.cloche("add", "--in-place", "data/more.csv", status=6).err


def test_a_lock_that_is_gone_is_not_taken_for_nothing(project: Shell) -> None:
    project.write("data/a.csv", "1\n")
    project.cloche("add", "data")
    project.commit()
    (project.folder / "cloche.lock").unlink()
    assert "`git restore cloche.lock` brings it back" in project.cloche("add", status=8).err
    assert "`git restore cloche.lock` brings it back" in project.cloche("status").out
    project("git", "restore", "cloche.lock")
    assert not project.facts("status")["lock_gone"]


def test_a_file_keeps_who_may_read_it_where_it_is_replaced(project: Shell) -> None:
    """Only the permission to execute is on record; a private file never becomes everyone's by what replaces it."""
    secret = project.write("data/secret.csv", "1\n")
    secret.chmod(0o600)
    project.cloche("add", "data")
    project.run(command=["true"])
    for words in (["revert", "--lock"], ["revert", "@"], ["checkout", "@", "data"]):
        secret.write_text("2\n")
        project.cloche(*words)
        assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("1\n", 0o600)
