"""What comes from a remote was written by an enemy: packs, indexes, trees and lists that lie."""

from __future__ import annotations

import os
import random
import resource
import shutil
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cloche
from cloche.api import OpenProject
from cloche.errors import ClocheError, Damaged, InputError
from cloche.model.folder import Folder
from cloche.model.tree import EMPTY_DIGEST, MAGIC, Entry, decode_tree
from cloche.store.checking import faults_of
from cloche.store.checkout import expand
from cloche.store.filesystem import FileSystem
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter
from cloche.store.quarantine import Quarantine
from cloche.store.recipes import RECIPE, Recipe, chunk_row, encode_recipe

QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
ENTRY = struct.Struct("<c32sQQH")


def entry(name: bytes, kind: bytes, digest: str, size: int = 1, count: int = 1) -> bytes:
    return ENTRY.pack(kind, bytes.fromhex(digest), size, count, len(name)) + name


def put(store: Store, *contents: bytes) -> list[str]:
    with store.writer() as writer:
        return [writer.add_bytes(content) for content in contents]


def forge(store: Store, *frames: tuple[bytes, bytes, bytes, bytes, int]) -> None:
    """A pack of frames that say what they like: kind, codec, digest, payload, length once decompressed."""
    writer = PackWriter(store.folder, FileSystem())
    for kind, codec, digest, payload, raw in frames:
        writer.append(kind, codec, digest, payload, raw)
    writer.publish()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[OpenProject]:
    with cloche.init(tmp_path / "work") as opened:
        yield opened


def lock(project: OpenProject, digest: str, path: str = "data", kind: str = "d") -> None:
    """A `cloche.lock` that names this, as if it came by Git."""
    header = "# cloche.lock 1: the tracked data; written by cloche, commit it to Git"
    (project.root / "cloche.lock").write_text(f"{header}\n{digest} {kind} 1 1 {path}\n")


EVERYTHING: dict[str, Callable[[OpenProject], object]] = {
    "status": lambda project: project.status(),
    "revert": lambda project: project.revert(lock=True),
    "preview": lambda project: project.revert(lock=True, dry_run=True),
    "run": lambda project: project.run(["true"]),
    "gc": lambda project: project.gc(),
    "verify": lambda project: project.verify(),
    "repair": lambda project: project.verify(repair=True),
    "doctor": lambda project: project.doctor(),
    "du": lambda project: project.du("data"),
    "diff": lambda project: project.diff(".", "."),
}


def use(project: OpenProject) -> dict[str, ClocheError]:
    """Do everything with what is tracked; what was refused."""
    refused: dict[str, ClocheError] = {}
    for name, act in EVERYTHING.items():
        try:
            act(project)
        except ClocheError as error:
            refused[name] = error
    return refused


