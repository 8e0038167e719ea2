"""Completion through the protocol of the shells: verbs, options, tags and runs."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from shell import BIN, Shell


def completed(shell: Shell, line: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    done = shell.cloche(_CLOCHE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return [one.partition(",")[2] for one in done.out.splitlines() if one]


@pytest.fixture
def runs(plain: Shell) -> tuple[Shell, list[str]]:
    """A project with two runs, one tagged; and their short ids."""
    plain.run(command=["true"])
    plain.run(command=["true"])
    plain.cloche("tag", "champion", "@~1")
    return plain, [row["id"][:8] for row in plain.facts("log")]


def test_verbs(folder: Shell) -> None:
    assert sorted(completed(folder, "cloche re")) == ["remote", "remove", "revert"]
    assert {"init", "run", "undo", "doctor"} <= set(completed(folder, "cloche "))


def test_options(folder: Shell) -> None:
    assert completed(folder, "cloche revert --dr") == ["--dry-run"]
    assert completed(folder, "cloche log --so") == ["--sort"]
    assert completed(folder, "cloche completion z") == ["zsh"]
    assert completed(folder, "cloche install post-c") == ["post-checkout"]


@pytest.mark.parametrize(
    "line", ["cloche show ", "cloche revert ", "cloche diff @ ", "cloche status ", "cloche tag x ", "cloche note -r "]
)
def test_runs_and_tags(runs: tuple[Shell, list[str]], line: str) -> None:
    shell, ids = runs
    assert completed(shell, line) == ["@", "champion", *ids]
    assert completed(shell, line + ids[0][:5]) == [ids[0]]
    assert completed(shell, line + "cham") == ["champion"]


def test_tags_to_delete(runs: tuple[Shell, list[str]]) -> None:
    assert completed(runs[0], "cloche tag --delete cha") == ["champion"]


def test_values_of_options(plain: Shell) -> None:
    plain.write("cloche.toml", "[stages.prepare]\nrun = 'true'\n[stages.train]\nrun = 'true'\n")
    plain.write("params.toml", "[train]\nlr = 1\n")
    plain.write("train.py", "import cloche; cloche.log(auc=1, loss=2)\n")
    plain.run()
    assert completed(plain, "cloche run --stage ") == ["prepare", "train"]
    assert completed(plain, "cloche run --stage t") == ["train"]
    assert completed(plain, "cloche log --sort ") == ["metrics.auc", "metrics.loss", "params.train.lr"]
    assert completed(plain, "cloche log --columns metrics.auc,p") == ["metrics.auc,params.train.lr"]
    assert completed(plain, "cloche diff --only code,") == ["code,data", "code,config", "code,environment"]
    assert completed(plain, "cloche revert @ --only d") == ["data"]


def test_outside_a_project_there_is_nothing_to_offer_and_no_error(folder: Shell) -> None:
    assert completed(folder, "cloche show ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_understood_by_its_shell(folder: Shell, shell: str) -> None:
    script = folder.cloche("completion", shell).out
    assert "_CLOCHE_COMPLETE" in script
    if shutil.which(shell):
        folder(shell, "-n", str(folder.write("script", script)))


def test_bash_offers_what_cloche_says(runs: tuple[Shell, list[str]]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    shell, _ = runs
    code = (
        f'PATH={BIN}:$PATH; eval "$(cloche completion bash)"; '
        "COMP_WORDS=(cloche show cham); COMP_CWORD=2; _cloche_completion cloche; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        [bash, "-c", code], cwd=shell.folder, env=shell.variables, capture_output=True, text=True, check=True
    )
    assert done.stdout == "champion\n"


def test_an_unknown_shell_is_refused(folder: Shell) -> None:
    assert "bash" in folder.cloche("completion", "tcsh", status=2).err
