"""Carrying a DVC repository over: its stages, its data, and its history as runs. One operation, which can be undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from cloche.capture.git_objects import GitObjects
from cloche.dvc.config import Remote
from cloche.dvc.words import Item, Skipped, Unreadable
from cloche.errors import InputError, UsageError
from cloche.model.changes import PathChange
from cloche.model.digest import Digest
from cloche.model.lock import render_lock
from cloche.model.operation import Effect, FactEffect
from cloche.model.paths import above
from cloche.model.revision import check_tag
from cloche.model.run import Run
from cloche.model.settings import FILE_NAME
from cloche.model.settings_text import template
from cloche.model.snapshot import Tracked
from cloche.project.dvc_contents import Contents
from cloche.project.dvc_history import History, HistoryReader, Result
from cloche.project.dvc_links import Links, find_links, link_changes
from cloche.project.dvc_repository import Repository, WorkFiles
from cloche.project.dvc_runs import CHECK, UNKNOWN, Imported, RunMaker, data_items
from cloche.project.dvc_settings import ImportedStage, NewSettings, new_settings
from cloche.project.dvc_state import State, StateReader
from cloche.project.ignore import with_ignored
from cloche.project.journal import perform, read_bytes, text_change
from cloche.project.other_locks import note_held
from cloche.project.project import LOCK_FILE, Project
from cloche.project.trees import store_trees
from cloche.store.linking import own_files

Progress = Callable[[int, int], None]
UNDONE = "undone"
"""The value of the fact `removed` of a run whose recording was undone."""


class ImportedData(msgspec.Struct, frozen=True):
    """A data path. state: `new`, `unchanged`, or `kept`: cloche.lock has another version of it already. size, count: 0
    where they are not known yet."""

    path: str
    state: str
    size: int = 0
    count: int = 0


class ImportedRun(msgspec.Struct, frozen=True):
    """A run that stands for a commit. state: `new`; `known`: imported before; `better`: more of its content is known
    than when it was imported before, so that it takes the place of that run; `back`: its import had been undone.
    run: its id, empty in a preview."""

    commit: str
    created: float
    message: str
    state: str
    run: str = ""
    experiment: str = ""


class Carried(msgspec.Struct, frozen=True):
    """What was, or would be, carried over. unlinked: links into DVC's cache that became files of their own."""

    stages: tuple[ImportedStage, ...]
    data: tuple[ImportedData, ...]
    runs: tuple[ImportedRun, ...]
    tags: dict[str, str]
    remotes: tuple[Remote, ...]
    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    operation: int = 0
    unlinked: tuple[str, ...] = ()


class _Found(NamedTuple):
    """Everything that is read before anything is written."""

    state: State
    history: History
    states: dict[str, State]
    contents: Contents
    links: Links


def carry_over(project: Project, repository: Repository, *, history: bool, progress: Progress) -> Carried:
    """Import a DVC repository into a project. What is there stays as it is; a second time adds nothing twice."""
    with project.writing(), GitObjects(project.root) as objects:
        reader = HistoryReader(objects, project.root, repository.root) if project.git is not None else None
        found = _read(project, repository, reader if history else None)
        found.contents.take(_items(found), progress)
        skipped = [*found.state.skipped, *_past_skipped(found), *_doubts(found)]
        settings = _settings(project, repository, found.state)
        tracked, data, lost = _track(project, found, found.state.data)
        made, unmade = _runs(project, settings, found, reader, progress) if reader is not None else ([], [])
        skipped += [*settings.skipped, *lost, *unmade, *_lost(made)]
        imported, effects = _record(project, made)
        tags, tag_effects, refused = _tags(project, found.history, imported)
        skipped += refused
        changes = _changes(project, settings.text, tracked)
        files = tuple(change.path for change in changes if change.before != change.after)
        unlinked, stuck = link_changes(project, found.links, found.contents)
        changes += unlinked
        skipped += stuck
        note_held(project, (tracked[one.path] for one in data if one.state == "new"))
        operation = 0
        if effects or tag_effects or any(change.before != change.after for change in changes):
            summary = f"imported {len(settings.stages)} stages, {len(data)} data paths, {len(imported)} runs from DVC"
            operation = perform(project, "import", summary, changes, (*effects, *tag_effects)).number
        own_files(project.root, found.links.hard, project.store.fs)
    remotes = repository.shown_remotes
    listed = tuple(dict.fromkeys([*skipped, *_remotes_skipped(repository)]))
    own = tuple(sorted([*(change.path for change in unlinked), *found.links.hard]))
    return Carried(settings.stages, data, tuple(imported), tags, remotes, files, listed, operation, own)


