"""`cloche history`: the operation log."""

from __future__ import annotations

from cloche.errors import UsageError
from cloche.model.operation import Operation
from cloche.project.project import Project


def history(project: Project, limit: int | None = None) -> list[Operation]:
    """What changed this project, newest first."""
    if limit is not None and limit < 0:
        raise UsageError(f"a limit of {limit} makes no sense", hint="give a limit of 1 or more")
    return project.catalog.operations(limit)
