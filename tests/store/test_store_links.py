"""Content that moves into the store and leaves a link: never lost, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_faults import Faults, Killed

from cloche.errors import ClocheError, Damaged
from cloche.model.changes import PathChange
from cloche.model.settings import CheckoutMode
from cloche.store.capture import record_files
from cloche.store.checking import faults_of
from cloche.store.checkout import apply_files
from cloche.store.linking import is_link, link_files, unlink_file
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
from cloche.store.walk import walk

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links into the store are for POSIX")
CONTENT = {"big": os.urandom(100_000), "deep/twin": b"", "deep/small": b"small"}
CONTENT["deep/twin"] = CONTENT["big"]
MODES: tuple[CheckoutMode, ...] = ("hardlink", "symlink")
each_mode = pytest.mark.parametrize("mode", MODES)


def build(root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    for path, data in CONTENT.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def store_of(root: Path, faults: Faults | None = None) -> Store:
    return Store(root / ".cloche/store", faults)


def link_all(root: Path, store: Store, mode: CheckoutMode) -> int:
    files = walk(root, skip=lambda _, name: name == ".cloche").files
    entries = record_files(root, files, store, StatCache(root / ".cloche/cache"), keep=False)
    return link_files(root, {path: (files[path], entries[path].digest) for path in entries}, store, mode)


@each_mode
def test_content_is_held_once_and_read_as_before(tmp_path: Path, mode: CheckoutMode) -> None:
    root = build(tmp_path / "project")
    store = store_of(root)
    assert link_all(root, store, mode) == 3
    assert {path: (root / path).read_bytes() for path in CONTENT} == CONTENT
    assert all(is_link(root, path, store) for path in CONTENT)
    assert len({os.stat(root / path).st_ino for path in ("big", "deep/twin")}) == 1
    assert store.size() == (0, 100_005)
    files = walk(root, skip=lambda _, name: name == ".cloche").files
    assert {files[path].kind for path in CONTENT} == {"f"}  # a link into the store counts as the file
    entries = record_files(root, files, store, StatCache(root / ".cloche/fresh"))
    assert store.size()[0] == 0  # nothing was cut into packs
    for path, data in CONTENT.items():
        assert store.read(entries[path].digest) == data


@each_mode
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "full once"])
def test_the_move_can_stop_anywhere_and_no_byte_is_lost(tmp_path: Path, mode: CheckoutMode, kill: bool) -> None:
    stopped = 0
    for at in range(1, 200):
        root = build(tmp_path / "project")
        faults = Faults(at, kill=kill)
        with contextlib.suppress(Killed, ClocheError):
            link_all(root, store_of(root, faults), mode)
        assert {path: (root / path).read_bytes() for path in CONTENT} == CONTENT, faults.steps[-3:]
        if not faults.reached:
            break
        stopped += 1
        assert faults_of(store_of(root)) == []
        link_all(root, store_of(root), mode)  # the next try ends what this one began
        assert all(is_link(root, path, store_of(root)) for path in CONTENT)
    assert stopped > 10


@each_mode
def test_a_change_through_a_link_is_noticed_and_named(tmp_path: Path, mode: CheckoutMode) -> None:
    root = build(tmp_path / "project")
    link_all(root, store_of(root), mode)
    (root / "big").chmod(0o644)
    with open(root / "big", "r+b") as file:
        file.write(b"edited")
    store = store_of(root)
    files = walk(root, skip=lambda _, name: name == ".cloche").files
    record_files(root, files, store, StatCache(root / ".cloche/cache"), keep=False)
    [(digest, paths)] = store.loose.edited.items()
    assert set(paths) == {"big", "deep/twin"}
    assert not store.has(digest)
    with pytest.raises(Damaged, match="changed through a link"):
        store.read(digest)
    assert [fault.digest for fault in faults_of(store_of(root))] == [digest]


def test_a_link_that_became_writable_is_closed_again(tmp_path: Path) -> None:
    root = build(tmp_path / "project")
    link_all(root, store_of(root), "hardlink")
    (root / "big").chmod(0o644)
    store = store_of(root)
    assert is_link(root, "big", store)
    record_files(root, walk(root, "big").files, store, StatCache(root / ".cloche/fresh"))
    assert not store.loose.edited
    assert os.stat(root / "big").st_mode & 0o222 == 0


@each_mode
def test_unlocked_files_are_their_own(tmp_path: Path, mode: CheckoutMode) -> None:
    root = build(tmp_path / "project")
    store = store_of(root)
    link_all(root, store, mode)
    unlink_file(root, "big", store)
    (root / "big").write_bytes(b"edited")
    assert (root / "deep/twin").read_bytes() == CONTENT["big"]
    assert faults_of(store_of(root)) == []


@each_mode
def test_a_checkout_places_links_and_never_writes_through_one(tmp_path: Path, mode: CheckoutMode) -> None:
    root = build(tmp_path / "project")
    store, cache = store_of(root), StatCache(root / ".cloche/cache")
    link_all(root, store, mode)
    entries = record_files(root, walk(root, "deep").files, store, cache)
    with store.writer() as writer:
        digest = writer.add_bytes(b"second")
    small = entries["deep/small"]
    second = PathChange("deep/small", small, type(small)("small", "f", digest, 6))
    apply_files(root, store, [second], cache, mode=mode, fits=lambda path: True)
    assert (root / "deep/small").read_bytes() == b"second"
    assert is_link(root, "deep/small", store)
    executable = PathChange("deep/small", second.after, type(small)("small", "x", digest, 6))
    apply_files(root, store, [executable], cache, mode=mode, fits=lambda path: True)
    assert not is_link(root, "deep/small", store)  # permission bits are not shared with others
    assert os.access(root / "deep/small", os.X_OK)
    back = PathChange("deep/small", executable.after, small)
    apply_files(root, store, [back], cache)
    (root / "deep/small").write_bytes(b"mine")  # a copy, which can be written to, although a link was there
    assert faults_of(store_of(root)) == []


def test_a_link_into_a_store_elsewhere_is_only_a_link(tmp_path: Path) -> None:
    root = build(tmp_path / "project")
    link_all(root, store_of(root), "symlink")
    target = os.readlink(root / "big")
    (root / "deep/lies").symlink_to(target)  # leads to deep/.cloche/...
    (root / "absolute").symlink_to(root / target)
    files = walk(root, skip=lambda _, name: name == ".cloche").files
    assert files["deep/lies"].kind == files["absolute"].kind == "l"


@pytest.fixture(params=["btrfs", "xfs"])
def cloning_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system that can clone files, in a file of its own."""
    make = shutil.which(f"mkfs.{request.param}")
    if make is None or os.geteuid() != 0:
        pytest.skip(f"mkfs.{request.param} and root are needed to make a disk with clones")
    image, place = tmp_path / "image", tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(400 << 20)
    place.mkdir()
    subprocess.run([make, "-q", image], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.decode()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def used(disk: Path) -> int:
    os.sync()
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_clones_take_no_room(cloning_disk: Path) -> None:
    root = build(cloning_disk / "project")
    (root / "big").write_bytes(os.urandom(64 << 20))
    shutil.copy(root / "big", root / "deep/twin")
    before = used(cloning_disk)
    store, cache = store_of(root), StatCache(root / ".cloche/cache")
    link_all(root, store, "reflink")
    entries = record_files(root, walk(root, "big").files, store, cache)
    assert store.size()[0] == 0
    assert not is_link(root, "big", store)
    change = PathChange("again", None, entries["big"])
    apply_files(root, store, [change], cache, mode="auto", fits=lambda path: True)
    with open(root / "again", "r+b") as file:
        file.write(b"mine")
    assert store.read(entries["big"].digest) == (root / "big").read_bytes()
    assert used(cloning_disk) - before < 16 << 20


def test_where_there_are_no_clones_content_goes_into_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = build(tmp_path / "project")

    class Plain(Faults):
        def clone(self, source: str, fd: int) -> None:
            raise OSError(95, "not supported")

    store = store_of(root, Plain())
    link_all(root, store, "reflink")
    entries = record_files(root, walk(root, "big").files, store, StatCache(root / ".cloche/cache"))
    assert store.size()[0] == 1
    assert store.read(entries["big"].digest) == CONTENT["big"]
