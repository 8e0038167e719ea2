"""The folder of a virtual environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MARK = "pyvenv.cfg"


def prefix_of(python: str) -> Path | None:
    """The folder of the virtual environment whose interpreter `python` is; None for any other interpreter.

    The path is not resolved: the interpreter of an environment is mostly a link to one that is none.
    """
    found = shutil.which(python)
    if found is None:
        return None
    folder = Path(os.path.abspath(found)).parent
    return next((place for place in (folder.parent, folder) if (place / MARK).is_file()), None)


def python_in(prefix: Path) -> Path:
    """The interpreter of a virtual environment."""
    return prefix / "Scripts" / "python.exe" if os.name == "nt" else prefix / "bin" / "python"