def preview(project: Project, repository: Repository, *, history: bool) -> Carried:
    """What `carry_over` would do, as far as it can be told without reading contents. Writes nothing."""
    with GitObjects(project.root) as objects:
        git = project.git is not None and history
        reader = HistoryReader(objects, project.root, repository.root) if git else None
        found = _read(project, repository, reader)
        settings = _settings(project, repository, found.state)
        before = {item.path for item in project.tracked}
        lost = [Skipped("data", item.path, why) for item in found.state.data if (why := found.contents.missing(item))]
        gone = {one.name for one in lost}
        data = [item for item in found.state.data if item.path not in gone]
        runs = [_previewed(result) for result in found.history.results if _is_run(found.states[result.commit.hash])]
        for result in found.history.results:
            state = found.states[result.commit.hash]
            wanted = [("output", item) for item in _locked_outs(state) if item.md5]
            wanted += [("data", item) for item in data_items(state)]
            lost += [
                Skipped(kind, f"{result.commit.hash[:12]}: {item.path}", why)
                for kind, item in wanted
                if (why := found.contents.missing(item))
            ]
    names = dict.fromkeys(found.history.tags, "")
    return Carried(
        settings.stages,
        tuple(ImportedData(item.path, "known" if item.path in before else "new", item.size or 0) for item in data),
        tuple(runs),
        names,
        repository.shown_remotes,
        (),
        tuple(
            dict.fromkeys(
                [*found.state.skipped, *_past_skipped(found), *settings.skipped, *lost, *_remotes_skipped(repository)]
            )
        ),
        unlinked=found.links.paths,
    )


def _previewed(result: Result) -> ImportedRun:
    commit, experiment = result.commit, result.experiment
    name = experiment.name if experiment else ""
    return ImportedRun(commit.hash, commit.time, name or commit.subject, "new", experiment=name)


def _read(project: Project, repository: Repository, reader: HistoryReader | None) -> _Found:
    states = StateReader(repository.root, repository.config.options)
    state = states.read(WorkFiles(project))
    history = reader.read() if reader is not None and project.git is not None and project.git.head()[0] else None
    history = history or History([], {}, [])
    past = {one.commit.hash: _past(states, reader, one) for one in history.results} if reader else {}
    caches = repository.caches
    links = find_links(project, _places(project, state), caches)
    return _Found(state, history, past, Contents(project, [*caches, *links.caches], repository.remotes), links)


def _past(states: StateReader, reader: HistoryReader, result: Result) -> State:
    """What a commit says; where only its data is new, no stage ran for it."""
    state = states.read(reader.source(result.commit))
    if not result.data:
        return state
    stages = tuple(msgspec.structs.replace(stage, locked=None) for stage in state.stages)
    return msgspec.structs.replace(state, stages=stages)


def _is_run(state: State) -> bool:
    return bool(state.data) or any(stage.locked for stage in state.stages)


def _places(project: Project, state: State) -> Iterable[str]:
    """Where files of DVC's may lie in the work tree."""
    yield from (item.path for item in state.data)
    yield from (item.path for item in project.tracked)
    for stage in state.stages:
        yield from (out.path for out in stage.outs)
        yield from (item.path for item in (stage.locked.outs if stage.locked else ()))


def _locked_outs(state: State) -> Iterable[Item]:
    for stage in state.stages:
        remotes = {out.path: out.remote for out in stage.outs}
        for item in stage.locked.outs if stage.locked else ():
            yield msgspec.structs.replace(item, remote=remotes.get(item.path) or item.remote)


def _items(found: _Found) -> Iterable[Item]:
    """Everything whose content is wanted: data, what stages wrote, and data as stages read it."""
    yield from found.state.data
    yield from found.links.symbolic
    for state in found.states.values():
        tracked = {item.path for item in state.data}
        yield from state.data
        yield from _locked_outs(state)
        for stage in state.stages:
            yield from (item for item in (stage.locked.deps if stage.locked else ()) if item.path in tracked)


