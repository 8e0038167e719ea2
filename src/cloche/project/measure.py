"""Metrics of a run: what it logged, and what its JSON files say."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cloche.model.paths import decode_path
from cloche.model.patterns import matcher
from cloche.model.run import Place
from cloche.model.values import leaves, numbers
from cloche.project.going import Going


def metric_paths(run: Going, paths: Mapping[str, object]) -> list[str]:
    """Which of these paths are metric files by the settings."""
    matches = matcher(run.project.settings.metric_patterns, anchored=True)
    return sorted(path for path in paths if matches(path))


def file_metrics(run: Going, paths: list[str]) -> dict[str, float]:
    """Every number in these JSON files by dotted key. With several files, a key that is taken becomes `FILE:KEY`.

    A file that is no JSON table becomes a finding, never an error: the run itself went well.
    """
    found: dict[str, float] = {}
    for path in paths:
        for key, number in _numbers(run, path).items():
            found[f"{path}:{key}" if key in found else key] = number
    return found


def _numbers(run: Going, path: str) -> dict[str, float]:
    try:
        text = (run.project.root / decode_path(path)).read_text("utf-8")
        table = json.loads(text)
        values = dict(leaves(table)) if isinstance(table, dict) else None
    except (OSError, ValueError, RecursionError) as error:
        run.notice("metrics-unreadable", f"{path} holds no metrics: {error}", place=Place(file=path))
        return {}
    if values is None:
        run.notice(
            "metrics-unreadable",
            f"{path} holds no metrics: its top level is no table",
            hint='write {"auc": 0.8, ...}',
            place=Place(file=path),
        )
        return {}
    return numbers(values)
