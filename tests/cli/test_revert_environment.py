"""`cloche revert` puts packages back into the environment of the project, with the files or not at all."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from shell import BIN, Shell

pytestmark = pytest.mark.skipif(not (BIN / "uv").exists() and not shutil.which("uv"), reason="no uv")


def make_wheel(folder: Path, name: str, version: str) -> None:
    """A wheel with one module that says its version."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


class Environment:
    """A project with an environment, and a folder of wheels that is all that its installer knows."""

    def __init__(self, shell: Shell, wheels: Path) -> None:
        self.wheels = wheels
        known = {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels), "UV_NO_CACHE": "1"}
        self.shell = Shell(shell.folder, {**shell.variables, **known})
        for name, version in (("tiny", "1.0"), ("tiny", "2.0"), ("added", "1.0")):
            make_wheel(wheels, name, version)

    def install(self, *requirements: str) -> None:
        self.shell("uv", "pip", "install", "--quiet", "--python", self.python, *requirements)

    @property
    def python(self) -> str:
        return self.shell("python", "-c", "import sys; print(sys.executable)").out.strip()

    def packages(self) -> dict[str, str]:
        code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
        found: dict[str, str] = self.shell("python", "-c", code).json
        return found

    def train(self) -> Any:
        return self.shell.run()


@pytest.fixture
def environment(venv: Shell, tmp_path: Path) -> Environment:
    made = Environment(venv, tmp_path / "wheels")
    made.install("tiny==1.0")
    venv.write("train.py", "import tiny; print(tiny.version)\n")
    return made


def test_packages_come_back_and_undo_returns_the_newer(environment: Environment) -> None:
    shell = environment.shell
    environment.train()
    environment.install("tiny==2.0", "added==1.0")
    shell.write("train.py", "import added\n")
    preview = shell.facts("revert", "@", "--dry-run")
    assert {one["name"]: one["direction"] for one in preview["packages"]} == {"added": "removed", "tiny": "downgraded"}
    assert "package tiny: 2.0 → 1.0" in shell.cloche("revert", "@", "--dry-run").out
    assert environment.packages() == {"tiny": "2.0", "added": "1.0"}

    assert "1 file, 2 packages changed" in shell.cloche("revert", "@").err
    assert environment.packages() == {"tiny": "1.0"}
    assert shell.facts("status")["clean"] is True
    environment.train()
    assert shell.cloche("show", "--log").out == "1.0\n"

    shell.cloche("undo")  # the run
    shell.cloche("undo")
    assert environment.packages() == {"tiny": "2.0", "added": "1.0"}
    assert shell.read("train.py") == "import added\n"


def test_only_the_environment_or_only_the_rest(environment: Environment) -> None:
    shell = environment.shell
    environment.train()
    environment.install("tiny==2.0")
    shell.write("train.py", "mine\n")
    shell.cloche("revert", "@", "--only", "environment")
    assert (environment.packages(), shell.read("train.py")) == ({"tiny": "1.0"}, "mine\n")
    environment.install("tiny==2.0")
    shell.cloche("revert", "@", "--only", "code,data,config")
    assert (environment.packages(), shell.read("train.py")) == (
        {"tiny": "2.0"},
        "import tiny; print(tiny.version)\n",
    )


def test_a_version_that_cannot_be_had_changes_nothing(environment: Environment) -> None:
    shell = environment.shell
    environment.train()
    environment.install("tiny==2.0")
    shell.write("train.py", "mine\n")
    (environment.wheels / "tiny-1.0-py3-none-any.whl").unlink()
    done = shell.cloche("revert", "@", status=10)
    assert "tiny" in done.err
    assert "hint:" in done.err
    assert environment.packages() == {"tiny": "2.0"}
    assert shell.read("train.py") == "mine\n"
    assert [one["verb"] for one in shell.facts("history")][0:1] == ["run"]
