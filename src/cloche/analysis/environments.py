"""What differs between two environments: packages up or down, interpreter, platform, variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from cloche.model.changes import EnvironmentChange, PackageChange
from cloche.model.environment import Distribution, Environment, Interpreter

Direction = Literal["added", "removed", "upgraded", "downgraded", "changed"]


def diff_environments(before: Environment, after: Environment) -> EnvironmentChange:
    """Packages by name, and facts by name, that differ; both are empty for environments of the same digest only.

    Facts: `implementation`, `python`, `build`, `system`, `machine`, `libc`, `$NAME` for a variable, and `modules in
    FOLDER` for a folder of modules that no package owns. An empty text is a fact that is missing. Where only one of the
    two is on record, the one fact is `environment`.
    """
    if before.is_known != after.is_known:
        words = ("recorded", "not recorded") if before.is_known else ("not recorded", "recorded")
        return EnvironmentChange((), {"environment": words})
    packages = diff_distributions(before.distributions, after.distributions)
    return EnvironmentChange(packages, _differing(_facts(before), _facts(after)))


def diff_distributions(before: Iterable[Distribution], after: Iterable[Distribution]) -> tuple[PackageChange, ...]:
    """The packages that differ in anything but the tool that installed them, by name.

    Versions are ordered as PEP 440 says. `changed` is a package with the same version from elsewhere or with other
    content, or one whose version has no place in that order.
    """
    old, new = _by_name(before), _by_name(after)
    pairs = ((name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys()))
    return tuple(PackageChange(name, one, two, _direction(one, two)) for name, one, two in pairs if _differ(one, two))


def _differ(one: Distribution | None, two: Distribution | None) -> bool:
    if one is None or two is None:
        return one is not two
    return msgspec.structs.replace(one, installer=two.installer) != two


def _by_name(distributions: Iterable[Distribution]) -> dict[str, Distribution]:
    """Where a name is installed twice the first one counts, as it does for `import`."""
    found: dict[str, Distribution] = {}
    for one in distributions:
        found.setdefault(one.name, one)
    return found


def _direction(before: Distribution | None, after: Distribution | None) -> Direction:
    if before is None or after is None:
        return "added" if before is None else "removed"
    order = compare_versions(before.version, after.version)
    return "changed" if not order else "upgraded" if order < 0 else "downgraded"


def compare_versions(one: str, other: str) -> int:
    """-1, 0 or 1 as `one` is older than, equal to or newer than `other` by PEP 440; 0 too where it cannot say.

    >>> compare_versions("1.9", "1.10"), compare_versions("2.0", "2.0rc1"), compare_versions("1.0", "unknown")
    (-1, 1, 0)
    """
    from packaging.version import InvalidVersion, Version  # 10 ms, and only a difference needs it

    try:
        left, right = Version(one), Version(other)
    except InvalidVersion:
        return 0
    return (left > right) - (left < right)


def _facts(environment: Environment) -> dict[str, str]:
    python = environment.interpreter or Interpreter("", "")
    platform = environment.platform
    facts = {
        "implementation": python.implementation,
        "python": python.version,
        "build": python.build,
        "system": platform.system,
        "machine": platform.machine,
        "libc": platform.libc,
    }
    facts |= {f"${name}": value or '""' for name, value in environment.variables.items()}
    return facts | {f"modules in {name}": digest[:12] for name, digest in environment.folders.items()}


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = [*before, *sorted(after.keys() - before.keys())]
    pairs = {name: (before.get(name, ""), after.get(name, "")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
