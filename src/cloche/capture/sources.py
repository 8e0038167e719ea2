"""The content of source trees outside the project that an environment runs from: editable installs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cloche.capture.cache import Stamp, load, now, save, settled, stamp
from cloche.capture.code import is_cache_folder, is_compiled
from cloche.capture.git import GitRepository
from cloche.model.digest import Digest, digest_bytes, digest_parts
from cloche.model.paths import decode_path, encode_path, inside

CACHE_FILE = "sources.json"


class _Known(msgspec.Struct, frozen=True, array_like=True):
    mark: Stamp
    digest: Digest


class SourceTrees:
    """Digests of source trees, with a cache of those of their files. Use `save` when done."""

    def __init__(self, cache_folder: Path, project: Path | None) -> None:
        self._file = cache_folder / CACHE_FILE
        self._project = os.path.realpath(project) if project is not None else ""
        self._known: dict[str, _Known] | None = None
        self._changed = False

    def digest(self, folder: str) -> Digest:
        """The digest of the files that Git would track in a folder, or of all but caches where there is no Git.

        Empty where the folder is gone, and for the project itself and what lies in it: that is code already.
        """
        real = os.path.realpath(folder)
        if not os.path.isdir(real) or self.in_project(real):
            return ""
        files = GitRepository.files_below(Path(real))
        names = sorted(files) if files is not None else sorted(_walk(real))
        ours = encode_path(os.path.relpath(self._project, real)) if self._project.startswith(real + os.sep) else ""
        parts: list[str] = []
        for name in names:
            if (ours and inside(name, ours)) or is_compiled(name):
                continue
            digest = self._digest_file(os.path.join(real, decode_path(name)))
            if digest:
                parts += (name, digest)
        return digest_parts(parts)

    def in_project(self, folder: str) -> bool:
        """Whether a folder is the project or lies in it."""
        return bool(self._project) and (folder == self._project or folder.startswith(self._project + os.sep))

    def location(self, folder: str) -> str:
        """How a folder is named in an environment: relative to the project where it lies in it."""
        real = os.path.realpath(folder)
        if not self.in_project(real):
            return encode_path(folder)
        return encode_path(os.path.relpath(real, self._project).replace(os.sep, "/"))

    def save(self) -> None:
        """Keep what was learnt."""
        if self._changed:
            save(self._file, self._known)

    def _digest_file(self, path: str) -> Digest:
        if self._known is None:
            self._known = load(self._file, dict[str, _Known]) or {}
        started = now()
        mark = stamp(path)
        known = self._known.get(path)
        if known is not None and known.mark == mark:
            return known.digest
        try:
            if not os.path.isfile(path):
                return ""
            with open(path, "rb") as file:
                digest = digest_bytes(file.read())
        except OSError:
            return ""
        if settled(mark, started):
            self._known[path] = _Known(mark, digest)
            self._changed = True
        return digest


def _walk(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if not is_cache_folder(name) and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        for name in files:
            yield encode_path(os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/"))
