"""The environment of the interpreter that a command would use, or that one did use."""

from __future__ import annotations

from collections.abc import Sequence

from cloche.capture.environment import environment_of, find_python, machine_of, probe
from cloche.model.environment import Environment, Machine
from cloche.project.project import Project


def see(project: Project, command: Sequence[str] | str = ()) -> tuple[Environment, Machine]:
    """The environment and machine that `command` would most likely run in."""
    return see_python(project, find_python(command, project.root, project.settings))


def see_python(project: Project, python: str | None) -> tuple[Environment, Machine]:
    """The environment and machine of an interpreter."""
    seen = probe(python, project.folder / "cache")
    variables = project.settings.environment.variables
    return environment_of(seen, extra=variables, project=project.root), machine_of(seen)
