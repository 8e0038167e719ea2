"""Changes the packages of a virtual environment: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cloche.environments.backup import Backup
from cloche.environments.installer import Installer
from cloche.environments.planning import plan_packages
from cloche.environments.prefix import prefix_of
from cloche.environments.sources import in_words, requirement
from cloche.errors import PackageError
from cloche.model.changes import PackageChange
from cloche.model.environment import Distribution, Environment
from cloche.model.paths import decode_path

__all__ = ["apply_packages", "plan_packages"]


def apply_packages(
    python: str, changes: Sequence[PackageChange], read: Callable[[], Environment], root: Path | None = None
) -> None:
    """Bring each package of the virtual environment of `python` to its `change.after`, and no other.

    read: reads the environment anew. It is what decides whether the changes were made: on any failure, an interrupt
    included, the environment is put back as it was, byte for byte, before PackageError (or DiskFull) is raised.
    root: the folder that relative locations of packages start from; the current folder by default.
    """
    if not changes:
        return
    python = decode_path(python)
    folder = root or Path.cwd()
    prefix = prefix_of(python)
    if prefix is None:
        raise PackageError(
            f"{python} is not in a virtual environment, so its packages are not touched",
            hint="make one with: python -m venv .venv",
        )
    backup = Backup(prefix)
    if backup.there:
        backup.put_back()
    installer = Installer(python, folder)
    backup.make()
    try:
        _bring(installer, changes, folder)
        _verify(changes, read())
    except BaseException:
        backup.put_back()
        raise
    backup.discard()


def _bring(installer: Installer, changes: Sequence[PackageChange], root: Path) -> None:
    """Removals come first: two packages of different names may own the same files."""
    gone = [change.name for change in changes if change.after is None]
    if gone:
        installer.remove(gone)
    words: list[str] = []
    again: list[str] = []
    for change in changes:
        if change.after is not None:
            words += requirement(change.after, root)
            if change.before is not None and change.before.version == change.after.version:
                again.append(change.name)
    if words:
        installer.install(words, again)


def _verify(changes: Sequence[PackageChange], now: Environment) -> None:
    here = {one.name: one for one in reversed(now.distributions)}
    wrong = list(_wrong(changes, here))
    if wrong:
        raise PackageError(
            "the packages are not those of the run after installing them: " + "; ".join(wrong),
            hint="the environment was put back as it was",
        )


def _wrong(changes: Sequence[PackageChange], here: dict[str, Distribution]) -> Iterator[str]:
    for change in changes:
        found = here.get(change.name)
        if change.after is None:
            if found is not None:
                yield f"{in_words(found)} is still there"
        elif found is None:
            yield f"{in_words(change.after)} is missing"
        elif not _fits(found, change.after):
            now, there = in_words(found), in_words(change.after)
            yield f"{now} has other content" if now == there else f"{now} is there instead of {there}"


def _fits(found: Distribution, wanted: Distribution) -> bool:
    """Whether what was installed is what was recorded, as far as installing can bring it about: an editable package
    is whatever its source is now, and of an unknown origin only the version can be asked for."""
    if wanted.source == "editable":
        return (found.source, found.location) == (wanted.source, wanted.location)
    if found.version != wanted.version:
        return False
    if wanted.source == "local":
        return found.source == wanted.source and found.digest == wanted.digest
    if wanted.source in ("git", "url"):
        return (found.source, found.location) == (wanted.source, wanted.location)
    return True
