from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from store_faults import Faults

from cloche.errors import Busy, Conflict, Damaged, DiskFull, InputError, NotFound
from cloche.model.changes import PathChange
from cloche.model.digest import digest_bytes
from cloche.model.tree import EMPTY_DIGEST, Entry, RawEntry, encode_entries
from cloche.store.capture import record_files, record_path
from cloche.store.checkout import apply_files, expand, recover
from cloche.store.filesystem import FileSystem
from cloche.store.locks import try_lock
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
from cloche.store.walk import walk

Spec = Mapping[str, "bytes | str | tuple[bytes] | None"]


def build(root: Path, spec: Spec) -> None:
    """bytes: a file; (bytes,): an executable one; str: a link; None: an empty folder."""
    for path, what in spec.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if what is None:
            target.mkdir()
        elif isinstance(what, str):
            target.symlink_to(what)
        elif isinstance(what, tuple):
            target.write_bytes(what[0])
            target.chmod(0o755)
        else:
            target.write_bytes(what)


def clear(root: Path) -> None:
    for path in root.iterdir():
        if path.name != ".cloche":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def cache_of(root: Path) -> StatCache:
    return StatCache(root / ".cloche/cache/stat")


def record(root: Path, store: Store, *, keep: bool = True) -> dict[str, Entry]:
    files = walk(root, skip=lambda _, name: name == ".cloche").files
    return record_files(root, files, store, cache_of(root), keep=keep)


