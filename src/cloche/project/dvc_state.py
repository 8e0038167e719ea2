"""One version of a DVC repository, the work tree or a commit: its stages, its data, and what was not understood."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

import msgspec

from cloche.dvc.lock import LockReader
from cloche.dvc.paths import resolved, resolved_folder
from cloche.dvc.pipeline import read_pipeline
from cloche.dvc.stagefile import is_stage_file, read_stage_file
from cloche.dvc.tables import read_table
from cloche.dvc.templating import Options, Values
from cloche.dvc.words import Definition, Item, Locked, Out, Pipeline, Skipped, StageFile, Unreadable

PIPELINE, LOCK, IGNORED = "dvc.yaml", "dvc.lock", ".dvc"
_UNFIT = re.compile(r"[\s/\\\x00-\x1f\x7f\"'`]|^[-.]")


class Source(Protocol):
    """The files of one version. Paths are path texts from the project."""

    def names(self) -> Collection[str]:
        """The files of it that may be DVC's."""
        ...

    def read(self, path: str) -> bytes | None:
        """A small file; None where there is none."""
        ...


class Stage(msgspec.Struct, frozen=True):
    """A stage with paths from the project. name: what it is called in Cloche; origin: in DVC. folder: where its command
    runs. params: by file, None for all of it. locked: what it last ran with, None where nothing is on record."""

    name: str
    origin: str
    folder: str
    command: tuple[str, ...]
    deps: tuple[str, ...] = ()
    outs: tuple[Out, ...] = ()
    params: dict[str, tuple[str, ...] | None] = {}
    locked: Locked | None = None
    frozen: bool = False
    always: bool = False
    description: str = ""
    filled: bool = False


class State(msgspec.Struct, frozen=True):
    """What a version says. data: what `.dvc` files track. metrics, params: files that `dvc.yaml` names as such."""

    stages: tuple[Stage, ...] = ()
    data: tuple[Item, ...] = ()
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()
    artifacts: dict[str, str] = {}
    skipped: tuple[Skipped, ...] = ()


def is_record(name: str) -> bool:
    """Whether a file of this name is one of DVC's."""
    return name in (PIPELINE, LOCK) or is_stage_file(name)


class StateReader:
    """Reads versions of the repository whose `.dvc/` lies in `root`, a folder of the project.

    options: those of `[parsing]` in DVC's config.
    """

    def __init__(self, root: str, options: Options) -> None:
        self._root = root
        self._options = options
        self._locks = LockReader()
        self._last: dict[str, tuple[bytes, dict[str, bytes | None], Pipeline]] = {}

    def read(self, source: Source) -> State:
        """What this version says. Nothing is raised: what cannot be understood is listed."""
        gathered = _Gathered(self._root)
        names = sorted(name for name in source.names() if is_record(name.rpartition("/")[2]))
        nested = _nested(source.names(), self._root)
        mine = [name for name in names if not any(name.startswith(f"{folder}/") for folder in nested)]
        for folder in nested:
            gathered.skip("repository", folder, "it is a DVC repository of its own: import it by itself")
        present = frozenset(mine)
        for path in mine:
            folder, _, name = path.rpartition("/")
            data = source.read(path)
            if data is None:
                continue
            if name == PIPELINE:
                lock = source.read(posixpath.join(folder, LOCK))
                self._pipeline(gathered, source, path, data, lock)
            elif name == LOCK and posixpath.join(folder, PIPELINE) not in present:
                self._pipeline(gathered, source, posixpath.join(folder, PIPELINE), None, data)
            elif name != LOCK:
                _stage_file(gathered, path, data)
        return gathered.state()

    def _pipeline(self, gathered: _Gathered, source: Source, path: str, data: bytes | None, lock: bytes | None) -> None:
        folder = path.rpartition("/")[0]
        locked: dict[str, Locked] = {}
        try:
            if lock is not None:
                locked, skipped = self._locks.read(posixpath.join(folder, LOCK), lock)
                gathered.skipped += skipped
        except Unreadable as error:
            gathered.skip("lock", posixpath.join(folder, LOCK), error.message)
        pipeline: Pipeline | None = None
        try:
            if data is not None:
                pipeline = self._read_pipeline(source, path, data)
        except Unreadable as error:
            gathered.skip("pipeline", path, error.message)
        if pipeline is None:
            for name, stage in locked.items():
                gathered.add(path, folder, Definition(name, "", stage.command), stage, known=False)
            return
        for one in pipeline.stages:
            gathered.add(path, folder, one, locked.get(one.name), known=True)
        gathered.sections(path, folder, pipeline)

    def _read_pipeline(self, source: Source, path: str, data: bytes) -> Pipeline:
        """The pipeline in a `dvc.yaml`; that of the version before where nothing has changed. Raises Unreadable."""
        folder = path.rpartition("/")[0]
        last = self._last.get(path)
        if last is not None and last[0] == data and all(source.read(one) == was for one, was in last[1].items()):
            return last[2]
        used: dict[str, bytes | None] = {}

        def load(name: str) -> Values | None:
            place = resolved(folder, name)
            if place is None:
                return None
            used[place] = source.read(place)
            found = used[place]
            return None if found is None else read_table(place, found)

        pipeline = read_pipeline(path, data, load, self._options)
        self._last[path] = data, used, pipeline
        return pipeline


