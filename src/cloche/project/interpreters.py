"""The environment of the interpreter that a command would use, or that one did use."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cloche.capture.bootstrap import without_bootstrap
from cloche.capture.environment import Seen, environment_of, machine_of, probe, with_distributions
from cloche.capture.interpreter import find_python
from cloche.capture.variables import recorded_variables
from cloche.model.environment import Environment, Machine
from cloche.model.paths import decode_path
from cloche.project.project import Project


def see(project: Project, command: Sequence[str] | str = (), folder: str = "") -> tuple[Environment, Machine]:
    """The environment and machine that `command` would most likely run in. folder: where it would start."""
    environ = without_bootstrap(os.environ)
    where = project.root / decode_path(folder) if folder else project.root
    return see_python(project, find_python(command, project.root, project.settings, folder=where, environ=environ))


def see_python(project: Project, python: str | None) -> tuple[Environment, Machine]:
    """The environment and machine of an interpreter, looked into from inside."""
    seen = None
    if python is not None:
        environ = without_bootstrap(os.environ)
        seen = probe(python, project.folder / "cache", root=project.root, environ=environ)
    return _described(project, seen)


def see_process(project: Project, seen: Seen) -> tuple[Environment, Machine]:
    """The environment and machine of a process that told of itself while it ran."""
    return _described(project, with_distributions(seen, project.folder / "cache", root=project.root))


def _described(project: Project, seen: Seen | None) -> tuple[Environment, Machine]:
    environ = without_bootstrap(os.environ)
    variables = recorded_variables(environ, project.settings.environment.variables)
    return environment_of(seen, variables.values), machine_of(seen, environ)
