from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest
from capture_helpers import put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.capture.interpreter import find_python
from cloche.errors import SettingsError
from cloche.model.settings import EnvironmentSection, Settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX commands")


def program(file: Path, text: str = "#!/bin/false\n") -> Path:
    put(file, text).chmod(0o755)
    return file


class World:
    """A project, with programs on PATH that are never started."""

    def __init__(self, tmp_path: Path) -> None:
        self.top = tmp_path
        self.root = tmp_path / "project"
        self.root.mkdir()
        self.bin = tmp_path / "bin"
        for name in ("python", "python3", "python3.12", "pypy3", "true"):
            program(self.bin / name, "ELF")
        self.environ = {"PATH": str(self.bin), "HOME": str(tmp_path / "home")}

    def find(self, command: list[str] | str, folder: str = "", python: str = "") -> str:
        """The interpreter, relative to the top."""
        chosen = Settings(environment=EnvironmentSection(python=python))
        found = find_python(command, self.root, chosen, folder=self.root / folder, environ=self.environ)
        return os.path.relpath(os.path.normpath(found), self.top) if found else ""

    def environment(self, folder: Path) -> Path:
        put(folder / "pyvenv.cfg")
        return program(folder / "bin/python", "ELF").parent


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["python", "train.py"], "bin/python"),
        (["python3.12", "-m", "train"], "bin/python3.12"),
        (["pypy3", "x.py"], "bin/pypy3"),
        (["env", "-i", "A=b", "python3.12", "x.py"], "bin/python3.12"),
        (["nice", "-n", "5", "timeout", "-k", "3", "10", "python3.12", "x.py"], "bin/python3.12"),
        (["mpirun", "-np", "4", "python3.12", "x.py"], "bin/python3.12"),
        (["bash", "-ec", "set -u; python3.12 x.py"], "bin/python3.12"),
        ("cd sub && OMP_NUM_THREADS=1 python3.12 x.py > log 2>&1", "bin/python3.12"),
        ("# don't mind\nexport A=1 # neither\nif true; then python3.12 x.py; fi", "bin/python3.12"),
        ("cat a | python3.12 - ; python x.py", "bin/python3.12"),
        ("echo 'unbalanced ; python3.12", "bin/python3"),
        (["true"], "bin/python3"),
        (["nowhere-to-be-found"], "bin/python3"),
        ("", "bin/python3"),
        ([], "bin/python3"),
    ],
)
def test_the_python_of_a_command(world: World, command: list[str] | str, expected: str) -> None:
    assert world.find(command) == expected


def test_without_any_python_there_is_none(world: World) -> None:
    world.environ["PATH"] = str(world.top / "nothing")
    assert world.find(["true"]) == ""


def test_the_projects_environment_goes_before_the_one_on_path(world: World) -> None:
    world.environment(world.root / ".venv")
    assert world.find(["true"]) == "project/.venv/bin/python"
    assert world.find(["python", "x.py"]) == "bin/python"
    assert world.find([".venv/bin/python", "x.py"]) == "project/.venv/bin/python"
    assert world.find("cd sub && ../.venv/bin/python x.py") == "project/.venv/bin/python"
    assert world.find("source .venv/bin/activate && python x.py") == "project/.venv/bin/python"
    assert world.find("export PATH=.venv/bin:$PATH; python x.py") == "project/.venv/bin/python"


def test_the_settings_go_before_everything(world: World) -> None:
    world.environment(world.root / "envs/a")
    assert world.find(["python3.12"], python="envs/a") == "project/envs/a/bin/python"
    assert world.find(["python3.12"], python="envs/a/bin/python") == "project/envs/a/bin/python"
    assert world.find(["python3.12"], python="pypy3") == "bin/pypy3"
    with pytest.raises(SettingsError, match="names gone, which does not exist"):
        world.find(["python"], python="gone")


def test_scripts_name_their_interpreter(world: World) -> None:
    other = world.environment(world.top / "an env")
    program(other / "train", f"#!{world.bin}/python3.12\n")
    program(other / "long", f"#!/bin/sh\n'''exec' \"{other}/python\" \"$0\" \"$@\"\n' '''\n")
    program(other / "native", "ELF")
    program(world.bin / "tool", "#!/usr/bin/env -S python3.12 -u\n")
    program(world.root / "go.sh", "#!/bin/bash\nset -e\ncd sub\nexec pypy3 x.py\n")
    program(world.root / "loop.sh", "#!/bin/sh\n./loop.sh\n")
    assert world.find([str(other / "train")]) == "bin/python3.12"
    assert world.find([str(other / "long")]) == "an env/bin/python"
    assert world.find([str(other / "native")]) == "an env/bin/python"
    assert world.find(["tool"]) == "bin/python3.12"
    assert world.find(["./go.sh"]) == "bin/pypy3"
    assert world.find(["bash", "go.sh"]) == "bin/pypy3"
    assert world.find(["./loop.sh"]) == "bin/python3"


def test_uv_run(world: World) -> None:
    put(world.root / "pyproject.toml")
    program(world.bin / "uv", "ELF")
    assert world.find(["uv", "run", "train.py"]) == "bin/python3"
    world.environment(world.root / ".venv")
    active = world.environment(world.top / "active")
    world.environ["VIRTUAL_ENV"] = str(active.parent)
    assert world.find("uv run python train.py", folder="sub") == "project/.venv/bin/python"
    assert world.find(["uv", "run", "--active", "python"]) == "active/bin/python"
    world.environ["UV_PROJECT_ENVIRONMENT"] = "other"
    world.environment(world.root / "other")
    assert world.find(["uv", "run", "pytest"]) == "project/other/bin/python"
    assert world.find(["uv", "pip", "list"]) == "project/.venv/bin/python"


def test_poetry_run(world: World) -> None:
    put(world.root / "pyproject.toml")
    digest = hashlib.sha256(os.path.realpath(world.root).encode()).digest()
    name = f"project-{base64.urlsafe_b64encode(digest).decode()[:8]}-py3.12"
    world.environ["POETRY_CACHE_DIR"] = str(world.top / "cache")
    assert world.find(["poetry", "run", "python"]) == "bin/python3"
    world.environment(world.top / "cache/virtualenvs" / name)
    assert world.find(["poetry", "run", "python"]) == f"cache/virtualenvs/{name}/bin/python"


def test_conda_and_pixi_run(world: World) -> None:
    program(world.top / "conda/bin/conda")
    program(world.top / "conda/bin/python", "ELF")
    program(world.top / "conda/envs/ml/bin/python", "ELF")
    world.environ["CONDA_EXE"] = str(world.top / "conda/bin/conda")
    assert world.find("conda run -n ml python x.py") == "conda/envs/ml/bin/python"
    assert world.find(["conda", "run", "--name=base", "python"]) == "conda/bin/python"
    assert world.find(["conda", "run", "-p", str(world.top / "conda/envs/ml"), "python"]) == "conda/envs/ml/bin/python"
    program(world.root / ".pixi/envs/gpu/bin/python", "ELF")
    assert world.find(["pixi", "run", "-e", "gpu", "train"]) == "project/.pixi/envs/gpu/bin/python"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=60) | st.lists(st.text(max_size=10), max_size=5))
def test_any_command_can_be_looked_at(tmp_path: Path, command: str | list[str]) -> None:
    found = find_python(command, tmp_path, Settings(), environ={"PATH": "/nothing", "HOME": str(tmp_path)})
    assert found is None or os.path.isabs(found)
