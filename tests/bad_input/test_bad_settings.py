"""Files that people write and machines read: cloche.toml, cloche.lock, parameter files, and what sets them."""

from __future__ import annotations

import pytest
from bad_input_helpers import assert_complaint, assert_healthy, assert_refused, tree

from shell import Shell

VERBS = [["status"], ["run", "--", "true"], ["diff"], ["revert", "@"]]


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        (
            "[stages.train]\nrum = 'x'\n",
            "cloche.toml, line 2: unknown key `rum` in [stages.train]",
            "did you mean `run`?",
        ),
        ("[stage.train]\nrun = 'x'\n", "cloche.toml, line 1: unknown key `stage`", "did you mean `stages`?"),
        ("\n\n[config\n", "cloche.toml, line 3", "in quotes"),
        ("[config]\nfiles = 'params.toml'\n", "line 2: `files` in [config] must be a list", 'files = ["params.toml"]'),
        ("[stages.train]\nreads = ['a']\n", "[stages.train] has no `run`", "python train.py"),
        ("[stages.a]\nrun = 'x'\nwrites = ['../a']\n", "line 3: `writes` in [stages.a]: '../a'", "paths begin at"),
        ("[stages.a]\nrun = 'x'\nwrites = ['/a']\n", "line 3: `writes` in [stages.a]: '/a'", "paths begin at"),
        ("x = 'a\x00'\n", "cloche.toml, line 1", ""),
        ("[" * 5000, "cloche.toml", ""),
    ],
    ids=["key", "table", "syntax", "type", "required", "outside", "absolute", "nul", "deep"],
)
def test_a_mistake_in_the_settings_is_named_with_its_line(model: Shell, text: str, says: str, hint: str) -> None:
    model.run()
    model.write("cloche.toml", text)
    before = tree(model.folder)
    for words in VERBS:
        assert_complaint(model.cloche(*words, status=4), says, hint)
    assert tree(model.folder) == before
    assert [one["state"] for one in model.cloche("doctor", "--json", status=1).json if one["name"] == "settings"] == [
        "error"
    ]
    assert len(model.facts("log")) == 1, "looking back needs no settings"
    model.write("cloche.toml", "")
    assert_healthy(model)


def test_settings_that_are_no_text_are_named(model: Shell) -> None:
    model.write("cloche.toml", b"\xff\xfe[\x00config]")
    assert_refused(model, "run", "--", "true", status=4, says="cloche.toml is not UTF-8", hint="UTF-8", whole=False)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(model: Shell) -> None:
    model.write("cloche.toml", b"\xef\xbb\xbf[code]\r\nignore = ['*.tmp']\r\n")
    assert_healthy(model)


def test_stages_in_a_circle_are_named(model: Shell) -> None:
    model.write(
        "cloche.toml",
        "[stages.a]\nrun = 'touch one'\nreads = ['two']\nwrites = ['one']\n"
        "[stages.b]\nrun = 'touch two'\nreads = ['one']\nwrites = ['two']\n",
    )
    assert_refused(
        model, "run", status=4, says="the stages go in a circle: a -> b -> a", hint="take one of these paths out"
    )
    assert_refused(model, "run", "--stage", "a", status=4, says="in a circle", hint="take one of these paths out")


def test_a_stage_that_is_not_declared_is_named(model: Shell) -> None:
    model.write("cloche.toml", "[stages.train]\nrun = 'true'\n")
    assert_refused(
        model, "run", "--stage", "trian", status=5, says="no stage 'trian'", hint="did you mean `--stage train`?"
    )


def test_a_stage_that_reads_what_is_not_there_does_not_start(model: Shell) -> None:
    model.write("cloche.toml", "[stages.train]\nrun = 'touch ran'\nreads = ['nowhere']\n")
    assert_refused(model, "run", status=8, says="stage train reads nowhere, which does not exist", hint="create it")


