"""`cloche run`: the command runs as if Cloche were not there, and everything about it is on record."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shell import BIN, Shell


def test_the_command_prints_and_ends_as_ever(plain: Shell) -> None:
    plain.write("train.py", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)\n")
    done = plain.cloche("run", "-q", "--", "python", "train.py", status=7)
    assert (done.out, done.err) == ("out\n", "err\n")
    run = plain.facts("show")["run"]
    assert (run["status"], run["exit_status"], run["signal"]) == ("failed", 7, "")
    assert run["command"] == ["python", "train.py"]


def test_the_summary_names_the_run_and_what_came_out(model: Shell) -> None:
    done = model.cloche("run", "--", "python", "train.py")
    run = model.facts("show")["run"]
    assert done.out == "total 16.0\n"
    assert f"run {run['id'][:8]}: finished in " in done.err
    assert "total 16, rows 3, 2 outputs" in done.err


def test_what_it_prints_is_kept_byte_for_byte(plain: Shell) -> None:
    plain.write("noise.py", "import os\nos.write(1, bytes(range(256)) * 300 + b'\\r\\x1b[31m no newline')\n")
    plain.cloche("run", "--", "python", "noise.py")
    shown = subprocess.run(
        [BIN / "cloche", "show", "--log"], cwd=plain.folder, env=plain.variables, capture_output=True, check=True
    )
    assert shown.stdout == bytes(range(256)) * 300 + b"\r\x1b[31m no newline"


def test_both_streams_are_kept_in_their_order(plain: Shell) -> None:
    plain.write("both.sh", "echo one; echo two >&2; echo three\n")
    plain.cloche("run", "--", "sh", "both.sh")
    assert sorted(plain.cloche("show", "--log").out.splitlines()) == ["one", "three", "two"]


def test_resources_of_the_whole_process_tree_are_measured(plain: Shell) -> None:
    plain.write(
        "work.py",
        "import subprocess, sys, time\n"
        "child = 'import time; data = bytearray(60_000_000); end = time.process_time() + .3\\n'\\\n"
        "        'while time.process_time() < end: pass'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n",
    )
    resources = plain.run(command=["python", "work.py"])["resources"]
    assert resources["wall"] >= 0.3
    assert resources["cpu"] >= 0.3
    assert resources["peak_memory"] > 60_000_000


def test_message_and_experiment_are_on_record(plain: Shell) -> None:
    run = plain.run("-m", "with ümlaut", "-e", "baseline", command=["true"])
    assert (run["message"], run["experiment"]) == ("with ümlaut", "baseline")


def test_a_command_starts_in_the_folder_one_is_in(plain: Shell) -> None:
    plain.write("sub dir/where.py", "import os; print(os.getcwd())\n")
    inside = Shell(plain.folder / "sub dir", plain.variables)
    run = inside.run(command=["python", "where.py"])
    assert run["folder"] == "sub dir"
    assert plain.cloche("show", "--log").out == f"{plain.folder / 'sub dir'}\n"


def test_options_of_the_command_are_its_own(plain: Shell) -> None:
    plain.write("args.py", "import sys; print(sys.argv[1:])\n")
    done = plain.cloche("run", "-q", "python", "args.py", "-m", "x", "--json", "-P", "a=b", "")
    assert done.out == "['-m', 'x', '--json', '-P', 'a=b', '']\n"


def test_words_that_are_no_text_are_passed_on(plain: Shell) -> None:
    plain.write("args.py", "import os, sys; os.write(1, os.fsencode(sys.argv[1]))\n")
    plain.cloche("run", "-q", "--", "python", "args.py", b"na\xffme")
    assert plain.facts("show")["run"]["command"] == ["python", "args.py", "na\\xffme"]


def test_input_reaches_the_command(plain: Shell) -> None:
    done = subprocess.run(
        [BIN / "cloche", "run", "-q", "--", "cat"],
        cwd=plain.folder,
        env=plain.variables,
        input=b"typed\x00in",
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"typed\x00in"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_command_that_is_killed_is_killed(plain: Shell) -> None:
    plain.write("die.py", "import os, signal; print('so far', flush=True); os.kill(os.getpid(), signal.SIGKILL)\n")
    plain.cloche("run", "-q", "--", "python", "die.py", status=-signal.SIGKILL)
    run = plain.facts("show")["run"]
    assert (run["status"], run["signal"], run["exit_status"]) == ("killed", "SIGKILL", None)
    assert plain.cloche("show", "--log").out == "so far\n"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_the_command_and_is_on_record(plain: Shell) -> None:
    plain.write("wait.py", "import time; open('ready', 'w').close(); time.sleep(60)\n")
    process = subprocess.Popen(
        [BIN / "cloche", "run", "--", "python", "wait.py"],
        cwd=plain.folder,
        env=plain.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(plain.folder / "ready")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) != 0
    assert plain.facts("show")["run"]["status"] == "interrupted"


def wait_for(file: Path) -> None:
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end, f"{file.name} never came"
        time.sleep(0.02)


def test_a_recorder_that_is_killed_loses_nothing_that_was_logged(plain: Shell) -> None:
    plain.write(
        "long.py",
        "import cloche, os, time\nprint('began', flush=True)\ncloche.log(step=3, loss=.5)\n"
        "open('ready.new', 'w').write(str(os.getpid()))\nos.rename('ready.new', 'ready')\ntime.sleep(60)\n",
    )
    process = subprocess.Popen(
        [BIN / "cloche", "run", "--", "python", "long.py"],
        cwd=plain.folder,
        env=plain.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(plain.folder / "ready")
    try:
        going = plain.facts("show")["run"]
        assert going["status"] == "running"
        assert plain.cloche("show", "--log").out == "began\n"
        assert plain.facts("status")["going"] == [going["id"]]
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(plain.read("ready")), signal.SIGKILL)
    run = plain.facts("show")["run"]
    assert (run["id"], run["status"]) == (going["id"], "killed")
    assert run["metrics"] == {"loss": 0.5}
    assert [one["check"] for one in run["findings"]] == ["recorder-killed"]
    assert plain.cloche("show", "--log").out == "began\n"
    assert plain.facts("status")["going"] == []


def test_two_runs_at_once_are_both_on_record(plain: Shell) -> None:
    plain.write(
        "meet.py",
        "import os, sys, time\nmine, other = sys.argv[1:]\nopen(mine, 'w').close()\n"
        "while not os.path.exists(other): time.sleep(.02)\n",
    )
    words = [str(BIN / "cloche"), "run", "-q", "--", "python", "meet.py"]
    both = [
        subprocess.Popen([*words, mine, other], cwd=plain.folder, env=plain.variables)
        for mine, other in (("one", "two"), ("two", "one"))
    ]
    assert [one.wait(60) for one in both] == [0, 0]
    runs = plain.facts("log")
    assert [run["status"] for run in runs] == ["finished", "finished"]
    noticed = [one["check"] for run in runs for one in plain.facts("show", run["id"])["run"]["findings"]]
    assert noticed == ["not-alone", "not-alone"], "the first one learns of the second when it ends"


def test_what_cannot_start_is_an_error_and_no_run(plain: Shell) -> None:
    plain.write("plain.txt", "text")
    missing = plain.cloche("run", "--", "pyhton", "train.py", status=127)
    assert "pyhton" in missing.err
    assert "hint:" in missing.err
    assert plain.cloche("run", "--", "./plain.txt", status=126).status == 126
    nothing = plain.cloche("run", status=2)
    assert "nothing to run" in nothing.err
    assert "cloche run -- python train.py" in nothing.err
    assert "--force" in plain.cloche("run", "--force", "--", "true", status=2).err
    assert plain.facts("log") == []


def test_a_foreign_script_behaves_as_without_cloche(plain: Shell) -> None:
    plain.write(
        "script.py",
        "import json, os, random, sys\n"
        "print(__name__, sys.argv, sys.path[0] == os.getcwd(), sorted(m for m in sys.modules if 'cloche' in m))\n"
        "print(os.path.basename(sys.executable), sys.flags, random.Random(1).random())\n",
    )
    bare = plain("python", "script.py").out
    recorded = plain.cloche("run", "-q", "--", "python", "script.py").out
    assert recorded == bare


def test_variables_meant_for_the_program_reach_it(plain: Shell) -> None:
    plain.write("libs/mine.py", "WORD = 'found'\n")
    code = "import mine, os; print(mine.WORD, os.environ['PYTHONHASHSEED'])"
    done = plain.cloche(
        "run", "-q", "--", "python", "-c", code, PYTHONPATH=str(plain.folder / "libs"), PYTHONHASHSEED="7"
    )
    assert done.out == "found 7\n"
    assert plain.facts("show")["environment"]["variables"]["PYTHONHASHSEED"] == "7"


def test_a_module_of_the_project_called_json_breaks_nothing(plain: Shell) -> None:
    plain.write("json.py", "raise SystemExit('the wrong json')\n")
    plain.write("train.py", "import cloche; cloche.log(auc=.5)\n")
    assert plain.run()["metrics"] == {"auc": 0.5}


def test_json_comes_after_what_the_command_printed(plain: Shell) -> None:
    done = plain.cloche("run", "-q", "--json", "--", "echo", "hello")
    first, _, rest = done.out.partition("\n")
    assert first == "hello"
    assert json.loads(rest)["status"] == "finished"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_program_that_takes_ctrl_c_for_enough_ends_well(plain: Shell) -> None:
    """The idiom of early stopping: catch it, save, and end with 0."""
    plain.write(
        "early.py",
        "import time\ntry:\n    open('ready', 'w').close(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    open('model', 'w').close()\n",
    )
    process = subprocess.Popen(
        [BIN / "cloche", "run", "--", "python", "early.py"],
        cwd=plain.folder,
        env=plain.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for(plain.folder / "ready")
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 0
    assert "interrupted in" in said
    run = plain.facts("show")["run"]
    assert (run["status"], run["exit_status"]) == ("interrupted", 0)
    assert "model" in [one["path"] for one in run["outputs"]]


def test_a_misspelt_option_is_no_command(plain: Shell) -> None:
    assert "there is no option --forse\nhint: did you mean --force?" in plain.cloche("run", "--forse", status=2).err
    assert "hint: see `cloche run --help`" in plain.cloche("run", "-x", status=2).err


def test_nothing_typed_is_answered_with_the_help(folder: Shell) -> None:
    done = folder.cloche(status=2)
    assert done.err.startswith("Usage: cloche ")
    assert folder.cloche("--help").out.strip() in done.err