def _doubts(found: _Found) -> Iterable[Skipped]:
    """Contents that were taken although they may be a twin of what DVC recorded."""
    for item in dict.fromkeys(_items(found)):
        try:
            why = found.contents.doubt(item)
        except Unreadable:
            continue
        if why:
            yield Skipped("doubtful", item.path, why)


def _past_skipped(found: _Found) -> Iterable[Skipped]:
    """The files of past versions that cannot be understood, each named by the first commit that has it so."""
    seen = {(one.name, one.reason) for one in found.state.skipped}
    for commit, state in found.states.items():
        for one in state.skipped:
            if one.kind in ("lock", "file", "pipeline") and (one.name, one.reason) not in seen:
                seen.add((one.name, one.reason))
                yield Skipped(one.kind, f"{commit[:12]}: {one.name}", one.reason)


def _settings(project: Project, repository: Repository, state: State) -> NewSettings:
    text = template()
    if (project.root / FILE_NAME).exists():
        _ = project.settings  # says what is wrong with it, if anything is
        text = read_bytes(project, FILE_NAME).decode("utf-8")
    folder = f"/{repository.root}/.dvc/" if repository.root else "/.dvc/"
    return new_settings(project.root, state, repository.shown_remotes, text, (folder, "dvc.lock", "*.dvc", "Dvcfile"))


def _track(
    project: Project, found: _Found, items: Iterable[Item]
) -> tuple[dict[str, Tracked], tuple[ImportedData, ...], list[Skipped]]:
    """The tracked data after the import, what was done with each path, and what could not be had."""
    tracked = {item.path: item for item in project.tracked}
    before = dict(tracked)
    covered = {folder: path for path in tracked for folder in above(path)}
    committed = project.git.tracked() if project.git is not None else set[str]()
    in_git = {place: path for path in committed for place in (path, *above(path))}
    data: list[ImportedData] = []
    trees: dict[Digest, bytes] = {}
    lost: list[Skipped] = []
    for item in items:
        near = next((one for one in above(item.path) if one in tracked), "") or covered.get(item.path, "")
        clash = near or in_git.get(item.path, "")
        try:
            if clash:
                raise Unreadable(f"it overlaps {clash}, which {'is tracked already' if near else 'Git tracks'}")
            entry = found.contents.entry(item)
            trees |= found.contents.trees(item) if item.folder else {}
        except Unreadable as error:
            lost.append(Skipped("data", item.path, error.message))
            continue
        now = Tracked(item.path, entry.kind, entry.digest, entry.size, entry.count)
        known = before.get(item.path)
        state = "new" if known is None else "unchanged" if known == now else "kept"
        tracked.setdefault(item.path, now)
        covered |= dict.fromkeys(above(item.path), item.path)
        data.append(ImportedData(item.path, state, entry.size, entry.count))
    store_trees(project, trees)
    return tracked, tuple(data), lost


def _runs(
    project: Project, settings: NewSettings, found: _Found, reader: HistoryReader, progress: Progress
) -> tuple[list[tuple[Result, Imported]], list[Skipped]]:
    """The runs that the results tell of, and those that cannot be made."""
    made: list[tuple[Result, Imported]] = []
    lost: list[Skipped] = []
    results = [one for one in found.history.results if _is_run(found.states[one.commit.hash])]
    with project.store.writer() as writer:
        maker = RunMaker(project.root, settings.text, project.store, writer, reader, found.contents)
        for number, result in enumerate(results, start=1):
            try:
                made.append((result, maker.run(result, found.states[result.commit.hash])))
            except InputError as error:  # a clone that holds only a part of the history
                lost.append(Skipped("run", result.commit.hash[:12], error.message))
            progress(number, len(results))
    return made, lost


def _lost(made: Sequence[tuple[Result, Imported]]) -> Iterable[Skipped]:
    for result, imported in made:
        for one in imported.lost:
            yield Skipped(one.kind, f"{result.commit.hash[:12]}: {one.name}", one.reason)


