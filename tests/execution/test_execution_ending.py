"""A command ends, and Cloche ends in the same way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from execution_bench import Bench, posix_only

from cloche.errors import ClocheError, InputError, RunFailed, UsageError
from cloche.execution import Execution, execute
from cloche.execution.ending import signal_name, signal_number

pytestmark = posix_only


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("status", [0, 1, 2, 100, 125, 126, 127, 128, 130, 137, 255])
def test_exit_status_is_kept(bench: Bench, status: int) -> None:
    assert bench.run(f"exit {status}").returncode == status
    assert bench.execution.exit_status == status
    assert bench.execution.signal == ""
    assert not bench.execution.interrupted


def test_every_exit_status(tmp_path: Path) -> None:
    for status in range(256):
        execution = execute(f"exit {status}", folder=tmp_path, variables={}, log=tmp_path / "log")
        assert (execution.exit_status, execution.signal) == (status, "")


@pytest.mark.parametrize(
    "name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGABRT", "SIGSEGV", "SIGPIPE", "SIGUSR1", "SIGXCPU"]
)
def test_a_signal_that_ends_the_command_ends_us(bench: Bench, name: str) -> None:
    number = signal_number(name)
    assert bench.run(f"kill -{number} $$").returncode == -number
    assert bench.execution.exit_status is None
    assert bench.execution.signal == name
    assert not bench.execution.interrupted


def test_no_core_is_dumped_for_us(bench: Bench) -> None:
    bench.run("ulimit -c 0; kill -ABRT $$")
    assert sorted(path.name for path in bench.folder.iterdir()) == ["log", "result.json"]


def test_signals_without_a_name() -> None:
    assert signal_name(signal.SIGKILL) == "SIGKILL"
    nameless = next(number for number in range(35, 64) if signal_name(number) == f"SIG{number}")
    assert signal_number(signal_name(nameless)) == nameless


def test_on_start_is_told_the_process(tmp_path: Path) -> None:
    seen: list[int] = []
    log = tmp_path / "log"
    execute("echo $$", folder=tmp_path, variables={}, log=log, on_start=seen.append)
    assert [int(log.read_text())] == seen


def test_an_error_in_on_start_leaves_no_process(tmp_path: Path) -> None:
    seen: list[int] = []

    def fail(pid: int) -> None:
        seen.append(pid)
        raise UsageError("no")

    with pytest.raises(UsageError):
        execute("sleep 60", folder=tmp_path, variables=os.environ, log=tmp_path / "log", on_start=fail)
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_times(tmp_path: Path) -> None:
    execution = execute("sleep 0.2", folder=tmp_path, variables=os.environ, log=tmp_path / "log")
    assert 0.2 <= execution.resources.wall < 5
    assert 0.19 <= execution.ended - execution.started < 5


def test_works_outside_the_main_thread(tmp_path: Path) -> None:
    from threading import Thread

    found: list[Execution] = []
    log = tmp_path / "log"
    thread = Thread(
        target=lambda: found.append(execute("echo hi; exit 3", folder=tmp_path, variables=os.environ, log=log))
    )
    thread.start()
    thread.join(20)
    assert [execution.exit_status for execution in found] == [3]
    assert log.read_bytes() == b"hi\n"


def run_error(command: list[str], folder: Path, **variables: str) -> ClocheError:
    with pytest.raises(RunFailed) as caught:
        execute(command, folder=folder, variables={"PATH": os.environ["PATH"], **variables}, log=folder / "log")
    return caught.value


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    error = run_error(["pyhton3", "train.py"], tmp_path, PATH=str(Path(sys.executable).parent))
    assert error.exit_status == 127
    assert error.message == "command not found: pyhton3"
    assert error.hint == "did you mean python3?"


def test_a_command_that_does_not_exist_writes_no_traceback(bench: Bench) -> None:
    done = bench.run(["./nothing-here"])
    assert done.returncode == 127
    assert done.stderr.startswith(b"cloche: command not found: ./nothing-here\n")


def test_a_script_without_its_reader(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)\n")
    assert run_error(["train.py"], tmp_path).hint == "type: python train.py"
    assert run_error(["trian.py"], tmp_path).hint == "did you mean python train.py?"
    assert run_error(["./trian.py"], tmp_path).hint == "did you mean python ./train.py?"
    error = run_error(["./train.py"], tmp_path)
    assert (error.exit_status, error.message) == (126, "./train.py is not executable")
    assert error.hint == "type: python ./train.py"


def test_other_files_that_are_no_programs(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    assert run_error(["./tool"], tmp_path).hint == "type: chmod +x ./tool"
    error = run_error(["./"], tmp_path)
    assert (error.exit_status, error.message) == (126, "./ is a folder, not a program")
    assert run_error([""], tmp_path).exit_status == 127


def test_a_command_in_quotes(tmp_path: Path) -> None:
    error = run_error(["ls -l"], tmp_path)
    assert error.hint == "write the command without quotes: ls -l"


def test_an_interpreter_that_does_not_exist(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/python -u\n")
    script.chmod(0o755)
    error = run_error(["./script"], tmp_path)
    assert error.exit_status == 126
    assert "its interpreter /no/such/python -u does not exist" in error.message


def test_a_script_without_first_line_is_read_by_the_shell(bench: Bench) -> None:
    script = bench.folder / "script"
    script.write_text('echo "$0 $1"\n')
    script.chmod(0o755)
    assert bench.run(["./script", "a b"]).stdout == b"./script a b\n"


def test_the_path_of_the_given_variables_counts(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "cloche-test-tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho $0\n")
    tool.chmod(0o755)
    log = tmp_path / "log"
    execution = execute(["cloche-test-tool"], folder=tmp_path, variables={"PATH": f"bin:{os.environ['PATH']}"}, log=log)
    assert execution.exit_status == 0
    assert log.read_text() == "bin/cloche-test-tool\n"


def test_arguments_that_are_too_long(tmp_path: Path) -> None:
    error = run_error(["true", "x" * 10_000_000], tmp_path)
    assert (error.exit_status, error.message) == (126, "the arguments of the command are too long")


@pytest.mark.parametrize("command", [[], ["echo", "a\0b"], "", "  ", "echo \0"])
def test_no_command(tmp_path: Path, command: list[str] | str) -> None:
    with pytest.raises(UsageError):
        execute(command, folder=tmp_path, variables={}, log=tmp_path / "log")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        execute(["true"], folder=tmp_path / "none", variables={}, log=tmp_path / "log")


def test_nothing_is_left_open(tmp_path: Path) -> None:
    fds = Path("/proc/self/fd")
    if not fds.is_dir():
        pytest.skip("no /proc")
    before = sorted(os.listdir(fds))
    execute(["true"], folder=tmp_path, variables=os.environ, log=tmp_path / "log")
    with pytest.raises(RunFailed):
        execute(["no-such-thing"], folder=tmp_path, variables=os.environ, log=tmp_path / "log")
    assert sorted(os.listdir(fds)) == before


def test_handlers_are_as_before(tmp_path: Path) -> None:
    numbers = sorted(signal.valid_signals())
    before = [signal.getsignal(number) for number in numbers]
    execute(["true"], folder=tmp_path, variables=os.environ, log=tmp_path / "log")
    assert [signal.getsignal(number) for number in numbers] == before


def test_importing_is_light() -> None:
    heavy = ("psutil", "difflib", "pathlib._abc", "rich", "zstandard")
    text = f"import sys, cloche.execution; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_it_starts_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    variables = {"PATH": os.environ["PATH"], "PWD": str(tmp_path)}
    execute(
        [sys.executable, "-c", "import os; print(os.getcwd(), os.environ['PWD'])"],
        folder=folder,
        variables=variables,
        log=tmp_path / "log",
    )
    assert (tmp_path / "log").read_text() == f"{folder} {folder}\n"
