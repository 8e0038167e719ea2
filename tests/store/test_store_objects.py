from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import struct
import tracemalloc
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.errors import Damaged, InputError, NewerVersion, NotFound
from cloche.model.digest import digest_bytes
from cloche.model.tree import Entry, build_tree
from cloche.store import pack_writer, reading
from cloche.store.checking import faults_of
from cloche.store.filesystem import FileSystem
from cloche.store.locks import try_lock
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter
from cloche.store.recipes import RECIPE, SMALL, Recipe, average_for, encode_recipe
from cloche.store.walk import stat_of

QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.sampled_from([0, 1, 63, 64, 1000, SMALL - 1, SMALL, SMALL + 1, 200_000, 700_001])


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def table(rows: int, seed: int = 0) -> bytes:
    chance = random.Random(seed)
    return b"".join(b"%d,%f,%s\n" % (i, chance.random(), chance.choice([b"JFK", b"LGA"])) for i in range(rows))


def put(store: Store, *contents: bytes) -> list[str]:
    with store.writer() as writer:
        return [writer.add_bytes(content) for content in contents]


def packs(store: Store) -> list[Path]:
    return sorted(Path(store.folder).glob("packs/*/*.pack"))


def leftovers(store: Store) -> list[str]:
    tmp = Path(store.folder, "tmp")
    return os.listdir(tmp) if tmp.exists() else []


@QUICK
@given(size=SIZES, seed=st.integers(0, 99), compressible=st.booleans(), by_file=st.booleans())
def test_content_comes_back_under_its_own_blake3(
    tmp_path: Path, size: int, seed: int, compressible: bool, by_file: bool
) -> None:
    data = (table(40_000, seed) if compressible else noise(size, seed))[:size]
    store = Store(tmp_path / "store")
    with store.writer() as writer:
        if by_file:
            (tmp_path / "file").write_bytes(data)
            stat = stat_of(tmp_path, "file")
            assert stat is not None
            digest, seen = writer.add_file(os.fspath(tmp_path / "file"), stat)
            assert seen == stat
        else:
            digest = writer.add_bytes(data)
    assert digest == digest_bytes(data)
    fresh = Store(tmp_path / "store")
    assert fresh.has(digest)
    assert fresh.read(digest) == data
    assert faults_of(fresh) == []


def test_a_missing_store_is_an_empty_one(store: Store) -> None:
    assert not store.has("00" * 32)
    assert store.size() == (0, 0)
    assert faults_of(store) == []
    with pytest.raises(NotFound):
        store.read("00" * 32)
    with pytest.raises(NotFound):
        store.read("not a digest")
    assert not os.path.exists(store.folder)


def test_writing_nothing_creates_nothing(store: Store) -> None:
    with store.writer():
        pass
    assert not os.path.exists(store.folder)


def test_the_same_content_is_stored_once(store: Store) -> None:
    big = noise(300_000)
    put(store, b"small", b"small", big, big)
    before = store.size()
    put(store, b"small", big)
    put(Store(Path(store.folder)), b"small", big)
    assert store.size() == before
    assert before[1] < 310_000


def test_an_edited_table_shares_most_chunks_with_its_last_version(store: Store) -> None:
    first = table(120_000)
    put(store, first)
    _, once = store.size()
    middle = len(first) // 2
    put(store, first[:middle] + b"a,new,row\n" + first[middle:] + b"and,one,more\n")
    assert (store.size()[1] - once) / once < 0.05


def test_compression_is_used_where_it_pays(store: Store) -> None:
    put(store, table(60_000))
    text = store.size()[1]
    assert text < 0.7 * len(table(60_000))
    put(store, noise(2_000_000))
    assert store.size()[1] - text < 2_020_000


