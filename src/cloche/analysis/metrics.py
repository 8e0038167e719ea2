"""Metrics of two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping

from cloche.model.changes import MetricChange


def diff_metrics(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[MetricChange, ...]:
    """Every metric that either side has, sorted by key; those that did not change too, for that is an answer as well.

    Exact: no tolerance is applied.

    >>> [(one.key, one.change) for one in diff_metrics({"auc": 0.75, "f1": 0.5}, {"auc": 0.5})]
    [('auc', -0.25), ('f1', None)]
    """
    return tuple(MetricChange(key, before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys()))