class _Gathered:
    """What has been read of one version so far."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.stages: dict[str, Stage] = {}
        self.data: dict[str, Item] = {}
        self.metrics: list[str] = []
        self.params: list[str] = []
        self.plots: list[str] = []
        self.artifacts: dict[str, str] = {}
        self.skipped: list[Skipped] = []

    def state(self) -> State:
        return State(
            stages=tuple(self.stages.values()),
            data=tuple(self.data.values()),
            metrics=tuple(dict.fromkeys(self.metrics)),
            params=tuple(dict.fromkeys(self.params)),
            plots=tuple(dict.fromkeys(self.plots)),
            artifacts=self.artifacts,
            skipped=tuple(dict.fromkeys(self.skipped)),
        )

    def skip(self, kind: str, name: str, reason: str) -> None:
        self.skipped.append(Skipped(kind, name, reason))

    def name(self, folder: str, name: str) -> str:
        """The name of a stage: as in DVC; of one in a folder, with the folder before it."""
        inner = posixpath.relpath(folder or ".", self.root or ".")
        parts = [*(inner.split("/") if inner not in ("", ".") else ()), name]
        wanted = _UNFIT.sub("-", ".".join(parts)).lstrip("-.") or "stage"
        number = 2
        free = wanted
        while free in self.stages:
            free, number = f"{wanted}-{number}", number + 1
        return free

    def add(self, path: str, folder: str, one: Definition, locked: Locked | None, *, known: bool) -> None:
        """A stage of a `dvc.yaml`. known: whether that could be read, or there is just the lock."""
        origin = f"{path}:{one.name}"
        where = resolved_folder(folder, one.folder)
        if where is None:
            self.skip("stage", origin, f"it runs in {one.folder}, which is outside the project")
            return
        place = _Place(self, origin, where)
        now = None if locked is None else _resolved_lock(place, locked)
        if not known and now is not None:
            one = msgspec.structs.replace(
                one,
                deps=tuple(item.path for item in now.deps),
                outs=tuple(Out(item.path) for item in now.outs),
                params={file: tuple(keys) for file, keys in now.params.items()},
            )
            place = _Place(self, origin, "")
        name = self.name(folder, one.name)
        self.stages[name] = Stage(
            name=name,
            origin=origin,
            folder=where,
            command=one.command,
            deps=tuple(dict.fromkeys(place.paths("dependency", one.deps))),
            outs=tuple(
                msgspec.structs.replace(out, path=found)
                for out in one.outs
                if (found := place.path("output", out.path)) is not None
            ),
            params={file: keys for raw, keys in one.params.items() if (file := place.path("params", raw)) is not None},
            locked=now,
            frozen=one.frozen,
            always=one.always,
            description=one.description,
            filled=one.filled,
        )

    def sections(self, path: str, folder: str, pipeline: Pipeline) -> None:
        """What a `dvc.yaml` says beside its stages."""
        place = _Place(self, path, folder)
        self.metrics += place.paths("metrics", pipeline.metrics)
        self.params += place.paths("params", pipeline.params)
        self.plots += [plot for plot in pipeline.plots if resolved(folder, plot) is not None]
        self.artifacts |= {f"{folder}:{name}" if folder else name: of for name, of in pipeline.artifacts.items()}
        self.skipped += [Skipped(one.kind, f"{path}:{one.name}", one.reason) for one in pipeline.skipped]


class _Place:
    """Where the paths of a stage start; lists those that lead elsewhere."""

    def __init__(self, gathered: _Gathered, origin: str, folder: str) -> None:
        self.gathered = gathered
        self.origin = origin
        self.folder = folder

    def path(self, kind: str, raw: str) -> str | None:
        found = resolved(self.folder, raw)
        if found is None:
            self.gathered.skip(kind, f"{self.origin}: {raw}", "it lies outside the project, or belongs to Git or DVC")
        return found

    def paths(self, kind: str, raws: Iterable[str]) -> list[str]:
        return [found for raw in raws if (found := self.path(kind, raw)) is not None]

    def items(self, kind: str, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            found = self.path(kind, item.path)
            if found is not None:
                yield msgspec.structs.replace(item, path=found)


def _resolved_lock(place: _Place, locked: Locked) -> Locked:
    return Locked(
        command=locked.command,
        deps=tuple(place.items("dependency", locked.deps)),
        outs=tuple(place.items("output", locked.outs)),
        params={found: keys for file, keys in locked.params.items() if (found := resolved(place.folder, file))},
    )


def _stage_file(gathered: _Gathered, path: str, data: bytes) -> None:
    folder, _, name = path.rpartition("/")
    try:
        file = read_stage_file(path, data)
    except Unreadable as error:
        gathered.skip("file", path, error.message)
        return
    where = resolved_folder(folder, file.folder)
    if where is None:
        gathered.skip("file", path, f"its folder {file.folder} is outside the project")
        return
    place = _Place(gathered, path, where)
    if file.command:
        _old_stage(gathered, place, name.removesuffix(".dvc"), file)
        return
    for item in place.items("data", file.outs):
        if item.path in gathered.data:
            gathered.skip("data", f"{path}: {item.path}", "another .dvc file tracks it already")
        elif item.cached:
            gathered.data[item.path] = item
    if file.source:
        gathered.skip(
            "source", path, f"its data is carried over, but not that it was imported from {file.source[:200]}"
        )


def _old_stage(gathered: _Gathered, place: _Place, name: str, file: StageFile) -> None:
    """A stage of DVC before 1.0: definition and lock are one file."""
    deps, outs = tuple(place.items("dependency", file.deps)), tuple(place.items("output", file.outs))
    free = gathered.name(place.origin.rpartition("/")[0], name)
    gathered.stages[free] = Stage(
        name=free,
        origin=place.origin,
        folder=place.folder,
        command=file.command,
        deps=tuple(item.path for item in deps),
        outs=tuple(Out(item.path, metric=item.metric, cached=item.cached, remote=item.remote) for item in outs),
        locked=Locked(file.command, deps, outs) if any(item.md5 for item in outs) else None,
        frozen=file.frozen,
        always=file.always,
        description=file.description,
    )


def _nested(names: Collection[str], root: str) -> list[str]:
    """The folders below `root` that are DVC repositories of their own."""
    ending = f"/{IGNORED}/config"
    found = (name.removesuffix(ending) for name in names if name.endswith(ending))
    return sorted(folder for folder in found if folder != root)
