"""Every writing step of a small add and of a small checkout fails once: a full disk, then a kill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_faults import Faults, Killed

from cloche.errors import DiskFull, StoreError
from cloche.model.changes import PathChange
from cloche.model.tree import EMPTY_DIGEST, Entry
from cloche.store import pack_writer
from cloche.store.capture import record_files, record_path
from cloche.store.checking import faults_of
from cloche.store.checkout import apply_files, expand, recover
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
from cloche.store.walk import walk


def fail_everywhere(act: Callable[[Faults], None], make: Callable[[int], Faults]) -> Iterator[tuple[Faults, bool]]:
    """Run `act` with a fault at step 1, 2, 3 ... until it ends without meeting one; whether it raised."""
    for at in range(1, 1000):
        faults = make(at)
        try:
            act(faults)
            raised = False
        except (StoreError, Killed):
            raised = True
        if not faults.reached:
            assert not raised
            return
        yield faults, raised
    pytest.fail("never ends")


FAULTS: dict[str, Callable[[int], Faults]] = {
    "full once": Faults,
    "full from then on": lambda at: Faults(at, forever=True),
    "killed": lambda at: Faults(at, kill=True),
}
each_fault = pytest.mark.parametrize("make", FAULTS.values(), ids=FAULTS.keys())


# Add


@each_fault
def test_an_add_that_fails_anywhere_leaves_a_good_store(
    tmp_path: Path, make: Callable[[int], Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writer, "PACK_LIMIT", 100_000)
    source = tmp_path / "project"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(250_000))
    (source / "small").write_bytes(b"small")
    files = walk(source).files
    folder = tmp_path / "store"
    with Store(folder).writer() as writer:
        kept = writer.add_bytes(b"was there before")
    count = 0

    def act(faults: Faults) -> None:
        store = Store(folder, faults)
        try:
            record_files(source, files, store, StatCache(tmp_path / f"cache{count}/stat", faults))
        finally:
            store.close()

    raised_at = []
    for faults, raised in fail_everywhere(act, make):
        count += 1
        if raised:
            raised_at.append(faults.at)
        store = Store(folder)
        assert faults_of(store) == []
        assert store.read(kept) == b"was there before"
        # A try with a cache from the failed one must not believe that the content is stored.
        entries = record_files(source, files, store, StatCache(tmp_path / f"cache{count - 1}/stat"))
        assert store.read(entries["big"].digest) == (source / "big").read_bytes()
        with store.writer() as writer:
            writer.add_bytes(b"sweeps up")
        assert os.listdir(folder / "tmp") == []
        for pack in folder.glob("packs/*/*"):
            if kept not in _digests(pack):
                pack.unlink()
    assert len(raised_at) > 15


def _digests(pack: Path) -> set[str]:
    """The digests named in a pack's index."""
    data = pack.with_suffix(".index").read_bytes() if pack.with_suffix(".index").exists() else b""
    rows = data[15 + 32 + 4 + 1024 : -32]
    return {rows[at : at + 32].hex() for at in range(0, len(rows), 46)}


def test_a_full_disk_is_called_that(tmp_path: Path) -> None:
    def act(faults: Faults) -> None:
        with Store(tmp_path / f"store{faults.at}", faults).writer() as writer:
            writer.add_bytes(os.urandom(3_000_000))

    for at in range(1, 8):
        faults = Faults(at)
        with pytest.raises(DiskFull):
            act(faults)
        assert Store(tmp_path / f"store{at}").size() == (0, 0)


