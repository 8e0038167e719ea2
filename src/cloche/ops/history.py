"""`cloche history`: the operation log."""

from __future__ import annotations

from cloche.model.operation import Operation
from cloche.project.project import Project


def history(project: Project, limit: int | None = None) -> list[Operation]:
    """What changed this project, newest first."""
    return project.catalog.operations(limit)
