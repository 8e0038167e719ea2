"""Records to fill a catalog with."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from cloche.model.environment import Distribution, Environment, Interpreter, Machine, Platform
from cloche.model.run import Finding, Output, Place, Resources, Run, StageRun, run_id
from cloche.model.snapshot import Code, Config, ConfigFile, Data, LeftOut, Snapshot, Tracked
from cloche.model.values import Value

A, B, C = (letter * 64 for letter in "abc")

ENVIRONMENT = Environment(
    Interpreter("cpython", "3.12.4", "GCC 13"),
    (Distribution("numpy", "2.0.1"), Distribution("mine", "1", "editable", "/src", A)),
    Platform("Linux", "x86_64", "glibc 2.36"),
    {"OMP_NUM_THREADS": "2"},
)
OTHER = msgspec.structs.replace(ENVIRONMENT, variables={"OMP_NUM_THREADS": "4"})


def run_number(number: int) -> str:
    """A run's id from a number."""
    return run_id(number.to_bytes(8, "big"))


def a_run(
    number: int,
    *,
    params: dict[str, Value] | None = None,
    environment: Environment = ENVIRONMENT,
    commit: str = "",
    **fields: Any,
) -> Run:
    """A run by its number, `number` seconds after 1,000,000 unless `created` says otherwise."""
    config = Config(values={} if params is None else params)
    snapshot = Snapshot(Code(A, 1, 10, commit=commit), Data(), config, environment.digest)
    given: dict[str, Any] = {
        "created": 1_000_000.0 + number,
        "status": "finished",
        "command": ("python", "train.py"),
    } | fields
    return Run(id=run_number(number), snapshot=snapshot, **given)


FULL = Run(
    id=run_number(77),
    created=1_780_000_000.25,
    status="failed",
    command=("python", "train it.py", "--größe", "1"),
    snapshot=Snapshot(
        Code(A, 3, 99, "c" * 40, "main", dirty=True, left_out=(LeftOut(".env", "a secret"),)),
        Data((Tracked("data/raw", "d", B, 1024, 3),)),
        Config(
            (ConfigFile("params.toml", "f", C, 12),),
            {"lr": 0.1, "n": 3, "deep": [1, [2.5, "x"], None], "on": True, "none": None, "big": 2**63 - 1, "name": "a"},
            {"lr": 0.1},
        ),
        ENVIRONMENT.digest,
    ),
    folder="sub",
    experiment="flights",
    message="a\nmessage",
    ended=1_780_000_009.5,
    exit_status=None,
    signal="SIGKILL",
    machine=Machine("Linux 6", "a CPU", 2, 2**34, {"omp": 2}, "/usr/bin/python3"),
    resources=Resources(9.25, 8.5, 2**31),
    metrics={"auc": 0.8125, "loss": math.inf, "gap": -math.inf},
    outputs=(Output("model.joblib", "f", B, 7, declared=True), Output("plots", "d", C, 70, 3)),
    stages=(
        StageRun("train", "python train.py", "failed", A, "", 1, Resources(1.0), (Output("o", "f", A, 1),), {"x": B}),
    ),
    findings=(Finding("check", "warning", "odd", Place("a.py", 3), "look", {"k": "v"}, 0.5),),
    log=C,
)
"""A run with every field filled."""
