"""Cloche: code, data, config and environment of every training run, pinned as one version.

In a training script (works as well where cloche is not installed: `cloche run` brings a light client):

    import cloche
    cloche.log(step=1, loss=0.3)
    settings = cloche.params()

To look at a project from Python:

    project = cloche.open(".")
    for run in project.log("metrics.auc > 0.8", sort=["-metrics.auc"]):
        print(run.id, run.metrics)

To read one file of a run, with pandas or anything that takes a file:

    with cloche.open_file("champion:data/x.csv") as file:
        frame = pandas.read_csv(file)

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from cloche.version import __version__

TYPE_CHECKING = False  # typing's own would cost 9 ms, most of this import

if TYPE_CHECKING:
    from cloche.api import OpenProject, clone, get, init, open, open_file  # noqa: A004
    from cloche.client import log, params, run_id
    from cloche.errors import ClocheError

__all__ = [
    "ClocheError",
    "OpenProject",
    "__version__",
    "clone",
    "get",
    "init",
    "log",
    "open",
    "open_file",
    "params",
    "run_id",
]

_HOMES = {
    "OpenProject": "cloche.api",
    "clone": "cloche.api",
    "get": "cloche.api",
    "init": "cloche.api",
    "open": "cloche.api",
    "open_file": "cloche.api",
    "ClocheError": "cloche.errors",
    "log": "cloche.client",
    "params": "cloche.client",
    "run_id": "cloche.client",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'cloche' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
