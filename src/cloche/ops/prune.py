"""`cloche prune`: take old runs out of the log by a rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from cloche.errors import NotFound, UsageError
from cloche.model.operation import FactEffect
from cloche.model.query import parse
from cloche.model.run_row import RunRow
from cloche.model.suggestions import closest
from cloche.project.journal import perform
from cloche.project.project import Project

DAY = 86_400


class Best(msgspec.Struct, frozen=True):
    """Keep the runs with the best values of a metric. lowest: smaller is better."""

    metric: str
    count: int = 1
    lowest: bool = False


class Rules(msgspec.Struct, frozen=True):
    """Which runs to keep; one that any rule keeps stays. last: the newest so many, of each experiment. within: those of
    so many days. Runs with a tag, with a note, and those that are going always stay."""

    last: int | None = None
    within: float | None = None
    best: tuple[Best, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """A run that stays, and why."""

    run: str
    reasons: tuple[str, ...]


class Pruned(msgspec.Struct, frozen=True):
    """removed: ids of the runs that were (or would be) taken out of the log, newest first. kept: those that stay."""

    removed: tuple[str, ...]
    kept: tuple[Kept, ...]
    dry_run: bool = False


def prune(project: Project, rules: Rules, *, experiment: str = "", where: str = "", dry_run: bool = False) -> Pruned:
    """Take the runs out of the log that no rule keeps. `undo` brings them back; `gc` frees their space later.

    experiment, where: look at these runs alone (a search, as for `log`); others stay. Raises UsageError without a rule,
    NotFound for a metric that no run has.
    """
    _check(rules)
    with project.naming():
        rows = project.catalog.runs(parse(where) if where else None, experiment=experiment)
        reasons = _reasons(rows, rules, project.clock())
        removed = tuple(row.id for row in rows if row.id not in reasons)
        if removed and not dry_run:
            effects = [FactEffect("removed", run, None, "removed") for run in removed]
            perform(project, "prune", f"removed {len(removed)} runs", effects=effects)
    return Pruned(removed, tuple(Kept(row.id, tuple(reasons[row.id])) for row in rows if row.id in reasons), dry_run)


def _check(rules: Rules) -> None:
    if rules.last is None and rules.within is None and not rules.best:
        raise UsageError("no rule says what to keep", hint="type `cloche prune --keep-last 10 --dry-run`")
    counts = [one for one in (rules.last, rules.within, *(best.count for best in rules.best)) if one is not None]
    if any(one < 0 for one in counts):
        raise UsageError("a rule cannot keep less than nothing", hint="give a number from 0 on")


def _reasons(rows: Sequence[RunRow], rules: Rules, now: float) -> dict[str, list[str]]:
    """Why each run that stays does. rows: newest first."""
    found: dict[str, list[str]] = {}

    def keep(kept: Iterable[RunRow], why: str) -> None:
        for row in kept:
            found.setdefault(row.id, []).append(why)

    keep((row for row in rows if row.status == "running"), "going")
    keep((row for row in rows if row.tags), "tagged")
    keep((row for row in rows if row.notes), "has a note")
    if rules.last is not None:
        for experiment in dict.fromkeys(row.experiment for row in rows):
            keep([row for row in rows if row.experiment == experiment][: rules.last], "among the last")
    if rules.within is not None:
        since = now - rules.within * DAY
        keep((row for row in rows if row.created >= since), "recent")
    for best in rules.best:
        keep(_best(rows, best), f"{'lowest' if best.lowest else 'best'} {best.metric}")
    return found


def _best(rows: Sequence[RunRow], best: Best) -> list[RunRow]:
    """The runs with the best values; of equal ones the newest first. NaN is no value."""
    metric = best.metric
    if not any(metric in row.metrics for row in rows):  # as `--where` spells it
        metric = metric.removeprefix("metrics.")
    valued = [row for row in rows if not math.isnan(row.metrics.get(metric, math.nan))]
    if not valued:
        near = closest(metric, {key for row in rows for key in row.metrics})
        raise NotFound(
            f"no run has the metric {best.metric}",
            hint=f"did you mean `{near}`?" if near else "type `cloche log --json` to see what they have",
        )
    sign = 1 if best.lowest else -1
    return sorted(valued, key=lambda row: sign * row.metrics[metric])[: best.count]
