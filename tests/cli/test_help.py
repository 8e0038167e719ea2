"""Help, version and mistakes on the command line."""

from __future__ import annotations

import re

import pytest

from cloche.cli.verbs import VERBS
from shell import Shell


def test_the_version(folder: Shell) -> None:
    assert re.fullmatch(r"cloche \d+\.\d+\S*\n", folder.cloche("--version").out)


def test_help_lists_every_verb_with_what_it_does(folder: Shell) -> None:
    text = folder.cloche("--help").out
    for verb, line in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(line)}$", text, re.MULTILINE), verb
    assert "A first session" in text
    assert folder.cloche("-h").out == text
    assert "A first session" in folder.cloche(status=None).out + folder.cloche(status=None).err


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_an_example(folder: Shell, verb: str) -> None:
    done = folder.cloche(verb, "--help")
    assert done.out.startswith(f"Usage: cloche {verb}")
    assert "Example" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["lgo"], "no command 'lgo'", "did you mean `cloche log`?"),
        (["xyzzy"], "no command 'xyzzy'", "cloche --help"),
        (["log", "--srot", "x"], "--srot", ""),
        (["log", "-n", "many"], "many", ""),
        (["revert"], "name a run", "cloche revert @~1"),
        (["-C", "nowhere", "log"], "nowhere", ""),
    ],
)
def test_mistakes_are_errors_on_stderr(plain: Shell, words: list[str], message: str, hint: str) -> None:
    done = plain.cloche(*words, status=2)
    assert done.out == ""
    assert message in done.err
    assert hint in done.err
    assert done.err.startswith("cloche: ")


def test_it_can_start_elsewhere(plain: Shell) -> None:
    plain.write("sub/train.py", "1\n")
    elsewhere = Shell(plain.folder.parent, plain.variables)
    name = plain.folder.name
    assert elsewhere.cloche("-C", name, "status", "--json").json["files"] == 2
    elsewhere.cloche("-C", f"{name}/sub", "run", "-q", "--", "python", "train.py")
    assert plain.facts("show")["run"]["folder"] == "sub"


def test_what_is_meant_for_programs_does_not_disturb_cloche(plain: Shell) -> None:
    plain.write("evil/json.py", "raise SystemExit('the wrong json')\n")
    done = plain.cloche("log", "--json", PYTHONPATH=str(plain.folder / "evil"), PYTHONWARNINGS="error")
    assert done.json == []