def _record(project: Project, made: Sequence[tuple[Result, Imported]]) -> tuple[list[ImportedRun], list[Effect]]:
    """Put the runs into the catalog, hidden: the operation that follows shows them, and undoing it hides them again."""
    known = set(project.catalog.ids("", hidden=True))
    earlier = _imported_before(project, {one.run.snapshot.code.commit for _, one in made})
    effects: list[Effect] = []
    listed: list[ImportedRun] = []
    with project.catalog.transaction():
        for result, imported in made:
            run = imported.run
            state = "new"
            old = earlier.get(run.snapshot.code.commit)
            if run.id in known:
                hidden = project.catalog.fact("removed", run.id)
                state = "back" if hidden == UNDONE else "known"
            elif old is not None:
                state = "better"
            if state in ("new", "better"):
                project.catalog.add_run(run, UNKNOWN)
                project.catalog.put_stages(run.id, run.stages)
                project.catalog.set_fact("removed", run.id, UNDONE)
            if state != "known":
                effects.append(FactEffect("removed", run.id, UNDONE, None))
            if state == "better" and old is not None:
                effects.append(FactEffect("removed", old, None, "removed"))
            name = result.experiment.name if result.experiment else ""
            listed.append(ImportedRun(result.commit.hash, run.created, run.message, state, run.id, name))
    return listed, effects


def _imported_before(project: Project, commits: set[str]) -> dict[str, str]:
    """The runs that an earlier import made of these commits, by commit."""
    rows = [row for row in project.catalog.runs() if row.commit in commits and row.findings and not row.command]
    runs: Iterable[Run] = (project.catalog.run(row.id) for row in rows)
    return {run.snapshot.code.commit: run.id for run in runs if run.findings[0].check == CHECK}


def _tags(
    project: Project, history: History, imported: Sequence[ImportedRun]
) -> tuple[dict[str, str], list[Effect], list[Skipped]]:
    """Tags for what DVC's refs name."""
    runs = {one.commit: one.run for one in imported}
    tags: dict[str, str] = {}
    effects: list[Effect] = []
    refused = [Skipped("tag", name, "no results are on record at its commit") for name in history.lost]
    for name, commit in sorted(history.tags.items()):
        run = runs.get(commit)
        before = project.catalog.fact("tag", name)
        try:
            check_tag(name)
        except UsageError as error:
            refused.append(Skipped("tag", name, error.message))
            continue
        if run is None:
            refused.append(Skipped("tag", name, "no results are on record at its commit"))
        elif before not in (None, run) and not _is_imported(project, str(before)):
            refused.append(Skipped("tag", name, "a run has this tag already"))
        else:
            tags[name] = run
            effects += [FactEffect("tag", name, before, run)] if before != run else []
    return tags, effects, refused


def _is_imported(project: Project, run: str) -> bool:
    findings = project.catalog.run(run).findings
    return bool(findings) and findings[0].check == CHECK


def _changes(project: Project, text: str, tracked: Mapping[str, Tracked]) -> list[PathChange]:
    before = {item.path: item for item in project.tracked}
    changes = []
    if text.encode() != read_bytes(project, FILE_NAME):
        changes.append(text_change(project, FILE_NAME, text))
    if tracked != before:
        changes.append(text_change(project, LOCK_FILE, render_lock(tracked.values())))
    new = [path for path in tracked if path not in before]
    if project.git is not None and new:
        hidden = project.git.ignored(new)
        visible = [path for path in new if path not in hidden]
        for file, lines in with_ignored(visible, lambda path: read_bytes(project, path)).items():
            changes.append(text_change(project, file, lines))
    return changes


def _remotes_skipped(repository: Repository) -> Iterable[Skipped]:
    """The remotes that were not read."""
    for remote in repository.shown_remotes:
        if remote.name not in repository.remotes:
            why = f"there is no folder {remote.url}: where its disk is mounted, import again"
            if remote.copies or not remote.folder:
                only = "it holds plain files and no objects" if remote.folder else "only folders are"
                more = f"type `dvc fetch --all-commits -r {remote.name}` for what is missing, and import again"
                why = f"{remote.url} was not read, {only}: {more}"
            yield Skipped("remote", remote.name, why)
