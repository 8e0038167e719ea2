"""Stored content as files: any place, only the chunks that are there, every byte proven."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.errors import Damaged, NotFound
from cloche.store.filesystem import FileSystem
from cloche.store.frames import CONTENT
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter
from cloche.store.random_access import SharedStore, shared_store
from cloche.store.recipes import RECIPE, Recipe, chunk_row, decode_recipe, encode_recipe

BIG = random.Random(1).randbytes(600_000) + b"line of text\n" * 40_000
SIZES = {"nothing": b"", "a byte": b"x", "one frame": b"line\n" * 12_000, "many chunks": BIG}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[SharedStore, dict[str, str]]:
    folder = tmp_path_factory.mktemp("store")
    with Store(folder).writer() as writer:
        digests = {name: writer.add_bytes(data) for name, data in SIZES.items()}
    return shared_store(folder), digests


PLACE = st.integers(0, len(BIG) + 1000)
LENGTH = st.one_of(st.integers(0, 300), st.integers(0, 200_000), st.just(-1))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), PLACE, st.just(0)),
        st.tuples(st.just("seek"), st.integers(-1000, 1000), st.just(1)),
        st.tuples(st.just("seek"), st.integers(-len(BIG), 1000), st.just(2)),
        st.tuples(st.just("read"), LENGTH),
        st.tuples(st.just("read1"), LENGTH),
        st.tuples(st.just("readline"), st.just(100_000)),
        st.tuples(st.just("tell")),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(SIZES)), steps=STEPS)
def test_it_reads_as_the_bytes_themselves_do(
    held: tuple[SharedStore, dict[str, str]], name: str, steps: list[tuple[Any, ...]]
) -> None:
    store, digests = held
    model = io.BytesIO(SIZES[name])
    with store.open(digests[name]) as raw_file:
        file: IO[bytes] = raw_file
        for verb, *given_arguments in steps:
            arguments = list(given_arguments)
            if verb == "seek" and arguments[1] == 1:
                arguments = [max(0, model.tell() + arguments[0]), 0]
            if verb == "seek" and arguments[1] == 2:
                arguments[0] = max(arguments[0], -len(SIZES[name]))
            if verb == "read1":  # how much one call gives is up to the file
                got = raw_file.read1(*arguments)
                assert got == model.read(len(got))
                assert got or not arguments[0] or model.tell() >= len(SIZES[name])
            else:
                assert getattr(file, verb)(*arguments) == getattr(model, verb)(*arguments)


def test_it_behaves_as_a_file_of_pythons(held: tuple[SharedStore, dict[str, str]]) -> None:
    store, digests = held
    file = store.open(digests["many chunks"], "my name")
    assert (file.readable(), file.seekable(), file.writable(), file.mode, file.name) == (
        *(True, True, False),
        *("rb", "my name"),
    )
    verbs: list[Callable[[], object]] = [
        lambda: file.write(b"x"),
        lambda: file.seek(-1),
        lambda: file.seek(0, 9),
        file.fileno,
    ]
    for broken in verbs:
        with pytest.raises((OSError, ValueError)):
            broken()
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()
    with pytest.raises(NotFound):
        store.open("00" * 32)


def test_text_and_lines(held: tuple[SharedStore, dict[str, str]]) -> None:
    store, digests = held
    with io.TextIOWrapper(store.open(digests["one frame"]), "utf-8") as file:
        assert sum(line == "line\n" for line in file) == 12_000


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes as Linux does")
def test_only_the_chunks_at_a_place_are_read(held: tuple[SharedStore, dict[str, str]]) -> None:
    def read_so_far() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["rchar"])

    store, digests = held
    with store.open(digests["many chunks"]) as file:
        before = read_so_far()
        file.seek(300_000)
        assert file.read(10) == BIG[300_000:300_010]
        assert read_so_far() - before < 260_000, "a buffer, and the chunks at its ends"


def test_threads_open_their_own_files(held: tuple[SharedStore, dict[str, str]]) -> None:
    store, digests = held

    def reads(seed: int) -> bool:
        places = [random.Random(seed).randrange(len(BIG)) for _ in range(40)]
        with store.open(digests["many chunks"]) as file:
            return all(file.seek(at) == at and file.read(5000) == BIG[at : at + 5000] for at in places)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(reads, range(16)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_process_reads_what_it_was_given(held: tuple[SharedStore, dict[str, str]]) -> None:
    """As the workers of a data loader do, while other threads of the parent are in the middle of a read."""
    store, digests = held
    file = store.open(digests["many chunks"])
    file.read(1000)
    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(_read_often, store, digests["many chunks"]) for _ in range(2)]
        child = os.fork()
        if child == 0:
            os._exit(0 if file.read(1000) == BIG[1000:2000] and _read_often(store, digests["many chunks"]) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert all(one.result() for one in busy)


def _read_often(store: SharedStore, digest: str) -> bool:
    for at in range(0, len(BIG), 100_000):
        with store.open(digest) as file:
            file.seek(at)
            if file.read(100) != BIG[at : at + 100]:
                return False
    return True


def _pack_of(folder: Path) -> Path:
    return max(folder.rglob("*.pack"), key=lambda file: file.stat().st_size)


@pytest.mark.parametrize(
    "harm",
    [
        lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
        lambda data, at: data[:at],
        lambda data, at: data[:at] + bytes(100) + data[at + 100 :],
    ],
    ids=["a bit", "cut short", "zeros"],
)
def test_damage_is_an_error_and_never_other_bytes(tmp_path: Path, harm: Callable[[bytes, int], bytes]) -> None:
    with Store(tmp_path).writer() as writer:
        digest = writer.add_bytes(BIG[:600_000])
    pack = _pack_of(tmp_path)
    pack.chmod(0o644)
    data = pack.read_bytes()
    pack.write_bytes(harm(data, 300_000))
    store = SharedStore(str(tmp_path))
    with pytest.raises(Damaged) as caught, store.open(digest) as file:
        file.read()
    assert "cloche verify" in caught.value.hint
    if pack.stat().st_size < len(data):
        return  # the list of chunks came last, so there is nothing to open
    hints = []
    with store.open(digest) as file:
        assert file.read(1000) == BIG[:1000], "what is sound can still be read"
        for at in range(0, 600_000, 10_000):
            file.seek(at)
            try:
                assert file.read(10_000) == BIG[at : at + 10_000]
            except Damaged as error:
                hints.append(error.hint)
    assert 0 < len(hints) < 40
    assert all("cloche verify" in hint for hint in hints)


def test_chunks_that_are_right_in_the_wrong_order_are_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path / "one")
    with store.writer() as writer:
        digest = writer.add_bytes(BIG[:300_000])
    recipe = decode_recipe(store.frame(bytes.fromhex(digest))[0])
    chunks = list(recipe.chunks)
    rows = b"".join(chunk_row(*chunk) for chunk in (chunks[1], chunks[0], *chunks[2:]))
    forged = PackWriter(str(tmp_path / "two"), FileSystem())
    for chunk, length in chunks:
        forged.append(CONTENT, b"r", chunk, store.read(chunk.hex()), length)
    payload = encode_recipe(bytes.fromhex(digest), Recipe(recipe.average, recipe.size, rows))
    forged.append(RECIPE, b"r", bytes.fromhex(digest), payload, len(payload))
    forged.publish()
    with pytest.raises(Damaged, match="do not make up"), shared_store(tmp_path / "two").open(digest) as file:
        file.read()


def test_many_stores_in_one_process(tmp_path: Path) -> None:
    for number in range(8):
        folder = tmp_path / str(number)
        with Store(folder).writer() as writer:
            digest = writer.add_bytes(b"%d" % number)
        with shared_store(folder).open(digest) as file:
            assert file.read() == b"%d" % number
    assert shared_store(tmp_path / "7") is shared_store(tmp_path / "7")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux does")
def test_closed_files_leave_nothing_open(tmp_path: Path) -> None:
    with Store(tmp_path).writer() as writer:
        digest = writer.add_bytes(BIG)
    before = len(os.listdir("/proc/self/fd"))
    files = [shared_store(tmp_path).open(digest) for _ in range(3)]
    assert all(file.read(10) == BIG[:10] for file in files)
    assert len(os.listdir("/proc/self/fd")) > before
    for file in files:
        file.close()
    assert len(os.listdir("/proc/self/fd")) == before
