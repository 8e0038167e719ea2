"""From a commit with a `dvc.lock` to the run that it tells of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from cloche.capture.code import classify
from cloche.capture.git_objects import GitFile
from cloche.dvc.cache import data_md5s
from cloche.dvc.tables import read_table
from cloche.dvc.words import Item, Skipped, Unreadable
from cloche.errors import ClocheError
from cloche.model.digest import Digest, digest_parts
from cloche.model.environment import Environment, Platform
from cloche.model.paths import inside
from cloche.model.run import Finding, Output, Run, StageRun, run_id
from cloche.model.settings import FILE_NAME
from cloche.model.settings_text import parse_settings
from cloche.model.snapshot import Code, Config, ConfigFile, Data, LeftOut, Snapshot, Tracked
from cloche.model.tree import Entry, Kind, build_tree
from cloche.model.values import Value, flatten, leaves, numbers
from cloche.model.wording import some
from cloche.project.dvc_contents import Contents
from cloche.project.dvc_history import HistoryReader, Result
from cloche.project.dvc_settings import shell
from cloche.project.dvc_state import Stage, State
from cloche.store.objects import Store
from cloche.store.writing import Writer

CHECK = "imported-from-dvc"
MOST_METRICS = 16 * 1024 * 1024
UNKNOWN = Environment(None, (), Platform("", ""))
_KINDS: Mapping[str, Kind] = {"100644": "f", "100664": "f", "100755": "x", "120000": "l"}
PLAIN = ("100644", "100755", "100664")
_CONFIG = (".toml", ".yaml", ".yml", ".json")


class Imported(NamedTuple):
    """A run, and what of it could not be had."""

    run: Run
    lost: tuple[Skipped, ...]


class RunMaker:
    """Makes runs of results. What is to be stored goes to `writer`.

    settings_text: the `cloche.toml` of the project, which runs from before there was one are given, too.
    """

    def __init__(
        self, root: Path, settings_text: str, store: Store, writer: Writer, reader: HistoryReader, contents: Contents
    ) -> None:
        self._root = root
        self.settings_text = settings_text
        self._settings = parse_settings(settings_text)
        self._store = store
        self._writer = writer
        self._reader = reader
        self._contents = contents
        self._blobs: dict[tuple[str, str], Entry] = {}
        self._md5s: dict[tuple[str, bool], tuple[str, ...]] = {}

    def add(self, data: bytes) -> Digest:
        """Store some bytes."""
        return self._writer.add_bytes(data)

    def run(self, result: Result, state: State) -> Imported:
        """The run that a result tells of."""
        return _Making(self, result, state).imported()

    def blob(self, file: GitFile) -> bytes:
        """The bytes of a file in Git."""
        return self._reader.objects.read(file.object)

    def is_same(self, file: GitFile, item: Item) -> bool:
        """Whether a file in Git is the one that DVC recorded."""
        key = (file.object, item.legacy)
        if key not in self._md5s:
            self._md5s[key] = data_md5s(self.blob(file), legacy=item.legacy)
        return item.md5 in self._md5s[key]

    def stored(self, name: str, file: GitFile) -> Entry:
        """A file of Git's, stored."""
        key = (file.mode, file.object)
        if key not in self._blobs:
            data = self.blob(file)
            self._blobs[key] = Entry("", _KINDS[file.mode], self._writer.add_bytes(data), len(data))
        return msgspec.structs.replace(self._blobs[key], name=name)

    def keep(self, trees: Mapping[Digest, bytes]) -> None:
        """Store trees."""
        for data in trees.values():
            self._writer.add_tree(data)


def data_items(state: State) -> list[Item]:
    """The tracked data of a version: as the stages read it, or else as the `.dvc` files have it."""
    read = {item.path: item for stage in state.stages if stage.locked for item in stage.locked.deps if item.md5}
    found: list[Item] = []
    for item in sorted(state.data, key=lambda one: one.path):
        used = read.get(item.path)
        same = used is None or used.md5 == item.md5
        found.append(item if used is None or same else msgspec.structs.replace(used, remote=item.remote))
    return found


