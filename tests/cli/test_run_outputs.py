"""What `cloche run` takes down when the command has ended: outputs and metrics."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from shell import Shell


def outputs(run: Any) -> dict[str, bool]:
    """The outputs of a run by path: whether each was declared."""
    return {one["path"]: one["declared"] for one in run["outputs"]}


def checks(run: Any) -> list[str]:
    return [one["check"] for one in run["findings"]]


class TestOutputs:
    def test_new_files_are_outputs_whether_git_ignores_them_or_not(self, model: Shell) -> None:
        run = model.run()
        assert outputs(run) == {"metrics.json": True, "model.bin": False}
        assert run["findings"] == []
        (binary,) = [one for one in run["outputs"] if one["path"] == "model.bin"]
        assert (binary["kind"], binary["size"]) == ("f", 4)

    def test_an_output_that_is_written_again_is_one_again(self, model: Shell) -> None:
        first = model.run()
        model.write("data/points.csv", "id,x\n1,5\n")
        again = model.run()
        assert outputs(again) == outputs(first)
        assert again["outputs"] != first["outputs"]
        assert again["findings"] == []

    def test_outputs_are_no_code(self, model: Shell) -> None:
        model.write("write.py", "open('table.txt', 'a').write('x')\n")
        first = model.run(command=["python", "write.py"])
        again = model.run(command=["python", "write.py"])
        assert outputs(first) == outputs(again) == {"table.txt": False}
        assert first["snapshot"]["code"]["tree"] == again["snapshot"]["code"]["tree"]
        assert model.facts("status")["clean"] is True

    def test_an_output_that_git_tracks_is_reported_as_a_changed_input(self, model: Shell) -> None:
        model.write("report.txt", "old\n")
        model.commit()
        run = model.run(command=["sh", "-c", "echo new > report.txt"])
        assert outputs(run) == {}
        assert checks(run) == ["input-changed"]
        assert "what the program itself writes belongs in `writes`" in run["findings"][0]["hint"]

    def test_a_deleted_output_is_no_output_of_the_run_that_deletes_it(self, model: Shell) -> None:
        model.run()
        run = model.run(command=["rm", "model.bin"])
        assert outputs(run) == {}
        assert run["findings"] == []

    def test_settings_leave_out_what_is_not_worth_keeping(self, plain: Shell) -> None:
        plain.write("cloche.toml", '[outputs]\nignore = ["*.tmp", "logs/**"]\n')
        run = plain.run(command=["sh", "-c", "mkdir logs deep; touch a.tmp deep/b.tmp logs/c.txt kept.txt"])
        assert outputs(run) == {"kept.txt": False}

    def test_secrets_that_a_command_writes_are_not_kept(self, plain: Shell) -> None:
        assert outputs(plain.run(command=["sh", "-c", "echo TOKEN=1 > .env; touch other"])) == {"other": False}

    def test_what_a_failing_command_wrote_is_kept_too(self, plain: Shell) -> None:
        run = plain.run(command=["sh", "-c", "echo half > half.txt; exit 3"], status=3)
        assert (run["status"], outputs(run)) == ("failed", {"half.txt": False})

    def test_a_file_with_a_future_time_stamp_is_still_seen_to_change(self, plain: Shell) -> None:
        plain.write("touch.sh", "echo $1 > out.txt; touch -d 2030-01-01 out.txt\n")
        one = plain.run(command=["sh", "touch.sh", "1"])
        two = plain.run(command=["sh", "touch.sh", "2"])
        assert one["outputs"][0]["digest"] != two["outputs"][0]["digest"]


class TestMetrics:
    def test_numbers_of_metric_files_by_dotted_key(self, plain: Shell) -> None:
        table = {"auc": 0.8, "n": 3, "name": "x", "ok": True, "fold": {"one": {"f1": 0.5}}, "list": [1, 2]}
        plain.write("metrics.json", json.dumps(table))
        plain.write("write.py", "s = open('metrics.json').read(); open('metrics.json', 'w').write(s + ' ')\n")
        metrics = plain.run(command=["python", "write.py"])["metrics"]
        assert {key: metrics[key] for key in ("auc", "n", "fold.one.f1")} == {"auc": 0.8, "n": 3.0, "fold.one.f1": 0.5}
        assert "name" not in metrics

    def test_a_metric_file_of_long_ago_is_not_taken_for_this_run(self, plain: Shell) -> None:
        plain.write("metrics.json", '{"auc": 0.9}')
        assert plain.run(command=["true"])["metrics"] == {}

    def test_named_files_and_patterns(self, plain: Shell) -> None:
        plain.write("cloche.toml", '[metrics]\nfiles = ["reports/*.json"]\n')
        plain.write("train.sh", "mkdir reports; cd reports; echo '{\"a\":1}' > x.json; echo '{\"a\":2}' > y.json\n")
        script = ". ./train.sh; echo {} > ../metrics.json"
        run = plain.run(command=["sh", "-c", script])
        assert run["metrics"] == {"a": 1.0, "reports/y.json:a": 2.0}
        assert outputs(run) == {"metrics.json": False, "reports/x.json": True, "reports/y.json": True}

    def test_a_broken_metric_file_is_a_finding_and_no_failure(self, plain: Shell) -> None:
        run = plain.run(command=["sh", "-c", "echo '[1, 2' > metrics.json; mkdir metrics; echo '[1]' > metrics/b.json"])
        assert (run["status"], run["metrics"]) == ("finished", {})
        assert checks(run) == ["metrics-unreadable", "metrics-unreadable"]

    def test_special_numbers_survive(self, plain: Shell) -> None:
        run = plain.run(command=["sh", "-c", 'echo \'{"a": NaN, "b": Infinity, "c": 1e400}\' > metrics.json'])
        assert set(run["metrics"]) == {"a", "b", "c"}
        assert "nan" in plain.cloche("show").out
        assert "inf" in plain.cloche("log").out


class TestLogged:
    def test_the_last_value_is_the_metric_and_all_are_the_series(self, plain: Shell) -> None:
        plain.write(
            "train.py",
            "import cloche\nfor step in range(4):\n    cloche.log(step=step, loss=1 / (step + 1), lr=.1)\n"
            "cloche.log({'val/auc': True})\n",
        )
        run = plain.run()
        assert run["metrics"] == {"loss": 0.25, "lr": 0.1, "val/auc": 1.0}
        series = plain.cloche("show", "--series").json
        assert series["loss"]["steps"] == [0, 1, 2, 3]
        assert series["loss"]["values"] == [1, 1 / 2, 1 / 3, 1 / 4]
        assert run["created"] - 1 <= series["loss"]["times"][0] <= run["ended"] + 1
        assert plain.facts("show")["series"] == {"loss": 4, "lr": 4, "val/auc": 1}

    def test_processes_and_threads_log_side_by_side(self, plain: Shell) -> None:
        plain.write(
            "train.py",
            "import cloche, os, subprocess, sys, threading\n"
            "if len(sys.argv) > 1:\n    [cloche.log(step=i, child=i) for i in range(200)]; sys.exit()\n"
            "child = subprocess.Popen([sys.executable, 'train.py', 'child'])\n"
            "def work(name):\n    [cloche.log({name: i}, step=i) for i in range(200)]\n"
            "threads = [threading.Thread(target=work, args=(f't{n}',)) for n in range(4)]\n"
            "[t.start() for t in threads]; [t.join() for t in threads]; child.wait()\n",
        )
        run = plain.run()
        assert run["metrics"] == {"child": 199, "t0": 199, "t1": 199, "t2": 199, "t3": 199}
        assert set(plain.facts("show")["series"].values()) == {200}
        assert run["findings"] == []

    def test_a_metric_file_goes_before_what_was_logged(self, plain: Shell) -> None:
        plain.write("train.py", "import cloche\ncloche.log(auc=.5)\nopen('metrics.json', 'w').write('{\"auc\": 1}')\n")
        assert plain.run()["metrics"] == {"auc": 1.0}

    def test_a_crash_keeps_what_was_logged_until_then(self, plain: Shell) -> None:
        plain.write("train.py", "import cloche, os\ncloche.log(loss=.1)\ncloche.log(loss=.2)\nos._exit(9)\n")
        run = plain.run(status=9)
        assert (run["status"], run["metrics"]) == ("failed", {"loss": 0.2})


class TestLightClient:
    SCRIPT = (
        "import cloche, sys\n"
        "assert 'msgspec' not in sys.modules\n"
        "print(cloche.params(), bool(cloche.run_id()), cloche.log(step=1, loss=cloche.params({'lr': 3})['lr']))\n"
    )

    def test_it_needs_no_installation(self, venv: Shell) -> None:
        venv.write("train.py", self.SCRIPT)
        venv.write("params.toml", "lr = 0.5\n[deep]\nname = 'x'\n")
        assert venv("python", "train.py", status=1).err.endswith("No module named 'cloche'\n")
        run = venv.run("-P", "lr=2")
        assert run["metrics"] == {"loss": 2.0}
        assert venv.cloche("show", "--log").out == "{'lr': 2.0, 'deep': {'name': 'x'}} True True\n"
        assert run["machine"]["python"].startswith(str(venv.folder / ".venv"))

    def test_outside_a_run_it_does_nothing(self, plain: Shell) -> None:
        plain.write("train.py", self.SCRIPT)
        assert plain("python", "train.py").out == "{} False False\n"

    def test_a_child_process_belongs_to_the_run(self, venv: Shell) -> None:
        venv.write("child.py", "import cloche; cloche.log(inner=1)\n")
        venv.write("train.py", "import subprocess, sys; subprocess.run([sys.executable, 'child.py'], check=True)\n")
        assert venv.run()["metrics"] == {"inner": 1.0}

    def test_a_value_that_is_no_number_is_an_error_with_its_key(self, plain: Shell) -> None:
        plain.write("train.py", "import cloche; cloche.log(loss='low')\n")
        plain.cloche("run", "-q", "--", "python", "train.py", status=1)
        assert "the value of 'loss' is not a number but str" in plain.cloche("show", "--log").out


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_a_process_that_outlives_the_command_is_said(plain: Shell) -> None:
    run = plain.run(command=["sh", "-c", "(sleep 5; echo late) & echo now"])
    assert [one["check"] for one in run["findings"]] == ["still-running"]
    assert plain.cloche("show", "--log").out == "now\n"
    quiet = plain.run(command=["sh", "-c", "sleep 5 > /dev/null 2>&1 & echo now"])
    assert [one["check"] for one in quiet["findings"]] == ["still-running"]
    assert plain.run(command=["sh", "-c", "sleep .1 > /dev/null 2>&1 & echo now"])["findings"] == []


def test_a_metric_file_that_the_pipeline_does_not_write_is_said(plain: Shell) -> None:
    plain.write(
        "cloche.toml", "[metrics]\nfiles = ['scores.json']\n[stages.a]\nrun = 'true'\n[stages.b]\nrun = 'true'\n"
    )
    assert checks(plain.run("--stage", "a", command=())) == []
    assert checks(plain.run(command=())) == ["metrics-missing"]


def test_files_that_cloche_itself_writes_meanwhile_are_no_outputs(project: Shell) -> None:
    project.write("data/a.csv", "1\n")
    project.write("t.py", "import subprocess; subprocess.run(['cloche', 'add', 'data'], check=True)\n")
    assert outputs(project.run(command=["python", "t.py"])) == {}


def test_the_light_client_says_what_is_missing(venv: Shell) -> None:
    done = venv.cloche(
        "run", "-q", "--", "python", "-c", "import cloche; cloche.open_file('@:data/x.csv')", status=None
    )
    assert done.status == 1
    assert "install cloche in the environment of" in done.err
    assert ".venv" in done.err
