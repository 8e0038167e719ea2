"""One version of a project's files as a tree of folders, each opened only when it is looked into."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedIOBase, BytesIO
from typing import NamedTuple

from cloche.capture.git_files import GitFile, files_at, read_file, time_of
from cloche.errors import ClocheError, InputError, NotFound, SettingsError
from cloche.model.digest import digest_bytes
from cloche.model.folder import Folder
from cloche.model.held import Belonged
from cloche.model.lock import LOCK_NAME, parse_lock
from cloche.model.paths import above, as_printed, checked, checked_depth, encode_path, inside
from cloche.model.run import Run
from cloche.model.settings import FILE_NAME
from cloche.model.settings_text import parse_settings
from cloche.model.suggestions import closest
from cloche.model.tree import EMPTY_DIGEST, MAGIC, Entry, Located, entry_of
from cloche.project.exchange import at_hand
from cloche.project.project import Project
from cloche.project.revisions import WORK_TREE, find_id
from cloche.store.random_access import shared_store
from cloche.store.reading import hash_open
from cloche.store.walk import os_path

_MOST_LINKS = 40
_LONGEST_LINK = 4096
_UNSTORED = "its content was never stored"
_PULL = "with that commit checked out, `cloche pull` fetches it from a remote"
_REPAIR = "`cloche verify --repair` brings back what it can"


class Found(NamedTuple):
    """What lies at a path of a version. blob: the name of its content in Git, where that is where it is."""

    path: str
    part: Belonged
    entry: Entry
    blob: str = ""


class _Stored(NamedTuple):
    """What the store holds at a path."""

    part: Belonged
    path: str
    entry: Entry


class Version:
    """The files of one version, for reading by any thread.

    name: the id of a run or the hash of a commit; it never stands for anything else. made: when the run began, or the
    commit was made, in seconds since 1970. Of a file that belongs to several
    parts the first counts: what Git holds, outputs, code, config, data, what was read besides.
    """

    def __init__(
        self,
        project: Project,
        name: str,
        made: float,
        stored: Sequence[_Stored],
        git: Sequence[GitFile] = (),
        in_place: Sequence[str] = (),
    ) -> None:
        self._in_place = tuple(in_place)
        self.name = name
        self.made = made
        self.store = shared_store(project.store_folder)
        self._root = project.root
        self._stored = tuple(stored)
        self._git = {file.path: file for file in git}
        self._git_folders: dict[str, set[str]] = {}
        for path in self._git:
            for inner in (path, *above(path)):
                folder, _, name = inner.rpartition("/")
                self._git_folders.setdefault(folder, set()).add(name)

    def at(self, path: str) -> Found | None:
        """What lies at a path, the empty one being the whole version. A folder that several parts share has the size
        of the first."""
        if path in self._git:
            return self._from_git(path)
        folder: Found | None = None
        for one in self._stored:
            if inside(path, one.path):
                entry = self._descend(one, path[len(one.path) :].lstrip("/"))
                if entry is not None and entry.kind != "d":
                    return Found(path, one.part, entry)
                folder = folder or (Found(path, one.part, entry) if entry is not None else None)
            elif inside(one.path, path):
                folder = folder or Found(path, one.part, _folder(path))
        if folder is None and (not path or path in self._git_folders):
            folder = Found(path, "code", _folder(path))
        return folder

    def below(self, path: str) -> list[Found]:
        """What lies directly in a folder, sorted by name."""
        found: dict[str, Found] = {}
        start = f"{path}/" if path else ""
        for name in self._git_folders.get(path, ()):
            there = start + name
            _add(found, self._from_git(there) if there in self._git else Found(there, "code", _folder(name)))
        for one in self._stored:
            if inside(path, one.path):
                entry = self._descend(one, path[len(one.path) :].lstrip("/"))
                if entry is not None and entry.kind == "d":
                    for child in self._folder(Found(path, one.part, entry)):
                        _add(found, Found(checked(start + child.name), one.part, child))
            elif inside(one.path, path):
                name = one.path[len(start) :].partition("/")[0]
                entry = one.entry if start + name == one.path else _folder(name)
                _add(found, Found(start + name, one.part, entry))
        return [found[one] for one in sorted(found)]

    def files(self, path: str = "") -> Iterator[Found]:
        """Every file, link and empty folder at or below a path, sorted within each folder."""
        here = self.at(path)
        if here is None:
            return
        if here.entry.kind != "d":
            yield here
            return
        pending = [here]
        while pending:
            one = pending.pop()
            if one.entry.kind != "d":
                yield one
                continue
            below = self.below(checked_depth(one.path))
            if not below and one.path:
                yield one._replace(entry=Entry(one.entry.name, "d", EMPTY_DIGEST, 0, 0))
            pending += reversed(below)

    def lacking(self, path: str) -> list[Entry]:
        """What has to come into the store before everything at or below a path can be read, as far as can be told:
        below a folder that is lacking nothing is known."""
        named = [one for one in self._stored if inside(one.path, path) or inside(path, one.path)]
        wanted = [one.entry for one in named if one.part != "read" and one.entry.digest != EMPTY_DIGEST]
        return [entry for entry in wanted if not self.store.has(entry.digest)]

    def pick(self, path: str, hint: str) -> Found:
        """What lies at a path. Raises NotFound with what was meant, or where nothing is near, with this hint."""
        found = self.at(path) or self.at(as_printed(path) or path)
        if found is None:
            near = None
            with contextlib.suppress(ClocheError):  # what is not here cannot be meant
                near = closest(path, (one.path for one in self.files()))
            raise NotFound(f"{self.label} has no {path}", hint=f"did you mean `{near}`?" if near else hint)
        return found

    def follow(self, path: str) -> Found | None:
        """What lies at a path once links are followed, as opening it would; None where nothing does.

        Raises InputError where a link leads out of the version, or round in a circle.
        """
        found = self.at(path)
        if found is not None and found.entry.kind != "l":
            return found
        ahead, done, links = path.split("/")[::-1], list[str](), 0
        while ahead:
            name = ahead.pop()
            if name == ".." and not done:
                raise InputError(f"{path} is a link that leads out of {self.label}", hint="open its target instead")
            if name in ("", ".", ".."):
                del done[len(done) - (name == "..") :]
                continue
            found = self.at("/".join((*done, name)))
            if found is None or found.entry.kind != "l":
                done.append(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise InputError(f"{path} is a link that leads round in a circle")
            target = encode_path(os.fsdecode(self._target(found)))
            if target.startswith("/"):
                raise InputError(f"{path} is a link to {target}, which no run holds", hint="open its target instead")
            ahead += target.split("/")[::-1]
        return self.at("/".join(done))

    def open(self, found: Found) -> BufferedIOBase:
        """The content of a file, as a file for reading bytes; of a link, what it points to.

        Raises InputError for a folder, NotFound where the content is not here.
        """
        if found.entry.kind == "d":
            raise InputError(f"{found.path} is a folder", hint="name one of its files")
        if found.blob:
            return BytesIO(read_file(self._root, found.blob))
        if not self.store.has(found.entry.digest):
            here = self._from_place(found)
            if here is None:
                raise self._missing(found)
            return here
        return self.store.open(found.entry.digest, f"{self.label}: {found.path}")

    def _from_place(self, found: Found) -> BufferedIOBase | None:
        """Content that is tracked in place, from there if it lies there unchanged; that is proven first."""
        at = os_path(self._root, found.path)
        if not any(inside(found.path, one) for one in self._in_place):
            return None
        with contextlib.suppress(OSError, ClocheError):
            if found.entry.kind == "l":
                target = os.fsencode(os.readlink(at))
                return BytesIO(target) if digest_bytes(target) == found.entry.digest else None
            if os.path.isfile(at):
                file = open(at, "rb")  # noqa: SIM115 the caller's to close
                if hash_open(file.fileno(), found.entry.size).digest == found.entry.digest:
                    file.seek(0)
                    return file
                file.close()
        return None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"commit {self.name[:12]}" if self.is_commit else f"run {self.name[:8]}"

    @property
    def is_commit(self) -> bool:
        """Whether it is that of a Git commit, and of no run."""
        return set(self.name) <= set("0123456789abcdef")

    def _target(self, link: Found) -> bytes:
        with self.open(link) as file:
            return file.read(_LONGEST_LINK)

    def _from_git(self, path: str) -> Found:
        file = self._git[path]
        return Found(path, "code", Entry(path.rpartition("/")[2], file.kind, "", file.size), file.name)

    def _descend(self, one: _Stored, path: str) -> Entry | None:
        at, here = one.path, one.entry
        for name in path.split("/") if path else ():
            found = self._folder(Found(at, one.part, here)).get(name) if here.kind == "d" else None
            if found is None:
                return None
            at, here = f"{at}/{name}".lstrip("/"), found
        return here

    def _folder(self, found: Found) -> Folder:
        if found.entry.digest == EMPTY_DIGEST:
            return _NOTHING
        try:
            return self.store.folder(found.entry.digest)
        except NotFound as error:
            raise self._missing(found) from error

    def _missing(self, found: Found) -> NotFound:
        """The error for what the store does not hold, by its path."""
        path, part = found.path or "its code", found.part
        if any(inside(found.path, one) for one in self._in_place):
            message, hint = (
                f"{path}, which was tracked in place",
                f"{_UNSTORED}, and what lies there now is not the same",
            )
            if found.entry.kind == "d":
                message, hint = f"the list of {message}", f"{_PULL}; {_UNSTORED}"
        elif part == "read":
            message, hint = f"{path} as that run read it", "only its digest was taken: `cloche add` it"
        elif part == "data" and self.is_commit:
            message, hint = f"{path} of {self.label}", f"{_PULL}; else {_REPAIR}"
        else:
            message, hint = path, _REPAIR
        return NotFound(f"the store here does not hold {message}", hint=hint)


def run_version(project: Project, run: Run) -> Version:
    """The files of a run: what it wrote, its code, config and data, and what it read besides."""
    snapshot = run.snapshot
    code = _Stored("code", "", Entry("", "d", snapshot.code.tree, snapshot.code.size, snapshot.code.files))
    stored = [*_located("outputs", run.outputs), code, *_located("config", snapshot.config.files)]
    stored += [*_located("data", snapshot.data.paths), *_located("read", run.observed)]
    return Version(project, run.id, run.created, stored, in_place=snapshot.data.in_place)


def commit_version(project: Project, commit: str, *, sizes: bool = True) -> Version:
    """The files of a Git commit, named by its full hash: the data that its `cloche.lock` names, what Git holds, and
    what the last run of that commit wrote. Raises SettingsError where its `cloche.lock` cannot be understood.

    sizes: whether the sizes of what Git holds are needed.
    """
    files = list(files_at(project.root, commit, sizes=sizes))
    lock = next((file for file in files if file.path == LOCK_NAME and file.kind != "l"), None)
    try:
        tracked = parse_lock(read_file(project.root, lock.name).decode("utf-8")) if lock else ()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{LOCK_NAME} of commit {commit[:12]} is not UTF-8 text") from error
    stored = _located("data", tracked)
    last = project.catalog.run_of_commit(commit) if project.has_catalog else None
    outputs = _located("outputs", project.catalog.run(last).outputs) if last else []
    return Version(
        project, commit, time_of(project.root, commit), [*stored, *outputs], files, _in_place(project, files)
    )


def _in_place(project: Project, files: Iterable[GitFile]) -> tuple[str, ...]:
    """The data paths that the `cloche.toml` of a commit has tracked in place; none where it cannot be understood."""
    settings = next((file for file in files if file.path == FILE_NAME and file.kind != "l"), None)
    if settings is None:
        return ()
    try:
        return parse_settings(read_file(project.root, settings.name).decode("utf-8"), FILE_NAME).data.places
    except (UnicodeDecodeError, SettingsError):
        return ()


def find_version(project: Project, text: str) -> Version:
    """The version that `text` names: a run, or a Git revision that no run was made at. Raises NotFound, Ambiguous."""
    try:
        run = project.catalog.run(find_id(project, text))
        at_hand(project, run, trees_only=True)
        return run_version(project, run)
    except NotFound:
        commit = project.git.resolve(text) if project.git is not None and text != WORK_TREE else None
        if commit is None or project.catalog.run_of_commit(commit) is not None:
            raise
        return commit_version(project, commit)


def _located(part: Belonged, items: Iterable[Located]) -> list[_Stored]:
    return [_Stored(part, item.path, entry_of(item)) for item in items]


def _folder(path: str) -> Entry:
    """A folder that is not stored as one: several parts of a run lie in it."""
    return Entry(path.rpartition("/")[2], "d", "", 0, 0)


def _add(found: dict[str, Found], one: Found) -> None:
    """Of two of the same name the first counts, but a file before a folder."""
    name = one.entry.name
    if name not in found or (found[name].entry.kind == "d" and one.entry.kind != "d"):
        found[name] = one


_NOTHING = Folder(MAGIC)
