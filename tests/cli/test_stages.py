"""Pipelines: stages run in the order of what they need, and only where something that they depend on has changed."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from shell import Shell

SETTINGS = """\
[stages.count]
run = "python count.py"
reads = ["count.py", "clean.txt"]
writes = ["metrics.json", "out"]
params = ["count"]

[stages.clean]
run = "python clean.py"
reads = ["clean.py", "raw.txt"]
writes = ["clean.txt"]
"""
CLEAN = """\
lines = sorted(line for line in open("raw.txt") if line.strip())
open("clean.txt", "w").writelines(lines)
open("times.log", "a").write("clean\\n")
"""
COUNT = """\
import json, os, tomllib
factor = tomllib.load(open("params.toml", "rb"))["count"]["factor"]
os.makedirs("out", exist_ok=True)
open("out/list.txt", "w").write(open("clean.txt").read() * factor)
json.dump({"count": factor * len(open("clean.txt").readlines())}, open("metrics.json", "w"))
open("times.log", "a").write("count\\n")
"""


@pytest.fixture
def pipeline(project: Shell) -> Shell:
    """Two stages, declared in the wrong order; each notes in `times.log` that it ran."""
    project.write("cloche.toml", '[outputs]\nignore = ["times.log"]\n\n[code]\nignore = ["times.log"]\n\n' + SETTINGS)
    project.write("clean.py", CLEAN)
    project.write("count.py", COUNT)
    project.write("params.toml", "other = 1\n\n[count]\nfactor = 2\n")
    project.write("raw.txt", "b\na\n\nc\n")
    return project


def go(shell: Shell, *options: str, status: int = 0) -> Any:
    """Run the pipeline; its record."""
    return shell.run(*options, command=(), status=status)


def ran(run: Any) -> list[str]:
    """The stages that really ran, in their order."""
    return [stage["name"] for stage in run["stages"] if not stage["reused"]]


def test_stages_run_in_the_order_of_what_they_need(pipeline: Shell) -> None:
    run = go(pipeline)
    assert ran(run) == ["clean", "count"]
    assert pipeline.read("times.log") == "clean\ncount\n"
    assert run["metrics"] == {"count": 6}
    assert run["command"] == []
    assert [(one["path"], one["declared"]) for one in run["outputs"]] == [
        ("clean.txt", True),
        ("metrics.json", True),
        ("out", True),
    ]
    assert all(stage["resources"]["wall"] > 0 for stage in run["stages"])


def test_nothing_is_done_twice(pipeline: Shell) -> None:
    first, again = go(pipeline), go(pipeline)
    assert ran(again) == []
    assert {stage["reused"] for stage in again["stages"]} == {first["id"]}
    assert again["metrics"] == first["metrics"]
    assert again["outputs"] == first["outputs"]
    assert (again["status"], again["exit_status"]) == ("finished", 0)
    assert go(pipeline)["stages"][0]["reused"] == first["id"], "the origin is the run that did the work"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("raw.txt", "z\n", ["clean", "count"]),
        ("raw.txt", "c\nb\na\n", ["clean"]),  # other bytes, but the same clean.txt
        ("clean.py", CLEAN + "# edited\n", ["clean"]),
        ("count.py", COUNT + "# edited\n", ["count"]),
        ("params.toml", "other = 1\n\n[count]\nfactor = 3\n", ["count"]),
        ("params.toml", "other = 2\n\n[count]\nfactor = 2  # twice\n", []),
        ("readme.md", "no stage reads it\n", []),
    ],
)
def test_only_what_depends_on_a_change_runs_again(pipeline: Shell, path: str, text: str, expected: list[str]) -> None:
    go(pipeline)
    pipeline.write(path, text)
    assert ran(go(pipeline)) == expected


def test_going_back_to_an_old_value_takes_the_old_result(pipeline: Shell) -> None:
    first = go(pipeline)
    old = pipeline.files()
    assert ran(go(pipeline, "-P", "count.factor=3")) == ["count"]
    assert pipeline.read("metrics.json") == '{"count": 9}'
    back = go(pipeline, "-P", "count.factor=2")
    assert ran(back) == []
    assert back["stages"][1]["reused"] == first["id"]
    assert back["metrics"] == {"count": 6}
    assert {**pipeline.files(), "times.log": b""} == {**old, "times.log": b""}, "outputs are back in the work tree"


def test_outputs_that_were_deleted_or_changed_are_put_back(pipeline: Shell) -> None:
    go(pipeline)
    before = pipeline.files()
    (pipeline.folder / "clean.txt").unlink()
    pipeline.write("out/list.txt", "spoilt by hand\n")
    pipeline.write("out/extra.txt", "not of the stage\n")
    assert ran(go(pipeline)) == []
    assert pipeline.files() == before
    pipeline.cloche("undo")  # the record
    pipeline.cloche("undo")  # what was put back for `count`
    assert pipeline.read("out/list.txt") == "spoilt by hand\n"
    assert pipeline.read("out/extra.txt") == "not of the stage\n"


def test_force_runs_what_need_not_run(pipeline: Shell) -> None:
    go(pipeline)
    assert ran(go(pipeline, "--force")) == ["clean", "count"]
    forced = go(pipeline, "--force", "--stage", "clean")
    assert [stage["name"] for stage in forced["stages"]] == ["clean"]


def test_a_stage_by_name_comes_with_what_it_needs(pipeline: Shell) -> None:
    assert ran(go(pipeline, "--stage", "clean")) == ["clean"]
    assert not (pipeline.folder / "metrics.json").exists()
    run = go(pipeline, "--stage", "count")
    assert [(stage["name"], bool(stage["reused"])) for stage in run["stages"]] == [("clean", True), ("count", False)]


def test_an_unknown_stage_is_named_with_what_was_meant(pipeline: Shell) -> None:
    done = pipeline.cloche("run", "--stage", "cuont", status=5)
    assert "declares no stage 'cuont'" in done.err
    assert "did you mean `--stage count`?" in done.err


def test_a_failing_stage_ends_the_run_with_its_exit_status(pipeline: Shell) -> None:
    pipeline.write("clean.py", CLEAN + "raise SystemExit(4)\n")
    run = go(pipeline, status=4)
    assert (run["status"], run["exit_status"]) == ("failed", 4)
    assert [(stage["name"], stage["status"]) for stage in run["stages"]] == [("clean", "failed")]
    assert "clean.txt" in [one["path"] for one in run["outputs"]]
    assert ran(go(pipeline, status=4)) == ["clean"], "a failure is never taken from an earlier run"


def test_what_went_well_before_a_failure_is_not_done_again(pipeline: Shell) -> None:
    pipeline.write("count.py", "raise SystemExit(1)\n")
    assert ran(go(pipeline, status=1)) == ["clean", "count"]
    pipeline.write("count.py", COUNT)
    assert ran(go(pipeline)) == ["count"]


def test_a_declared_output_that_is_not_written_fails_the_run(pipeline: Shell) -> None:
    pipeline.write("clean.py", CLEAN.replace('open("clean.txt"', 'open("clear.txt"'))
    run = go(pipeline, status=1)
    assert run["status"] == "failed"
    (finding,) = [one for one in run["findings"] if one["check"] == "missing-output"]
    assert finding["severity"] == "error"
    assert finding["place"] == {"stage": "clean", "file": "clean.txt"}
    assert ran(run) == ["clean"]
    assert "stage clean did not write clean.txt" in pipeline.cloche("show").out


def test_an_undeclared_read_is_reported_and_widens_the_key(pipeline: Shell) -> None:
    pipeline.write("extra.txt", "1\n")
    pipeline.write("count.py", "open('extra.txt').close()\n" + COUNT)
    run = go(pipeline)
    (finding,) = run["findings"]
    assert (finding["check"], finding["place"]) == ("undeclared-read", {"stage": "count", "file": "extra.txt"})
    assert list(run["stages"][1]["observed"]) == ["extra.txt"]
    assert ran(go(pipeline)) == []
    pipeline.write("extra.txt", "2\n")
    assert ran(go(pipeline)) == ["count"]
    pipeline.write("extra.txt", "1\n")
    assert ran(go(pipeline)) == [], "the first result holds again"
    (pipeline.folder / "extra.txt").unlink()
    assert ran(go(pipeline, status=1)) == ["count"]


def test_a_module_that_is_imported_counts_as_read(pipeline: Shell) -> None:
    pipeline.write("helper.py", "TIMES = 1\n")
    pipeline.write("count.py", "import helper\n" + COUNT)
    assert list(go(pipeline)["stages"][1]["observed"]) == ["helper.py"]
    pipeline.write("helper.py", "TIMES = 2\n")
    assert ran(go(pipeline)) == ["count"]


def test_a_stage_without_code_in_reads_depends_on_all_code(pipeline: Shell) -> None:
    settings = pipeline.read("cloche.toml").replace('"clean.py", "raw.txt"', '"data.txt"')
    pipeline.write("cloche.toml", settings)
    pipeline.write("data.txt", "x\n")
    pipeline.cloche("add", "data.txt")
    go(pipeline)
    pipeline.write("anything.py", "new = True\n")
    assert ran(go(pipeline)) == ["clean"]


def test_a_stage_that_names_nothing_depends_on_everything(project: Shell) -> None:
    project.write("cloche.toml", '[stages.all]\nrun = "sh all.sh"\n')
    project.write("all.sh", "echo 1 > out.txt\n")
    project.write("params.toml", "a = 1\n")
    project.write("data.csv", "x\n")
    project.cloche("add", "data.csv")
    go(project)
    assert ran(go(project)) == []
    for path, text in (("params.toml", "a = 2\n"), ("data.csv", "y\n"), ("other.py", "1\n")):
        project.write(path, text)
        assert ran(go(project)) == ["all"], path
    assert ran(go(project)) == []


def test_another_environment_is_another_result(venv: Shell) -> None:
    venv.write("cloche.toml", '[stages.one]\nrun = "python one.py"\nreads = ["one.py"]\nwrites = ["one.txt"]\n')
    venv.write("one.py", "open('one.txt', 'w').close()\n")
    go(venv)
    assert ran(go(venv)) == []
    site = venv("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").out.strip()
    os.mkdir(f"{site}/added-1.0.dist-info")
    with open(f"{site}/added-1.0.dist-info/METADATA", "w", encoding="utf-8") as file:
        file.write("Metadata-Version: 2.1\nName: added\nVersion: 1.0\n")
    assert ran(go(venv)) == ["one"]
    assert [one["name"] for one in venv.facts("diff", "@~1", "@")["environment"]["packages"]] == ["added"]


def test_a_removed_run_is_no_source(pipeline: Shell) -> None:
    go(pipeline)
    pipeline.cloche("remove", "@")
    assert ran(go(pipeline)) == ["clean", "count"]


def test_stages_that_need_each_other_are_refused(project: Shell) -> None:
    one, two = ('run = "true"\nreads = ["x"]\nwrites = ["y"]\n', 'run = "true"\nreads = ["y"]\nwrites = ["x"]\n')
    project.write("cloche.toml", f"[stages.a]\n{one}\n[stages.b]\n{two}")
    done = project.cloche("run", status=4)
    assert "the stages go in a circle" in done.err
    assert "a writes y, which b reads" in done.err
    assert project.facts("log") == []


def test_what_is_not_there_to_read_stops_the_run_before_it_begins(pipeline: Shell) -> None:
    (pipeline.folder / "raw.txt").unlink()
    done = pipeline.cloche("run", status=8)
    assert "stage clean reads raw.txt, which does not exist" in done.err
    assert pipeline.facts("log") == []


def test_a_hand_edited_intermediate_is_not_taken_for_the_result(pipeline: Shell) -> None:
    go(pipeline)
    pipeline.write("clean.txt", "a\nb\nc\nd\n")
    run = go(pipeline)
    assert ran(run) == []
    assert json.loads(pipeline.read("metrics.json")) == {"count": 6}
    assert pipeline.read("clean.txt") == "a\nb\nc\n"


def test_stages_are_run_by_a_shell_in_the_project(pipeline: Shell) -> None:
    pipeline.write(
        "cloche.toml", '[stages.one]\nrun = "cd sub && echo $PWD | tee ../where.txt | wc -l && exit 3"\nparams = []\n'
    )
    pipeline.write("sub/x", "")
    inside = Shell(pipeline.folder / "sub", pipeline.variables)
    assert go(inside, status=3)["stages"][0]["exit_status"] == 3
    assert pipeline.read("where.txt") == f"{pipeline.folder / 'sub'}\n"


def test_what_links_lead_to_counts_too(pipeline: Shell) -> None:
    outside = pipeline.folder.parent / "outside"
    outside.mkdir()
    (outside / "raw.txt").write_text("b\n")
    (outside / "loop").symlink_to(".")
    (pipeline.folder / "raw.txt").unlink()
    (pipeline.folder / "raw.txt").symlink_to(outside / "raw.txt")
    (pipeline.folder / "more").symlink_to(outside)
    pipeline.write(
        "cloche.toml", pipeline.read("cloche.toml").replace('"clean.txt"]\nwrites', '"clean.txt", "more"]\nwrites')
    )
    go(pipeline)
    assert ran(go(pipeline)) == []
    (outside / "other.txt").write_text("1\n")
    assert ran(go(pipeline)) == ["count"]
    (outside / "raw.txt").write_text("c\nd\n")
    assert ran(go(pipeline)) == ["clean", "count"]
    assert pipeline.read("clean.txt") == "c\nd\n"
    assert ran(go(pipeline)) == []


def test_a_left_over_is_no_output(pipeline: Shell) -> None:
    go(pipeline)
    pipeline.write("count.py", "pass\n")
    run = go(pipeline, status=1)
    (finding,) = run["findings"]
    assert finding["check"] == "missing-output"
    assert "is from before" in finding["message"]
    assert run["stages"][1]["outputs"] == []
    assert ran(go(pipeline, status=1)) == ["count"], "nothing was kept to be reused"


def test_what_a_reused_stage_logged_is_a_metric_of_the_new_run(plain: Shell) -> None:
    stages = "[stages.a]\nrun = 'python a.py'\nreads = ['a.py']\n[stages.b]\nrun = 'cat b.txt'\nreads = ['b.txt']\n"
    plain.write("cloche.toml", stages)
    plain.write("a.py", "import cloche\nfor i in range(3):\n    cloche.log(step=i, auc=i / 10)\n")
    plain.write("b.txt", "one\n")
    go(plain)
    plain.write("b.txt", "two\n")
    run = go(plain)
    assert ran(run) == ["b"]
    assert run["metrics"] == {"auc": 0.2}
    assert json.loads(plain.cloche("show", "--series").out)["auc"]["values"] == [0.0, 0.1, 0.2]


def test_a_parameter_file_that_is_read_without_naming_a_key_counts(plain: Shell) -> None:
    plain.write("cloche.toml", "[stages.a]\nrun = 'python a.py'\nreads = ['a.py']\nwrites = ['out.txt']\n")
    plain.write("a.py", "open('out.txt', 'w').write(open('params.toml').read())\n")
    plain.write("params.toml", "lr = 1\n")
    assert [one["check"] for one in go(plain)["findings"]] == ["undeclared-read"]
    plain.write("params.toml", "lr = 2\n")
    assert ran(go(plain)) == ["a"]


def test_a_stage_that_names_an_unknown_parameter_does_not_start(plain: Shell) -> None:
    plain.write("cloche.toml", "[stages.a]\nrun = 'true'\nparams = ['trian']\n")
    plain.write("params.toml", "[train]\nlr = 1\n")
    done = plain.cloche("run", status=5)
    assert "did you mean `train`?" in done.err
