"""Commands that do not exist, that fail, and that do to the project what no command should."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from bad_input_helpers import assert_complaint, assert_healthy, assert_refused, posix, tree, troubles

from shell import Shell


@pytest.mark.parametrize(
    ("command", "status", "says", "hint"),
    [
        (["pyhton", "train.py"], 127, "command not found: pyhton", "did you mean python"),
        (["train.py"], 127, "command not found: train.py", "type: python train.py"),
        (["./trian.py"], 127, "command not found: ./trian.py", "did you mean python ./train.py?"),
        (["./train.py"], 126, "./train.py is not executable", "python ./train.py"),
        (["python train.py"], 127, "command not found: python train.py", "without quotes"),
        (["./data"], 126, "./data is a folder", "name a program"),
        ([""], 127, "command not found", ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_start_is_no_run(model: Shell, command: list[str], status: int, says: str, hint: str) -> None:
    assert_refused(model, "run", "--", *command, status=status, says=says, hint=hint)


def test_what_the_system_refuses_to_start_is_a_failed_run(model: Shell) -> None:
    model.write("broken.sh", "#!/nowhere/python\n").chmod(0o755)
    done = model.cloche("run", "--", "./broken.sh", status=126)
    assert_complaint(done, "its interpreter /nowhere/python does not exist", "correct its first line")
    run = model.facts("show")["run"]
    assert (run["status"], run["exit_status"]) == ("failed", 126)
    assert [one["check"] for one in run["findings"]] == ["not-started"]
    assert_healthy(model)


def test_a_command_that_fails_is_a_run_and_its_status_is_ours(model: Shell) -> None:
    model.write("train.py", "import cloche, sys; cloche.log(loss=0.5); open('half.bin', 'w'); sys.exit(3)\n")
    done = model.cloche("run", "--", "python", "train.py", status=3)
    assert "failed with exit status 3" in done.err
    run = model.facts("show")["run"]
    assert (run["status"], run["exit_status"], run["metrics"]) == ("failed", 3, {"loss": 0.5})
    assert [one["path"] for one in run["outputs"]] == ["half.bin"]
    assert_healthy(model)


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGINT", "SIGPIPE"])
def test_a_command_that_is_killed_is_a_run_and_we_die_like_it(model: Shell, name: str) -> None:
    number = signal.Signals[name]
    model.write("train.py", f"import cloche, os; cloche.log(loss=0.5); os.kill(os.getpid(), {number})\n")
    status = -number
    code = f"import signal; signal.signal({number}, signal.SIG_DFL)\n" if name in ("SIGINT", "SIGPIPE") else ""
    model.write("train.py", code + model.read("train.py"))
    model.cloche("run", "--", "python", "train.py", status=status)
    run = model.facts("show")["run"]
    assert (run["signal"], run["exit_status"], run["metrics"]) == (name, None, {"loss": 0.5})
    assert run["status"] == "killed"
    assert_healthy(model)


def test_a_stage_that_is_killed_stops_the_pipeline(model: Shell) -> None:
    model.write(
        "cloche.toml",
        "[stages.a]\nrun = 'kill -9 $$'\nwrites = ['out']\n[stages.b]\nrun = 'touch ran'\nreads = ['out']\n",
    )
    model.cloche("run", status=-signal.SIGKILL)
    run = model.facts("show")["run"]
    assert (run["status"], run["signal"], [stage["name"] for stage in run["stages"]]) == ("killed", "SIGKILL", ["a"])
    assert not (model.folder / "ran").exists()


def test_a_program_that_goes_elsewhere(model: Shell) -> None:
    """What it writes by its own path counts, wherever it stands; what it leaves elsewhere is not the project's."""
    model.write(
        "train.py",
        "import os\nos.makedirs('out/deep')\nos.chdir('out/deep')\nopen('here.bin', 'w').write('1')\n"
        "os.chdir('/')\nimport cloche; cloche.log(auc=1)\n",
    )
    run = model.run()
    assert ([one["path"] for one in run["outputs"]], run["metrics"]) == (["out/deep/here.bin"], {"auc": 1})
    assert_healthy(model)


def test_a_program_that_deletes_its_folder_while_it_stands_in_it(model: Shell) -> None:
    (model.folder / "sub").mkdir()
    inner = Shell(model.folder / "sub", model.variables)
    run = inner.run(command=["sh", "-c", "rmdir ../sub; echo done"])
    assert run["status"] == "finished"
    assert_healthy(model)