def test_an_exception_discards_everything(store: Store) -> None:
    def attempt() -> None:
        with store.writer() as writer:
            writer.add_bytes(noise(3_000_000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt()
    assert store.size() == (0, 0)
    assert leftovers(store) == []


def test_packs_are_bounded_and_named_by_their_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "PACK_LIMIT", 200_000)
    contents = [noise(50_000, seed) for seed in range(20)] + [noise(900_000, 99)]
    digests = put(store, *contents)
    assert len(packs(store)) > 8
    for pack in packs(store):
        assert pack.stat().st_size <= 200_000
        assert blake3(pack.read_bytes()).hexdigest() == pack.stem
        assert pack.parent.name == pack.stem[:2]
    assert [Store(Path(store.folder)).read(digest) for digest in digests] == contents
    assert leftovers(store) == []


def test_the_bytes_of_a_pack_and_its_index_are_pinned(store: Store) -> None:
    digest = bytes.fromhex(put(store, b"hello")[0])
    frame = struct.pack("<cc32sII", b"c", b"r", digest, 5, 5) + b"hello"
    pack = packs(store)[0]
    assert pack.read_bytes() == b"cloche-pack-1\n" + frame
    body = b"cloche-index-1\n" + bytes.fromhex(pack.stem) + struct.pack("<I", 1)
    body += struct.pack("<256I", *(int(first >= digest[0]) for first in range(256)))
    body += struct.pack("<32sIIIcc", digest, 14, 5, 5, b"c", b"r")
    assert pack.with_suffix(".index").read_bytes() == body + blake3(body).digest()


def test_the_bytes_of_a_recipe_are_pinned(store: Store) -> None:
    data = noise(150_000)
    digest = bytes.fromhex(put(store, data)[0])
    raw = packs(store)[0].read_bytes()
    at, chunks = 14, {}
    while True:
        kind, codec, name, stored, length = struct.unpack_from("<cc32sII", raw, at)
        payload = raw[at + 42 : at + 42 + stored]
        at += 42 + stored
        if kind == b"b":
            break
        chunks[name] = payload
    assert (codec, name, length, at) == (b"r", digest, stored, len(raw))
    assert struct.unpack_from("<BIIIQ", payload, 16) == (1, 4096, 16384, 65536, 150_000)
    assert payload[:16] == blake3(digest + payload[16:]).digest()[:16]
    rows = list(struct.iter_unpack("<32sI", payload[37:]))
    assert b"".join(chunks[name] for name, _ in rows) == data
    assert [len(chunks[name]) for name, _ in rows] == [length for _, length in rows]


def test_the_average_chunk_grows_with_the_file_and_stays_with_its_history() -> None:
    gib = 1 << 30
    assert average_for(1 << 20) == average_for(gib) == 16 << 10
    assert average_for(3 * gib) == 32 << 10
    assert average_for(64 * gib) == 1 << 20
    assert average_for(5000 * gib) == 4 << 20
    assert average_for(5 * gib, previous=16 << 10) == 16 << 10
    assert average_for(64 * gib, previous=16 << 10) == 1 << 20


def test_a_new_version_is_cut_as_the_last_one_was(store: Store, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloche.store.recipes._MOST_CHUNKS", 8)
    path = files / "growing.csv"
    path.write_bytes(noise(100_000))
    stat = stat_of(files, "growing.csv")
    assert stat is not None
    with store.writer() as writer:
        first, _ = writer.add_file(os.fspath(path), stat)
    path.write_bytes(noise(100_000) + noise(100_000, 1))
    stat = stat_of(files, "growing.csv")
    assert stat is not None
    before = store.size()[1]
    with store.writer() as writer:
        writer.add_file(os.fspath(path), stat, previous=first)
    assert store.size()[1] - before < 180_000


def test_large_files_are_never_held_whole(store: Store, files: Path) -> None:
    size = 48 << 20
    with open(files / "big", "wb") as file:
        for block in range(size >> 20):
            file.write(noise(1 << 20, block))
    stat = stat_of(files, "big")
    assert stat is not None
    faults_of(store)
    tracemalloc.start()
    try:
        with store.writer() as writer:
            digest, _ = writer.add_file(os.fspath(files / "big"), stat)
        hasher = blake3()
        for piece in store.stream(digest):
            hasher.update(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert hasher.hexdigest() == digest
    assert peak < 12 << 20


@QUICK
@given(data=st.data())
def test_any_flipped_byte_of_a_pack_is_found_and_never_returned(tmp_path: Path, data: st.DataObject) -> None:
    contents = [b"one", table(3000), noise(100_000), noise(70)]
    folder = tmp_path / "flipped"
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(folder)
    digests = put(store, *contents)
    pack = packs(store)[0]
    raw = bytearray(pack.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    pack.write_bytes(raw)
    if data.draw(st.booleans()):
        pack.with_suffix(".index").unlink()
    fresh = Store(folder)
    try:
        for digest, content in zip(digests, contents, strict=True):
            try:
                assert fresh.read(digest) == content
            except (Damaged, NotFound):
                continue
        assert faults_of(fresh) != []
    except NewerVersion:
        assert raw[:13] != b"cloche-pack-1"


def test_a_damaged_recipe_is_found_before_anything_is_handed_out(store: Store) -> None:
    """One whose chunks all exist would otherwise be noticed only at the end."""
    digest, other = put(store, noise(100_000), noise(5000, 1))
    pack = packs(store)[0]
    raw = pack.read_bytes()
    recipe = raw.index(b"br" + bytes.fromhex(digest)) + 42
    row = recipe + 37
    pack.write_bytes(raw[:row] + bytes.fromhex(other) + struct.pack("<I", 5000) + raw[row + 36 :])
    with pytest.raises(Damaged, match="list of chunks"):
        next(Store(Path(store.folder)).stream(digest))


def test_a_disk_without_locks_is_served_and_nothing_is_swept_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(fd: int, how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", no_locks)
    tmp = Path(store.folder, "tmp")
    tmp.mkdir(parents=True)
    (tmp / "perhaps-alive.0.pack").write_bytes(b"half a pack")
    digest = put(store, b"content")[0]
    assert store.read(digest) == b"content"
    assert "perhaps-alive.0.pack" in leftovers(store)


@QUICK
@given(data=st.data())
def test_a_pack_that_was_cut_short_is_found(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    contents = [b"one", table(3000), noise(100_000)]
    store = Store(folder)
    digests = put(store, *contents)
    pack = packs(store)[0]
    os.truncate(pack, data.draw(st.integers(0, pack.stat().st_size - 1)))
    if data.draw(st.booleans()):
        pack.with_suffix(".index").unlink()
    fresh = Store(folder)
    for digest, content in zip(digests, contents, strict=True):
        try:
            assert fresh.read(digest) == content
        except (Damaged, NotFound):
            continue
    assert faults_of(fresh) != []


@QUICK
@given(data=st.data())
def test_a_damaged_index_is_rebuilt(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "index"
    shutil.rmtree(folder, ignore_errors=True)
    contents = [b"one", table(3000), noise(100_000)]
    store = Store(folder)
    digests = put(store, *contents)
    path = packs(store)[0].with_suffix(".index")
    good = path.read_bytes()
    bad = bytearray(good)
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bad[: data.draw(st.sampled_from([0, 10, len(bad) - 1, len(bad)]))])
    fresh = Store(folder)
    assert [fresh.read(digest) for digest in digests] == contents
    assert path.read_bytes() == good
    assert faults_of(fresh) == []


def test_two_swapped_packs_are_found(store: Store) -> None:
    first, second = put(store, noise(1000, 1)) + put(store, noise(1000, 2))
    one, two = packs(store)
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    fresh = Store(Path(store.folder))
    for digest in (first, second):
        with pytest.raises(Damaged):
            fresh.read(digest)
    assert len(faults_of(fresh)) >= 2


def test_a_good_copy_is_used_where_one_of_two_is_damaged(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "store"), Store(tmp_path / "store")
    content = noise(5000)
    with one.writer() as first, two.writer() as second:
        first.add_bytes(content)
        second.add_bytes(content)
        second.add_bytes(b"more")
    assert len(packs(one)) == 2
    for pack in packs(one):
        kept = pack.read_bytes()
        pack.write_bytes(kept[:-60] + bytes(60))
        assert Store(tmp_path / "store").read(digest_bytes(content)) == content
        pack.write_bytes(kept)


def test_a_deleted_pack_is_missed(store: Store) -> None:
    digest = put(store, b"content")[0]
    other = Store(Path(store.folder))
    assert other.read(digest) == b"content"
    other.close()
    shutil.rmtree(Path(store.folder, "packs"))
    with pytest.raises((Damaged, NotFound)):
        other.read(digest)
    assert not Store(Path(store.folder)).has(digest)


def test_a_chunk_that_is_gone_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "PACK_LIMIT", 100_000)
    digest = put(store, noise(400_000))[0]
    recipe = next(pack for pack in packs(store) if bytes.fromhex(digest) in pack.read_bytes())
    next(pack for pack in packs(store) if pack != recipe).unlink()
    with pytest.raises(Damaged, match="missing"):
        Store(Path(store.folder)).read(digest)
    assert faults_of(Store(Path(store.folder))) != []


def test_packs_of_a_newer_cloche_are_refused_not_guessed(store: Store) -> None:
    put(store, b"content")
    pack = packs(store)[0]
    pack.write_bytes(pack.read_bytes().replace(b"pack-1", b"pack-2"))
    pack.with_suffix(".index").unlink()
    with pytest.raises(NewerVersion):
        Store(Path(store.folder)).has("00" * 32)


def test_what_another_process_adds_is_seen(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "store"), Store(tmp_path / "store")
    first = put(one, b"first")[0]
    assert two.has(first)
    second = put(one, b"second")[0]
    assert two.read(second) == b"second"
    assert two.missing([first, second, "11" * 32]) == {"11" * 32}


def test_files_of_dead_writers_are_swept_and_those_of_live_ones_are_not(store: Store) -> None:
    tmp = Path(store.folder, "tmp")
    tmp.mkdir(parents=True)
    (tmp / "dead.lock").write_bytes(b"")
    (tmp / "dead.0.pack").write_bytes(b"half a pack")
    (tmp / "alive.0.pack").write_bytes(b"half a pack")
    lock = try_lock(os.fspath(tmp / "alive.lock"), FileSystem())
    assert lock is not None
    with lock:
        put(store, b"content")
        assert sorted(leftovers(store)) == ["alive.0.pack", "alive.lock"]
    put(store, b"other content")
    assert leftovers(store) == []


def test_a_tree_comes_back_and_a_hostile_one_is_refused(store: Store) -> None:
    built = build_tree({"a/b": Entry("b", "f", "11" * 32, 3), "a/empty": Entry("empty", "d", "", 0, 0)})
    with store.writer() as writer:
        for data in built.trees.values():
            writer.add_tree(data)
        evil = b"cloche-tree-1\n" + struct.pack("<c32sQQH", b"f", bytes(32), 1, 1, 2) + b".."
        hostile = writer.add_tree(evil)
    assert [entry.name for entry in store.read_tree(built.entry.digest)] == ["a"]
    with pytest.raises(Damaged):
        store.read_tree(hostile)


def test_a_large_tree_shares_chunks_with_its_last_version(store: Store) -> None:
    files = {f"{i:05d}": Entry("", "f", digest_bytes(b"%d" % i), i) for i in range(5000)}
    put(store, *build_tree(files).trees.values())
    before = store.size()[1]
    files["02500"] = Entry("", "f", "11" * 32, 1)
    tree = build_tree(files)
    put(store, *tree.trees.values())
    assert store.size()[1] - before < before / 5
    assert len(store.read_tree(tree.entry.digest)) == 5000


def test_links_are_stored_as_their_target(store: Store, files: Path) -> None:
    targets = {"dangling": b"nowhere", "absolute": b"/etc/passwd", "loop": b"loop", "raw": b"\xff\n\\"}
    for name, target in targets.items():
        os.symlink(target, os.fsencode(files / name))
        stat = stat_of(files, name)
        assert stat is not None
        with store.writer() as writer:
            digest, seen = writer.add_file(os.fspath(files / name), stat)
        assert store.read(digest) == target
        assert seen.kind == "l"


def test_what_takes_a_files_place_is_never_waited_for(
    store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAUSES", (0.0, 0.001))
    path = files / "name"
    path.write_bytes(b"content")
    stat = stat_of(files, "name")
    assert stat is not None
    path.unlink()
    with store.writer() as writer, pytest.raises(InputError, match="gone"):
        writer.add_file(os.fspath(path), stat)
    os.mkfifo(path)
    with store.writer() as writer, pytest.raises(InputError):
        writer.add_file(os.fspath(path), stat)
    path.unlink()
    path.mkdir()
    with store.writer() as writer, pytest.raises(InputError):
        writer.add_file(os.fspath(path), stat)
    path.rmdir()
    path.symlink_to("/etc/passwd")
    with store.writer() as writer:
        digest, seen = writer.add_file(os.fspath(path), stat)
    assert (store.read(digest), seen.kind) == (b"/etc/passwd", "l")


def test_a_byte_in_a_large_file_costs_a_few_chunks_and_not_its_list(store: Store) -> None:
    data = os.urandom(60_000_000)
    with store.writer() as writer:
        first = writer.add_bytes(data)
    _, before = store.size()
    with store.writer() as writer:
        second = writer.add_bytes(data[:30_000_000] + b"x" + data[30_000_000:])
    _, after = store.size()
    assert after - before < 300_000
    fresh = Store(Path(store.folder))
    assert fresh.read(first) == data
    assert len(fresh.read(second)) == len(data) + 1
    assert fresh.missing(raw.hex() for raw in fresh.chunks(bytes.fromhex(second))) == set()
    assert faults_of(fresh) == []


def test_a_list_of_chunks_that_lists_itself_is_damaged(store: Store) -> None:
    raw = b"\x07" * 32
    payload = encode_recipe(raw, Recipe(16 << 10, 100_000, b"", raw))
    writer = PackWriter(store.folder, FileSystem())
    writer.append(RECIPE, b"r", raw, payload, len(payload))
    writer.publish()
    fresh = Store(Path(store.folder))
    for read in (fresh.read, fresh.is_sound, lambda digest: fresh.chunks(bytes.fromhex(digest))):
        with contextlib.suppress(Damaged):
            assert not read(raw.hex())
