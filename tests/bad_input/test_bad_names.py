"""Names that nobody should give to files: spaces, newlines, bytes that are no text, leading dashes, brackets."""

from __future__ import annotations

import json
import os
import sys

import pytest
from bad_input_helpers import assert_complaint, assert_healthy, assert_refused, tree

from shell import Shell

NAMES = [
    b"with space.csv",
    b" leading and trailing ",
    b"two\nlines.csv",
    b"carriage\rreturn\ttab",
    b"no text \xff\xfe.csv",
    b"half \xc3",
    b"\xf0\x9f\x94\x94 bell\x07 and \x1b[31mred",
    b"back\\slash\\x0a",
    b"-rf",
    b"--help",
    b"$(touch hacked)`touch hacked`;touch hacked",
    b"[bold]not bold[red]",
    b"quote'\"",
    b"percent%s{0}",
    b"#hash!",
    b"e\xcc\x81 decomposed",
    b"\xc3\xa9 composed",
    b"\xe2\x80\xae right to left",
    b"..hidden",
    b"star*",
    "日本語".encode(),
    b"x" * 255,
]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")


def write_all(shell: Shell, folder: str, content: bytes = b"1\n") -> None:
    place = os.fsencode(shell.folder / folder)
    os.makedirs(place, exist_ok=True)
    for number, name in enumerate(NAMES):
        with open(os.path.join(place, name), "wb") as file:
            file.write(content * (number + 1))


def remove_all(shell: Shell, folder: str) -> None:
    for name in NAMES:
        os.unlink(os.path.join(os.fsencode(shell.folder / folder), name))


@pytest.mark.parametrize("kind", ["plain", "project"])
def test_code_data_and_outputs_with_odd_names_are_recorded_and_come_back(
    kind: str, request: pytest.FixtureRequest
) -> None:
    shell: Shell = request.getfixturevalue(kind)
    write_all(shell, "src")
    write_all(shell, "data")
    write_all(shell, "templates")
    shell.write(".gitignore", "/out/\n")
    shell.write("make.py", "import shutil; shutil.copytree('templates', 'out', dirs_exist_ok=True)\n")
    shell.cloche("add", "data")
    run = shell.run(command=["python", "make.py"])
    assert len(run["outputs"]) == len(NAMES)
    before = tree(shell.folder)
    write_all(shell, "src", b"2\n")
    remove_all(shell, "data")
    remove_all(shell, "out")
    changed = tree(shell.folder)
    looked(shell)
    shell.cloche("revert", "@")
    assert tree(shell.folder) == before
    shell.cloche("undo")
    assert tree(shell.folder) == changed
    assert not (shell.folder / "hacked").exists()
    assert_healthy(shell)


def looked(shell: Shell) -> None:
    """Every verb that shows names, for people and as JSON: valid text, and nothing in it that commands a terminal."""
    for words in (["status"], ["show"], ["diff"], ["revert", "@", "--dry-run"], ["log"], ["history"], ["doctor"]):
        shown = shell.cloche(*words).out
        assert "\ufffd" not in shown
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "\r" not in shown
        text = shell.cloche(*words, "--json").out
        assert "\ufffd" not in text
        json.loads(text)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[2:20])
def test_one_path_with_an_odd_name_can_be_added_and_forgotten(project: Shell, name: bytes) -> None:
    with open(os.path.join(os.fsencode(project.folder), name), "wb") as file:
        file.write(b"a\n1\n")
    project.cloche("add", "--", name)
    [path] = [one["path"] for one in project.facts("status")["data"]]
    assert path.isprintable()
    ignored = project("git", "status", "--porcelain", "-z", "--untracked-files=all").out
    assert sorted(one[3:] for one in ignored.split("\0") if one) == [".gitignore", "cloche.lock", "cloche.toml"]
    project.cloche("untrack", "--", name)
    assert project.facts("status")["data"] == []
    assert project.data(".gitignore") == b""
    assert_healthy(project)


def test_words_of_a_command_with_odd_bytes_are_passed_on_and_recorded(plain: Shell) -> None:
    plain.write("args.py", "import os, sys; os.write(1, b'|'.join(map(os.fsencode, sys.argv[1:])))\n")
    words = [*NAMES, b""]
    done = plain.cloche("run", "-q", "--", "python", "args.py", *words)
    assert done.out == b"|".join(words).decode("utf-8", "replace")
    looked(plain)
    assert_healthy(plain)


def test_messages_tags_and_notes_that_are_no_text(plain: Shell) -> None:
    plain.cloche("run", "-m", b"no \xff text", "-e", b"no \xff text", "--", "true")
    plain.cloche("note", b"no \xff text")
    looked(plain)
    assert_refused(plain, "tag", b"no\xfftext", status=2, says="cannot be a tag", hint="")
    assert_refused(plain, "tag", "two words", status=2, says="cannot be a tag", hint="two-words")
    assert plain.cloche("show", b"no\xff", status=None).status in (2, 5)
    assert plain.cloche("log", b"message = 'no \xff text'", status=None).status in (0, 2)


def test_an_argument_that_cannot_be_a_path_is_named(plain: Shell) -> None:
    assert_complaint(plain.cloche("add", "x" * 300, status=8), "file name too long", "")
    assert_complaint(plain.cloche("add", "x/" * 3000, status=8), "x/x", "")
    assert_complaint(plain.cloche("init", "--nested", "x" * 300, status=8), "cannot create x", "name another folder")


def test_a_project_whose_own_path_is_no_text(folder: Shell) -> None:
    place = os.path.join(os.fsencode(folder.folder), b"pro\xffject\nwith lines")
    os.mkdir(place)
    inner = Shell(folder.folder / os.fsdecode(b"pro\xffject\nwith lines"), folder.variables)
    inner.cloche("init")
    inner.write("train.py", "import cloche; cloche.log(auc=0.5); print(1)\n")
    inner.write("data/a.csv", "a\n")
    inner.cloche("add", "data")
    assert inner.run(command=["python", "train.py"])["metrics"] == {"auc": 0.5}
    inner.write("train.py", "print(2)\n")
    looked(inner)
    inner.cloche("revert", "@")
    assert inner.read("train.py").startswith("import cloche")
    assert_healthy(inner)
    assert_complaint(inner.cloche("add", "nowhere", status=8), "nowhere does not exist", "")
    (inner.folder / "cloche.toml").unlink()
    assert_complaint(inner.cloche("status", status=3), "is not in a Cloche project", "cloche init")


def test_output_is_utf8_whatever_the_locale_says(plain: Shell) -> None:
    plain.write("données.py", "print(1)\n")
    plain.cloche("run", "-m", "日本語", "--", "python", "données.py")
    plain.write("données.py", "print(2)\n")
    for locale in ("C", "POSIX", "C.UTF-8"):
        plain.variables |= {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        assert "日本語" in plain.cloche("log").out
        assert "données.py" in plain.cloche("status", "--json").out
        assert "données.py" in plain.cloche("status").out


def test_parameters_that_utf8_cannot_hold(plain: Shell) -> None:
    plain.write("params.json", '{"name": "half \\ud800", "odd \\udcff key": 1}')
    plain.write("train.py", "import cloche; print(sorted(cloche.params()))\n")
    plain.cloche("run", "--", "python", "train.py")
    looked(plain)
    plain.cloche("run", "-P", b"name=no \xff text", "--", "python", "train.py")
    looked(plain)
    assert_complaint(
        plain.cloche("run", "-P", b"no\xff=1", "--", "true", status=5), "there is no parameter no\\xff", ""
    )
