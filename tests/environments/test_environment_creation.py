"""A new environment has the interpreter version of the run, or is not made."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from environment_bench import isolate

from cloche.environments import create_environment, creation, installer
from cloche.environments.creation import find_interpreter
from cloche.errors import Conflict, PackageError
from cloche.model.environment import Distribution, Environment, Interpreter, Platform

HERE = Interpreter(platform.python_implementation(), platform.python_version())
TELL = "import sys, platform; print(platform.python_version(), sys.prefix)"


def wanted(interpreter: Interpreter | None, *names: str) -> Environment:
    return Environment(interpreter, tuple(Distribution(name, "1") for name in names), Platform("Linux", "x86_64"))


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only interpreter is the one that runs the tests."""
    isolate(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv-pythons"))
    monkeypatch.delenv("UV_PYTHON_DOWNLOADS", raising=False)


@pytest.mark.parametrize("with_uv", [True, False])
def test_the_same_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_uv: bool) -> None:
    if not with_uv:
        for module in (installer, creation):
            monkeypatch.setattr(module, "find_uv", lambda: ())
    python = create_environment(tmp_path, wanted(HERE))
    done = subprocess.run([python, "-I", "-c", TELL], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [HERE.version, str(tmp_path / ".venv")]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "mine").write_text("precious")
    with pytest.raises(Conflict, match="is there already"):
        create_environment(tmp_path, wanted(HERE))
    assert (tmp_path / ".venv" / "mine").read_text() == "precious"


@pytest.mark.parametrize(
    "interpreter",
    [Interpreter("CPython", "3.11.99"), Interpreter("PyPy", HERE.version), Interpreter("CPython", "3.2.1")],
)
def test_a_version_that_is_not_there(tmp_path: Path, interpreter: Interpreter) -> None:
    with pytest.raises(PackageError, match="is not on this machine") as caught:
        create_environment(tmp_path, wanted(interpreter))
    assert interpreter.version in caught.value.hint
    assert not (tmp_path / ".venv").exists()


def test_no_python_in_the_run(tmp_path: Path) -> None:
    with pytest.raises(PackageError):
        create_environment(tmp_path, wanted(None))


def test_an_interpreter_of_pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("a script is no program there")
    place = tmp_path / "pyenv" / "versions" / "3.99.1" / "bin" / "python"
    place.parent.mkdir(parents=True)
    place.write_text("#!/bin/sh\necho CPython 3.99.1\n")
    place.chmod(0o755)
    assert find_interpreter(Interpreter("CPython", "3.99.1"), tmp_path) == str(place)
    place.write_text("#!/bin/sh\necho CPython 3.99.2\n")
    assert find_interpreter(Interpreter("CPython", "3.99.1"), tmp_path) is None


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(python: str, interpreter: Interpreter, folder: Path) -> bool:
        return ".venv" + os.sep not in python.removeprefix(str(Path(sys.executable).parent))

    monkeypatch.setattr(creation, "is_version", wrong)
    with pytest.raises(PackageError):
        create_environment(tmp_path, wanted(HERE))
    assert not (tmp_path / ".venv").exists()
