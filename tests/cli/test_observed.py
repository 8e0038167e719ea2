"""Files that a run reads although they are none of its four inputs: on record, compared, and put back."""

from __future__ import annotations

import os
from typing import Any

import pytest

from shell import Shell

DOUBLE = "import cloche; cloche.log(m=2 * float(open('in.csv').read()))\n"


def findings(run: Any) -> list[tuple[str, str]]:
    """Check and file of each finding."""
    return [(one["check"], one["place"].get("file", "")) for one in run["findings"]]


def ignoring(shell: Shell) -> Shell:
    """A project whose input is ignored by Git and not added."""
    shell.write(".gitignore", "*.csv\n")
    shell.write("in.csv", "1")
    shell.write("train.py", DOUBLE)
    return shell


def test_an_ignored_file_that_is_read_is_a_finding_and_seen_to_change(project: Shell) -> None:
    first = ignoring(project).run()
    assert findings(first) == [("not-recorded", "in.csv")]
    assert first["findings"][0]["hint"].startswith("type `cloche add in.csv`")
    assert project.facts("status")["clean"]
    project.write("in.csv", "7")
    status = project.facts("status")
    assert (status["clean"], [one["path"] for one in status["read"]]) == (False, ["in.csv"])
    assert "in.csv" in project.cloche("status").out
    second = project.run()
    assert (first["metrics"], second["metrics"]) == ({"m": 2.0}, {"m": 14.0})
    found = project.facts("diff", "@~1", "@")
    assert ([one["path"] for one in found["read"]], found["same"]) == (["in.csv"], ["code", "config", "environment"])
    assert "files read besides" in project.cloche("diff", "@~1", "@").out


def test_a_revert_says_what_it_cannot_put_back(project: Shell) -> None:
    first = ignoring(project).run()
    project.write("in.csv", "7")
    done = project.cloche("revert", first["id"])
    assert "in.csv is not as it was, and its content was never recorded" in done.err
    assert project.read("in.csv") == "7"
    project.cloche("add", "in.csv")
    assert project.run()["findings"] == []


def test_declared_reads_count_whatever_opens_them(project: Shell) -> None:
    ignoring(project).write(
        "cloche.toml", "[stages.t]\nrun = 'cat in.csv > out.txt'\nreads = ['in.csv']\nwrites = ['out.txt']\n"
    )
    assert findings(project.run(command=())) == [("not-recorded", "in.csv")]
    reused = project.run(command=())
    assert reused["stages"][0]["reused"]
    assert [one["path"] for one in reused["observed"]] == ["in.csv"]


def chain(shell: Shell) -> Shell:
    """Two programs that are run one after the other, without a pipeline."""
    shell.write("prepare.py", "import sys; open('in.csv', 'w').write(sys.argv[1])\n")
    shell.write("train.py", DOUBLE)
    shell.run(command=["python", "prepare.py", "1"])
    return shell


def test_the_output_of_an_earlier_run_is_an_input_that_comes_back(project: Shell) -> None:
    first = chain(project).run()
    assert first["findings"] == []
    assert [one["path"] for one in first["observed"]] == ["in.csv"]
    assert "in.csv" in project.cloche("show").out
    project.run(command=["python", "prepare.py", "5"])
    second = project.run()
    assert (first["metrics"], second["metrics"]) == ({"m": 2.0}, {"m": 10.0})
    assert [one["path"] for one in project.facts("diff", first["id"], second["id"])["read"]] == ["in.csv"]
    assert project.facts("status", first["id"])["clean"] is False
    project.cloche("revert", first["id"])
    assert project.read("in.csv") == "1"
    assert project.run()["metrics"] == {"m": 2.0}
    project.cloche("undo", str(project.facts("history")[1]["number"]))
    assert project.read("in.csv") == "5"


def test_what_a_run_writes_itself_is_no_input(project: Shell) -> None:
    project.write("train.py", "open('out', 'w').write('x'); open('out').read()\n")
    project.run()
    run = project.run()
    assert (run["observed"], run["findings"]) == ([], [])
    assert [one["path"] for one in run["outputs"]] == ["out"]


STATE = """\
import cloche, os
n = int(open("state").read()) if os.path.exists("state") else 0
open("state", "w").write(str(n + 1))
cloche.log(n=n)
"""