def test_a_writer_that_failed_cannot_commit(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", Faults(5))

    def act() -> None:
        with store.writer() as writer:
            for _ in range(2):
                with contextlib.suppress(DiskFull):
                    writer.add_bytes(os.urandom(3_000_000))

    with pytest.raises(StoreError):
        act()
    assert Store(tmp_path / "store").size() == (0, 0)


# Checkout

State = dict[str, bytes | str | None]
EMPTY = Entry("", "d", EMPTY_DIGEST, 0, 0)


def build(root: Path, state: State) -> None:
    for path, what in state.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if what is None:
            target.mkdir()
        elif isinstance(what, str):
            target.symlink_to(what)
        else:
            target.write_bytes(what)


def state_of(root: Path) -> State:
    found: State = {}
    for path, stat in walk(root, skip=lambda _, name: name == ".cloche").files.items():
        target = root / path
        found[path] = None if stat.kind == "d" else os.readlink(target) if stat.kind == "l" else target.read_bytes()
    return found


BEFORE: State = {
    "changed": b"before" * 2000,
    "removed": b"removed",
    "deep/er/removed": b"removed",
    "to_folder": b"file",
    "to_file/a": b"1",
    "to_file/b/c": b"2",
    "link": "before",
    "link_to_file": "before",
    "empty": None,
    "same": b"same",
    "mode": b"mode",
}
AFTER: State = {
    "changed": b"after" * 3000,
    "added/new": os.urandom(70_000),
    "to_folder/inner": b"inner",
    "to_file": b"file",
    "link": "after",
    "link_to_file": b"file",
    "new_empty": None,
    "same": b"same",
    "mode": b"mode",
    "whole/a": b"a",
    "whole/deep/b": os.urandom(70_000),
    "whole/deep/link": "../a",
    "whole/empty": None,
}


@pytest.fixture
def project(root: Path, store: Store) -> tuple[Path, list[PathChange]]:
    """A work tree in the state BEFORE, and the changes that lead to AFTER."""
    entries: list[dict[str, Entry]] = []
    for name, state in (("after", AFTER), ("before", BEFORE)):
        build(root.parent / name, state)
        if name == "after":
            (root.parent / name / "mode").chmod(0o755)
        folder = root.parent / name
        entries.append(record_files(folder, walk(folder).files, store, StatCache(root.parent / f"{name}.cache")))
    after, before = entries
    build(root, BEFORE)
    paths = sorted(path for path in before.keys() | after.keys() if not path.startswith("whole/"))
    plan = [PathChange(p, before.get(p), after.get(p)) for p in paths if before.get(p) != after.get(p)]
    folder = root.parent / "after"
    files = walk(folder, "whole").files
    recorded = record_path(folder, "whole", files, store, StatCache(root.parent / "whole.cache"))
    return root, [*plan, PathChange("whole", None, recorded.entry)]


def back(root: Path, plan: list[PathChange], store: Store) -> None:
    """From AFTER to BEFORE again."""
    flat = [PathChange(c.path, c.after, c.before) for c in plan if c.path != "whole"]
    flat += [PathChange(path, one, None) for path, one in expand(store, plan[-1].after or EMPTY, "whole").items()]
    apply_files(root, store, flat, StatCache(root / "../cache"))
    assert state_of(root) == BEFORE


def whole(state: State) -> bool:
    """Whether each file is as before or as after, never a mixture."""
    return all(what in (BEFORE.get(path, what), AFTER.get(path, what)) for path, what in state.items())


def test_the_checkout_itself_works(project: tuple[Path, list[PathChange]], store: Store) -> None:
    root, plan = project
    apply_files(root, store, plan, StatCache(root / "../cache"))
    assert state_of(root) == AFTER
    assert os.access(root / "mode", os.X_OK)
    back(root, plan, store)


def test_a_disk_that_fails_once_leaves_the_work_tree_as_it_was(
    project: tuple[Path, list[PathChange]], store: Store
) -> None:
    root, plan = project
    raised_at = []

    def act(faults: Faults) -> None:
        apply_files(root, store, plan, StatCache(root / "../cache"), fs=faults)

    for faults, raised in fail_everywhere(act, Faults):
        state = state_of(root)
        if raised:
            raised_at.append(faults.at)
            assert state == BEFORE, faults.steps[-3:]
            assert not recover(root)
        else:
            assert state == AFTER, faults.steps[-3:]
            back(root, plan, store)
    assert len(raised_at) > 40


@pytest.mark.parametrize("make", [FAULTS["full from then on"], FAULTS["killed"]], ids=["full from then on", "killed"])
def test_a_checkout_that_cannot_even_go_back_is_taken_back_later(
    project: tuple[Path, list[PathChange]], store: Store, make: Callable[[int], Faults]
) -> None:
    root, plan = project
    halfway = 0

    def act(faults: Faults) -> None:
        apply_files(root, store, plan, StatCache(root / "../cache"), fs=faults)

    for faults, _raised in fail_everywhere(act, make):
        state = state_of(root)
        assert whole(state), faults.steps[-3:]
        halfway += state not in (BEFORE, AFTER)
        recover(root)
        state = state_of(root)
        assert state in (BEFORE, AFTER), faults.steps[-3:]
        assert not (root / ".cloche/tmp/checkout").exists() or os.listdir(root / ".cloche/tmp/checkout") == []
        if state == AFTER:
            back(root, plan, store)
    assert halfway > 10


def test_a_recovery_that_is_killed_can_be_repeated(project: tuple[Path, list[PathChange]], store: Store) -> None:
    root, plan = project
    dry = Faults()
    apply_files(root, store, plan, StatCache(root / "../cache"), fs=dry)
    back(root, plan, store)
    last_rename = max(at for at, name in enumerate(dry.steps, 1) if name == "rmdir")
    for at in range(1, 200):
        with pytest.raises(Killed):
            apply_files(root, store, plan, StatCache(root / "../cache"), fs=Faults(last_rename, kill=True))
        faults = Faults(at, kill=True)
        with contextlib.suppress(Killed):
            recover(root, fs=faults)
        assert whole(state_of(root))
        recover(root)
        assert state_of(root) == BEFORE
        if not faults.reached:
            break
    assert at > 20


def test_what_the_user_did_after_a_kill_is_kept(project: tuple[Path, list[PathChange]], store: Store) -> None:
    root, plan = project
    dry = Faults()
    apply_files(root, store, plan, StatCache(root / "../cache"), fs=dry)
    back(root, plan, store)
    last = max(at for at, name in enumerate(dry.steps, 1) if name == "rmdir")
    with pytest.raises(Killed):
        apply_files(root, store, plan, StatCache(root / "../cache"), fs=Faults(last, kill=True))
    (root / "changed").write_bytes(b"mine")
    (root / "added/new").write_bytes(b"mine")
    (root / "removed").write_bytes(b"mine")
    (root / "whole/deep/b").write_bytes(b"mine")
    assert recover(root)
    mine: State = {"changed": b"mine", "added/new": b"mine", "removed": b"mine"}
    stays: State = {path: what for path, what in AFTER.items() if path.startswith("whole/")}
    assert state_of(root) == {**BEFORE, **mine, **stays, "whole/deep/b": b"mine"}


def test_the_next_checkout_recovers_by_itself(project: tuple[Path, list[PathChange]], store: Store) -> None:
    root, plan = project
    dry = Faults()
    apply_files(root, store, plan, StatCache(root / "../cache"), fs=dry)
    back(root, plan, store)
    last = max(at for at, name in enumerate(dry.steps, 1) if name == "rename")
    with pytest.raises(Killed):
        apply_files(root, store, plan, StatCache(root / "../cache"), fs=Faults(last - 8, kill=True))
    apply_files(root, store, plan, StatCache(root / "../cache"))
    assert state_of(root) == AFTER
