"""`cloche show`: everything about one run."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from cloche.model.environment import Environment
from cloche.model.run import Run, Series
from cloche.project.closing import merged_series, metrics_so_far, read_spools
from cloche.project.exchange import at_hand
from cloche.project.notes import Note, notes_of
from cloche.project.project import Project
from cloche.project.reach import Root
from cloche.project.recovery import recover
from cloche.project.revisions import find_run


class Shown(msgspec.Struct, frozen=True):
    """A run with the records about it. series: how often each key was logged."""

    run: Run
    environment: Environment
    tags: tuple[str, ...]
    notes: tuple[Note, ...]
    removed: bool
    series: dict[str, int]


def show(project: Project, revision: str = "@") -> Shown:
    """The record of a run; of one that is going, with what it has logged so far. Raises NotFound or Ambiguous."""
    recover(project)
    run = find_run(project, revision)
    series = project.catalog.series(run.id)
    if run.status == "running":
        spooled = read_spools(project.runs_folder / run.id)
        run, series = msgspec.structs.replace(run, metrics=metrics_so_far(run, spooled)), merged_series(spooled)
    tags = tuple(sorted(tag for tag, of in project.catalog.facts("tag").items() if of == run.id))
    return Shown(
        run=run,
        environment=project.catalog.environment(run.snapshot.environment),
        tags=tags,
        notes=notes_of(project, run.id),
        removed=project.catalog.fact("removed", run.id) is not None,
        series={key: len(one.values) for key, one in series.items()},
    )


def output_log(project: Project, revision: str = "@") -> Iterator[bytes]:
    """What a run printed, piece by piece. For a run that is still going: what it has printed so far."""
    run = find_run(project, revision)
    if run.log:
        at_hand(project, run, only=[Root("its log", "f", run.log)])
        yield from project.store.stream(run.log)
        return
    log = project.runs_folder / run.id / "log"
    if log.exists():
        with open(log, "rb") as file:
            while piece := file.read(1 << 20):
                yield piece


def series(project: Project, revision: str = "@") -> dict[str, Series]:
    """Every value that a run logged, by key."""
    return project.catalog.series(find_run(project, revision).id)
