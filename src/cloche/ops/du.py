"""`cloche du`: how much the store takes, and what for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from cloche.errors import NotFound, UsageError
from cloche.model.usage import Usage, Used
from cloche.project.project import Project
from cloche.project.reach import Root
from cloche.project.revisions import find_id
from cloche.project.usage import (
    Division,
    Ledger,
    Progress,
    all_roots,
    by_part,
    by_path,
    by_run,
    of_path,
    of_run,
    split,
)


def du(
    project: Project,
    names: Sequence[str] = (),
    *,
    runs: bool = False,
    base: Path | None = None,
    progress: Progress | None = None,
) -> Usage:
    """What the store takes: in all, by part, by path and by run, or for what is named alone.

    names: runs, and paths of the project. What both a run and a path are called is the run; `./NAME` is the path.
    runs: every run as well. base: what paths are relative to, by default the current folder. Raises NotFound for what
    is neither.
    """
    asked_runs, asked_paths = _meanings(project, names, base)
    divisions: list[Division] = [by_part, by_path]
    divisions += [by_run] if runs or asked_runs else []
    first = len(divisions)
    divisions += [*(of_run(run) for run in asked_runs), *(of_path(path) for path in asked_paths)]
    ledger = Ledger(project.store)
    newest: dict[tuple[str, str], str] = {}
    for root, run in all_roots(project):
        for piece in _pieces(project, root, asked_paths):
            newest.setdefault((piece.name, piece.digest), run)
            ledger.add(piece, [division(piece, run) for division in divisions])
    settled = ledger.settle(progress)
    found = settled.divisions or [()] * len(divisions)
    packs, disk = project.store.size()
    nothing = Used(part="nothing", versions=0, stored=settled.nothing, unique=settled.nothing)
    every_run = [used for used in found[2] if used.run] if first == 3 else []
    return Usage(
        packs=packs,
        disk=disk,
        stored=settled.stored,
        parts=() if names else (*found[0], *([nothing] if settled.nothing else [])),
        paths=() if names else tuple(used for used in found[1] if used.path),
        runs=tuple(used for used in every_run if used.run in asked_runs or not names),
        asked=tuple(_asked(found[first:], newest)),
        unreadable=settled.unreadable,
    )


def _meanings(project: Project, names: Sequence[str], base: Path | None) -> tuple[list[str], list[str]]:
    """The runs and the paths that names stand for."""
    runs: list[str] = []
    paths: list[str] = []
    for name in dict.fromkeys(names):
        try:
            runs.append(find_id(project, name))
        except (NotFound, UsageError) as error:
            path = project.path_text(name, base)
            if not _is_known(project, path):
                raise NotFound(f"{error.message}, and nothing stored was ever at {path}", hint=error.hint) from None
            paths.append(path)
    return list(dict.fromkeys(runs)), list(dict.fromkeys(paths))


def _is_known(project: Project, path: str) -> bool:
    return any(
        piece.name == path or piece.name.startswith(f"{path}/")
        for root, _ in all_roots(project)
        if root.part != "undo"
        for piece in split(project.store, root, path)
    )


def _pieces(project: Project, root: Root, paths: Sequence[str]) -> list[Root]:
    pieces = [root]
    for path in paths:
        pieces = [one for piece in pieces for one in split(project.store, piece, path)]
    return pieces


def _asked(divisions: Sequence[Sequence[Used]], newest: dict[tuple[str, str], str]) -> Iterable[Used]:
    for division in divisions:
        for used in division:
            if used.digest:
                yield replace(used, run=newest[(used.path, used.digest)])
            elif used.run:
                yield used