def test_a_state_that_a_run_begins_with_and_changes_can_be_had_back(project: Shell) -> None:
    project.write("train.py", STATE)
    runs = [project.run() for _ in range(3)]
    assert [run["metrics"]["n"] for run in runs] == [0.0, 1.0, 2.0]
    assert [findings(run) for run in runs] == [[], [("read-and-changed", "state")], [("read-and-changed", "state")]]
    assert [one["path"] for one in project.facts("diff", "@~1", "@")["read"]] == ["state"]
    project.cloche("revert", "@~1")
    assert project.read("state") == "2", "what the run left"
    project.cloche("revert", runs[1]["id"], "--only", "code,data,config")
    assert project.read("state") == "1", "what it began with"
    assert project.run()["metrics"] == {"n": 1.0}


def test_a_state_that_nobody_recorded_is_said(project: Shell) -> None:
    project.write(".gitignore", "state\n")
    project.write("state", "5")
    project.write("train.py", STATE)
    [finding] = project.run()["findings"]
    assert (finding["check"], finding["hint"][:24]) == ("read-and-changed", "type `cloche add state` ")


def test_a_stage_that_reads_what_it_changes_is_run_again(project: Shell) -> None:
    project.write("train.py", STATE)
    project.write(".gitignore", "state\n")
    project.write("state", "0")
    project.write("cloche.toml", "[stages.t]\nrun = 'python train.py'\nreads = ['train.py']\nwrites = ['state']\n")
    assert [project.run(command=())["metrics"]["n"] for _ in range(3)] == [0.0, 1.0, 2.0]


def test_a_secret_that_is_read_is_neither_recorded_nor_to_be_added(project: Shell) -> None:
    project.write(".gitignore", ".env\n")
    project.write(".env", "TOKEN=hunter2\n")
    project.write("train.py", "open('.env').read()\n")
    run = project.run()
    assert (run["observed"], run["findings"]) == ([], [])


def test_a_python_that_cannot_be_observed_is_said(project: Shell) -> None:
    project.write("src/helper.py", "V = 1\n")
    project.write("train.py", "import helper; print(helper.V)\n")
    hidden = project.run(command=["sh", "-c", "PYTHONPATH=src python train.py"])
    assert findings(hidden) == [("not-observed", "")]
    blind = project.run(command=["env", "PYTHONPATH=src", "python", "train.py"])
    assert findings(blind) == [("not-observed", "train.py")]
    project.write("cloche.toml", "[stages.t]\nrun = 'PYTHONPATH=src python train.py'\nreads = ['train.py']\n")
    assert findings(project.run(command=())) == [("not-observed", "train.py")]
    project.write("cloche.toml", "[stages.t]\nrun = 'python -I train.py || true'\nreads = ['train.py']\n")
    assert findings(project.run(command=())) == [("not-observed", "train.py")]
    for harmless in (
        ["touch", "train.py"],
        ["echo", "python", "train.py"],
        ["python", "--version"],
        ["python", "-c", ""],
    ):
        assert findings(project.run(command=harmless)) == []


def test_many_files_are_kept_as_folders(project: Shell) -> None:
    project.write(
        "make.py", "import os; os.makedirs('raw')\nfor i in range(150): open(f'raw/{i}', 'w').write(str(i))\n"
    )
    project.write("train.py", "import cloche; cloche.log(n=sum(int(open(f'raw/{i}').read()) for i in range(149)))\n")
    project.run(command=["python", "make.py"])
    run = project.run()
    assert [(one["path"], one["kind"], one["count"]) for one in run["observed"]] == [("raw", "d", 149)]
    project.write("raw/7", "1000")
    project.write("raw/149", "not read")
    assert [one["path"] for one in project.facts("status")["read"]] == ["raw/7"]
    project.cloche("revert", "@")
    assert (project.read("raw/7"), project.read("raw/149")) == ("7", "not read")


def test_many_ignored_files_are_named_by_their_folder(project: Shell) -> None:
    project.write(".gitignore", "raw/\n")
    for number in range(5):
        project.write(f"raw/a/{number}", str(number))
    project.write("train.py", "[open(f'raw/a/{i}').read() for i in range(5)]\n")
    [finding] = project.run()["findings"]
    assert "raw/a/0, raw/a/1, raw/a/2 and 2 more" in finding["message"]
    assert finding["hint"].startswith("type `cloche add raw/a`")


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_file_behind_a_link_within_the_project_is_seen(project: Shell) -> None:
    ignoring(project)
    project.write("real/in.csv", "1")
    (project.folder / "data").symlink_to("real")
    project.write("train.py", DOUBLE.replace("in.csv", "data/in.csv"))
    assert findings(project.run()) == [("not-recorded", "real/in.csv")]
    project.write("real/in.csv", "5")
    assert project.facts("status")["clean"] is False


