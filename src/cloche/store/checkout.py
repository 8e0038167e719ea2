"""Putting the work tree into another state, all of it or nothing.

First every new content is written and proven under another name; then names are changed, by steps that a journal on
the disk lists (see `journal`), so that a failure, and after a kill the next checkout or `recover`, takes them back.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cloche.errors import Busy, Damaged, DiskFull, NotFound, StoreError
from cloche.model.changes import PathChange
from cloche.model.paths import checked, checked_depth
from cloche.model.portable import twins
from cloche.model.settings import CheckoutMode
from cloche.model.tree import Entry
from cloche.store.filesystem import MANY, FileSystem, disk_error
from cloche.store.journal import FOLDER, Journal, Settled
from cloche.store.locks import Lock, try_lock
from cloche.store.moves import Moves, Staged, order
from cloche.store.objects import Store
from cloche.store.placing import Placing
from cloche.store.spelling import one_name, refuse_twins
from cloche.store.stat_cache import StatCache
from cloche.store.survey import Survey, survey, with_execute
from cloche.store.tree_diff import naming_folder
from cloche.store.tree_staging import Written, write_tree
from cloche.store.walk import os_path

Progress = Callable[[int, int], None]

_LOCK = ".cloche/tmp/checkout.lock"
_BLOCK = 4096


def apply_files(
    root: Path,
    store: Store,
    changes: Sequence[PathChange],
    cache: StatCache,
    *,
    fs: FileSystem | None = None,
    progress: Progress | None = None,
    mode: CheckoutMode = "copy",
    fits: Callable[[str], bool] = lambda path: False,
) -> None:
    """Bring each path from `change.before` to `change.after`. Paths that are there already are left alone.

    Files are replaced whole, keep their permission bits but for the execute bit, and stay readable under their name all
    the time. Folders that become empty go, unless a change asks for them. A whole folder (a change whose `after` is a
    tree that holds something) comes only where nothing is, and by one renaming. progress: told the bytes written so far
    and those to write in all. mode: how files come at those path texts for which `fits` holds; others are copies.

    Raises Conflict (a path is not as `before` says, something unrecorded or a link is in the way, or the disk takes two
    names for one), DiskFull, Damaged and NotFound (content is not in the store), InputError (unsafe path, or one that
    Windows cannot hold), Busy (another checkout is going), StoreError.
    The work tree is then as it was before.
    """
    disk = fs or FileSystem()
    with _exclusive(root, disk) as lock, _translated("put files back"):
        Journal(root, disk).settle()
        known = _Known(root, cache)
        placing = Placing(root, store, disk, mode, fits, lock)
        todo = survey(root, changes, cache, store.loose)
        refuse_twins(root, [change.path for change in changes if change.after is not None], disk)
        _apply(root, todo, store, disk, progress, known, placing)
    for change in changes:
        cache.forget(change.path)
    known.remember()
    cache.save()
    store.loose.save()


def recover(root: Path, *, fs: FileSystem | None = None) -> bool:
    """Take back what a checkout that was killed has done; whether there was any. Cheap where there was none.

    Files that changed since are left as they are. Raises Busy while a checkout is writing, StoreError.
    """
    if not _left_over(root):
        return False
    disk = fs or FileSystem()
    with _exclusive(root, disk), _translated("undo an interrupted checkout"):
        return Journal(root, disk).settle() == "taken back"


def _left_over(root: Path) -> bool:
    """Whether a checkout, dead or alive, has something on the disk."""
    try:
        with os.scandir(os_path(root, FOLDER)) as listing:
            return any(True for _ in listing)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise disk_error(error, "look for an interrupted checkout") from error


def expand(store: Store, entry: Entry, path: str, lost: list[str] | None = None) -> dict[str, Entry]:
    """The files below an entry by path text, empty folders included (kind `d`): the inverse of `model.tree.build_tree`.

    path: path text of the entry itself; empty for the project. A file is returned as it is. lost: gets the paths of
    folders whose list cannot be read. Without it, raises Damaged, NotFound.
    """
    if entry.kind != "d":
        return {checked(path): entry}
    found: dict[str, Entry] = {}
    pending = [(entry, path)]
    while pending:
        folder, at = pending.pop()
        checked_depth(at)
        try:
            with naming_folder(at):
                tree = store.read_tree(folder.digest)
        except (Damaged, NotFound):
            if lost is None:
                raise
            lost.append(at)
            continue
        if not tree and at:
            found[checked(at)] = folder
        for below in tree:
            inner = f"{at}/{below.name}" if at else below.name
            if below.kind == "d":
                pending.append((below, inner))
            else:
                found[checked(inner)] = below
    return found


class _Known:
    """What the stat cache may know of new content once it is in its place: nobody could touch it before."""

    def __init__(self, root: Path, cache: StatCache) -> None:
        self._root = root
        self._cache = cache
        self._folders: list[tuple[str, list[Written]]] = []

    def start(self) -> None:
        """Begin again: what was staged so far is not used."""
        self._folders.clear()

    def folder(self, path: str) -> list[Written]:
        """Where to note the folders that are written for a whole new folder at a path text."""
        written: list[Written] = []
        self._folders.append((path, written))
        return written

    def remember(self) -> None:
        """Tell the cache."""
        for path, folders in self._folders:
            for one in folders:
                if one.row.marks:
                    self._cache.put_row(f"{path}/{one.at}" if one.at else path, one.row)


def _apply(
    root: Path,
    todo: Survey,
    store: Store,
    fs: FileSystem,
    progress: Progress | None,
    known: _Known,
    placing: Placing,
) -> None:
    journal = Journal(root, fs)
    for beside in (False, True):
        moves = order(root, todo, beside=beside)
        if not moves.steps:
            return
        _check_room(moves, fs, placing)
        try:
            journal.begin(moves.steps)
            known.start()
            _stage(moves, store, fs, progress, known, placing)
            journal.carry_out(moves.steps)
        except BaseException as error:
            finished = _take_back(journal) == "done"
            if isinstance(error, OSError) and finished:  # only the last wait for the disk failed
                return
            if isinstance(error, OSError) and error.errno == errno.EXDEV and not beside:
                continue
            raise
        with contextlib.suppress(OSError):  # all is done; what is left over goes with the next checkout
            journal.settle()
        return


def _take_back(journal: Journal) -> Settled:
    try:
        return journal.settle()
    except OSError as error:
        raise StoreError(
            f"stopped halfway, and could not go back: {disk_error(error, 'put files back').message}",
            hint="see to the disk, then run any cloche command that changes files: it goes back first",
        ) from error


def _check_room(moves: Moves, fs: FileSystem, placing: Placing) -> None:
    needed: Counter[int] = Counter()
    folders: dict[int, str] = {}
    for staged in moves.staged:
        if placing.links(staged.target):
            continue
        needed[staged.disk] += -(-staged.entry.size // _BLOCK) * _BLOCK
        folders[staged.disk] = staged.folder
    for disk, size in needed.items():
        missing = size - fs.free(folders[disk])
        if missing > 0:
            raise DiskFull(
                f"the disk has too little room: {size:,} bytes are needed beside the files that are replaced",
                hint=f"free {missing:,} bytes, then run it again",
            )


def _stage(
    moves: Moves, store: Store, fs: FileSystem, progress: Progress | None, known: _Known, placing: Placing
) -> None:
    total = sum(staged.entry.size for staged in moves.staged)
    each = sum(staged.entry.count for staged in moves.staged) <= MANY
    done = 0
    for staged in moves.staged:
        if staged.entry.kind == "d":
            folder = known.folder(staged.target)
            pieces = write_tree(store, staged, fs, folder, placing, durable=each)
        else:
            pieces = _write(staged, store, fs, placing, durable=each)
        try:
            for size in pieces:
                done += size
                if progress is not None:
                    progress(min(done, total), total)
        except FileExistsError as error:
            for one, other in twins(expand(store, staged.entry, staged.target)):
                raise one_name(one, other) from error
            raise
    if not each:
        fs.sync_all()


def _write(staged: Staged, store: Store, fs: FileSystem, placing: Placing, *, durable: bool) -> Iterator[int]:
    """Write one staged file or link; the bytes written, piece by piece."""
    entry = staged.entry
    if entry.kind == "l":
        target = store.read(entry.digest)
        if not target or b"\0" in target:
            raise Damaged(f"the store holds an impossible link {entry.digest[:12]}")
        fs.symlink(os.fsdecode(target), staged.path)
        yield len(target)
        return
    if placing.place(staged.target, entry.kind, entry.digest, entry.size, staged.path) is not None:
        yield entry.size
        return
    fd = fs.create(staged.path, 0o777 if entry.kind == "x" else 0o666)
    try:
        for piece in store.stream(entry.digest):
            fs.write(fd, piece)
            yield len(piece)
        if durable:
            fs.sync(fd)
    finally:
        fs.close(fd)
    if staged.mode is not None:
        fs.chmod(staged.path, with_execute(staged.mode, entry.kind))


@contextlib.contextmanager
def _exclusive(root: Path, fs: FileSystem) -> Iterator[Lock]:
    lock: Lock | None
    with _translated("prepare a checkout"):
        fs.make_folders(os_path(root, FOLDER))
        lock = try_lock(os_path(root, _LOCK), fs)
    if lock is None:
        raise Busy("another cloche is putting files back in this project", hint="wait for it, then run it again")
    with lock:
        yield lock


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, doing) from error
