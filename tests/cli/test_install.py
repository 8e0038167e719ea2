"""`cloche install`: hooks of others stay what they are, byte for byte, and ours go without a trace."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from shell import Shell

LINES = "cloche.lock merge=cloche\n.gitignore merge=union\n"
NAMES = ["post-checkout", "post-merge", "post-rewrite", "post-index-change", "pre-commit", "merge-driver"]
SHELL = b'#!/usr/bin/env bash\nset -eu\necho "theirs $0" >> seen.txt\ncat >/dev/null\nexec true\n'
PYTHON = f"#!{sys.executable}\nprint(open('seen.txt', 'a').write('theirs\\n'))\n".encode()


@pytest.fixture
def committed(model: Shell) -> Shell:
    """A project with other data on the branch `two`, without hooks; the one commit of each is on record."""
    model("git", "switch", "--quiet", "-c", "two")
    model.write("data/points.csv", "id,x\n1,9\n")
    model.cloche("add")
    model.commit("other data")
    model("git", "switch", "--quiet", "main")
    model.cloche("revert", "--lock")
    return model


def put(shell: Shell, name: str, text: bytes, mode: int = 0o755) -> Path:
    """A hook of somebody's."""
    file = shell.write(f".git/hooks/{name}", text)
    file.chmod(mode)
    return file


