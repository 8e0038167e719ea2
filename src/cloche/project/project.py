"""A project on disk: where its parts lie, opened on first use."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from cloche.capture.git import GitRepository
from cloche.catalog.catalog import Catalog
from cloche.errors import Busy, InputError, NotAProject, SettingsError, StoreError
from cloche.model.lock import parse_lock
from cloche.model.paths import encode_path, is_reserved
from cloche.model.settings import FILE_NAME, Settings
from cloche.model.settings_text import parse_settings
from cloche.model.snapshot import Tracked
from cloche.project import sharing
from cloche.project.holding import held
from cloche.project.sharing import FOLDER, FORMAT, Shared
from cloche.store.checkout import recover
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache

__all__ = ["CATALOG", "FOLDER", "FORMAT", "LOCK", "LOCK_FILE", "NAMES", "Project", "real", "root_of"]

CATALOG = "catalog.db"
LOCK = "lock"
NAMES = "names.lock"
STORE_LOCK = "store.lock"
LONG = 3600  # seconds to wait for others who use the store: as long as reading all of it may take
LOCK_FILE = "cloche.lock"
_INIT = "type `cloche init` in the folder that should become one"


class Project:
    """One project. `root` is the folder that holds `cloche.toml`; everything else is opened when first asked for.

    clock gives the seconds since 1970 and random that many random bytes; both can be replaced by a test. taken_back:
    what was cut off half-way, and was undone when the project was opened; empty for nothing. stuck: why that could not
    be; nothing is changed until it can.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.root = root
        self.clock = clock
        self.random = random
        self.taken_back = ""
        self.stuck: StoreError | None = None
        self._storing = False

    @classmethod
    def find(cls, start: Path) -> Project:
        """The innermost project that `start` lies in. Raises NotAProject where there is none, and InputError where
        there is no such folder."""
        root = root_of(start)
        if root is None and not os.path.exists(start):
            raise InputError(f"there is no folder {start}", hint="check the spelling")
        if root is None:
            raise NotAProject(
                f"{real(start)} is not in a Cloche project (no {FILE_NAME} here or in a folder above)",
                hint=_INIT,
            )
        project = cls(root)
        project.prepare()
        project.settle()
        if project.taken_back and not os.path.isfile(root / FILE_NAME):
            raise NotAProject(f"{root} was about to become a project, and `cloche init` was cut off", hint=_INIT)
        return project

    @classmethod
    def look(cls, start: Path) -> Project | None:
        """The project that `start` lies in, if any, for reading only: it may be somebody else's, so nothing is made or
        put in order. Raises NewerVersion, StoreError."""
        root = root_of(start)
        if root is None:
            return None
        sharing.is_ready(root / FOLDER)
        return cls(root)

    def refresh(self) -> None:
        """Forget what was read of files that others write. For a caller that keeps a project open between verbs."""
        for name in ("settings", "git"):
            self.__dict__.pop(name, None)
        self.settle()

    def close(self) -> None:
        """Close what was opened. What is asked for later is opened again."""
        for name in ("catalog", "store"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()

    @cached_property
    def folder(self) -> Path:
        """`.cloche/` of this work tree: caches, lock, the journal of a checkout. Ignored by Git."""
        return self.root / FOLDER

    @cached_property
    def shared(self) -> Shared:
        """What all worktrees of the repository share: where store, catalog and runs lie. Raises StoreError."""
        return sharing.shared(self.root)

    @cached_property
    def settings(self) -> Settings:
        """What `cloche.toml` says. Raises SettingsError."""
        return parse_settings(self._text(FILE_NAME), FILE_NAME)

    @property
    def store_folder(self) -> Path:
        """Where the store lies."""
        return self.shared.folder / "store"

    @cached_property
    def store(self) -> Store:
        """The store of the project."""
        return Store(self.store_folder)

    @cached_property
    def cache(self) -> StatCache:
        """Digests of files by their stat."""
        return StatCache(self.folder / "cache" / "stat")

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog of the project."""
        return Catalog(self.shared.folder / CATALOG)

    @property
    def has_catalog(self) -> bool:
        """Whether there is one yet; asking for it makes it."""
        return os.path.exists(self.shared.folder / CATALOG)

    def has_lost_catalog(self) -> bool:
        """Whether there is no catalog although there once was one: a store with content cannot be without."""
        try:
            empty = os.stat(self.shared.folder / CATALOG).st_size == 0
        except OSError:
            empty = True
        return empty and bool(self.store.pack_names())

    @cached_property
    def git(self) -> GitRepository | None:
        """The Git repository around the project; None without Git."""
        return GitRepository.discover(self.root)

    @property
    def tracked(self) -> tuple[Tracked, ...]:
        """The tracked data paths as `cloche.lock` has them."""
        return parse_lock(self._text(LOCK_FILE)) if (self.root / LOCK_FILE).exists() else ()

    @property
    def runs_folder(self) -> Path:
        """Where runs that are going keep their spool and their lock."""
        return self.shared.folder / "runs"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the work tree's lock: one verb at a time changes its files or `cloche.lock`. Others wait."""
        if self.stuck is not None:
            raise self.stuck
        with held(self.folder / LOCK, "another cloche command in this project", wait=60), self.storing():
            yield

    @contextlib.contextmanager
    def storing(self) -> Iterator[None]:
        """Keep `gc` out from the first look at what the store holds until a record says that it is needed. Others may
        do so at the same time."""
        if self._storing:  # this process does so already
            yield
            return
        with held(self.shared.folder / STORE_LOCK, "`cloche gc`", wait=LONG, shared=True):
            self._look_again()
            self._storing = True
            try:
                yield
            finally:
                self._storing = False

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Be the only one who counts on what the store holds: what no record needs now, nobody is about to need."""
        with held(self.shared.folder / STORE_LOCK, "another cloche command", wait=LONG):
            self._look_again()
            self._storing = True
            try:
                yield
            finally:
                self._storing = False

    def _look_again(self) -> None:
        """See what `gc` took away while nobody kept it out: what was held then may be held no more."""
        if "store" in self.__dict__:
            self.store.see()

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """As `writing`, for what changes tags, notes and removals too, which all worktrees share."""
        with self.writing(), held(self.shared.folder / NAMES, "another cloche command in this repository", wait=60):
            yield

    def path_text(self, argument: str, base: Path | None = None) -> str:
        """The path text of a path as a user typed it, relative to `base` (default: the current folder).

        Links in the last part are not followed. Raises InputError where it lies outside the project or is its root.
        """
        given = Path(os.path.normpath((base or Path.cwd()) / argument))
        lexical = Path(os.path.realpath(given.parent)) / given.name if given.name else given
        root = Path(os.path.realpath(self.root))
        if lexical == root or not lexical.is_relative_to(root):
            where = "is the project itself" if lexical == root else f"lies outside the project {self.root}"
            raise InputError(f"{argument or repr(argument)} {where}", hint="name a file or folder inside the project")
        return _below(argument, lexical, root)

    def held_text(self, argument: str) -> str:
        """As `path_text`, for what a version holds: it may lie behind a link that leads elsewhere, as data in place
        does."""
        try:
            return self.path_text(argument)
        except InputError:
            given = Path(os.path.normpath(Path(os.path.realpath(Path.cwd())) / argument))
            root = Path(os.path.realpath(self.root))
            if given == root or not given.is_relative_to(root):
                raise
            return _below(argument, given, root)

    def prepare(self) -> None:
        """Create `.cloche/` where it is missing (a fresh clone), and check that this Cloche understands it."""
        sharing.prepare(self.root, self.random(4))

    def settle(self) -> None:
        """Take back what a checkout that was killed half-way did to the work tree, and drop its operation."""
        self.stuck = None
        with contextlib.suppress(Busy):  # one that is going is no business of ours
            try:
                taken_back = recover(self.root)
            except StoreError as error:  # whoever only looks can go on
                self.stuck = error
                return
            if taken_back:
                for operation in self.catalog.operations(1, worktree=self.shared.worktree):
                    if operation.state == "started":
                        self.catalog.drop_operation(operation.number)
                        self.taken_back = operation.summary

    def _text(self, name: str) -> str:
        try:
            return (self.root / name).read_text("utf-8")
        except OSError as error:
            raise SettingsError(f"cannot read {name}: {error.strerror}", hint=f"look at {self.root / name}") from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{name} is not UTF-8 text", hint="save it as UTF-8") from error


def _below(argument: str, path: Path, root: Path) -> str:
    """The path text of a path below `root`."""
    parts = path.relative_to(root).parts
    own = next(filter(is_reserved, parts), "")
    if own:
        raise InputError(f"{argument} lies in {own}/, which no one may track", hint="name another path")
    return "/".join(encode_path(part) for part in parts)


def root_of(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds `cloche.toml`."""
    here = real(start)
    return next((folder for folder in (here, *here.parents) if os.path.isfile(folder / FILE_NAME)), None)


def real(folder: Path) -> Path:
    """The absolute path of a folder, links followed. Raises InputError where the current folder was deleted."""
    try:
        return Path(os.path.realpath(folder))
    except FileNotFoundError as error:
        raise InputError(
            "the folder that you are in does not exist any more", hint="go to another one: `cd`"
        ) from error
