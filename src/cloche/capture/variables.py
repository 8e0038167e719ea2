"""Which variables of the environment are recorded: those on a list, and none whose value looks like a secret."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from cloche.capture.secrets import secret_name, secret_value
from cloche.model.paths import encode_path

# What changes numbers, their order or how text is read. Never paths: they belong to one machine.
ALLOWED = (
    "BLIS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "GOTO_NUM_THREADS",
    "HIP_VISIBLE_DEVICES",
    "JAX_*",
    "KERAS_BACKEND",
    "KMP_*",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "MKL_*",
    "NCCL_*",
    "NUMBA_*",
    "NUMEXPR_*",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_*",
    "OPENBLAS_*",
    "POLARS_MAX_THREADS",
    "PYTHONHASHSEED",
    "PYTHONIOENCODING",
    "PYTHONOPTIMIZE",
    "PYTHONUTF8",
    "PYTORCH_*",
    "RAYON_NUM_THREADS",
    "ROCR_VISIBLE_DEVICES",
    "SOURCE_DATE_EPOCH",
    "TF_*",
    "TOKENIZERS_PARALLELISM",
    "TORCH_*",
    "TZ",
    "VECLIB_MAXIMUM_THREADS",
    "XLA_FLAGS",
)
_PLACES = ("_HOME", "_DIR", "_PATH", "_CACHE", "_FILE", "_ROOT")
MOST_LETTERS = 4096


class Variables(NamedTuple):
    """values: the variables to record, sorted by name. refused: names that were asked for, or are on the list, but
    whose value looks like a secret or is too long."""

    values: dict[str, str]
    refused: tuple[str, ...]


def recorded_variables(environ: Mapping[str, str], extra: Iterable[str] = ()) -> Variables:
    """The variables of `environ` to record. extra: further names or patterns (`[environment] variables`).

    A name that speaks of a secret (`…_TOKEN`, `…_PASSWORD`, `…_KEY`) and a value that looks like one are refused even
    where they are asked for.
    """
    patterns = tuple(extra)
    values: dict[str, str] = {}
    refused: list[str] = []
    for name in sorted(environ):
        asked = _fits(name, patterns)
        if not asked and not (_fits(name, ALLOWED) and not name.endswith(_PLACES)):
            continue
        value = environ[name]
        if len(value) > MOST_LETTERS or secret_name(name) or secret_value(value):
            refused.append(name)
        else:
            values[encode_path(name)] = _printable(value)
    return Variables(values, tuple(refused))


@cache
def _shape(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)")


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return _shape(patterns).match(name) is not None


def _printable(value: str) -> str:
    """`value` as valid Unicode: bytes that are no UTF-8 are written `\\xNN`."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