class _Making:
    """One run while it is made."""

    def __init__(self, maker: RunMaker, result: Result, state: State) -> None:
        self.maker = maker
        self.commit = result.commit
        self.experiment = result.experiment
        self.state = state
        self.files = maker._reader.files(result.commit)
        self.ran = any(stage.locked is not None for stage in state.stages)
        self.lost: list[Skipped] = []
        self.findings: list[Finding] = []
        self.sources: dict[str, GitFile | Item] = {}  # where the bytes of outputs are, for metrics

    def imported(self) -> Imported:
        stages = tuple(self.stage(stage) for stage in self.state.stages if stage.locked is not None)
        outputs = {output.path: output for stage in stages for output in stage.outputs}
        data = Data(tuple(self.data()))
        config = self.config()
        changed = self.changed_code()
        code = self.code(data, config, outputs, dirty=bool(changed))
        metrics = self.metrics() if self.ran else {}
        snapshot = Snapshot(code, data, config, UNKNOWN.digest)
        self.notice(changed)
        core = [
            self.commit.hash,
            data.digest,
            config.digest,
            *(part for one in outputs.values() for part in (one.path, one.digest)),
        ]
        core += [part for key, value in metrics.items() for part in (key, repr(value))]
        core += [part for stage in stages for part in (stage.name, stage.command)]
        run = Run(
            id=run_id(bytes.fromhex(digest_parts(["cloche-import-dvc-1", *core]))[:8]),
            created=self.commit.time,
            status="finished",
            command=(),
            snapshot=snapshot,
            experiment=f"dvc-{self.experiment.baseline[:7]}" if self.experiment else "",
            message=self.message[:500],
            ended=self.commit.time,
            exit_status=0,
            metrics=metrics,
            outputs=tuple(outputs[path] for path in sorted(outputs)),
            stages=stages,
            findings=tuple(self.findings),
        )
        return Imported(run, tuple(self.lost))

    @property
    def message(self) -> str:
        """What the commit says; an experiment is known by its name."""
        one = self.experiment
        return one.name if one is not None and one.commit == self.commit.hash else self.commit.subject

    def stage(self, stage: Stage) -> StageRun:
        locked = stage.locked
        assert locked is not None  # noqa: S101 - those without are left out
        outputs = [output for item in locked.outs if (output := self.output(stage, item)) is not None]
        return StageRun(
            stage.name, shell(stage.folder, locked.command), "finished", exit_status=0, outputs=tuple(outputs)
        )

    def output(self, stage: Stage, item: Item) -> Output | None:
        """What a stage wrote; None where it cannot be had."""
        remote = next((out.remote for out in stage.outs if out.path == item.path and out.remote), item.remote)
        entry = self.entry(msgspec.structs.replace(item, remote=remote), "output")
        if entry is None:
            return None
        return Output(item.path, entry.kind, entry.digest, entry.size, entry.count, declared=True)

    def entry(self, item: Item, kind: str) -> Entry | None:
        """What an item is: from Git, where Git keeps it and it is the same, or from DVC's cache."""
        file = self.files.get(item.path)
        in_git = file is not None and file.mode in PLAIN and not item.folder
        if file is not None and in_git and item.md5 and self.maker.is_same(file, item):
            self.sources[item.path] = file
            return self.maker.stored(item.path.rpartition("/")[2], file)
        try:
            if not item.md5 and not item.files:
                raise Unreadable("DVC has not recorded what it holds")
            entry = self.maker._contents.entry(item)
            if item.folder:
                self.maker.keep(self.maker._contents.trees(item))
        except Unreadable as error:
            self.lost.append(Skipped(kind, item.path, error.message))
            return None
        self.sources[item.path] = item
        return entry

    def data(self) -> Iterator[Tracked]:
        """The tracked data: as the stages read it, or else as the `.dvc` files have it."""
        tracked = {item.path: item for item in self.state.data}
        for wanted in data_items(self.state):
            item = tracked[wanted.path]
            if wanted.md5 != item.md5 and wanted.legacy == item.legacy:
                reason = "its .dvc file names another version than the stages ran with, which is the one in the run"
                self.lost.append(Skipped("version", item.path, reason))
            entry = self.entry(wanted, "data")
            if entry is not None:
                yield Tracked(item.path, entry.kind, entry.digest, entry.size, entry.count)

    def config(self) -> Config:
        """The parameter files as they are in Git, with the values that the stages really ran with."""
        said = [stage.locked.params for stage in self.state.stages if stage.locked]
        named = [*self.maker._settings.config_files, *self.state.params, *(file for params in said for file in params)]
        files: list[ConfigFile] = []
        values: dict[str, Value] = {}
        names: dict[tuple[str, str], str] = {}
        for path in dict.fromkeys(named):
            table = self.table(path)
            if table is None:
                continue
            for key, value in table.items():
                name = names[path, key] = f"{path}:{key}" if key in values else key
                values[name] = value
            if path.endswith(_CONFIG):
                entry = self.maker.stored(path.rpartition("/")[2], self.files[path])
                files.append(ConfigFile(path, entry.kind, entry.digest, entry.size))
        overrides: dict[str, Value] = {}
        for path, key, value in (
            (path, key, value) for params in said for path, keys in params.items() for key, value in _flat(keys)
        ):
            name = names.setdefault((path, key), f"{path}:{key}" if key in values else key)
            if name not in values or values[name] != value:
                overrides[name] = values[name] = value
        return Config(tuple(sorted(files, key=lambda one: one.path)), values, overrides)

    def table(self, path: str) -> dict[str, Value] | None:
        """What a file in Git says, by dotted key; None where there is no such file, or nothing can be made of it."""
        file = self.files.get(path)
        if file is None or file.mode not in PLAIN:
            return None
        try:
            return flatten(read_table(path, self.maker.blob(file)))
        except ClocheError as error:
            self.lost.append(Skipped("params", path, error.message))
            return None

    def changed_code(self) -> list[str]:
        """Files that stages read, and that Git has with another content at this commit."""
        deps = [item for stage in self.state.stages if stage.locked for item in stage.locked.deps if item.md5]
        in_git = [(item, file) for item in deps if (file := self.files.get(item.path)) and file.mode in PLAIN]
        return list(dict.fromkeys(item.path for item, file in in_git if not self.maker.is_same(file, item)))

    def code(self, data: Data, config: Config, outputs: Iterable[str], *, dirty: bool) -> Code:
        outside = [*(item.path for item in self.state.data), *outputs]
        outside += [out.path for stage in self.state.stages for out in stage.outs] + list(self.state.metrics)
        names = [path for path, file in self.files.items() if file.mode in _KINDS]
        sorted_out = classify(
            self.maker._root,
            names,
            self.maker._settings,
            data=[*(item.path for item in data.paths), *outside],
            config=[file.path for file in config.files],
            tracked=names,
        )
        entries = {path: self.maker.stored(path.rpartition("/")[2], self.files[path]) for path in sorted_out.code}
        if FILE_NAME not in self.files:  # going back to the run must not end the project
            text = self.maker.settings_text.encode()
            entries[FILE_NAME] = Entry(FILE_NAME, "f", self.maker.add(text), len(text))
        built = build_tree(entries)
        self.maker.keep(built.trees)
        left = (LeftOut(path, "a submodule") for path, file in self.files.items() if file.mode == "160000")
        return Code(
            built.entry.digest,
            built.entry.count,
            built.entry.size,
            commit=self.commit.hash,
            dirty=dirty,
            left_out=tuple(left),
        )

    def metrics(self) -> dict[str, float]:
        """Every number in the files of metrics by dotted key, named as those of a new run are."""
        named = [*self.state.metrics, *(out.path for stage in self.state.stages for out in stage.outs if out.metric)]
        found: dict[str, float] = {}
        for path in sorted(set(named)):
            data = self.bytes_of(path)
            if data is None:
                continue
            try:
                values = numbers(dict(leaves(read_table(path, data))))
            except (ClocheError, RecursionError) as error:
                self.lost.append(Skipped("metrics", path, str(error)))
                continue
            for key, number in values.items():
                found[f"{path}:{key}" if key in found else key] = number
        return found

    def bytes_of(self, path: str) -> bytes | None:
        """The bytes of a file of metrics: as an output, a file in one, or as Git has it."""
        for output, source in self.sources.items():
            if inside(path, output):
                return self.maker.blob(source) if isinstance(source, GitFile) else self.cached_bytes(source, path)
        file = self.files.get(path)
        written = any(inside(path, out.path) for stage in self.state.stages for out in stage.outs)
        return self.maker.blob(file) if file is not None and file.mode in _KINDS and not written else None

    def cached_bytes(self, item: Item, path: str) -> bytes | None:
        files = self.maker._contents.files(item) if item.folder else {"": self.maker._contents.entry(item)}
        entry = files.get(path[len(item.path) + 1 :])
        if entry is None or entry.size > MOST_METRICS:
            return None
        return self.maker._store.read(entry.digest)

    def notice(self, changed: list[str]) -> None:
        """The findings of the run."""
        self.findings.append(
            Finding(
                CHECK,
                "info",
                "imported from DVC, which does not record the environment, the printed output, and how long it took"
                if self.ran
                else "imported from DVC: the data that it tracked at this commit; no stage ran with it",
            )
        )
        lost = [one.name for one in self.lost if one.kind in ("output", "data")]
        if lost:
            self.findings.append(
                Finding(
                    "content-missing",
                    "warning",
                    f"DVC's cache does not hold {some(lost)}, or holds it damaged",
                    hint="type `dvc fetch --all-commits`, then `cloche import dvc` again",
                )
            )
        if changed:
            self.findings.append(
                Finding(
                    "code-differs", "warning", f"{some(changed)} was another one when the stages ran than in the commit"
                )
            )


def _flat(keys: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    """Recorded parameters by dotted key."""
    try:
        yield from flatten(keys).items()
    except ClocheError:
        return