def test_a_program_that_deletes_its_own_inputs(model: Shell) -> None:
    before = tree(model.folder)
    model.write("train.py", "import shutil, os\nshutil.rmtree('data'); os.unlink('params.toml'); os.unlink(__file__)\n")
    changed = model.data("train.py")
    run = model.run()
    assert run["status"] == "finished"
    [finding] = run["findings"]
    assert finding["check"] == "input-changed"
    assert "data/points.csv" in finding["message"]
    assert "disappeared" in finding["message"]
    model.cloche("revert", "@")
    assert model.data("train.py") == changed
    assert {path: one for path, one in tree(model.folder).items() if not path.endswith(b"train.py")} == {
        path: one for path, one in before.items() if not path.endswith(b"train.py")
    }
    assert_healthy(model)


def test_a_program_that_deletes_the_settings(model: Shell) -> None:
    model.write("train.py", "import os; os.unlink('cloche.toml'); os.unlink('cloche.lock')\n")
    run = model.run()
    assert run["status"] == "finished"
    assert [one["check"] for one in run["findings"]] == ["input-changed"]
    assert_complaint(model.cloche("status", status=3), "is not in a Cloche project", "cloche init")
    model.write("cloche.toml", "")
    assert model.facts("log")[0]["id"] == run["id"], "nothing else is lost"
    model.cloche("revert", "@", "--only", "code,data")
    assert_healthy(model)


def test_a_program_that_deletes_the_store(model: Shell) -> None:
    """The record is gone with it, and that is said: the exit status tells, and the next command starts anew."""
    model.run()
    model.write("train.py", "import shutil; shutil.rmtree('.cloche'); print('deleted')\n")
    done = model.cloche("run", "--", "python", "train.py", status=9)
    assert done.out == "deleted\n"
    assert ".cloche/catalog.db was deleted or replaced while it was in use" in done.err
    assert "hint: " in done.err
    assert model.facts("log") == []
    assert troubles(model) == ["data"]
    model.cloche("add")
    assert model.run(command=["true"])["status"] == "finished"
    assert_healthy(model)


@pytest.mark.parametrize("what", ["store", "cache", "runs", "tmp", "catalog.db"])
def test_a_program_that_deletes_a_part_of_the_store(model: Shell, what: str) -> None:
    model.run()
    code = (
        f"import os, shutil\npath = '.cloche/{what}'\nshutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)\n"
    )
    model.write("train.py", code + "open('model.bin', 'w').write('new')\n")
    recorded = what not in ("catalog.db",)
    model.cloche("run", "--", "python", "train.py", status=0 if recorded else 9)
    if what in ("cache", "tmp"):
        assert model.facts("show")["run"]["findings"] == []
        assert_healthy(model)
    elif what == "runs":
        assert [one["check"] for one in model.facts("show")["run"]["findings"]] == ["log-lost"]
        assert_healthy(model)
    elif what == "store":
        assert set(troubles(model)) == {"content", "data"}
        assert_complaint(model.cloche("revert", "@~1", status=None), "the store does not hold", "cloche verify")
    model.cloche("add")
    assert model.run(command=["true"])["status"] == "finished"
    model.cloche("status")


def test_a_program_that_writes_into_the_store(model: Shell) -> None:
    model.write("train.py", "open('.cloche/mine.txt', 'w').write('1'); open('.git/mine.txt', 'w').write('1')\n")
    run = model.run()
    assert run["outputs"] == []
    assert_healthy(model)


def test_a_program_that_runs_cloche(model: Shell) -> None:
    """A run within a run: two records, and the inner one says that it was not alone."""
    model.write(
        "outer.py", "import subprocess; subprocess.run(['cloche', 'run', '--', 'python', 'train.py'], check=True)\n"
    )
    model.run(command=["python", "outer.py"])
    outer, inner = model.facts("log")[::-1]
    assert (outer["status"], inner["status"]) == ("finished", "finished")
    assert [one["check"] for one in model.facts("show", inner["id"])["run"]["findings"]] == ["not-alone"]
    assert_healthy(model)


