"""Which packages have to change so that an environment becomes that of a run, and what cannot be had."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from cloche.environments.prefix import prefix_of
from cloche.environments.sources import local_path
from cloche.model.changes import PackageChange
from cloche.model.environment import Distribution, Environment, Interpreter
from cloche.model.paths import decode_path

# Tools that somebody installed to work with the environment. No run needs them, and without them it would be hard to
# put right.
TOOLS = frozenset({"pip", "setuptools", "wheel", "uv"})
# This program itself is neither changed nor removed: it is running.
SELF = "cloche"

Direction = Literal["added", "removed", "upgraded", "downgraded", "changed"]


def plan_packages(
    python: str, current: Environment, wanted: Environment, root: Path | None = None
) -> tuple[tuple[PackageChange, ...], tuple[str, ...]]:
    """The changes that bring `current`, the environment of the interpreter `python`, to `wanted`; and problems, in
    words, each of which keeps it from being reached. Changes nothing.

    root: the folder that relative locations of packages start from, the project; the current folder by default.
    """
    if wanted.interpreter is None:
        return (), ()
    if current.interpreter is None or not python:
        return (), (f"no Python was found here; the run used {_spoken(wanted.interpreter)}",)
    changes = tuple(_changes(python, current, wanted))
    return changes, tuple(_problems(python, current.interpreter, wanted.interpreter, changes, root or Path.cwd()))


def kept_packages(python: str, current: Environment, wanted: Environment) -> tuple[str, ...]:
    """Names of packages that the run did not have, and that `plan_packages` leaves installed all the same: tools to
    work with the environment, and this program with what it needs."""
    recorded = _by_name(wanted.distributions)
    return tuple(
        sorted(name for name in _by_name(current.distributions) if name not in recorded and _kept(python, name))
    )


def _changes(python: str, current: Environment, wanted: Environment) -> Iterator[PackageChange]:
    here, there = _by_name(current.distributions), _by_name(wanted.distributions)
    for name in sorted(here.keys() | there.keys()):
        before, after = here.get(name), there.get(name)
        if name == SELF or _same(before, after) or (after is None and _kept(python, name)):
            continue
        yield PackageChange(name, before, after, _direction(before, after))


def _by_name(distributions: Iterable[Distribution]) -> dict[str, Distribution]:
    """Where a name is installed twice the first one counts, as it does for `import`."""
    found: dict[str, Distribution] = {}
    for one in distributions:
        found.setdefault(one.name, one)
    return found


def _same(before: Distribution | None, after: Distribution | None) -> bool:
    """Whether two packages are the same, whoever installed them."""
    if before is None or after is None:
        return before is after
    return msgspec.structs.replace(before, installer=after.installer) == after


def _kept(python: str, name: str) -> bool:
    return name in TOOLS or name in own_packages(python)


def own_packages(python: str) -> frozenset[str]:
    """Names of the packages that this program itself needs in the environment of `python`: none, unless it runs from
    there."""
    prefix = prefix_of(decode_path(python))
    if prefix is None or not _same_folder(prefix, Path(sys.prefix)):
        return frozenset()
    return frozenset(_closure())


def _closure() -> set[str]:
    from importlib.metadata import PackageNotFoundError, requires

    found: set[str] = set()
    waiting = [SELF]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [_required(line) for line in lines if "extra ==" not in line]
    return found


def _required(line: str) -> str:
    name = re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _direction(before: Distribution | None, after: Distribution | None) -> Direction:
    if before is None or after is None:
        return "added" if before is None else "removed"
    from packaging.version import InvalidVersion, Version

    try:
        old, new = Version(before.version), Version(after.version)
    except InvalidVersion:
        return "changed"
    return "changed" if old == new else "upgraded" if old < new else "downgraded"


def _problems(
    python: str, here: Interpreter, there: Interpreter, changes: tuple[PackageChange, ...], root: Path
) -> Iterator[str]:
    if (here.implementation, here.version) != (there.implementation, there.version):
        yield f"the run used {_spoken(there)}, and this environment has {_spoken(here)}"
    if changes and prefix_of(decode_path(python)) is None:
        yield (
            f"{python} is not in a virtual environment, so its packages are not touched"
            " (make one with `python -m venv .venv`)"
        )
    conda = [change.name for change in changes if change.after is not None and change.after.installer == "conda"]
    if conda:
        yield f"installed by conda, which Cloche does not drive: {', '.join(conda)}"
    for change in changes:
        if change.after is not None:
            yield from _source_problems(change.before, change.after, root)


def _source_problems(before: Distribution | None, after: Distribution, root: Path) -> Iterator[str]:
    path = local_path(after, root)
    if path and not os.path.exists(path):
        yield f"{after.name} {after.version} was installed from {path}, which is gone"
    elif after.source == "editable" and before is not None and _only_content_differs(before, after):
        yield f"the source of {after.name} at {path} is not as it was, and Cloche holds no copy of it"
    elif after.source in ("git", "url") and not after.location:
        yield f"it is not recorded where {after.name} {after.version} was installed from"


def _only_content_differs(before: Distribution, after: Distribution) -> bool:
    return before.digest != after.digest and (before.source, before.location) == (after.source, after.location)


def _spoken(interpreter: Interpreter) -> str:
    name = "Python" if interpreter.implementation == "CPython" else interpreter.implementation
    return f"{name} {interpreter.version}"
