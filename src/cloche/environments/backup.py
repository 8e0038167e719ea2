"""A copy of a virtual environment, kept while its packages are changed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

from cloche.errors import DiskFull, PackageError

FOLDER = ".cloche-before"
# What installers edit in place; everything else they replace, so that a second link to it is a copy.
EDITED = (".pth", ".egg-link", ".cfg", ".txt", ".toml", ".json")


class Backup:
    """The environment as it was, in a folder inside of it. While that folder has its list, the environment may be half
    changed: it is put back by whoever finds it next."""

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._folder = prefix / FOLDER
        self._list = self._folder / "names.json"
        self._tree = self._folder / "tree"

    @property
    def there(self) -> bool:
        """Whether a complete copy is there, left by a change that did not come to its end."""
        return self._list.is_file()

    def make(self) -> None:
        """Copy the environment. Raises DiskFull or PackageError; then nothing has changed."""
        try:
            self._remove()
            self._tree.mkdir(parents=True)
            names = sorted(name for name in os.listdir(self._prefix) if name != FOLDER)
            for name in names:
                _copy(self._prefix / name, self._tree / name)
            waiting = self._list.with_suffix(".tmp")
            waiting.write_text(json.dumps(names), "utf-8")
            waiting.replace(self._list)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise _translated(error, f"{self._prefix} cannot be copied before its packages change") from error

    def put_back(self) -> None:
        """Make the environment what it was. May be repeated after it was cut off. Raises PackageError."""
        try:
            names = json.loads(self._list.read_text("utf-8"))
            away = self._folder / "away"
            away.mkdir(exist_ok=True)
            for name in os.listdir(self._prefix):
                if name != FOLDER and (name not in names or os.path.lexists(self._tree / name)):
                    self._put_away(self._prefix / name, away)
            for name in os.listdir(self._tree):
                (self._tree / name).replace(self._prefix / name)
            self.discard()
        except OSError as error:
            what = f"{self._prefix} cannot be put back as it was; the copy is in {self._folder}"
            raise _translated(error, what) from error

    def discard(self) -> None:
        """Delete the copy: what is there now stays."""
        self._list.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove(self) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _put_away(self, path: Path, away: Path) -> None:
        for number in range(1000):
            target = away / f"{number}-{path.name}"
            if not os.path.lexists(target):
                path.replace(target)
                return


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink():
        os.symlink(os.readlink(source), target)
    elif source.is_dir():
        target.mkdir()
        with os.scandir(source) as entries:
            for entry in entries:
                _copy(source / entry.name, target / entry.name)
        shutil.copystat(source, target)
    elif source.suffix in EDITED or source.name == "RECORD":
        shutil.copy2(source, target)
    else:
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOTSUP, errno.EACCES):
                raise
            shutil.copy2(source, target)


def _translated(error: OSError, what: str) -> DiskFull | PackageError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DiskFull(f"{what}: the disk is full", hint="make room, then try again")
    return PackageError(f"{what}: {error.strerror}", hint="check its permissions, then try again")
