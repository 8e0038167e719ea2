"""Makes a virtual environment with the interpreter version of a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cloche.environments.installer import call, failed, find_uv
from cloche.environments.prefix import python_in
from cloche.errors import Conflict, PackageError
from cloche.model.environment import Environment, Interpreter

FOLDER = ".venv"
_TELL = "import platform; print(platform.python_implementation(), platform.python_version())"


def create_environment(folder: Path, wanted: Environment) -> str:
    """Make `folder/.venv` with the interpreter version of `wanted`, and without its packages. Returns the path of its
    interpreter.

    The interpreter is looked for among those of uv and pyenv and on PATH. None is downloaded, unless
    UV_PYTHON_DOWNLOADS allows uv to. Raises Conflict where `.venv` is there, and PackageError where there is no such
    interpreter.
    """
    place = folder / FOLDER
    if os.path.lexists(place):
        raise Conflict(f"{place} is there already", hint=f"rename it, as in: mv {FOLDER} {FOLDER}-old")
    if wanted.interpreter is None:
        raise PackageError("the run recorded no Python, so no environment can be made for it")
    base = find_interpreter(wanted.interpreter, folder)
    if base is None:
        version = wanted.interpreter.version
        raise PackageError(
            f"{wanted.interpreter.implementation} {version} is not on this machine",
            hint=f"install it, for example with: uv python install {version}",
        )
    try:
        _make(base, place, folder, wanted)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return str(python_in(place))


def _make(base: str, place: Path, folder: Path, wanted: Environment) -> None:
    uv = find_uv()
    if uv:
        seed = ["--seed"] if any(one.name == "pip" for one in wanted.distributions) else []
        done = call([*uv, "venv", "--no-project", "--no-python-downloads", "--python", base, *seed, str(place)], folder)
    else:
        done = call([base, "-I", "-m", "venv", str(place)], folder)
    if done.returncode:
        error = failed(done)
        raise PackageError(f"{place} could not be made:\n{error.message.partition(chr(10))[2]}")
    python = str(python_in(place))
    if wanted.interpreter is None or not is_version(python, wanted.interpreter, folder):
        raise PackageError(f"{base} made an environment with another Python than its own")


def find_interpreter(wanted: Interpreter, folder: Path) -> str | None:
    """The path of an interpreter of exactly this implementation and version."""
    return next((python for python in _candidates(wanted, folder) if is_version(python, wanted, folder)), None)


def _candidates(wanted: Interpreter, folder: Path) -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    name = "python.exe" if os.name == "nt" else "bin/python"
    yield str(pyenv / "versions" / wanted.version / name)
    yield from _on_path(wanted)
    uv = find_uv()
    if uv:
        request = f"{wanted.implementation.lower()}@{wanted.version}"
        find = [*uv, "python", "find", "--no-project", "--system", "--no-python-downloads", request]
        yield call(find, folder).stdout.strip()
        if os.environ.get("UV_PYTHON_DOWNLOADS", "").lower() in ("automatic", "auto", "true", "1"):
            call([*uv, "python", "install", request], folder)
            yield call(find, folder).stdout.strip()


def _on_path(wanted: Interpreter) -> Iterator[str]:
    minor = ".".join(wanted.version.split(".")[:2])
    stem = "python" if wanted.implementation == "CPython" else wanted.implementation.lower()
    for name in (f"{stem}{minor}", f"{stem}3", stem, "python"):
        for place in os.get_exec_path():
            found = shutil.which(name, path=place)
            if found:
                yield os.path.abspath(found)


def is_version(python: str, wanted: Interpreter, folder: Path) -> bool:
    """Whether this is the path of an interpreter of exactly this implementation and version."""
    if not python or not os.path.isfile(python):
        return False
    try:
        done = call([python, "-I", "-c", _TELL], folder)
    except PackageError:
        return False
    return done.returncode == 0 and done.stdout.split() == [wanted.implementation, wanted.version]
