"""Where the tools that manage environments (uv, Poetry, conda and their like) keep the Python that they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from cloche.capture.programs import find_program, python_of

Variables = Mapping[str, str]


def in_runner(name: str, words: Sequence[str], folder: str, variables: Variables) -> str | None:
    """The Python of `NAME run …`; None where the tool is not asked to run anything, or its environment is not there."""
    if "run" not in words and "exec" not in words:
        return None
    return RUNNERS[name](words, folder, variables)


def _option(words: Sequence[str], *names: str) -> str:
    for at, word in enumerate(words):
        if word in names and at + 1 < len(words):
            return words[at + 1]
        key, equals, value = word.partition("=")
        if equals and key in names:
            return value
    return ""


def _above(folder: str, name: str) -> str | None:
    """The nearest folder, here or above, that holds `name`."""
    here = os.path.normpath(folder)
    while not os.path.exists(os.path.join(here, name)):
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above
    return here


def _uv(words: Sequence[str], folder: str, variables: Variables) -> str | None:
    active = variables.get("VIRTUAL_ENV", "")
    if "--active" in words and active:
        return python_of(active)
    start = os.path.join(folder, _option(words, "--project", "--directory"))
    project = _above(start, "pyproject.toml") or _above(start, ".venv")
    if project is None:
        return python_of(active) if active else None
    lock = _above(project, "uv.lock")
    environment = variables.get("UV_PROJECT_ENVIRONMENT", ".venv")
    # The members of a workspace share the environment beside its lock.
    for place in dict.fromkeys((project, lock or project)):
        found = python_of(os.path.join(place, environment))
        if found:
            return found
    return None


def _in_project(words: Sequence[str], folder: str, variables: Variables) -> str | None:
    """Tools that use `.venv` beside pyproject.toml, or the environment that is active."""
    active = variables.get("VIRTUAL_ENV", "")
    project = _above(folder, "pyproject.toml") or _above(folder, "Pipfile")
    found = python_of(os.path.join(project, ".venv")) if project else None
    return found or (python_of(active) if active else None)


def _poetry(words: Sequence[str], folder: str, variables: Variables) -> str | None:
    found = _in_project(words, folder, variables)
    project = _above(folder, "pyproject.toml")
    if found or project is None:
        return found
    # 4 ms that no one without Poetry need spend.
    import base64
    import hashlib

    digest = hashlib.sha256(os.path.normcase(os.path.realpath(project)).encode("utf-8", "surrogateescape")).digest()
    mark = f"-{base64.urlsafe_b64encode(digest).decode()[:8]}-py"
    home = variables.get("POETRY_VIRTUALENVS_PATH") or os.path.join(_poetry_cache(variables), "virtualenvs")
    try:
        fitting = [os.path.join(home, name) for name in os.listdir(home) if mark in name]
    except OSError:
        return None
    newest = sorted(fitting, key=lambda path: os.stat(path).st_mtime_ns, reverse=True)
    return next((python for python in map(python_of, newest) if python), None)


def _poetry_cache(variables: Variables) -> str:
    own = variables.get("POETRY_CACHE_DIR")
    if own:
        return own
    home = variables.get("HOME", "")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "pypoetry")
    if sys.platform == "win32":
        return os.path.join(variables.get("LOCALAPPDATA", ""), "pypoetry", "Cache")
    return os.path.join(variables.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "pypoetry")


def _conda(words: Sequence[str], folder: str, variables: Variables) -> str | None:
    prefix = _option(words, "-p", "--prefix")
    if prefix:
        return python_of(os.path.join(folder, prefix))
    name = _option(words, "-n", "--name")
    if not name:
        active = variables.get("CONDA_PREFIX", "")
        return python_of(active) if active else None
    for base in _conda_bases(folder, variables):
        found = python_of(base if name == "base" else os.path.join(base, "envs", name))
        if found:
            return found
    return None


def _conda_bases(folder: str, variables: Variables) -> list[str]:
    programs = (variables.get("CONDA_EXE") or find_program("conda", folder, variables), variables.get("MAMBA_EXE"))
    bases = [os.path.dirname(os.path.dirname(os.path.realpath(program))) for program in programs if program]
    return [base for base in (variables.get("MAMBA_ROOT_PREFIX"), *bases) if base]


def _pixi(words: Sequence[str], folder: str, variables: Variables) -> str | None:
    project = _above(folder, ".pixi")
    name = _option(words, "-e", "--environment") or "default"
    return python_of(os.path.join(project, ".pixi", "envs", name)) if project else None


RUNNERS: dict[str, Callable[[Sequence[str], str, Variables], str | None]] = {
    "conda": _conda,
    "hatch": _in_project,
    "mamba": _conda,
    "micromamba": _conda,
    "pdm": _in_project,
    "pipenv": _in_project,
    "pixi": _pixi,
    "poetry": _poetry,
    "rye": _in_project,
    "uv": _uv,
}