def test_a_program_that_reverts_under_itself_is_refused(model: Shell) -> None:
    model.run()
    model.write(
        "train.py", "import subprocess, sys; sys.exit(subprocess.run(['cloche', 'revert', '@~1']).returncode)\n"
    )
    before = tree(model.folder)
    done = model.cloche("run", "--", "python", "train.py", status=7)
    assert "is still going" in done.err
    assert tree(model.folder) == before


def test_outputs_of_every_odd_kind(model: Shell) -> None:
    model.write(
        "train.py",
        "import os\nos.makedirs('out/empty/deep')\nos.symlink('nowhere', 'out/dangling')\n"
        "os.symlink('loop', 'out/loop')\nos.symlink('/etc', 'out/away')\nopen('out/none', 'w')\n"
        "open(b'out/\\xff\\n', 'w').write('x')\n"
        "open('out/tool', 'w').write('#!/bin/sh\\n'); os.chmod('out/tool', 0o755)\n"
        "hasattr(os, 'mkfifo') and os.mkfifo('out/pipe')\n",
    )
    model.write("cloche.toml", "[stages.train]\nrun = 'python train.py'\nreads = ['train.py']\nwrites = ['out']\n")
    run = model.run(command=())
    assert run["status"] == "finished"
    if sys.platform != "win32":
        os.unlink(model.folder / "out/pipe")
    before = tree(model.folder / "out")
    model("rm", "-r", "out")
    assert model.run(command=())["stages"][0]["reused"] == run["id"]
    assert tree(model.folder / "out") == before
    model("rm", "-r", "out")
    model.cloche("revert", "@")
    assert tree(model.folder / "out") == before
    assert_healthy(model)


def test_an_output_that_cannot_be_read_is_a_finding_and_no_lost_run(model: Shell) -> None:
    """As root nothing is unreadable; a file that keeps growing is as good."""
    model.write(
        "train.py",
        "import cloche, os, subprocess, sys\ncloche.log(auc=0.5)\nopen('good.bin', 'w').write('1')\n"
        "open('grows.bin', 'wb').write(b'0' * 30_000_000)\n"
        'code = \'import time; end = time.time() + 20; out = open("grows.bin", "ab", buffering=0)\\n\''
        '\'while time.time() < end and not __import__("os").path.exists("stop"): out.write(b"more")\'\n'
        "subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n",
    )
    try:
        run = model.run()
    finally:
        (model.folder / "stop").touch()
    assert (run["status"], run["metrics"]) == ("finished", {"auc": 0.5})
    assert "good.bin" in [one["path"] for one in run["outputs"]]
    assert [one["check"] for one in run["findings"]] == ["still-running", "output-lost"]
    assert "grows.bin" in run["findings"][1]["message"]


def test_a_huge_list_of_arguments(model: Shell) -> None:
    model.write("count.py", "import sys; print(len(sys.argv), sum(map(len, sys.argv)))\n")
    words = [f"argument-number-{number}" for number in range(20_000)]
    done = model.cloche("run", "-q", "--", "python", "count.py", *words)
    assert done.out.startswith("20001 ")
    assert len(model.facts("show")["run"]["command"]) == 20_002
    model.cloche("show")
    assert max(map(len, model.cloche("log").out.splitlines())) < 500
    huge = "x" * 131_000
    assert model.cloche("run", "-q", "--", "python", "count.py", huge).out.startswith("2 ")
    assert_healthy(model)


def test_a_log_of_50_megabytes(model: Shell) -> None:
    code = "import sys\nfor number in range(500): sys.stdout.write(f'{number:08} ' * 11111 + '\\n')\n"
    model.write("loud.py", code)
    done = model("sh", "-c", "cloche run -q -- python loud.py | cksum")
    assert done.out == model("sh", "-c", "python loud.py | cksum").out
    assert model("sh", "-c", "cloche show --log | cksum").out == done.out
    stored = sum(file.stat().st_size for file in (model.folder / ".cloche").rglob("*") if file.is_file())
    assert stored < 10_000_000, "compressed, and no second copy of it left over"
    assert_healthy(model)


def test_secrets_that_a_run_writes_are_no_outputs(model: Shell) -> None:
    model.write("train.py", "open('.env', 'w').write('KEY=1'); open('model.bin', 'w').write('1')\n")
    assert [one["path"] for one in model.run()["outputs"]] == ["model.bin"]
