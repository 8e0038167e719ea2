"""Bringing back what is good where the store has lost some of it: what is lost is named, and what lies there stays."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from cloche.model.changes import PathChange
from cloche.model.paths import above
from cloche.project.project import Project


def obtainable(
    project: Project, changes: Sequence[PathChange], gone: Iterable[str] = ()
) -> tuple[list[PathChange], tuple[str, ...]]:
    """Those of the changes whose content the store can give, every byte proven, and the paths that are lost, sorted.

    gone: folders whose list cannot be read. What lies where something is lost is not taken away.
    """
    sound = functools.cache(project.store.is_sound)
    lost = set(gone)
    for one in changes:
        if one.after is not None and one.after.kind != "d" and one.before != one.after and not sound(one.after.digest):
            lost.add(one.path)
    coming = {at for one in changes if one.after is not None and one.path not in lost for at in above(one.path)}
    around = lost.union(*map(above, lost)) - coming

    def stays(change: PathChange) -> bool:
        if change.after is not None:
            return change.path in lost
        return change.path in around or not lost.isdisjoint(above(change.path))

    return [one for one in changes if not stays(one)], tuple(sorted(lost))