def changes(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[PathChange]:
    paths = sorted(before.keys() | after.keys())
    return [PathChange(p, before.get(p), after.get(p)) for p in paths if before.get(p) != after.get(p)]


def entry(store: Store, data: bytes, kind: str = "f") -> Entry:
    with store.writer() as writer:
        digest = writer.add_bytes(data)
    return Entry("", kind, digest, len(data))  # type: ignore[arg-type]


def own_files(root: Path) -> list[str]:
    folder = root / ".cloche/tmp/checkout"
    return os.listdir(folder) if folder.exists() else []


def assert_roundtrip(root: Path, store: Store, one: Spec, two: Spec) -> None:
    """From one to two, and back."""
    build(root, two)
    after = record(root, store)
    clear(root)
    build(root, one)
    before = record(root, store)
    for old, new in ((before, after), (after, before)):
        apply_files(root, store, changes(old, new), cache_of(root))
        assert record(root, store) == new
        assert own_files(root) == []


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": b"1"}, {"a": b"2"}),
        ({"a": b"1"}, {"a": (b"1",)}),
        ({"a": b"1"}, {"a": (b"2",)}),
        ({"a": b"1"}, {"a": "b"}),
        ({"a": "b"}, {"a": "c/d"}),
        ({"a": b"1"}, {"a": None}),
        ({"a": "b"}, {"a": None}),
        ({"a": None}, {}),
        ({"a": b""}, {}),
        ({"a/b/c": b"1"}, {}),
        ({"a/b/c": b"1", "a/x": b"2"}, {"a/x": b"2"}),
        ({"a": b"1"}, {"a/b/c": b"2", "a/d": "e"}),
        ({"a": "b"}, {"a/b": b"2"}),
        ({"a/b": b"1", "a/c/d": b"2"}, {"a": "elsewhere"}),
        ({"a": None}, {"a/b": b"1"}),
        ({"a/b": None, "a/c": None}, {"a": b"1"}),
        ({"a/b": b"1"}, {"a": None}),
        ({"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}),
        ({"big": bytes(300_000)}, {"big": random.Random(0).randbytes(300_000)}),
        ({"a b\n\\": b"1"}, {"a b\n\\": b"2", "\udcff": b"3"}),
        ({"Readme": b"1", "Data/x": b"1"}, {"README": b"1", "data/x": b"1"}),
        ({"loop": "loop", "out": "/etc"}, {"loop": ".", "out": "../.."}),
    ],
)
def test_any_state_can_be_reached_and_left(root: Path, store: Store, one: Spec, two: Spec) -> None:
    assert_roundtrip(root, store, one, two)


LEAF = st.one_of(
    st.binary(max_size=3),
    st.sampled_from(["a", "..", "/x"]),
    st.tuples(st.binary(max_size=2)),
    st.none(),
)
PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


def _plausible(spec: Spec) -> bool:
    return not any(other.startswith(path + "/") for path in spec for other in spec)


SPECS: st.SearchStrategy[Spec] = st.dictionaries(PATHS, LEAF, max_size=6).filter(_plausible)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(one=SPECS, two=SPECS)
@example(one={"b/a": None}, two={"b": "a", "a/a": None})
@example(one={"b/a/a": None}, two={"b": "a", "a/a": None})
def test_any_two_states_are_reached_from_each_other(
    tmp_path_factory: pytest.TempPathFactory, one: Spec, two: Spec
) -> None:
    base = tmp_path_factory.mktemp("pair")
    (base / "project").mkdir()
    assert_roundtrip(base / "project", Store(base / "store"), one, two)
    shutil.rmtree(base)


def test_unchanged_files_are_left_alone(root: Path, store: Store) -> None:
    build(root, {"same": b"1", "other": b"2"})
    inode = (root / "same").stat().st_ino
    same = entry(store, b"1")
    apply_files(root, store, [PathChange("same", None, same), PathChange("gone", same, None)], cache_of(root))
    assert (root / "same").stat().st_ino == inode
    faults = Faults()
    apply_files(root, store, [PathChange("same", same, same)], cache_of(root), fs=faults)
    assert "rename" not in faults.steps


def test_permission_bits_stay_but_for_the_execute_bit(root: Path, store: Store) -> None:
    build(root, {"a": b"1", "b": b"1", "c": b"1"})
    (root / "a").chmod(0o640)
    (root / "b").chmod(0o640)
    (root / "c").chmod(0o444)
    one, two = entry(store, b"1"), entry(store, b"2")
    executable = Entry("", "x", one.digest, 1)
    plan = [PathChange("a", one, two), PathChange("b", one, executable), PathChange("c", one, two)]
    inode = (root / "b").stat().st_ino
    apply_files(root, store, plan, cache_of(root))
    assert [(root / name).stat().st_mode & 0o777 for name in "abc"] == [0o640, 0o750, 0o444]
    assert (root / "b").stat().st_ino == inode
    assert (root / "c").read_bytes() == b"2"


def test_hard_links_elsewhere_keep_their_content(root: Path, store: Store, files: Path) -> None:
    build(root, {"a": b"1"})
    os.link(root / "a", files / "shared")
    apply_files(root, store, [PathChange("a", entry(store, b"1"), entry(store, b"2"))], cache_of(root))
    assert (files / "shared").read_bytes() == b"1"


def test_read_only_folders_are_opened_and_closed_again() -> None:
    """As another user, because root may write anywhere, and in a folder that such a user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build(root, {"shut/a": b"1", "shut/b": b"1", "gone/a": b"1"})
        store = Store(root / ".cloche/store")
        record(root, store)
        entry(store, b"2")
        done = subprocess.run([sys.executable, "-c", AS_NOBODY], cwd=root, capture_output=True, text=True, check=False)
        (root / "shut").chmod(0o755)
    assert done.stderr == ""
    assert done.stdout.strip() == "['a', 'c'] 2 0o555 False"


AS_NOBODY = """
import os
from pathlib import Path
import pyfastcdc, zstandard
from cloche.model.changes import PathChange
from cloche.model.digest import digest_bytes
from cloche.model.tree import Entry
from cloche.store.checkout import apply_files
from cloche.store.objects import Store
from cloche.store.stat_cache import StatCache
if os.getuid() == 0:
    os.chown(".", 65534, 65534)
    for folder, folders, names in os.walk("."):
        for name in folders + names:
            os.chown(os.path.join(folder, name), 65534, 65534)
    os.setuid(65534)
os.chmod("shut", 0o555)
os.chmod("gone", 0o555)
one, two = (Entry("", "f", digest_bytes(data), 1) for data in (b"1", b"2"))
plan = [PathChange("shut/a", one, two), PathChange("shut/b", one, None), PathChange("shut/c/d", None, one),
        PathChange("gone/a", one, None)]
apply_files(Path("."), Store(Path(".cloche/store")), plan, StatCache(Path(".cloche/cache/stat")))
print(sorted(os.listdir("shut")), open("shut/a").read(), oct(os.stat("shut").st_mode & 0o777), os.path.exists("gone"))
"""


# Refusals: nothing is lost, nothing leaves the project


def assert_refused(
    root: Path, store: Store, plan: list[PathChange], error: type[Exception], match: str | None = None
) -> None:
    before = record(root, store, keep=False)
    with pytest.raises(error, match=match):
        apply_files(root, store, plan, cache_of(root))
    assert record(root, store, keep=False) == before
    assert own_files(root) == []


def test_what_nobody_recorded_is_never_overwritten(root: Path, store: Store) -> None:
    build(root, {"file": b"mine", "folder/mine": b"mine"})
    new, other = entry(store, b"new"), entry(store, b"other")
    assert_refused(root, store, [PathChange("file", None, new)], Conflict, "in the way")
    assert_refused(root, store, [PathChange("file", other, new)], Conflict, "has changed")
    assert_refused(root, store, [PathChange("file", other, None)], Conflict, "has changed")
    assert_refused(root, store, [PathChange("folder", None, new)], Conflict, "not recorded")
    assert_refused(root, store, [PathChange("folder/mine/below", None, new)], Conflict, "is a file")
    os.mkfifo(root / "pipe")
    assert_refused(root, store, [PathChange("pipe", None, new)], Conflict, "pipe")


def test_a_folder_with_unrecorded_files_stays(root: Path, store: Store) -> None:
    build(root, {"data/old": b"1", "data/mine": b"mine"})
    apply_files(root, store, [PathChange("data/old", entry(store, b"1"), None)], cache_of(root))
    assert os.listdir(root / "data") == ["mine"]


@pytest.mark.parametrize("target", ["/", "..", "elsewhere"])
def test_nothing_is_written_through_a_linked_folder(root: Path, store: Store, target: str) -> None:
    (root.parent / "elsewhere").mkdir()
    (root / "link").symlink_to(root.parent / target)
    new = entry(store, b"evil")
    assert_refused(root, store, [PathChange("link/evil", None, new)], Conflict, "is a link")
    assert_refused(root, store, [PathChange("link/deep/er/evil", None, new)], Conflict, "is a link")
    both = [PathChange("out", None, entry(store, b"..", "l")), PathChange("out/evil", None, new)]
    assert_refused(root, store, both, InputError, "also be the folder")
    assert not (root.parent / "evil").exists()
    assert os.listdir(root.parent / "elsewhere") == []


def test_nothing_is_deleted_through_a_linked_folder(root: Path, store: Store) -> None:
    build(root.parent, {"elsewhere/file": b"1"})
    (root / "link").symlink_to("../elsewhere")
    apply_files(root, store, [PathChange("link/file", entry(store, b"1"), None)], cache_of(root))
    assert (root.parent / "elsewhere/file").exists()


@pytest.mark.parametrize(
    "path", ["../evil", "/evil", "a/../../evil", "a//b", ".", "", "a\\x00b", ".git/hooks/x", ".cloche/format", ".GIT/x"]
)
def test_unsafe_paths_are_refused(root: Path, store: Store, path: str) -> None:
    assert_refused(root, store, [PathChange(path, None, entry(store, b"evil"))], InputError, "unsafe|inside")
    assert_refused(root, store, [PathChange(path, entry(store, b"evil"), None)], InputError)


def whole(root: Path, store: Store, spec: Spec) -> Entry:
    """The entry of a folder that holds `spec`, stored."""
    build(root.parent / "elsewhere", spec)
    files = walk(root.parent, "elsewhere").files
    recorded = record_path(root.parent, "elsewhere", files, store, StatCache(root.parent / "other"))
    assert recorded.entry is not None
    return recorded.entry


def test_a_whole_folder_comes_as_one_and_is_known_at_once(root: Path, store: Store) -> None:
    spec: Spec = {"a": b"1", "run": (b"2",), "deep/er/b": os.urandom(70_000), "deep/l": "er/b", "empty": None}
    folder = whole(root, store, spec)
    cache = cache_of(root)
    apply_files(root, store, [PathChange("new/place", None, folder)], cache)
    assert own_files(root) == []
    listed = walk(root, "new").files
    known = [path for path, stat in listed.items() if cache_of(root).get(path, stat)]
    assert known == [f"new/place/{path}" for path in ("a", "run", "deep/er/b")]
    assert record(root, store) == expand(store, folder, "new/place")


@pytest.mark.parametrize("there", [{"a": b"1"}, {"a/b": b"1"}, {"a": None}, {"a": "elsewhere"}])
def test_a_whole_folder_comes_only_where_nothing_is(root: Path, store: Store, there: Spec) -> None:
    folder = whole(root, store, {"b": b"2"})
    build(root, there)
    assert_refused(root, store, [PathChange("a", None, folder)], Conflict, "a ")
    one = entry(store, b"1")
    assert_refused(root, store, [PathChange("a", one, folder)], InputError, "whole")
    assert_refused(root, store, [PathChange("x", None, folder), PathChange("x/y", None, one)], InputError, "whole")


def test_a_whole_folder_with_an_unsafe_name_or_lost_content_changes_nothing(root: Path, store: Store) -> None:
    one = entry(store, b"1")
    with store.writer() as writer:
        unsafe = writer.add_tree(encode_entries([RawEntry(b"x\x00y", b"f", bytes.fromhex(one.digest), 1, 1)]))
        lost = writer.add_tree(encode_entries([RawEntry(b"a", b"f", b"\1" * 32, 1, 1)]))
    assert_refused(root, store, [PathChange("a", None, Entry("a", "d", unsafe, 1))], Damaged)
    assert_refused(root, store, [PathChange("a", None, Entry("a", "d", lost, 1))], NotFound)
    assert own_files(root) == []


def test_content_that_is_missing_or_damaged_changes_nothing(root: Path, store: Store) -> None:
    build(root, {"a": b"1", "b": b"1"})
    one, two = entry(store, b"1"), entry(store, b"2" * 1000)
    lost = Entry("", "f", digest_bytes(b"never stored"), 12)
    assert_refused(root, store, [PathChange("a", one, two), PathChange("b", one, lost)], NotFound)
    for pack in Path(store.folder).glob("packs/*/*.pack"):
        raw = pack.read_bytes()
        pack.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert_refused(root, Store(Path(store.folder)), [PathChange("a", one, two), PathChange("c", None, two)], Damaged)


def test_an_impossible_link_is_damage(root: Path, store: Store) -> None:
    assert_refused(root, store, [PathChange("a", None, entry(store, b"", "l"))], Damaged)
    assert_refused(root, store, [PathChange("a", None, entry(store, b"a\0b", "l"))], Damaged)


def test_too_little_room_is_said_before_anything_is_written(root: Path, store: Store) -> None:
    class Small(Faults):
        def free(self, folder: str) -> int:
            return 1000

    build(root, {"a": b"1"})
    fs = Small()
    with pytest.raises(DiskFull, match="8,192 bytes") as caught:
        apply_files(root, store, [PathChange("b", None, entry(store, b"x" * 5000))], cache_of(root), fs=fs)
    assert "7,192" in caught.value.hint
    assert "create" not in fs.steps


def test_two_checkouts_do_not_mix(root: Path, store: Store) -> None:
    new = entry(store, b"1")
    apply_files(root, store, [PathChange("a", None, new)], cache_of(root))
    lock = try_lock(os.fspath(root / ".cloche/tmp/checkout.lock"), FileSystem())
    assert lock is not None
    with lock:
        with pytest.raises(Busy):
            apply_files(root, store, [PathChange("b", None, new)], cache_of(root))
        assert not recover(root), "it has written nothing yet"
        (root / ".cloche/tmp/checkout/0").write_bytes(b"half a file")
        with pytest.raises(Busy):
            recover(root)
    assert not recover(root)


# Other disks


class TwoDisks(FileSystem):
    """`far/` is on another disk, as renames see it."""

    def __init__(self, root: Path) -> None:
        self._far = os.fspath(root / "far")

    def _check(self, one: str, two: str) -> None:
        if one.startswith(self._far) != two.startswith(self._far):
            raise OSError(18, "Invalid cross-device link")

    def rename(self, source: str, target: str) -> None:
        self._check(source, target)
        super().rename(source, target)

    def link(self, source: str, target: str) -> None:
        self._check(source, target)
        super().link(source, target)


def test_files_on_another_disk_are_staged_there(root: Path, store: Store) -> None:
    before: Spec = {"near": b"1", "far/a": b"1", "far/b/c": b"1", "far/link": "x"}
    after: Spec = {"near": b"2", "far/a": b"2", "far/d/e": b"2", "far/link": "y"}
    build(root, after)
    wanted = record(root, store)
    clear(root)
    build(root, before)
    had = record(root, store)
    apply_files(root, store, changes(had, wanted), cache_of(root), fs=TwoDisks(root))
    assert record(root, store) == wanted
    assert sorted(os.listdir(root / "far")) == ["a", "d", "link"]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second disk")
def test_a_folder_that_really_is_another_disk(root: Path, store: Store) -> None:
    mounted = root / "far"
    mounted.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", mounted], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("cannot mount a disk here")
    try:
        build(root, {"far/a": b"1", "far/b/c": b"1"})
        had = record(root, store)
        new = entry(store, b"2" * 100_000)
        plan = [
            PathChange("far/a", had["far/a"], new),
            PathChange("far/b/c", had["far/b/c"], None),
            PathChange("far/new/x", None, new),
        ]
        apply_files(root, store, plan, cache_of(root))
        assert sorted(os.listdir(mounted)) == ["a", "new"]
        assert (mounted / "new/x").read_bytes() == b"2" * 100_000
        big = entry(store, os.urandom(9_000_000))
        assert_refused(root, store, [PathChange("far/big", None, big)], DiskFull, "too little room")
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_systems_without_hard_links_are_served(root: Path, store: Store) -> None:
    class NoLinks(FileSystem):
        def link(self, source: str, target: str) -> None:
            raise OSError(95, "Operation not supported")

    build(root, {"a": b"1"})
    apply_files(root, store, [PathChange("a", entry(store, b"1"), entry(store, b"2"))], cache_of(root), fs=NoLinks())
    assert (root / "a").read_bytes() == b"2"


def test_progress_ends_at_the_total(root: Path, store: Store) -> None:
    told: list[tuple[int, int]] = []
    plan = [PathChange("a", None, entry(store, os.urandom(200_000))), PathChange("b", None, entry(store, b"12"))]
    apply_files(root, store, plan, cache_of(root), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (200_002, 200_002)
    assert told == sorted(told)


def test_many_files_are_synced_at_once(root: Path, store: Store) -> None:
    faults = Faults()
    new = entry(store, b"1")
    apply_files(root, store, [PathChange(f"{i}", None, new) for i in range(200)], cache_of(root), fs=faults)
    assert faults.steps.count("sync") < 10
    assert "sync_all" in faults.steps


def test_expanding_an_empty_folder(store: Store) -> None:
    with store.writer() as writer:
        writer.add_tree(b"cloche-tree-1\n")
    empty = Entry("data", "d", EMPTY_DIGEST, 0, 0)
    assert expand(store, empty, "data") == {"data": empty}
    assert expand(store, empty, "") == {}