def test_an_output_that_is_not_produced_makes_the_run_fail(model: Shell) -> None:
    model.write(
        "cloche.toml",
        "[stages.one]\nrun = 'true'\nwrites = ['out']\n[stages.two]\nrun = 'touch ran'\nreads = ['out']\n",
    )
    done = model.cloche("run", status=1)
    assert "stage one did not write out" in done.err
    assert "hint: correct `writes` of [stages.one] in cloche.toml" in done.err
    assert not (model.folder / "ran").exists()
    run = model.facts("show")["run"]
    assert (run["status"], [one["check"] for one in run["findings"]]) == ("failed", ["missing-output"])
    model.cloche("run", status=1)
    assert [stage["reused"] for stage in model.facts("show")["run"]["stages"]] == [""], "a failed stage is not reused"
    assert_healthy(model)


MARKS = "<<<<<<< HEAD\n{0}=======\n{0}>>>>>>> other\n"


@pytest.mark.parametrize(
    ("text", "status", "says", "hint"),
    [
        (MARKS, 4, "is a mark that a Git merge left", "git checkout --ours cloche.lock"),
        ("{0}nonsense\n", 4, "cloche.lock: line 3 is not `DIGEST KIND SIZE COUNT PATH`", "git checkout -- cloche.lock"),
        ("{0}{1}", 4, "repeats the path 'data'", "keep one"),
        ("# cloche.lock 2: newer\n", 9, "cloche.lock has version 2", "upgrade cloche"),
        ("", 4, "cloche.lock: line 1 is not the one that it starts with", "cloche add"),
    ],
    ids=["conflict", "nonsense", "twice", "newer", "empty"],
)
def test_a_lock_that_cannot_be_read_is_named(model: Shell, text: str, status: int, says: str, hint: str) -> None:
    good = model.read("cloche.lock")
    model.run()
    model.write("cloche.lock", text.format(good, good.splitlines(keepends=True)[1]))
    before = tree(model.folder)
    for words in (["status"], ["run", "--", "true"], ["add", "data"], ["untrack", "data"], ["revert", "@"]):
        assert_complaint(model.cloche(*words, status=status), says, hint)
    assert tree(model.folder) == before
    model.write("cloche.lock", good)
    assert len(model.facts("log")) == 1
    assert_healthy(model)


@pytest.mark.parametrize("path", ["../escape", "/etc/passwd", ".cloche/store", "a/../../b", ".git/hooks"])
def test_a_lock_that_leads_elsewhere_is_refused(model: Shell, path: str) -> None:
    digest = model.read("cloche.lock").splitlines()[1].split()[0]
    model.write("cloche.lock", model.read("cloche.lock") + f"{digest} f 1 1 {path}\n")
    assert_refused(model, "run", "--", "true", status=4, says="cloche.lock: line 3", hint="", whole=False)
    assert_refused(model, "status", status=4, says=path, hint="", whole=False)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("params.toml", "[train\nlr = 1\n", "params.toml, line 1"),
        ("params.toml", "lr = 1\nlr = 2\n", "params.toml, line 2"),
        ("params.yaml", "lr: 1\n bad: [\n", "params.yaml, line 2"),
        ("params.yaml", "- 1\n- 2\n", "params.yaml: the file holds no table"),
        ("params.json", '{"lr": 1,}', "params.json, line 1"),
        ("params.json", "[" * 100_000, "params.json"),
        ("params.toml", b"lr = '\xff'\n", "params.toml, line 1: not UTF-8"),
    ],
)
def test_a_parameter_file_that_cannot_be_read_is_named(plain: Shell, name: str, text: str | bytes, says: str) -> None:
    plain.write("train.py", "print(1)\n")
    plain.write(name, text)
    for words in (["run", "--", "python", "train.py"], ["status"], ["run", "-P", "lr=3", "--", "true"]):
        assert_refused(plain, *words, status=4, says=says, hint="", whole=False)
    assert plain.facts("log") == []
    (plain.folder / name).unlink()
    assert_healthy(plain)


@pytest.mark.parametrize(
    ("override", "status", "says", "hint"),
    [
        ("train.facto=3", 5, "there is no parameter train.facto", "did you mean train.factor?"),
        ("train=3", 2, "train is a table, not a value", "train.factor"),
        ("train.factor", 2, "'train.factor' is not KEY=VALUE", "-P train.lr=0.1"),
        ("=3", 2, "'=3' is not KEY=VALUE", "-P train.lr=0.1"),
        ("seed.deep=3", 5, "there is no parameter seed.deep", "seed"),
    ],
)
def test_an_override_that_fits_nothing_changes_nothing(
    model: Shell, override: str, status: int, says: str, hint: str
) -> None:
    assert_refused(model, "run", "-P", "seed=8", "-P", override, "--", "true", status=status, says=says, hint=hint)


