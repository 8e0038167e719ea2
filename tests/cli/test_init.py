"""`cloche init` makes a folder a project and never touches what is there."""

from __future__ import annotations

import tomllib

from shell import Shell


def test_it_writes_settings_in_which_nothing_is_set(folder: Shell) -> None:
    done = folder.cloche("init")
    assert done.out == ""
    assert "is a project now" in done.err
    assert "cloche run" in done.err  # what to type next
    assert tomllib.loads(folder.read("cloche.toml")) == {}


def test_git_does_not_see_the_store(folder: Shell) -> None:
    folder("git", "init", "--quiet")
    folder.cloche("init")
    assert (folder.folder / ".cloche").is_dir()
    assert folder("git", "status", "--short", "--untracked-files=all").out == "?? cloche.toml\n"


def test_every_example_in_the_settings_is_understood(folder: Shell) -> None:
    folder.cloche("init")
    lines = folder.read("cloche.toml").splitlines()
    examples = [line[1:] if line.startswith("#") and line[1:2] not in (" ", "") else line for line in lines]
    folder.write("cloche.toml", "\n".join(examples))
    folder.write("params.toml", "[train]\nlr = 1\n")
    assert tomllib.loads(folder.read("cloche.toml"))["stages"]
    settings = next(one for one in folder.cloche("doctor", "--json", status=None).json if one["name"] == "settings")
    assert settings["state"] == "ok"


def test_again_it_changes_nothing(folder: Shell) -> None:
    folder.cloche("init")
    folder.write("cloche.toml", "# mine\n")
    done = folder.facts("init")
    assert done == {"root": str(folder.folder), "created": [], "existed": True}
    assert folder.read("cloche.toml") == "# mine\n"
    assert "is a project already" in folder.cloche("init").err


def test_another_folder_can_be_named(folder: Shell) -> None:
    (folder.folder / "my model").mkdir()
    assert folder.facts("init", "my model")["created"] == ["cloche.toml"]
    assert (folder.folder / "my model" / "cloche.toml").is_file()
    folder.cloche("init", "new/deep")
    assert (folder.folder / "new/deep/cloche.toml").is_file()
    folder.write("file", "")
    assert "file is not a folder" in folder.cloche("init", "file", status=8).err
    assert "cannot create file/below" in folder.cloche("init", "file/below", status=8).err


def test_a_project_inside_a_project_has_to_be_meant(folder: Shell) -> None:
    folder.cloche("init")
    (folder.folder / "inner").mkdir()
    refused = folder.cloche("init", "inner", status=6)
    assert "already lies in the project" in refused.err
    assert not (folder.folder / "inner" / "cloche.toml").exists()
    folder.cloche("init", "inner", "--nested")
    folder.write("inner/train.py", "")
    folder.write("mine.py", "")
    assert folder.facts("status")["files"] == 2, "cloche.toml and mine.py: the inner project is another one"
    assert folder.cloche("-C", "inner", "status", "--json").json["files"] == 2


def test_a_clone_becomes_a_project_by_itself(folder: Shell) -> None:
    folder.write("cloche.toml", "")
    assert folder.facts("log") == []
    assert (folder.folder / ".cloche" / "format").read_text() == "1\n"


def test_it_can_be_undone(folder: Shell) -> None:
    folder.write("train.py", "print(1)\n")
    folder.cloche("init")
    folder.cloche("remote", "add", "here", "../remote", "--local")
    assert "`cloche init` does it again" in folder.cloche("undo").err
    assert not (folder.folder / "cloche.toml").exists()
    assert folder.read("train.py") == "print(1)\n"
    folder.cloche("init")
    assert [one["verb"] for one in folder.facts("history")] == ["init", "undo", "init"]


def test_with_runs_it_cannot_be_undone(plain: Shell) -> None:
    plain.cloche("run", "-q", "--", "true")
    plain.cloche("undo")
    assert "nothing to undo" in plain.cloche("undo", status=5).err
    assert "has runs" in plain.cloche("undo", "1", status=6).err
    assert (plain.folder / "cloche.toml").exists()


def test_elsewhere_every_verb_says_that_this_is_no_project(folder: Shell) -> None:
    for words in (["status"], ["log"], ["run", "--", "true"], ["add", "x"], ["doctor"]):
        done = folder.cloche(*words, status=3)
        assert "is not in a Cloche project" in done.err
        assert "hint: type `cloche init`" in done.err
    assert list(folder.folder.iterdir()) == []