def hooks(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every hook with its permissions and bytes; links as their targets."""
    return {
        file.name: (
            stat.S_IMODE(file.lstat().st_mode),
            os.readlink(file).encode() if file.is_symlink() else file.read_bytes(),
        )
        for file in sorted(folder.iterdir())
        if not file.name.endswith(".sample")
    }


def test_each_is_explained_in_the_output_and_in_the_file_and_can_be_removed(model: Shell) -> None:
    config, before = model.read(".git/config"), hooks(model.folder / ".git/hooks")
    preview = model.facts("install", "--dry-run")
    assert [one["act"] for one in preview["parts"]] == ["new"] * 6
    assert (model.read(".git/config"), hooks(model.folder / ".git/hooks")) == (config, before)
    said = model.cloche("install").err
    for name in NAMES:
        assert f"cloche: {name}: set  (" in said
    assert "CLOCHE_HOOKS=0 switches" in said
    text = model.read(".git/hooks/post-checkout")
    assert "# After git checkout, switch, worktree add and bisect: data follows cloche.lock." in text
    assert "`cloche install --remove` takes these lines out again" in text
    assert model.read(".gitattributes") == LINES
    assert [one["act"] for one in model.facts("install")["parts"]] == ["unchanged"] * 6
    assert "data follows Git" in model.cloche("doctor", "--quick").out
    model.cloche("install", "--remove", "post-merge")
    assert "not set: post-merge" in model.cloche("doctor", "--quick").out
    removed = model.facts("install", "--remove")
    assert {one["name"]: one["act"] for one in removed["parts"]} == {
        **dict.fromkeys(NAMES, "removed"),
        "post-merge": "absent",
    }
    assert hooks(model.folder / ".git/hooks") == before
    assert "cloche" not in model.read(".git/config")
    assert not (model.folder / ".gitattributes").exists()
    assert "none is set" in model.cloche("doctor", "--quick").out


def test_strict_stays_until_it_is_taken_back(model: Shell) -> None:
    model.cloche("install", "pre-commit", "--strict")
    assert "stops it where data changed" in model.cloche("install", "--dry-run").err
    assert [one["act"] for one in model.facts("install", "pre-commit")["parts"]] == ["unchanged"]
    [one] = model.facts("install", "pre-commit", "--no-strict")["parts"]
    assert (one["act"], one["strict"]) == ("updated", False)
    assert "--strict" not in model.read(".git/hooks/pre-commit")


def test_only_some(model: Shell) -> None:
    model.cloche("install", "post-checkout", "merge-driver")
    assert list(hooks(model.folder / ".git/hooks")) == ["post-checkout"]
    assert "did you mean `post-merge`?" in model.cloche("install", "post-marge", status=2).err
    assert "--strict is for" in model.cloche("install", "post-merge", "--strict", status=2).err


@pytest.mark.skipif(os.name == "nt", reason="scripts and links of POSIX")
@pytest.mark.parametrize(
    ("text", "mode", "act"),
    [
        pytest.param(SHELL, 0o755, "joined", id="shell"),
        pytest.param(PYTHON, 0o755, "wrapped", id="python"),
        pytest.param(SHELL, 0o644, "wrapped", id="switched off"),
        pytest.param(b"\x7fELF\0", 0o755, "wrapped", id="binary", marks=pytest.mark.slow),
    ],
)
def test_a_hook_that_was_there_goes_on_and_comes_back_as_it_was(
    committed: Shell, text: bytes, mode: int, act: str
) -> None:
    put(committed, "post-checkout", text, mode)
    before = hooks(committed.folder / ".git/hooks")
    assert committed.facts("install", "--dry-run")["parts"][0]["act"] == act
    assert hooks(committed.folder / ".git/hooks") == before
    assert committed.facts("install")["parts"][0]["act"] == act
    committed("git", "switch", "two", status=None)
    assert committed.read("data/points.csv") == "id,x\n1,9\n"
    assert (committed.folder / "seen.txt").exists() == (mode == 0o755 and b"theirs" in text)
    assert [one["act"] for one in committed.facts("install")["parts"]] == ["unchanged"] * 6
    committed.cloche("install", "--remove")
    assert hooks(committed.folder / ".git/hooks") == before


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_hook_that_is_a_link_stays_one_and_its_target_untouched(committed: Shell) -> None:
    script = committed.write("scripts/hook.sh", SHELL)
    script.chmod(0o755)
    os.symlink("../../scripts/hook.sh", committed.folder / ".git/hooks/post-checkout")
    before = hooks(committed.folder / ".git/hooks")
    committed.cloche("install")
    committed("git", "switch", "--quiet", "two")
    assert committed.read("data/points.csv") == "id,x\n1,9\n"
    assert "theirs" in committed.read("seen.txt")
    committed.cloche("install", "--remove")
    assert (script.read_bytes(), hooks(committed.folder / ".git/hooks")) == (SHELL, before)


def test_a_hook_without_a_line_end_and_one_that_changed_since(model: Shell) -> None:
    put(model, "post-merge", b"#!/bin/sh\ntrue")
    put(model, "post-rewrite", b"#!/bin/sh")
    model.cloche("install")
    file = model.folder / ".git/hooks/post-merge"
    file.write_bytes(file.read_bytes() + b"\necho more\n")
    model.cloche("install", "--remove")
    assert file.read_bytes() == b"#!/bin/sh\ntrue\necho more\n"
    assert model.data(".git/hooks/post-rewrite") == b"#!/bin/sh"


def test_the_pre_commit_framework_goes_on_behind_ours(committed: Shell) -> None:
    """Its hook ends in `exec`, so nothing that stood behind it would run."""
    theirs = b"#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\nexec touch framework-ran\n"
    put(committed, "pre-commit", theirs)
    committed.cloche("install")
    committed.write("data/points.csv", "id,x\n")
    said = committed("git", "commit", "--allow-empty", "-m", "x").err
    assert "warning: data changed" in said
    assert (committed.folder / "framework-ran").exists()
    committed.cloche("install", "--remove")
    assert committed.data(".git/hooks/pre-commit") == theirs


@pytest.mark.parametrize(("path", "goes"), [(".husky/_", ".husky"), (".husky", ".husky"), ("ci/hooks", "ci/hooks")])
def test_hooks_that_core_hookspath_leads_to(committed: Shell, path: str, goes: str) -> None:
    runner = b'#!/usr/bin/env sh\nhook="$(dirname "$0")/../post-checkout"\n[ ! -f "$hook" ] || sh "$hook" "$@"\n'
    if path.endswith("_"):
        committed.write(f"{path}/post-checkout", runner).chmod(0o755)
    committed("git", "config", "core.hooksPath", path)
    said = committed.cloche("install").err
    assert f"core.hooksPath leads to {goes}/ in the work tree: commit what changed there" in said
    text = committed.read(f"{goes}/post-checkout")
    assert str(Path(sys.executable).parent) not in text, "it belongs to everyone"
    committed("git", "switch", "--quiet", "two")
    assert committed.read("data/points.csv") == "id,x\n1,9\n"
    if path.endswith("_"):
        assert committed.data(f"{path}/post-checkout") == runner
    committed.cloche("install", "--remove")
    assert not (committed.folder / goes / "post-checkout").exists()
    assert not (committed.folder / ".git/hooks/post-checkout").exists()


def test_hooks_that_are_switched_off_are_not_forced(model: Shell) -> None:
    model("git", "config", "core.hooksPath", os.devnull)
    assert "Git runs no hooks here" in model.cloche("install", status=6).err
    model("git", "config", "--unset", "core.hooksPath")
    put(model, "post-merge", PYTHON)
    put(model, "post-merge.before-cloche", b"someone's\n")
    before = hooks(model.folder / ".git/hooks")
    assert "is in the way" in model.cloche("install", status=6).err
    assert hooks(model.folder / ".git/hooks") == before
    assert "merge.cloche" not in model.read(".git/config")


def test_without_cloche_on_path_it_is_found_or_that_is_said(committed: Shell) -> None:
    committed.cloche("install")
    places = [path for path in committed.variables["PATH"].split(os.pathsep) if not (Path(path) / "cloche").exists()]
    without = os.pathsep.join(places)
    committed("git", "switch", "--quiet", "two", PATH=without)
    assert committed.read("data/points.csv") == "id,x\n1,9\n"
    for file in (committed.folder / ".git/hooks").glob("p*"):
        if not file.name.endswith(".sample"):
            file.write_text(file.read_text().replace(str(Path(sys.executable).parent), "/nowhere"))
    done = committed("git", "switch", "main", PATH=without)
    assert "cloche: not found on PATH, so nothing was done about data" in done.err
    assert committed.read("data/points.csv") == "id,x\n1,9\n"


def test_two_projects_in_one_repository(folder: Shell) -> None:
    folder("git", "init", "--quiet", "--initial-branch=main")
    put(folder, "post-checkout", PYTHON)
    before = hooks(folder.folder / ".git/hooks")
    for name in ("one", "two"):
        folder.cloche("init", name)
        inner = Shell(folder.folder / name, folder.variables)
        inner.write("data/x.txt", "1\n")
        inner.cloche("add", "data")
        inner.cloche("install")
        inner.write("data/x.txt", "2\n")
    folder.commit("one")
    for name in ("one", "two"):
        folder.cloche("-C", name, "add")
    folder.commit("two")
    folder("git", "checkout", "--quiet", "HEAD~1")
    assert (folder.read("one/data/x.txt"), folder.read("two/data/x.txt")) == ("1\n", "1\n")
    folder.cloche("-C", "one", "install", "--remove")
    folder("git", "checkout", "--quiet", "main")
    assert (folder.read("one/data/x.txt"), folder.read("two/data/x.txt")) == ("1\n", "2\n")
    folder.cloche("-C", "two", "install", "--remove")
    assert hooks(folder.folder / ".git/hooks") == before


@pytest.mark.parametrize(
    "theirs",
    [pytest.param(False, id="no template", marks=pytest.mark.slow), pytest.param(True, id="a template of theirs")],
)
def test_for_every_clone(committed: Shell, tmp_path: Path, theirs: bool) -> None:
    settings = tmp_path / "gitconfig"
    variables = {**committed.variables, "GIT_CONFIG_GLOBAL": str(settings)}
    shell = Shell(committed.folder, variables)
    template = tmp_path / "my template"
    if theirs:
        (template / "hooks").mkdir(parents=True)
        (template / "hooks/post-checkout").write_bytes(SHELL)
        (template / "hooks/post-checkout").chmod(0o755)
        shell("git", "config", "--global", "init.templateDir", str(template))
    said = settings.read_text() if theirs else ""
    shell.cloche("install", "--global")
    shell("git", "clone", "--quiet", ".", "../clone")
    clone = Shell(tmp_path / "clone", variables)
    assert (clone.folder / ".cloche").is_dir(), "the hook ran in the clone"
    shutil.copytree(committed.folder / ".cloche/store", clone.folder / ".cloche/store", dirs_exist_ok=True)
    clone("git", "checkout", "--quiet", "--detach", "origin/two")
    assert clone.read("data/points.csv") == "id,x\n1,9\n"
    assert [one["act"] for one in clone.facts("install")["parts"]][:5] == ["unchanged"] * 5
    assert not (clone.folder / "seen.txt").exists() or theirs
    shell.cloche("install", "--global", "--remove")
    assert "cloche" not in settings.read_text()
    assert settings.read_text().split() == said.split() or not theirs
    assert not (tmp_path / "home/.config/cloche/git-template").exists()
    if theirs:
        assert {name: text for name, (_, text) in hooks(template / "hooks").items()} == {"post-checkout": SHELL}


def test_where_there_is_no_git(plain: Shell) -> None:
    assert "no Git repository" in plain.cloche("install", status=8).err
    assert "hooks" not in [one["name"] for one in plain.facts("doctor", "--quick")]


def test_where_it_cannot_be(model: Shell) -> None:
    assert "not in a Cloche project" in Shell(model.folder.parent, model.variables).cloche("install", status=3).err
    assert "sets all hooks" in model.cloche("install", "--global", "pre-commit", status=2).err
    assert "there is no hook called" in model.cloche("hook", "post-party").err


def test_a_line_of_the_users_in_gitattributes_counts(model: Shell) -> None:
    model.write(".gitattributes", "*.png binary\n.gitignore merge=text\ncloche.lock -merge")
    model.cloche("install")
    assert model.read(".gitattributes") == "*.png binary\n.gitignore merge=text\ncloche.lock -merge"
    assert "not set: merge-driver" in model.cloche("doctor", "--quick").out
    model.write(".gitattributes", "*.png binary")
    model.cloche("install")
    assert model.read(".gitattributes") == "*.png binary\n" + LINES
    model.cloche("install", "--remove")
    assert model.read(".gitattributes") == "*.png binary\n"
