"""`cloche log`: the runs of the project, filtered and sorted."""

from __future__ import annotations

from collections.abc import Sequence

from cloche.model.query import parse
from cloche.model.run_row import RunRow
from cloche.project.project import Project
from cloche.project.recovery import recover


def log(
    project: Project,
    where: str = "",
    *,
    sort: Sequence[str] = (),
    limit: int | None = None,
    experiment: str = "",
    hidden: bool = False,
) -> list[RunRow]:
    """The runs for which the filter `where` holds, newest first unless `sort` says otherwise.

    where: MLflow's filter grammar, such as `metrics.auc > 0.8 and params.lr = 0.1`. sort: names such as
    `metrics.auc` (largest last) or `-metrics.auc` (largest first). hidden: removed runs too. Raises UsageError for a
    filter that cannot be read.
    """
    recover(project)
    query = parse(where) if where else None
    return project.catalog.runs(query, sort=sort, limit=limit, hidden=hidden, experiment=experiment)
