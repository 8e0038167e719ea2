"""What a run's processes are given, so that the Python ones among them record themselves.

This folder leads their PYTHONPATH; `sitecustomize.py` and `cloche_inside.py` in it run inside their interpreters.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cloche.errors import DiskFull, InputError
from cloche.model.values import Value

FOLDER = os.path.dirname(os.path.abspath(__file__))
PARAMS_FILE = "params.json"
# A single variable may hold 128 KiB on Linux and all of them 32 KiB on Windows.
MOST_INLINE = 8192
_OURS = ("CLOCHE_RUN_FOLDER", "CLOCHE_RUN", "CLOCHE_PROJECT", "CLOCHE_PARAMS")


def bootstrap_variables(
    run_folder: Path, run_id: str, root: Path, params: Mapping[str, Value], environ: Mapping[str, str]
) -> dict[str, str]:
    """The variables of a run's command: `environ` untouched but for PYTHONPATH, which this folder now leads, and

    - CLOCHE_RUN_FOLDER: where its processes append what they record (`cloche.capture.spool` reads it),
    - CLOCHE_RUN, CLOCHE_PROJECT: the run's id and the project's folder,
    - CLOCHE_PARAMS: the config values as JSON by dotted key; or `@` and the path of a file in `run_folder` that holds
      it, which is then written here.

    run_folder must exist; raises DiskFull or InputError where it cannot be written. Where this folder's path cannot
    stand in PYTHONPATH, because it holds the separator, PYTHONPATH is left alone: nothing is recorded from inside,
    and the run goes on.
    """
    variables = dict(environ)
    variables["CLOCHE_RUN_FOLDER"] = os.path.abspath(run_folder)
    variables["CLOCHE_RUN"] = run_id
    variables["CLOCHE_PROJECT"] = os.path.abspath(root)
    variables["CLOCHE_PARAMS"] = _params(run_folder, params)
    if os.pathsep not in FOLDER:
        variables["PYTHONPATH"] = _python_path(environ.get("PYTHONPATH", ""))
    return variables


def without_bootstrap(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` as it was before `bootstrap_variables`, for programs that Cloche itself starts within a run."""
    variables = {name: value for name, value in environ.items() if name not in _OURS}
    entries = variables.get("PYTHONPATH", "").split(os.pathsep)
    if FOLDER in entries:
        variables["PYTHONPATH"] = os.pathsep.join(entry for entry in entries if entry != FOLDER)
    if not variables.get("PYTHONPATH"):
        variables.pop("PYTHONPATH", None)
    return variables


def _python_path(theirs: str) -> str:
    # In a run within a run the folder is there already.
    entries = [entry for entry in theirs.split(os.pathsep) if entry != FOLDER] if theirs else []
    return os.pathsep.join([FOLDER, *entries])


def _params(run_folder: Path, params: Mapping[str, Value]) -> str:
    data = msgspec.json.encode(params)
    if len(data) <= MOST_INLINE:
        return data.decode()
    file = Path(os.path.abspath(run_folder)) / PARAMS_FILE
    try:
        file.write_bytes(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room for {file}", hint="free some space and try again") from error
        raise InputError(f"cannot write {file}: {error.strerror}") from error
    return f"@{file}"
