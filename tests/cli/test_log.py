"""`cloche log`: runs filtered, sorted, and with the columns one asks for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from shell import Shell

SCRIPT = """\
import cloche, sys
lr = cloche.params()["lr"]
if lr > 5: sys.exit(1)
cloche.log(auc=1 - lr / 10, loss=lr)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Four runs, oldest first: lr 1, 3, 2, and 9, which fails."""
    from shell import variables

    place, home = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home")
    shell = Shell(place, variables(home))
    shell("git", "init", "--quiet", "--initial-branch=main")
    shell.cloche("init")
    shell.write("train.py", SCRIPT)
    shell.write("params.toml", 'lr = 1\nname = "same"\n')
    shell.commit()
    shell.run("-m", "the first")
    shell.run("-P", "lr=3", "-e", "wide")
    shell.run("-P", "lr=2", "-e", "wide")
    shell.run("-P", "lr=9", status=1)
    shell.cloche("tag", "best", "@~3")
    return shell


def rates(shell: Shell, *words: str) -> Sequence[int]:
    """The learning rate of each run listed."""
    return [row["params"]["lr"] for row in shell.facts("log", *words)]


def test_newest_first(runs: Shell) -> None:
    assert rates(runs) == [9, 2, 3, 1]
    assert rates(runs, "-n", "2") == [9, 2]


def test_a_row_says_what_one_needs_to_know(runs: Shell) -> None:
    row = runs.facts("log")[-1]
    assert row["metrics"] == {"auc": 0.9, "loss": 1.0}
    assert row["params"] == {"lr": 1, "name": "same"}
    assert (row["status"], row["message"], row["tags"], row["branch"]) == ("finished", "the first", ["best"], "main")
    assert row["command"] == ["python", "train.py"]
    assert row["wall"] > 0


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("metrics.auc > 0.75", [2, 1]),
        ("metrics.auc > 0.75 and params.lr = 2", [2]),
        ("params.lr in (1, 3)", [3, 1]),
        ("params.name = 'same'", [9, 2, 3, 1]),
        ("status = 'failed'", [9]),
        ("attributes.status != 'finished'", [9]),
        ("message LIKE '%first%'", [1]),
        ("tag = 'best'", [1]),
        ("metrics.auc IS NULL", [9]),
        ("command ILIKE '%TRAIN.PY%'", [9, 2, 3, 1]),
        ("metrics.auc > 2", []),
    ],
)
def test_filters(runs: Shell, where: str, expected: list[int]) -> None:
    assert rates(runs, where) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (["metrics.auc"], [3, 2, 1, 9]),  # a run without the metric comes last
        (["-metrics.auc"], [1, 2, 3, 9]),
        (["params.lr"], [1, 2, 3, 9]),
        (["created"], [1, 3, 2, 9]),
        (["-status", "params.lr"], [1, 2, 3, 9]),
    ],
)
def test_sorting(runs: Shell, sort: list[str], expected: list[int]) -> None:
    assert rates(runs, *(word for name in sort for word in ("--sort", name))) == expected


def test_an_experiment_is_a_group(runs: Shell) -> None:
    assert rates(runs, "-e", "wide") == [2, 3]
    assert rates(runs, "-e", "narrow") == []


def test_the_table_shows_metrics_and_what_varies(runs: Shell) -> None:
    table = runs.cloche("log").out
    head = table.splitlines()[0]
    assert [name for name in ("auc", "loss", "lr", "name") if f" {name} " in head] == ["auc", "loss", "lr"]
    assert "the first [best]" in table
    assert table.splitlines()[2].startswith(runs.facts("log")[0]["id"][:8])


def test_columns_can_be_chosen(runs: Shell) -> None:
    head = runs.cloche("log", "--columns", "loss,params.name").out.splitlines()[0]
    assert [name for name in ("auc", "loss", "lr", "name") if f" {name} " in head] == ["loss", "name"]


def test_a_filter_that_cannot_be_read_is_explained(runs: Shell) -> None:
    for where in ("metrics.auc >", "metrics.auc ~ 3", "colour = 'red'", "params.lr = 1 or", "'"):
        done = runs.cloche("log", where, status=2)
        assert done.out == ""
        assert f"  {where}\n" in done.err, "the place of the mistake is shown"
        assert "^" in done.err
    assert runs.cloche("log", "--sort", "colour", status=2).err


def test_no_runs_is_said_and_no_error(runs: Shell, plain: Shell) -> None:
    assert plain.facts("log") == []
    assert "no runs yet: type `cloche run -- COMMAND`" in plain.cloche("log").err
    assert "no runs match the filter" in runs.cloche("log", "metrics.auc > 2").err


@pytest.mark.parametrize(
    ("words", "warning"),
    [
        (["params.l = 1"], "no run has params.l; did you mean params.lr?"),
        (["metrics.lr > 1"], "no run has metrics.lr; did you mean params.lr?"),
        (["not (params.lr = 1 or metrics.acu > 1)"], "no run has metrics.acu; did you mean metrics.auc?"),
        (["--sort", "-metrics.f1"], "no run has metrics.f1"),
        (["--columns", "auc,precision"], "no run has metrics.precision"),
        (["--experiment", "wied"], "no run is of the experiment 'wied'; did you mean 'wide'?"),
        (["tags.bets IS NOT NULL"], "no run has tags.bets; did you mean tags.best?"),
    ],
)
def test_a_name_that_no_run_has_is_said(runs: Shell, words: list[str], warning: str) -> None:
    assert f"cloche: warning: {warning}\n" in runs.cloche("log", *words).err


def test_a_bare_name_is_the_metric_or_else_the_parameter(runs: Shell) -> None:
    assert rates(runs, "--sort", "auc") == rates(runs, "--sort", "metrics.auc") == [3, 2, 1, 9]
    assert rates(runs, "--sort", "-lr") == rates(runs, "--sort", "params.lr desc") == [9, 3, 2, 1]
    head = runs.cloche("log", "--columns", "auc,lr").out.splitlines()[0].split()
    assert head == ["run", "when", "status", "auc", "lr", "what"]


def test_a_cut_list_says_so(runs: Shell) -> None:
    assert "--all shows every run" in runs.cloche("log", "-n", "2").err
    assert runs.cloche("log").err == ""


def test_a_reader_that_goes_away_is_no_error(runs: Shell) -> None:
    done = runs("sh", "-c", "cloche log | head -1", status=0)
    assert done.err == ""
    assert done.out.startswith("run ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", ["log", "log --json", "--help", "show", "status", "diff --json", "history"])
def test_an_output_that_cannot_be_written_is_an_error(runs: Shell, words: str) -> None:
    done = runs("sh", "-c", f"cloche {words} > /dev/full", status=1)
    assert done.err == (
        "cloche: the output could not be written: No space left on device\nhint: look at where it is sent to\n"
    )
    assert runs("sh", "-c", f"cloche {words} > /dev/full 2> /dev/full", status=1).err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_break_nothing(runs: Shell, closed: str) -> None:
    for words in ("log", "log --json", "--help", "show", "doctor --quick"):
        assert runs("sh", "-c", f"cloche {words} {closed}").err == ""
    assert runs("sh", "-c", f"cloche lgo {closed}", status=2).out == ""
    rows = runs.facts("log")
    assert len(rows) == 4
