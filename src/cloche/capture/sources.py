"""The content of source trees outside the project that an environment runs from: editable installs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from cloche.capture.cache import Stamp, load, now, save, settled, stamp
from cloche.capture.code import is_cache_folder, is_compiled
from cloche.capture.git import GitRepository
from cloche.model.digest import Digest, digest_bytes, digest_parts
from cloche.model.paths import decode_path, encode_path, inside

CACHE_FILE = "sources.json"
# Of a folder of PYTHONPATH, which may be a whole home: what is looked at, and how many modules count.
MOST_FILES, MOST_MODULES = 500_000, 100_000
_MODULES = (".py", ".so", ".pyd")
_INSTALLED = frozenset({"site-packages", "dist-packages", "lib-dynload", "Lib", "DLLs"})
_LIBRARY = re.compile(r"python[\d.]*t?(\.zip)?")


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

    def loose_folders(self, path: Iterable[str], trees: Sequence[str]) -> dict[str, Digest]:
        """The folders of a sys.path that are neither the interpreter's nor a package's, with digests of their modules.

        trees: the folders of editable packages, which have digests already. The project's own folders are its code.
        """
        found: dict[str, Digest] = {}
        for entry in path:
            real = os.path.realpath(entry)
            theirs = _is_interpreters(entry) or _is_interpreters(real) or not os.path.isabs(entry)
            if theirs or self.in_project(real) or any(_within(real, os.path.realpath(tree)) for tree in trees):
                continue
            digest = self._digest_modules(real)
            if digest:
                found[encode_path(entry)] = digest
        return found

    def _digest_modules(self, folder: str) -> Digest:
        """The digest of what can be imported from a folder or archive; empty where there is nothing."""
        if os.path.isfile(folder):
            return self._digest_file(folder)
        parts: list[str] = []
        modules = (name for name in islice(_walk(folder), MOST_FILES) if name.endswith(_MODULES))
        for name in sorted(islice(modules, MOST_MODULES)):
            path = os.path.join(folder, decode_path(name))
            if not self.in_project(path):
                parts += (name, self._digest_file(path))
        return digest_parts(parts) if parts else ""

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


def _is_interpreters(entry: str) -> bool:
    """Whether a folder of a sys.path holds the standard library or installed packages."""
    parts = entry.replace(os.sep, "/").split("/")
    return bool(_INSTALLED.intersection(parts)) or _LIBRARY.fullmatch(parts[-1]) is not None


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _walk(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [
            name
            for name in sorted(folders)
            if not is_cache_folder(name) and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        for name in sorted(files):
            yield encode_path(os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/"))
