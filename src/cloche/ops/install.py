"""`cloche install`: have Git keep data, `cloche.lock` and the work tree together."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cloche.capture.git import top_of
from cloche.capture.hooks import common_hooks, config, hooks_folder, set_config
from cloche.errors import Conflict, InputError, UsageError
from cloche.model.hooks import (
    DRIVER,
    HOOKS,
    STRICT,
    block,
    chosen,
    driver,
    has_attribute,
    with_attribute,
    without_attribute,
)
from cloche.model.suggestions import closest
from cloche.project.hook_files import Act, holds_lines, put_lines, stops_commits, take_lines
from cloche.project.journal import perform, read_bytes, text_change
from cloche.project.placed import note_placed, placed
from cloche.project.project import Project

ATTRIBUTES = ".gitattributes"
DRIVER_KEY = "merge.cloche.driver"
NAME_KEY = "merge.cloche.name"
TEMPLATE_KEY = "init.templateDir"
DOES = {hook.name: hook.does for hook in HOOKS} | {
    DRIVER: "in a merge, cloche.lock is merged path by path, and a folder that both sides changed file by file"
}


class Installed(msgspec.Struct, frozen=True):
    """One thing that was set or taken out. act: `new`, `joined` (lines in a hook that was there), `wrapped` (the hook
    that was there is called from ours), `updated`, `unchanged`, `removed`, or `absent`. place: the file or setting.
    strict: whether it stops commits."""

    name: str
    act: Act
    place: str
    does: str
    strict: bool = False


class Installation(msgspec.Struct, frozen=True):
    """What `install` did, or would do with dry_run. notes: what else to know. files: of the work tree, for Git."""

    parts: tuple[Installed, ...]
    removed: bool = False
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    dry_run: bool = False


def install(
    project: Project,
    names: Sequence[str] = (),
    *,
    remove: bool = False,
    strict: bool | None = None,
    dry_run: bool = False,
) -> Installation:
    """Set Git's hooks and the merge driver for this project, or take them out; all, or those of these names.

    Hooks that are there go on doing what they do. strict: whether `pre-commit` stops a commit that leaves changed data
    out; None: as it was set before. Raises UsageError for an unknown name, InputError without Git, Conflict where
    something is in the way.
    """
    wanted = chosen(tuple(names), _unknown)
    if strict is not None and "pre-commit" not in wanted:
        word = "--strict" if strict else "--no-strict"
        raise UsageError(f"{word} is for the hook pre-commit", hint=f"type `cloche install {word} pre-commit`")
    top = top_of(project.root)
    if project.git is None or top is None:
        raise InputError("this project is in no Git repository", hint="type `git init`, then try again")
    place = os.path.relpath(os.path.realpath(project.root), top).replace(os.sep, "/")
    folder, notes = _place(project.root, top)
    program = "" if notes else _program()  # what others use, too, names nothing of this machine

    def part(name: str, dry_run: bool) -> Installed:
        if name == DRIVER:
            return _driver(project.root, remove, dry_run)
        file = folder / name
        stops = name == "pre-commit" and (stops_commits(file, place) if strict is None else strict)
        lines = block(name, place, program, strict=stops)
        act = take_lines(file, place, dry_run=dry_run) if remove else put_lines(file, place, lines, dry_run=dry_run)
        return Installed(name, act, _shown(file, top), STRICT if stops else DOES[name], stops)

    with project.writing():
        parts = tuple(part(name, True) for name in wanted)  # what is in the way is found before anything is written
        if not dry_run:
            parts = tuple(part(name, False) for name in wanted)
        files = _attributes(project, remove, dry_run) if DRIVER in wanted else ()
        if not remove and not dry_run and placed(project) is None:
            note_placed(project, project.tracked)
    return Installation(parts, remove, notes, files, dry_run)


def install_everywhere(folder: Path, *, remove: bool = False, dry_run: bool = False) -> Installation:
    """Set the hooks for every repository that is cloned or made from now on, through Git's template folder, and the
    merge driver for all. In a repository that holds no project they do nothing."""
    given = config(folder, TEMPLATE_KEY, "--global", "--path")
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "cloche" / "git-template"
    template = Path(given) if given else own
    parts = []
    for hook in HOOKS:
        file = template / "hooks" / hook.name
        lines = block(hook.name, ".", _program())
        act = take_lines(file, ".", dry_run=dry_run) if remove else put_lines(file, ".", lines, dry_run=dry_run)
        parts.append(Installed(hook.name, act, str(file), hook.does))
    parts.append(_driver(folder, remove, dry_run, "--global"))
    notes: tuple[str, ...] = ()
    if template == own and not dry_run:
        if remove:
            shutil.rmtree(own, ignore_errors=True)
        set_config(folder, TEMPLATE_KEY, None if remove else str(own), "--global")
    if not remove:
        notes = (f"repositories that are there already: `git init` in one takes the hooks of {template} over",)
    return Installation(tuple(parts), remove, notes, (), dry_run)


def _unknown(name: str) -> UsageError:
    near = closest(name, DOES)
    hint = f"did you mean `{near}`?" if near else f"choose among {', '.join(DOES)}"
    return UsageError(f"there is no hook called {name!r}", hint=hint)


def _place(root: Path, top: str) -> tuple[Path, tuple[str, ...]]:
    """Where hooks go, and what the user should know about that place."""
    folder = _hooks(root)
    if folder == Path(os.devnull) or (folder.exists() and not folder.is_dir()):
        raise Conflict(
            f"core.hooksPath is {folder}, so Git runs no hooks here", hint="`git config --unset core.hooksPath`"
        )
    if os.path.realpath(folder) == os.path.realpath(common_hooks(root)):
        return folder, ()
    inner = os.path.relpath(os.path.realpath(folder), top)
    if not inner.startswith(os.pardir):
        return folder, (f"core.hooksPath leads to {inner}/ in the work tree: commit what changed there",)
    note = f"core.hooksPath leads to {folder}, which other repositories may use: in those these lines do nothing"
    return folder, (note,)


def _hooks(root: Path) -> Path:
    """The folder of the hooks that people write. The one that husky has Git use is written anew by husky, and runs
    those that lie above it."""
    folder = hooks_folder(root)
    return folder.parent if folder.parts[-2:] == (".husky", "_") else folder


def _program() -> str:
    """Where cloche is, for a hook that does not find it on PATH."""
    beside = Path(sys.executable).with_name("cloche.exe" if os.name == "nt" else "cloche")
    found = str(beside) if beside.exists() else shutil.which("cloche")
    return Path(found).as_posix() if found else ""


def _shown(file: Path, top: str) -> str:
    inner = os.path.relpath(file, top)
    return str(file) if inner.startswith(os.pardir) else inner


def _driver(folder: Path, remove: bool, dry_run: bool, *scope: str) -> Installed:
    """Git's setting that names the driver. `.gitattributes` says what it is for."""
    now, wanted = config(folder, DRIVER_KEY, *(scope or ("--local",))), driver(_program())
    act: Act = "unchanged"
    if remove:
        act = "removed" if now else "absent"
    elif now != wanted:
        act = "updated" if now else "new"
    if not dry_run and act in ("removed", "updated", "new"):
        set_config(folder, NAME_KEY, None if remove else "cloche.lock, path by path", *scope)
        set_config(folder, DRIVER_KEY, None if remove else wanted, *scope)
    return Installed(DRIVER, act, f"Git's setting {DRIVER_KEY}", DOES[DRIVER])


def _attributes(project: Project, remove: bool, dry_run: bool) -> tuple[str, ...]:
    """Write the lines of `.gitattributes`; the files that changed."""
    text = read_bytes(project, ATTRIBUTES)
    now = without_attribute(text) if remove else with_attribute(text)
    if now == text:
        return ()
    if not dry_run:
        what = "took the lines for merges out of" if remove else "wrote lines for merges into"
        change = text_change(project, ATTRIBUTES, now or None)
        perform(project, "install", f"{what} {ATTRIBUTES}", [change])
    return (ATTRIBUTES,)


def installed(project: Project) -> dict[str, bool]:
    """Each thing that `install` sets, and whether it is set for this project. Empty outside of Git."""
    top = top_of(project.root)
    if project.git is None or top is None:
        return {}
    place = os.path.relpath(os.path.realpath(project.root), top).replace(os.sep, "/")
    folder = _hooks(project.root)
    found = {hook.name: holds_lines(folder / hook.name, place) for hook in HOOKS}
    return found | {DRIVER: bool(config(project.root, DRIVER_KEY)) and has_attribute(read_bytes(project, ATTRIBUTES))}
