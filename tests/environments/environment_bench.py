"""Small wheels, source projects and virtual environments, made without a network."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloche.capture.environment import environment_of, probe
from cloche.environments import apply_packages, plan_packages
from cloche.environments.installer import find_uv
from cloche.environments.prefix import python_in
from cloche.model.changes import PackageChange
from cloche.model.environment import Distribution, Environment


def make_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str] | None = None, requires: str = ""
) -> Path:
    """A wheel with one module that says its version, and further files."""
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    content = {
        f"{module}.py": f"version = {version!r}\n",
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_hash(text)},{len(text)}\n" for path, text in content.items()]
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
    return wheel


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


BACKEND = """
import base64, hashlib, os, zipfile
NAME, VERSION = {name!r}, {version!r}

def _hash(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()

def _build(folder, files):
    info = NAME + "-" + VERSION + ".dist-info"
    files = dict(files)
    files[info + "/METADATA"] = "Metadata-Version: 2.1\\nName: " + NAME + "\\nVersion: " + VERSION + "\\n"
    files[info + "/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    rows = [path + ",sha256=" + _hash(text) + "," + str(len(text)) + "\\n" for path, text in files.items()]
    files[info + "/RECORD"] = "".join(rows) + info + "/RECORD,,\\n"
    wheel = NAME + "-" + VERSION + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with open(NAME + ".py") as file:
        return _build(folder, {{NAME + ".py": file.read()}})

def build_editable(folder, config_settings=None, metadata_directory=None):
    return _build(folder, {{"__editable__" + NAME + ".pth": os.getcwd() + "\\n"}})
"""


def make_source(folder: Path, name: str, version: str, text: str = "") -> Path:
    """A source project that builds itself, without any package from elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text or f"version = {version!r}\n")
    (folder / "backend.py").write_text(BACKEND.format(name=name, version=version))
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
    )
    return folder


class Bench:
    """A virtual environment, and a folder of wheels that is all that its installer knows."""

    def __init__(self, folder: Path, prefix: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.prefix = prefix
        self.python = str(python_in(prefix))
        self._cache = folder / "cache"

    def read(self) -> Environment:
        return environment_of(probe(self.python, self._cache, root=self.root), {})

    @property
    def packages(self) -> dict[str, str]:
        """Versions by name, without the tools that came with the environment."""
        return {one.name: one.version for one in self.read().distributions if one.name not in ("pip", "setuptools")}

    @property
    def distributions(self) -> dict[str, Distribution]:
        return {one.name: one for one in self.read().distributions}

    def install(self, *words: str) -> None:
        """Install by hand."""
        uv = find_uv()
        if not (self.prefix / "uv-made").exists():
            line = [self.python, "-I", "-m", "pip", "install", "--no-deps", *words]
        else:
            line = [*uv, "pip", "install", "--python", self.python, "--no-deps", *words]
        subprocess.run(line, check=True, capture_output=True, cwd=self.root)

    def wheel(self, name: str, version: str, files: Mapping[str, str] | None = None) -> Path:
        return make_wheel(self.wheels, name, version, files)

    def plan(self, wanted: Environment) -> tuple[tuple[PackageChange, ...], tuple[str, ...]]:
        return plan_packages(self.python, self.read(), wanted, self.root)

    def go_to(self, wanted: Environment) -> tuple[PackageChange, ...]:
        changes, problems = self.plan(wanted)
        assert problems == ()
        apply_packages(self.python, changes, self.read, self.root)
        return changes

    def run(self, text: str) -> str:
        done = subprocess.run([self.python, "-I", "-c", text], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def listing(self) -> dict[str, bytes | str]:
        """Everything in the environment, but for compiled files: an interpreter that starts may add some."""
        return {
            str(path.relative_to(self.prefix)): path.read_bytes() if path.is_file() else "folder"
            for path in sorted(self.prefix.rglob("*"))
            if "__pycache__" not in path.parts and not path.is_symlink()
        }


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No index, no settings, no cache of the developer's machine."""
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, str(folder / "wheels"))
    for name in ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_NO_CONFIG"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "nul" if sys.platform == "win32" else "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "uv-cache"))
    for name in ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


def copy_environment(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target
