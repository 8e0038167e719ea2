"""Which environment a revert may change, and what it would change there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cloche.analysis.environments import diff_distributions, diff_environments
from cloche.environments import plan_packages
from cloche.environments.prefix import prefix_of, python_in
from cloche.model.changes import PackageChange
from cloche.model.environment import Environment
from cloche.model.paths import decode_path, encode_path
from cloche.project.interpreters import see_python
from cloche.project.project import Project

ENVIRONMENT = ".venv"
ACTIVATED = ("VIRTUAL_ENV", "CONDA_PREFIX")


@dataclass(frozen=True)
class Packages:
    """What would change in an interpreter. creates: the environment that would be made for it, empty for none."""

    python: str = ""
    changes: tuple[PackageChange, ...] = ()
    problems: tuple[str, ...] = ()
    creates: str = ""


def plan_environment(project: Project, python: str, now: Environment, wanted: Environment) -> Packages:
    """What brings the packages of the project to those of `wanted`.

    python, now: the interpreter that a run would use, and its environment. Changed are only environments that are the
    project's own: in its folder, activated, or named in `cloche.toml`. Any other interpreter that merely comes first
    on PATH is left alone, and the project's `.venv` is used instead, or made.
    """
    if wanted.interpreter is None or not _differ(now, wanted):
        return Packages(python)
    if python and _is_own(project, python):
        return _changes(project, python, now, wanted)
    folder = project.root / ENVIRONMENT
    if not folder.exists():
        everything = diff_distributions((), wanted.distributions)
        return Packages(encode_path(str(python_in(folder))), everything, (), ENVIRONMENT)
    there = str(python_in(folder))
    if not os.path.exists(there):
        return Packages(python, problems=(f"{ENVIRONMENT} holds no Python (delete it, and it is made again)",))
    environment, machine = see_python(project, there)
    if not _differ(environment, wanted):
        return Packages(machine.python)
    return _changes(project, machine.python, environment, wanted)


def _changes(project: Project, python: str, now: Environment, wanted: Environment) -> Packages:
    changes, problems = plan_packages(python, now, wanted, project.root)
    return Packages(python, changes, problems)


def _differ(now: Environment, wanted: Environment) -> bool:
    change = diff_environments(now, wanted)
    return bool(change.packages) or bool(change.facts.keys() & {"implementation", "python"})


def _is_own(project: Project, python: str) -> bool:
    prefix = prefix_of(decode_path(python))
    if prefix is None:
        return False
    activated = [Path(os.environ[name]) for name in ACTIVATED if os.environ.get(name)]
    places = [one.resolve() for one in activated]
    inside = prefix.resolve().is_relative_to(project.root.resolve())
    return inside or prefix.resolve() in places or bool(project.settings.environment.python)
