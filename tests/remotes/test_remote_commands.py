"""Naming remotes: what is refused, what is kept, and hints that work as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from places import S3

from shell import Shell

Marks = list[tuple[str, bool, bool]]


def remotes(shell: Shell) -> Marks:
    """Name, local and default of each."""
    return [(one["name"], one["local"], one["default"]) for one in shell.facts("remote")]


def test_the_first_remote_is_the_default_until_another_is_made_it(plain: Shell, tmp_path: Path) -> None:
    stick, lab, third = (str(tmp_path / name) for name in ("stick", "lab", "third"))
    plain.cloche("remote", "add", "stick", stick, "--local")
    assert "default" not in plain.cloche("remote", "add", "lab", lab).err
    assert remotes(plain) == [("lab", False, False), ("stick", True, True)]
    assert "the default remote" in plain.cloche("remote", "add", "third", third, "--default").err
    assert remotes(plain) == [("lab", False, False), ("stick", True, False), ("third", False, True)]
    plain.cloche("remote", "add", "lab", lab, "--default")
    plain.cloche("remote", "add", "stick", stick)
    assert remotes(plain) == [("lab", False, True), ("stick", True, False), ("third", False, False)]
    assert "stick" not in plain.read("cloche.toml")


def test_added_again_a_remote_keeps_the_options_that_are_not_given(plain: Shell, s3: S3) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    plain.variables.update(keys)
    url = f"s3://{s3.bucket()}/x"
    plain.cloche("remote", "add", "o", url, "--endpoint", s3.endpoint, "--region", "us-east-1", "--default")
    before = plain.read("cloche.toml")
    plain.cloche("remote", "add", "o", url)
    assert plain.read("cloche.toml") == before
    plain.cloche("remote", "add", "o", url, "--single-writer")
    assert "single_writer = true" in plain.read("cloche.toml")
    plain.cloche("remote", "add", "o", url, "--several-writers")
    assert plain.read("cloche.toml") == before


@pytest.mark.parametrize("place", [".", "inside", "../bob", "../bob/data", "../bare", "../full"])
def test_a_folder_that_is_something_else_is_no_remote(plain: Shell, tmp_path: Path, place: str) -> None:
    for name in ("inside", "../bob/.cloche", "../bob/data", "../bare", "../full"):
        (plain.folder / name).mkdir(parents=True)
    for name in ("bob/cloche.toml", "bare/HEAD", "full/thesis.tex"):
        (tmp_path / name).write_text("")
    before = sorted(tmp_path.rglob("*"))
    hint = plain.cloche("remote", "add", "o", place, status=None)
    assert hint.status in (2, 6)
    assert "hint: name a " in hint.err
    after = [one for one in tmp_path.rglob("*") if ".cloche" not in one.parts]
    assert sorted(after) == [one for one in before if ".cloche" not in one.parts]
    assert remotes(plain) == []


@pytest.mark.parametrize("endpoint", ["http://user:hunter2@127.0.0.1:5599", "hunter2"])
def test_a_secret_is_neither_stored_nor_shown(plain: Shell, endpoint: str) -> None:
    refused = plain.cloche("remote", "add", "n", "s3://b/y", "--endpoint", endpoint, status=2)
    assert "hunter2" not in refused.err + plain.read("cloche.toml")
    assert "Traceback" not in refused.err
    plain.write("cloche.toml", f'[remotes.n]\nurl = "s3://b/y"\nendpoint = "{endpoint}"\n')
    refused = plain.cloche("push", status=2)
    assert "hunter2" not in refused.err
    assert "cloche remote remove n" in refused.err


def test_a_secret_that_somebody_wrote_down_is_not_shown(plain: Shell, tmp_path: Path) -> None:
    url = "https://ada:hunter2@host.invalid/x"
    plain.write("cloche.toml", f'[remotes.n]\nurl = "{url}"\n[remotes.m]\nurl = "s3://b/x?tok=hunter2"\n')
    for words in (["remote"], ["pull"], ["fetch", "--remote", "m"], ["remote", "test"], ["clone", url]):
        done = plain.cloche(*words, status=None)
        assert "hunter2" not in done.out + done.err, words
    refused = plain.cloche("remote", "add", "m", str(tmp_path / "n"), status=6).err
    assert "m is s3://b/x already" in refused
    assert "hunter2" not in plain.cloche("remote", "remove", "n").err


def hinted(error: str) -> list[str]:
    """The words of the command that a hint names."""
    found = re.search(r"`cloche (remote add [^`]*)`", error)
    assert found, error
    return shlex.split(found[1])


def test_a_folder_that_vanished_is_asked_about_and_its_hint_can_be_typed(plain: Shell, tmp_path: Path) -> None:
    place = tmp_path / "a stick's folder"
    plain.cloche("remote", "add", "o", str(place), "--local")
    (place / "format").unlink()
    error = plain.cloche("push", status=11).err
    assert "mounted?" in error
    plain.cloche(*hinted(error))
    plain.cloche("push")
    assert remotes(plain) == [("o", True, True)]
