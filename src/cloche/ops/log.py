"""`cloche log`: the runs of the project, filtered and sorted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cloche.model.conditions import ALIASES, ATTRIBUTES, ENTITIES, Field, fields_of
from cloche.model.query import parse, parse_sort
from cloche.model.run_row import RunRow
from cloche.model.suggestions import closest, closest_key
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
    `metrics.auc` (largest last) or `-metrics.auc` (largest first); `auc` alone is the metric or else the parameter of
    that name. hidden: removed runs too. Raises UsageError for a filter that cannot be read.
    """
    recover(project)
    query = parse(where) if where else None
    orders = [_qualified(project, text) for text in sort]
    return project.catalog.runs(query, sort=orders, limit=limit, hidden=hidden, experiment=experiment)


def unknown_names(
    project: Project, where: str = "", *, sort: Sequence[str] = (), columns: Sequence[Field] = (), experiment: str = ""
) -> Iterator[str]:
    """A sentence for each metric, parameter, tag or experiment that is asked for and that no run has."""
    asked = [*fields_of(parse(where).term), *columns]
    asked += [parse_sort(_qualified(project, text)).field for text in sort]
    known = _known(project) if asked else {}
    for field in dict.fromkeys(asked):
        if field.entity in known and field.name not in known[field.entity]:
            yield f"no run has {field}" + _meant(field, known)
    if experiment and experiment not in (experiments := project.catalog.experiments()):
        near = closest(experiment, experiments)
        yield f"no run is of the experiment {experiment!r}" + (f"; did you mean {near!r}?" if near else "")


def column(project: Project, name: str) -> Field:
    """What a column shows: `metrics.auc`, `params.lr`, or the metric or else the parameter of a bare name."""
    entity, dot, rest = name.partition(".")
    if dot and ENTITIES.get(entity) in ("metrics", "params"):
        return Field(ENTITIES[entity], rest)
    return _recorded(project, name) or Field("metrics", name)


def _known(project: Project) -> dict[str, list[str]]:
    names = project.catalog.names
    return {"metrics": names("metrics"), "params": names("params"), "tags": list(project.catalog.facts("tag"))}


def _meant(field: Field, known: Mapping[str, list[str]]) -> str:
    near = closest_key(field.name, known[field.entity])
    meant = [Field(field.entity, near)] if near else []
    meant += [Field(ENTITIES[entity], field.name) for entity, names in known.items() if field.name in names]
    return f"; did you mean {meant[0]}?" if meant else ""


def _qualified(project: Project, text: str) -> str:
    """`metrics.auc` for `auc`, with what stands around it."""
    sign = "-" if text.startswith("-") else ""
    name, space, direction = text.removeprefix("-").partition(" ")
    if name in ATTRIBUTES or name in ALIASES or name.partition(".")[0] in ENTITIES:
        return text
    field = _recorded(project, name)
    return text if field is None else f"{sign}{field}{space}{direction}"


def _recorded(project: Project, name: str) -> Field | None:
    """The metric of this name, or else the parameter; None where no run has either."""
    if name in project.catalog.names("metrics"):
        return Field("metrics", name)
    return Field("params", name) if name in project.catalog.names("params") else None