@pytest.mark.parametrize("deep", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_chain_of_very_many_folders_is_refused_where_paths_are_needed(project: OpenProject, deep: int) -> None:
    store = Store(project.root / ".cloche/store")
    data = MAGIC + entry(b"f", b"f", put(store, b"1")[0])
    with store.writer() as writer:
        for _ in range(deep):
            data = MAGIC + entry(b"d", b"d", writer.add_bytes(data))
        digest = writer.add_bytes(data)
    lock(project, digest)
    refused = use(project)
    assert "name too long" in refused["revert"].message
    assert os.listdir(project.root / ".cloche/tmp/checkout") == []
    assert set(refused) <= {"revert", "preview", "run"}
    assert not (project.root / "data").exists()
    assert project.gc(grace=0).missing == 0, "all of it is seen, and kept"
    assert store.has(digest)
    with pytest.raises(InputError, match="nested more than 2048 deep"):
        expand(store, Entry("", "d", digest, 1), "")


NAMES = [
    pytest.param(b"..", id="above"),
    pytest.param(b".", id="itself"),
    pytest.param(b"", id="nothing"),
    pytest.param(b"a/b", id="two names"),
    pytest.param(b"/etc/passwd", id="absolute"),
    pytest.param(b"a\0b", id="NUL"),
    pytest.param(b"../../outside", id="traversal"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_never_reaches_the_disk(project: OpenProject, name: bytes) -> None:
    store = Store(project.root / ".cloche/store")
    [inner] = put(store, b"evil")
    [digest] = put(store, MAGIC + entry(name, b"f", inner))
    lock(project, digest)
    before = sorted(project.root.parent.rglob("*"))
    refused = use(project)
    assert "revert" in refused
    assert not (project.root / "data").exists()
    assert [path for path in sorted(project.root.parent.rglob("*")) if path.name in ("outside", "evil")] == []
    assert {path for path in before if ".cloche" not in path.parts} <= set(project.root.parent.rglob("*"))


@pytest.mark.parametrize("kinds", [b"ld", b"lf", b"fl", b"dl"])
def test_nothing_is_written_through_a_link_of_the_same_tree(project: OpenProject, kinds: bytes) -> None:
    """One name twice, as a link and as what is written through it; in either order."""
    outside = project.root.parent / "outside"
    outside.mkdir()
    store = Store(project.root / ".cloche/store")
    link, evil = put(store, os.fsencode(outside), b"evil")
    [folder] = put(store, MAGIC + entry(b"planted", b"f", evil))
    digests = {"l": link, "f": evil, "d": folder}
    both = [entry(b"a", bytes([kind]), digests[chr(kind)]) for kind in kinds]
    [digest] = put(store, MAGIC + b"".join(both))
    lock(project, digest)
    assert "revert" in use(project)
    assert list(outside.iterdir()) == []


def test_a_link_out_of_the_project_is_a_link_and_what_comes_later_does_not_follow_it(project: OpenProject) -> None:
    outside = project.root.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"mine")
    store = Store(project.root / ".cloche/store")
    link, evil = put(store, os.fsencode(outside), b"evil")
    [inner] = put(store, MAGIC + entry(b"kept", b"f", evil))
    first, second = put(store, MAGIC + entry(b"sub", b"l", link), MAGIC + entry(b"sub", b"d", inner))
    for digest in (first, second, first):
        lock(project, digest)
        project.revert(lock=True)
        assert (outside / "kept").read_bytes() == b"mine"
    assert (project.root / "data/sub").is_symlink()


def limited(act: Callable[[], object]) -> None:
    """Do something that must not take much memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads of the test runner, which do nothing here
        pid = os.fork()
    if not pid:
        try:
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            act()
            os._exit(0 if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < used + 100_000 else 3)
        except BaseException:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


class TestBombs:
    BIG = 1 << 30

    def bomb(self, *, announced: bool) -> bytes:
        maker = zstandard.ZstdCompressor(level=1, write_content_size=announced).compressobj(
            size=self.BIG if announced else -1
        )
        parts = [maker.compress(bytes(1 << 20)) for _ in range(self.BIG >> 20)]
        return b"".join([*parts, maker.flush()])

    @pytest.mark.parametrize("announced", [True, False])
    @pytest.mark.parametrize("raw", [100, 16 << 20, BIG])
    def test_a_frame_that_unfolds_to_a_gigabyte_takes_no_memory(self, store: Store, announced: bool, raw: int) -> None:
        payload = self.bomb(announced=announced)
        digest = blake3(b"bomb").digest()
        forge(store, (b"c", b"z", digest, payload, raw))

        def act() -> None:
            with pytest.raises(Damaged):
                Store(Path(store.folder)).read(digest.hex())
            assert faults_of(Store(Path(store.folder)))

        limited(act)

    def test_an_index_that_announces_four_gigabytes_takes_no_memory(self, store: Store) -> None:
        [digest] = put(store, b"small")
        path = next(Path(store.folder).glob("packs/*/*.index"))
        data = bytearray(path.read_bytes()[:-32])
        struct.pack_into("<I", data, 15 + 32 + 4 + 1024 + 32 + 4, 0xFFFFFFF0)
        path.write_bytes(data + blake3(data).digest())

        def act() -> None:
            with pytest.raises(Damaged):
                Store(Path(store.folder)).read(digest)

        limited(act)

    def test_a_list_that_names_one_chunk_many_times_is_read_piece_by_piece(self, store: Store) -> None:
        chunk = bytes(16 << 10)
        [inner] = put(store, chunk)
        rows = chunk_row(bytes.fromhex(inner), len(chunk)) * 20_000
        digest = blake3(b"never").digest()
        payload = encode_recipe(digest, Recipe(16 << 10, len(chunk) * 20_000, rows))
        forge(store, (RECIPE, b"r", digest, payload, len(payload)))

        def act() -> None:
            with pytest.raises(Damaged):
                for _ in Store(Path(store.folder)).stream(digest.hex()):
                    pass

        limited(act)


@QUICK
@given(data=st.data())
def test_an_index_that_lies_gives_no_wrong_byte(tmp_path: Path, data: st.DataObject) -> None:
    """Its sum is right: whoever wrote it meant it so."""
    folder = tmp_path / "lying"
    shutil.rmtree(folder, ignore_errors=True)
    contents = [b"one", bytes(5000), random.Random(1).randbytes(100_000)]
    digests = put(Store(folder), *contents)
    path = next(folder.glob("packs/*/*.index"))
    body = bytearray(path.read_bytes()[:-32])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(47, len(body) - 1))
        body[at] = data.draw(st.sampled_from([0, 1, 127, 255]) | st.integers(0, 255))
    path.write_bytes(body + blake3(body).digest())
    fresh = Store(folder)
    for digest, content in zip(digests, contents, strict=True):
        try:
            assert fresh.read(digest) == content
        except ClocheError:
            continue
    try:
        faults_of(fresh)
        fresh.size()
    except ClocheError:
        pass


@QUICK
@given(data=st.binary(max_size=300), magic=st.booleans(), end=st.binary(max_size=60))
def test_any_bytes_are_a_tree_or_none_and_both_readers_agree(data: bytes, magic: bool, end: bytes) -> None:
    good = entry(b"a", b"f", EMPTY_DIGEST) + entry(b"b", b"d", EMPTY_DIGEST)
    raw = (MAGIC if magic else b"") + (good if len(data) % 2 else b"") + data + end
    try:
        listed = {one.name for one in decode_tree(raw)}
    except Damaged:
        return
    folder = Folder(raw)
    assert all(folder.get(name) is not None for name in listed)


@QUICK
@given(data=st.data())
def test_any_tree_with_a_changed_byte_is_taken_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(MAGIC + b"".join(entry(name, b"f", "ab" * 32) for name in (b"a", b"bb", b"c.csv")))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        for one in decode_tree(bytes(raw)):
            assert "/" not in one.name
            assert one.name not in ("", ".", "..")
    except Damaged:
        pass


class TestNamesInTheStore:
    @pytest.mark.parametrize("name", ["z" * 64, "é" * 64, "0" * 63 + "Z", "0" * 64, "²" * 64, "A" * 64])
    def test_a_file_among_the_packs_with_a_strange_name_stops_nothing(self, store: Store, name: str) -> None:
        [digest] = put(store, b"good")
        shard = Path(store.folder, "packs", name[:2])
        shard.mkdir(exist_ok=True)
        (shard / f"{name}.index").write_bytes(b"what")
        try:
            (shard / f"{name}.pack").write_bytes(b"what")
        except OSError:
            pytest.skip("this disk takes no such name")
        fresh = Store(Path(store.folder))
        assert fresh.read(digest) == b"good"
        faults_of(fresh)
        fresh.size()
        put(fresh, b"more")

    @pytest.mark.parametrize("since", ["²", "0", "9" * 200, "-1", "1e9", "٣"])
    @pytest.mark.parametrize("name", ["z" * 64, "0" * 64])
    def test_a_strange_name_in_quarantine_stops_nothing(self, store: Store, since: str, name: str) -> None:
        [digest] = put(store, b"good")
        place = Path(store.folder, "quarantine", since)
        place.mkdir(parents=True)
        (place / f"{name}.pack").write_bytes(b"what")
        (place / f"{name}.index").write_bytes(b"what")
        fresh = Store(Path(store.folder))
        assert fresh.read(digest) == b"good"
        assert not fresh.has("12" * 32)
        for one in Quarantine(os.path.join(store.folder, "quarantine"), FileSystem()).packs():
            assert one.size == 8


def test_rows_that_are_missing_are_content_that_is_missing(
    project: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of the chunks of a very large file is content of its own; a pack takes it along when it goes."""
    monkeypatch.setattr("cloche.store.writing.SMALL", 100)
    store = Store(project.root / ".cloche/store")
    data = random.Random(3).randbytes(300_000)
    (project.root / "data").mkdir()
    (project.root / "data/big").write_bytes(data)
    project.add("data")
    project.run(["true"])
    rows = next(raw for raw in store.chunks(blake3(data).digest()) if len(store.read(raw.hex())) % 36 == 0)
    recipe = store.frame(blake3(data).digest())[0]
    kept = [raw for raw in store.chunks(blake3(data).digest()) if raw != rows]
    frames = [(b"c", b"r", raw, payload, len(payload)) for raw in kept if (payload := store.read(raw.hex()))]
    project.close()
    for pack in list(Path(store.folder).glob("packs/*/*.pack")):
        if pack.stat().st_size > 100_000:
            pack.unlink()
            pack.with_suffix(".index").unlink()
    forge(store, *frames, (RECIPE, b"r", blake3(data).digest(), recipe, len(recipe)))
    found = project.verify()
    assert not found.sound
    assert {one.record for one in found.affected} == {"cloche.lock", project.log()[0].id}
    assert project.verify(repair=True).sound
    assert project.verify().sound
