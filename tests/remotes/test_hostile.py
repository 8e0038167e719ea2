"""What comes from a remote is an enemy's work until it is proven: nothing of it is believed, kept or run."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cloche
from cloche.api import OpenProject
from cloche.errors import ClocheError, Damaged, NewerVersion
from cloche.model.bundle import Bundle, FactChange, NoteBody, PackSize, Shared, note_mark
from cloche.model.run import Output, Run
from cloche.model.tree import Entry, encode_tree
from cloche.remotes.bundles import MAGIC, decode_bundle, encode_bundle
from cloche.store.frames import CONTENT, Place, write_header
from cloche.store.frames import MAGIC as PACK
from cloche.store.objects import Store
from cloche.store.receiving import Shelf
from cloche.store.recipes import RECIPE, Recipe, chunk_row, encode_recipe
from cloche.store.transfer import _Builder, outgoing, plan
from shell import Shell, variables


@pytest.fixture(scope="session")
def pushed(tmp_path_factory: pytest.TempPathFactory, a_model: Shell) -> Path:
    """A project with a run, and beside it the remote that it was pushed to."""
    folder = tmp_path_factory.mktemp("pushed")
    (folder / "home").mkdir()
    shell = Shell(folder / "ada", variables(folder / "home"))
    a_model.copied_to(shell)
    shell.write("data/large.bin", bytes(range(256)) * 1200)
    shell.cloche("add")
    shell.run()
    with cloche.open(shell.folder) as project:
        project.remote_add("origin", str(folder / "remote"))
        project.push()
    return folder


@pytest.fixture
def remote(pushed: Path, tmp_path: Path) -> Path:
    """A copy of that remote, to be tampered with."""
    return shutil.copytree(pushed / "remote", tmp_path / "remote")


@pytest.fixture
def victim(pushed: Path, remote: Path, tmp_path: Path) -> Iterator[OpenProject]:
    """A project that knows the remote and has fetched nothing."""
    with cloche.init(tmp_path / "victim") as project:
        project.remote_add("origin", str(remote))
        yield project


def bundle_of(remote: Path) -> Bundle:
    [file] = remote.glob("bundles/*")
    return decode_bundle(file.read_bytes(), file.stem)


def put_bundle(remote: Path, bundle: Bundle) -> None:
    for file in remote.glob("bundles/*"):
        file.unlink()
    data = encode_bundle(bundle)
    (remote / "bundles" / f"{blake3(data).hexdigest()}.bundle").write_bytes(data)


def assert_refused(victim: OpenProject, match: str) -> None:
    """Fetching names what is wrong, takes none of it, and leaves the store sound."""
    done = victim.fetch()
    assert match in " ".join(done.problems)
    assert done.merged.runs == ()
    assert victim.log(hidden=True) == []
    assert not [one for one in victim.doctor() if one.name == "store" and one.state == "error"]


RUN = Callable[[Run], Run]
REPLACE = msgspec.structs.replace


@pytest.mark.parametrize(
    "change",
    [
        lambda run: REPLACE(run, id="../../etc/passwd"),
        lambda run: REPLACE(run, id="k" * 15),
        lambda run: REPLACE(run, status="running"),
        lambda run: REPLACE(run, outputs=(Output("../outside", "f", "ab" * 32, 1),)),
        lambda run: REPLACE(run, outputs=(Output("/etc/cron.d/x", "f", "ab" * 32, 1),)),
        lambda run: REPLACE(run, outputs=(Output(".git/hooks/post-checkout", "x", "ab" * 32, 1),)),
        lambda run: REPLACE(run, outputs=(Output(".CLOCHE/catalog.db", "f", "ab" * 32, 1),)),
        lambda run: REPLACE(run, outputs=(Output("a\\x2f..\\x2fb", "f", "ab" * 32, 1),)),
        lambda run: REPLACE(run, outputs=(Output("a", "f", "../" * 20, 1),)),
        lambda run: REPLACE(run, outputs=(Output("a", "f", "ab" * 32, -1),)),
        lambda run: REPLACE(run, folder="../.."),
        lambda run: REPLACE(run, log="x"),
        lambda run: REPLACE(run, created=float("nan")),
        lambda run: REPLACE(run, snapshot=REPLACE(run.snapshot, environment="ab" * 32)),
    ],
)
def test_a_record_that_no_cloche_writes_is_not_taken(victim: OpenProject, remote: Path, change: RUN) -> None:
    bundle = bundle_of(remote)
    put_bundle(remote, REPLACE(bundle, runs=(REPLACE(bundle.runs[0], run=change(bundle.runs[0].run)),)))
    assert_refused(victim, "is not used")


@pytest.mark.parametrize(
    "fact",
    [
        FactChange("tag", "../x y", "k" * 16, 1.0),
        FactChange("tag", "fine", "not-an-id", 1.0),
        FactChange("tag", "fine", "k" * 16, float("inf")),
        FactChange("removed", "x", "removed", 1.0),
        FactChange("note", "forged", msgspec.json.encode(NoteBody("k" * 16, "text", 1.0)).decode(), 1.0),
        FactChange("note", note_mark(NoteBody("k" * 16, "", 1.0)), "no json", 1.0),
    ],
)
def test_a_fact_that_no_cloche_writes_is_not_taken(victim: OpenProject, remote: Path, fact: FactChange) -> None:
    put_bundle(remote, REPLACE(bundle_of(remote), facts=(fact,)))
    assert_refused(victim, "is not used")


def test_a_record_that_contradicts_the_one_here_is_named_and_left_out(victim: OpenProject, remote: Path) -> None:
    victim.fetch()
    bundle = bundle_of(remote)
    forged = REPLACE(bundle.runs[0].run, message="forged")
    put_bundle(remote, REPLACE(bundle, runs=(Shared(forged),), created=1.0))
    done = victim.fetch()
    assert done.merged.conflicts == (forged.id,)
    assert f"run {forged.short}" in done.problems[0]
    assert victim.show().run.message == ""


def test_a_bundle_that_unpacks_to_more_than_it_may_is_not_unpacked() -> None:
    bomb = MAGIC + zstandard.ZstdCompressor().compress(b"\0" * (260 << 20))
    with pytest.raises(Damaged, match="impossible length"):
        decode_bundle(bomb, blake3(bomb).hexdigest())


def test_a_newer_bundle_is_said_to_be_one() -> None:
    data = b"cloche-bundle-2\nwhatever"
    with pytest.raises(NewerVersion):
        decode_bundle(data, blake3(data).hexdigest())


def test_a_frame_that_unpacks_to_more_than_it_says_is_not_unpacked(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(b"\0" * (260 << 20))
    frame = write_header(CONTENT, b"z", bytes(32), len(bomb), 100) + bomb
    data = PACK + frame
    name = blake3(data).hexdigest()
    store = Store(tmp_path / "store")
    shard = tmp_path / "store" / "packs" / name[:2]
    shard.mkdir(parents=True)
    (shard / f"{name}.pack").write_bytes(data)
    with pytest.raises(Damaged, match="another length"):
        store.read("00" * 32)


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["pack", "index", "bundle"]), place=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_what_was_cut_short_or_flipped_is_named_and_never_taken(
    pushed: Path, tmp_path_factory: pytest.TempPathFactory, kind: str, place: float, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    remote = shutil.copytree(pushed / "remote", folder / "remote")
    [file] = remote.rglob(f"*.{kind}")
    data = file.read_bytes()
    at = int(place * len(data))
    file.write_bytes(data[:at] if cut else flip(data, at))
    with cloche.init(folder / "victim") as victim:
        victim.remote_add("origin", str(remote))
        done = victim.fetch()
        assert done.problems
        assert not [one for one in victim.doctor() if one.name in ("store", "content") and one.state == "error"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3))
def test_any_bytes_as_a_bundle_are_refused_in_words(data: bytes, form: int) -> None:
    if form == 1:
        data = MAGIC + data
    elif form >= 2:
        data = MAGIC + zstandard.ZstdCompressor().compress(data)
    with pytest.raises((Damaged, NewerVersion)):
        decode_bundle(data, blake3(data).hexdigest())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_bundle_with_any_value_anywhere_is_taken_or_refused_in_words(pushed: Path, data: st.DataObject) -> None:
    document = msgspec.to_builtins(bundle_of(pushed / "remote"))
    at = document
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(at[key], (dict, list)) and at[key] and data.draw(st.booleans()):
            at = at[key]
            continue
        at[key] = data.draw(VALUES)
        break
    try:
        raw = MAGIC + zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(document))
    except (OverflowError, UnicodeEncodeError):
        return
    with contextlib.suppress(Damaged):
        assert isinstance(decode_bundle(raw, blake3(raw).hexdigest()), Bundle)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_change_of_an_index_is_refused_in_words(data: st.DataObject) -> None:
    builder = _Builder()
    store_frames = [(bytes([number]) * 3) for number in range(5)]
    for payload in store_frames:
        digest = blake3(payload).digest()
        place = Place(digest, 0, len(payload), len(payload), CONTENT, b"r")
        assert not list(builder.add(place, write_header(CONTENT, b"r", digest, 3, 3) + payload))
    pack = next(builder.end()).sealed()
    body = bytearray(pack.positions[:-32])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    forged = bytes(body) + blake3(bytes(body)).digest()
    shelf = Shelf("/nowhere")
    if forged == pack.positions:
        shelf.add(pack.digest, forged, len(pack.data))
        return
    try:
        shelf.add(pack.digest, forged, len(pack.data))
    except Damaged:
        return
    for payload in store_frames:  # a digest was changed in order: what lies there is proven when it is read
        for place in shelf.places(blake3(payload).digest()):
            assert place.end <= len(pack.data)


def test_a_recipe_whose_chunks_make_up_something_else_is_not_taken(victim: OpenProject, remote: Path) -> None:
    """It would otherwise stand for the real content when that is added here."""
    real, fake = b"the real content" * 8000, b"something else" * 2000
    digest = blake3(real).digest()
    builder = _Builder()
    chunk = blake3(fake).digest()
    row = Recipe(16384, len(fake), chunk_row(chunk, len(fake)))
    for kind, name, payload in ((CONTENT, chunk, fake), (RECIPE, digest, encode_recipe(digest, row))):
        place = Place(name, 0, len(payload), len(payload), kind, b"r")
        assert not list(builder.add(place, write_header(kind, b"r", name, len(payload), len(payload)) + payload))
    pack = next(builder.end()).sealed()
    shard = remote / "packs" / pack.digest[:2]
    shard.mkdir(exist_ok=True)
    (shard / f"{pack.digest}.pack").write_bytes(pack.data)
    (shard / f"{pack.digest}.index").write_bytes(pack.positions)
    bundle = bundle_of(remote)
    forged = REPLACE(bundle.runs[0].run, outputs=(Output("a", "f", digest.hex(), len(real)),))
    packs = (*bundle.packs, PackSize(pack.digest, len(pack.data)))
    put_bundle(remote, REPLACE(bundle, runs=(Shared(forged),), packs=packs))
    done = victim.fetch()
    assert "is not what its chunks make up" in " ".join(done.problems)
    assert not Store(victim.root / ".cloche/store").has(digest.hex())
    with pytest.raises(ClocheError, match="not what its chunks"):
        victim.revert("@", only=["data"])


def test_a_folder_that_claims_to_hold_less_than_it_does_is_named(
    victim: OpenProject, remote: Path, tmp_path: Path
) -> None:
    """Ten small folders, each holding the next ten times, would be ten thousand million files."""
    store = Store(tmp_path / "forged")
    with store.writer() as writer:
        inner = writer.add_bytes(b"x")
        kind: str = "f"
        for _ in range(10):
            entries = [Entry(str(number), kind, inner, 1, 1) for number in range(10)]  # type: ignore[arg-type]
            inner, kind = writer.add_tree(encode_tree(entries)), "d"
    everything = {place.digest for _, places in store.packs.contents() for place in places}
    [pack] = outgoing(store, plan(store, everything)[0])
    shard = remote / "packs" / pack.digest[:2]
    shard.mkdir(exist_ok=True)
    (shard / f"{pack.digest}.pack").write_bytes(pack.data)
    (shard / f"{pack.digest}.index").write_bytes(pack.positions)
    bundle = bundle_of(remote)
    forged = REPLACE(bundle.runs[0].run, outputs=(Output("a", "d", inner, 10, 10),))
    put_bundle(remote, REPLACE(bundle, runs=(Shared(forged),)))
    done = victim.fetch()
    assert "of another size than it claims" in " ".join(done.problems)
    assert done.elsewhere == 1


def test_odd_files_on_a_remote_are_passed_over(victim: OpenProject, remote: Path) -> None:
    for name in ("packs/ab/x.pack", "packs/zz.index", "bundles/readme.txt", "packs/ab/" + "ab" * 32 + ".pack"):
        (remote / name).parent.mkdir(exist_ok=True)
        (remote / name).write_bytes(b"odd")
    done = victim.fetch()
    assert (done.problems, len(done.merged.runs)) == ((), 1)
