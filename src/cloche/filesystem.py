"""Layer 7, `cloche://RUN/PATH` for whatever opens files with fsspec: pandas, pyarrow, DuckDB, dask.

    pandas.read_csv("cloche://champion/data/x.csv")
    fsspec.filesystem("cloche", project="/somewhere/else").find("@/data")

fsspec finds it by its entry point; `pip install 'cloche[fsspec]'` brings fsspec itself.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote

from fsspec.spec import AbstractFileSystem

from cloche.errors import ClocheError, NotFound, UsageError
from cloche.project.project import Project
from cloche.project.revisions import WORK_TREE, find_id
from cloche.project.versions import Found, Version, find_version

_SCHEME = "cloche://"
_KEPT = 16


class ClocheFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files of every run, for reading: the first part of a path is the run, the rest lies in the project.

    project: a folder of the project (also as `?project=FOLDER` at the end of a URL), by default the current one. A run
    is named as everywhere, with `/` in a tag or branch written `%2F`. What a name such as `@` or a tag stands for is
    looked up by each call, so that it is never out of date; to read many files of one and the same version, name it by
    its id (`info("@")["run"]` tells it). Since runs never change, nothing else that is kept can be out of date. Any
    thread may use it. Content that is damaged raises cloche.ClocheError when it is read.
    """

    protocol = "cloche"
    root_marker = ""

    def __init__(self, project: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._place = project
        self._versions: OrderedDict[str, Version] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = _split_project(str(path))[0].removeprefix(_SCHEME)
        return "/".join(part for part in text.split("/") if part)

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        project = _split_project(path)[1]
        return {"project": project} if project else {}

    def unstrip_protocol(self, name: str) -> str:
        """The URL of a path."""
        return f"{_SCHEME}{self._strip_protocol(name)}"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size, kind, digest and part of what lies at a path, and the id of its run."""
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "size": 0, "type": "directory", "created": 0.0}
        with self._project() as project:
            called, version, inner = self._look(project, path)
            return _about(called, version, _at(version, inner, path, follow=False))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What lies in a folder; a file lists itself. At the top: the tags and the runs."""
        path = self._strip_protocol(path)
        with self._project() as project:
            if not path:
                listed = _top(project)
            else:
                run, version, inner = self._look(project, path)
                here = _at(version, inner, path)
                below = version.below(here.path) if here.entry.kind == "d" else [here]
                listed = [_about(run, version, one) for one in below]
        return listed if detail else [about["name"] for about in listed]

    def modified(self, path: str) -> datetime:
        """When the run of a path began, since no run records when its files were written. DuckDB asks this to see
        whether it has to read a file again."""
        return datetime.fromtimestamp(float(self.info(path)["created"]), UTC)

    created = modified

    def checksum(self, path: str) -> int:
        """A number that is the same for the same bytes only."""
        about = self.info(path)
        return int(about.get("digest") or "0", 16)

    def ukey(self, path: str) -> str:
        """A text that is the same for the same bytes only."""
        about = self.info(path)
        return str(about.get("digest") or about["name"])

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            _refuse()
        path = self._strip_protocol(path)
        if not path:
            raise IsADirectoryError("cloche:// is where the runs are, and no file")
        with self._project() as project:
            version, inner = self._look(project, path)[1:]
            found = _at(version, inner, path)
            if found.entry.kind == "d":
                raise IsADirectoryError(f"{path} is a folder")
            with _as_missing():
                return version.open(found)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes of a file, or those from one place to another; places below zero count from the end."""
        with self.open(path, "rb") as file:
            size = file.seek(0, 2)
            first, last, _step = slice(start, end).indices(size)
            file.seek(first)
            return bytes(file.read(max(0, last - first)))

    def _look(self, project: Project, path: str) -> tuple[str, Version, str]:
        """The first part of a path, the version that it stands for now, and the rest."""
        part, _, inner = path.partition("/")
        named = unquote(part)
        if named == WORK_TREE:
            raise UsageError("`.` is the work tree, which is no run", hint="open its files by their plain paths")
        with _as_missing():
            try:
                name = find_id(project, named)
            except NotFound:  # a Git revision may be a version although no run was made at it
                return part, find_version(project, named), inner
            with self._lock:
                known = self._versions.pop(name, None)
                version = self._versions[name] = known or find_version(project, name)
                if len(self._versions) > _KEPT:
                    self._versions.popitem(last=False)
            return part, version, inner

    @contextlib.contextmanager
    def _project(self) -> Iterator[Project]:
        """The project, opened for this one call: what is open belongs to its thread."""
        found = Project.find(Path(self._place))
        with contextlib.closing(found):
            yield found

    def _read_only(self, *_: Any, **__: Any) -> NoReturn:
        """Runs never change: raises PermissionError."""
        _refuse()

    mkdir = makedirs = rmdir = rm = rm_file = _rm = cp_file = copy = mv = _read_only
    put = put_file = pipe = pipe_file = touch = _read_only


def _refuse() -> NoReturn:
    raise PermissionError("runs never change: write to a file of the project, then `cloche add` or `cloche run`")


def _split_project(url: str) -> tuple[str, str]:
    """A URL without `?project=FOLDER` at its end, and that folder; any other `?` belongs to a name."""
    path, mark, query = url.rpartition("?")
    pairs = parse_qsl(query)
    if mark and len(pairs) == 1 and pairs[0][0] == "project":
        return path, pairs[0][1]
    return url, ""


def _at(version: Version, inner: str, path: str, *, follow: bool = True) -> Found:
    found = version.follow(inner) if follow else version.at(inner) or version.follow(inner)
    if found is None:
        raise FileNotFoundError(f"{version.label} has no {inner} (cloche://{path})")
    return found


def _about(run: str, version: Version, found: Found) -> dict[str, Any]:
    """What fsspec wants to know. A link is what it leads to; one that leads nowhere is of the type `link`."""
    end: Found | None = found
    if found.entry.kind == "l":
        with contextlib.suppress(ClocheError):
            end = version.follow(found.path)
    entry = (end or found).entry
    return {
        "name": f"{run}/{found.path}".rstrip("/"),
        "size": 0 if entry.kind == "d" else entry.size,
        "type": {"d": "directory", "l": "link"}.get(entry.kind, "file"),
        "digest": entry.digest,
        "part": found.part,
        "executable": entry.kind == "x",
        "islink": found.entry.kind == "l",
        "run": version.name,
        "created": version.made,
    }


def _top(project: Project) -> list[dict[str, Any]]:
    names = {**project.catalog.facts("tag"), **{run: run for run in project.catalog.ids("")}}
    return [{"name": quote(name, ""), "size": 0, "type": "directory", "run": run} for name, run in names.items()]


@contextlib.contextmanager
def _as_missing() -> Iterator[None]:
    """What is not there is a FileNotFoundError to those who know fsspec alone; the message is the same."""
    try:
        yield
    except NotFound as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise FileNotFoundError(f"{error.message}{hint}") from error