def test_a_parameter_file_that_is_a_link_out_of_the_project_is_refused(model: Shell) -> None:
    (model.folder.parent / "other.toml").write_text("seed = 1\n")
    (model.folder / "params.toml").unlink()
    (model.folder / "params.toml").symlink_to("../other.toml")
    words = ("run", "-P", "seed=8", "--", "true")
    assert_refused(model, *words, status=4, says="leads out of the project", hint="put the file itself", whole=False)
    assert (model.folder.parent / "other.toml").read_text() == "seed = 1\n"


def test_a_parameter_file_that_is_a_folder_is_named(model: Shell) -> None:
    (model.folder / "params.json").mkdir()
    assert_refused(
        model,
        "run",
        "--",
        "true",
        status=4,
        says="params.json is not a file",
        hint="[config] in cloche.toml",
        whole=False,
    )


def test_an_interpreter_that_is_not_there_is_named(model: Shell) -> None:
    model.write("cloche.toml", "[environment]\npython = 'nowhere/python'\n")
    words = ("run", "--", "true")
    assert_refused(model, *words, status=4, says="names nowhere/python, which does not exist", hint="name", whole=False)


def test_a_declared_parameter_file_that_is_missing_is_named(model: Shell) -> None:
    model.write("cloche.toml", "[config]\nfiles = ['parms.toml']\n")
    words = ("run", "--", "true")
    assert_refused(model, *words, status=4, says="parms.toml", hint="create it", whole=False)


def test_metrics_that_are_no_json_are_a_finding(model: Shell) -> None:
    model.write("train.py", "open('metrics.json', 'w').write('{nan')\n")
    run = model.run()
    assert (run["status"], run["metrics"]) == ("finished", {})
    assert [one["check"] for one in run["findings"]] == ["metrics-unreadable"]
    assert_healthy(model)


def test_a_filter_that_cannot_be_read_is_named(model: Shell) -> None:
    assert_refused(model, "log", "metrics.auc >", status=2, says="metrics.auc >", hint="metrics.auc > 0.8")
    assert_refused(model, "log", "auc > 1", status=2, says="a run has no attribute 'auc'", hint="`metrics.auc`")
    assert_refused(model, "log", "--sort", "nothing.x", status=2, says="nothing", hint="")


@pytest.mark.parametrize("damage", ["broken", "deleted", "a folder"])
def test_a_parameter_file_comes_back_however_it_was_lost(model: Shell, damage: str) -> None:
    model.write("cloche.toml", "[config]\nfiles = ['params.toml']\n")
    good = model.read("params.toml")
    model.run()
    (model.folder / "params.toml").unlink()
    if damage == "broken":
        model.write("params.toml", "[train\n")
    elif damage == "a folder":
        model.write("params.toml/mine.txt", "kept")
    model.cloche("status", status=4)
    model.cloche("revert", "@", "--only", "config")
    assert model.read("params.toml") == good
    assert_healthy(model)
    model.cloche("undo")
    assert not (model.folder / "params.toml").is_file() or model.read("params.toml") == "[train\n"
    assert damage != "a folder" or model.read("params.toml/mine.txt") == "kept"


@pytest.mark.parametrize(
    ("file", "text", "says", "hint"),
    [
        ("params.toml", "a = 1\nlr = = 2\n", "params.toml, line 2: ", "the line reads: lr = = 2"),
        ("params.yaml", "a: 1\nb: [1, 2\nc: 3\n", "params.yaml, line ", "the line reads: "),
        ("params.json", '{"a": 1,\n "b": }\n', "params.json, line 2: ", 'the line reads: "b": }'),
    ],
)
def test_a_mistake_in_a_parameter_file_is_shown(project: Shell, file: str, text: str, says: str, hint: str) -> None:
    project.write(file, text)
    assert_refused(project, "run", "--", "true", status=4, says=says, hint=hint, whole=False)