def test_metadata_of_packages_and_kept_folders_are_no_findings(project: Shell) -> None:
    project.write(".gitignore", "*.egg-info/\n")
    project.write("src/mine.egg-info/PKG-INFO", "Name: mine\n")
    project.write("out/.gitkeep", "")
    project.write("train.py", "open('src/mine.egg-info/PKG-INFO').read(); open('out/m', 'w').close()\n")
    project.write("cloche.toml", "[stages.t]\nrun = 'python train.py'\nreads = ['train.py']\nwrites = ['out']\n")
    project.commit()
    run = project.run(command=())
    assert [one["check"] for one in run["findings"]] in ([], ["undeclared-read"])


@pytest.mark.parametrize("then", ["git add --force in.csv", "rm .gitignore", "cloche add in.csv"])
def test_a_revert_never_deletes_what_the_run_read(project: Shell, then: str) -> None:
    run = ignoring(project).run()
    project("sh", "-c", then)
    project.commit()
    project.cloche("revert", run["id"])
    assert project.read("in.csv") == "1"
    assert project.run()["metrics"] == {"m": 2.0}


def test_an_earlier_output_that_was_committed_since_is_brought_back(project: Shell) -> None:
    first = chain(project).run()
    project.write("in.csv", "9")
    project.commit()
    project.cloche("revert", first["id"])
    assert project.read("in.csv") == "1"


STAGE = "[stages.s]\nrun = \"{run}\"\nreads = ['raw.txt', 'use.py']\nwrites = ['clean.txt', 'n.txt']\n"
USE = "open('n.txt', 'w').write(str(len(open('clean.txt').read())))\n"


@pytest.mark.parametrize("command", ["sort raw.txt > clean.txt; sleep .05; python use.py", "python atomic.py"])
def test_what_a_stage_writes_and_then_reads_is_no_state(project: Shell, command: str) -> None:
    project.write("use.py", USE)
    project.write("atomic.py", "import os\nopen('t.tmp', 'w').write('x')\nos.replace('t.tmp', 'clean.txt')\n" + USE)
    project.write("cloche.toml", STAGE.format(run=command))
    for text in ("b\na\n", "c\nb\na\n", "d\n"):
        project.write("raw.txt", text)
        run = project.run(command=())
        assert [check for check, _ in findings(run)] in ([], ["undeclared-read"])
        assert project.run(command=())["stages"][0]["reused"]
        assert findings(project.run("--force", command=())) == findings(run)


def test_a_state_that_a_run_left_is_no_change(project: Shell) -> None:
    project.write(".gitignore", "state\n")
    project.write("state", "0")
    project.write("train.py", STATE)
    project.run()
    project.run()
    assert project.facts("status")["clean"], "it is what the run made of it"
    assert project.facts("diff")["read"] == []
    project.write("state", "9")
    assert [one["path"] for one in project.facts("status")["read"]] == ["state"]


def test_a_large_checkpoint_is_on_record_as_it_was(project: Shell) -> None:
    project.write(
        "train.py",
        "import os\nn = open('ck.bin', 'rb').read(1)[0] + 1 if os.path.exists('ck.bin') else 1\n"
        "open('ck.bin', 'wb').write(bytes([n]) * 11_000_000)\nimport cloche; cloche.log(n=n)\n",
    )
    for _ in range(3):
        project.run()
    project.cloche("revert", "@", "--only", "code,data,config")
    assert project.data("ck.bin")[:1] == b"\x02"


def test_what_need_not_run_is_no_python_that_was_missed(project: Shell) -> None:
    project.write("train.py", "print(1)\n")
    assert findings(project.run(command=["sh", "-c", "true || python train.py"])) == []
    assert findings(project.run(command=["sh", "-c", "cd . && PYTHONPATH=src python train.py"])) == [
        ("not-observed", "")
    ]


def test_a_state_in_an_output_folder_comes_back_as_the_run_left_it(project: Shell) -> None:
    project.write(
        "train.py", "import os; os.makedirs('out', exist_ok=True)\n" + STATE.replace('"state"', '"out/state"')
    )
    project.write("cloche.toml", "[stages.t]\nrun = 'python train.py'\nreads = ['train.py']\nwrites = ['out']\n")
    project.run(command=())
    second = project.run("--force", command=())
    project.run("--force", command=())
    project.cloche("revert", second["id"])
    assert project.read("out/state") == "2"
    project.cloche("revert", second["id"], "--only", "code,data,config")
    assert project.read("out/state") == "1"
