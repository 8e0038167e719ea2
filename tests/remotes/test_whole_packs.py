"""Packs that travel as they are: nothing comes with them that was not proven, and nothing that was not asked for."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard
from blake3 import blake3

import cloche
from cloche.api import OpenProject
from cloche.errors import Damaged, RemoteError
from cloche.project import fetching
from cloche.store import index, pack_writer, transfer
from cloche.store.filesystem import FileSystem
from cloche.store.frames import CONTENT, HEADER, MAGIC, Place, write_header
from cloche.store.objects import Store
from cloche.store.pack_writer import PackWriter

SECRET = random.Random(1_000).randbytes(9_000)


@pytest.fixture(autouse=True)
def _small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_WORTH_ITSELF", 50_000)
    monkeypatch.setattr(transfer, "WORTH_ITSELF", 50_000)
    monkeypatch.setattr(transfer, "PACK_LIMIT", 100_000)
    monkeypatch.setattr(pack_writer, "PACK_LIMIT", 100_000)


@pytest.fixture
def ada(tmp_path: Path) -> Iterator[OpenProject]:
    """A project with 40 small files of noise and of text in the store, in several packs."""
    (tmp_path / "ada/data").mkdir(parents=True)
    for number in range(40):
        noise = random.Random(number).randbytes(8_000)
        (tmp_path / f"ada/data/{number:02}").write_bytes(noise if number % 2 else noise[:4_000].hex().encode())
    with cloche.init(tmp_path / "ada") as project:
        project.remote_add("origin", str(tmp_path / "remote"))
        project.add("data")
        yield project


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[OpenProject]:
    """A project that knows the remote and has nothing."""
    with cloche.init(tmp_path / "bob") as project:
        project.remote_add("origin", str(tmp_path / "remote"))
        yield project


def push(ada: OpenProject) -> Path:
    """Push what `cloche.lock` names; the folder that it went to."""
    ada.push()
    return ada.root.parent / "remote"


def pull(ada: OpenProject, bob: OpenProject) -> None:
    shutil.copy(ada.root / "cloche.lock", bob.root / "cloche.lock")
    bob.pull()


def packs_of(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in folder.rglob("packs/*/*.pack")}


def files_of(project: OpenProject) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((project.root / "data").iterdir())}


def store_of(project: OpenProject) -> Path:
    return project.root / ".cloche/store"


class Frame(NamedTuple):
    """A frame of a pack, as it lies there."""

    place: Place
    payload: bytes


def frames_of(pack: Path) -> list[Frame]:
    data, positions = pack.read_bytes(), pack.with_suffix(".index").read_bytes()
    places = sorted((Place(*row) for row in index.unpacked(positions)), key=lambda place: place.offset)
    return [Frame(place, data[place.offset + HEADER.size : place.end]) for place in places]


def write_pack(packs: Path, frames: list[Frame]) -> str:
    """A pack with a name and an index that are right, whatever its frames say."""
    data, rows = bytearray(MAGIC), []
    for place, payload in frames:
        rows.append(index.RECORD.pack(place.digest, len(data), len(payload), place.raw, place.kind, place.codec))
        data += write_header(place.kind, place.codec, place.digest, len(payload), place.raw) + payload
    name = blake3(data).hexdigest()
    (packs / name[:2]).mkdir(exist_ok=True)
    (packs / name[:2] / f"{name}.pack").write_bytes(data)
    (packs / name[:2] / f"{name}.index").write_bytes(index.encode_index(bytes.fromhex(name), rows))
    return name


def plain_pack(ada: OpenProject, remote: Path) -> Path:
    """A pack of the remote that holds files of ada's alone."""
    known = {blake3(data).digest() for data in files_of(ada).values()}
    return next(
        pack for pack in packs_of(remote).values() if known.issuperset(one.place.digest for one in frames_of(pack))
    )


def test_a_pack_of_files_alone_comes_as_it_is(ada: OpenProject, bob: OpenProject) -> None:
    remote = push(ada)
    pull(ada, bob)
    assert files_of(bob) == files_of(ada)
    assert bob.verify().sound
    kept = packs_of(store_of(bob))
    same = kept.keys() & packs_of(remote).keys()
    assert plain_pack(ada, remote).stem in same
    for name in same:
        assert kept[name].read_bytes() == packs_of(remote)[name].read_bytes()
        assert kept[name].with_suffix(".index").read_bytes() == index.encode_index(
            bytes.fromhex(name), index.records(packs_of(remote)[name].with_suffix(".index").read_bytes())
        )


def test_what_is_in_quarantine_comes_back_rather_than_anew(ada: OpenProject, bob: OpenProject) -> None:
    push(ada)
    pull(ada, bob)
    before = packs_of(store_of(bob))
    store = Store(store_of(bob))
    for pack in before.values():
        store.quarantine.put(str(pack.with_suffix("")), int(time.time()))
    assert packs_of(store_of(bob)) == {}
    shutil.rmtree(bob.root / "data")
    assert bob.pull().fetched.size == 0
    assert packs_of(store_of(bob)).keys() < before.keys()
    assert (files_of(bob), bob.verify().sound) == (files_of(ada), True)
    assert (files_of(bob), bob.verify().sound) == (files_of(ada), True)


def test_a_pull_that_is_cut_off_keeps_the_packs_that_came(
    ada: OpenProject, bob: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing half-way."""
    remote = push(ada)
    real, left = FileSystem.rename, [4]

    def rename(self: FileSystem, source: str, target: str) -> None:
        left[0] -= "/store/packs/" in Path(target).as_posix()
        if left[0] < 0:
            raise KeyboardInterrupt
        real(self, source, target)

    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            pull(ada, bob)
    came = packs_of(store_of(bob)).keys() & packs_of(remote).keys()
    assert len(came) == 2
    assert [*(store_of(bob) / "tmp").iterdir()] == []
    everything = sum(pack.stat().st_size for pack in packs_of(remote).values())
    assert bob.pull().fetched.size <= everything - sum(packs_of(remote)[name].stat().st_size for name in came)
    assert (files_of(bob), bob.verify().sound) == (files_of(ada), True)


def lie(frame: Frame, how: str) -> Frame:
    """A frame that is not what its digest says."""
    other = b"x" * frame.place.raw
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(other)
    return {
        "raw": Frame(frame.place._replace(codec=b"r"), other),
        "packed": Frame(frame.place._replace(codec=b"z"), packed),
        "longer": Frame(frame.place._replace(raw=frame.place.raw + 1), frame.payload),
        "no zstd": Frame(frame.place._replace(codec=b"z"), b"x" * 100),
        "no content": Frame(frame.place._replace(kind=b"b"), frame.payload),
    }[how]


@pytest.mark.parametrize("has_copy", [False, True])
@pytest.mark.parametrize("how", ["raw", "packed", "longer", "no zstd", "no content"])
def test_a_pack_by_its_right_name_with_a_frame_that_lies(
    ada: OpenProject, bob: OpenProject, how: str, has_copy: bool
) -> None:
    """It is not taken over; what is true in it comes, and what is not does not stand for the true content."""
    remote = push(ada)
    pack = plain_pack(ada, remote)
    frames = frames_of(pack)
    victim = frames[3].place.digest
    forged = write_pack(remote / "packs", [*frames[:3], lie(frames[3], how), *frames[4:]])
    if has_copy:
        pull(ada, bob)
        assert files_of(bob) == files_of(ada)
    else:
        pack.unlink()
        with pytest.raises(RemoteError, match="does not hold 1 of the objects"):
            pull(ada, bob)
        assert not Store(store_of(bob)).has(victim.hex())
    assert forged not in packs_of(store_of(bob))
    assert bob.verify().damaged == ()
    shutil.copytree(ada.root / "data", bob.root / "data", dirs_exist_ok=True)
    bob.add("data")
    assert Store(store_of(bob)).read(victim.hex()) in files_of(ada).values()
    assert bob.verify().sound


@pytest.mark.parametrize("kept", [38, 20, 1])
def test_what_is_not_needed_never_leaves(ada: OpenProject, kept: int) -> None:
    """A file that was taken back shares packs with files that are sent, be it many of them or few."""
    (ada.root / "data/19b").write_bytes(SECRET)
    shutil.rmtree(store_of(ada) / "packs")  # so that it lies among the others
    ada.add("data")
    for name in [*[*files_of(ada)][kept:], "19b"]:
        (ada.root / "data" / name).unlink(missing_ok=True)
    ada.add("data")
    assert any(SECRET in pack.read_bytes() for pack in packs_of(store_of(ada)).values())
    remote = push(ada)
    wanted = {blake3(data).digest() for data in files_of(ada).values()}
    sent = [frame.place.digest for pack in packs_of(remote).values() for frame in frames_of(pack)]
    assert sorted(sent) == sorted({*wanted, *sent})
    assert len(sent) == len(wanted) + 1  # the folder
    assert not any(SECRET[100:140] in pack.read_bytes() for pack in packs_of(remote).values())


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("has_copy", [False, True])
def test_a_damaged_frame_is_sent_from_another_pack_or_not_at_all(
    ada: OpenProject, bob: OpenProject, has_copy: bool, changed: bool
) -> None:
    """Of a pack that goes whole, and of one of which most is needed."""
    whole = {blake3(data).digest(): data for data in files_of(ada).values()}
    pack = max(packs_of(store_of(ada)).values(), key=lambda one: sum(f.place.codec == b"r" for f in frames_of(one)))
    hit = next(frame for frame in frames_of(pack) if frame.place.codec == b"r")
    if changed:
        spared = next(one for one in frames_of(pack) if one.place.digest in whole and one is not hit)
        [gone] = [name for name, data in files_of(ada).items() if data == whole[spared.place.digest]]
        if spared.place.digest != hit.place.digest:
            (ada.root / "data" / gone).unlink()
            ada.add("data")
    if has_copy:
        writer = PackWriter(str(store_of(ada)), FileSystem())
        writer.append(CONTENT, b"r", hit.place.digest, hit.payload, hit.place.raw)
        writer.publish()
    data = bytearray(pack.read_bytes())
    data[hit.place.end - 9] ^= 1
    pack.write_bytes(data)
    if has_copy:
        push(ada)
        pull(ada, bob)
        assert (files_of(bob), bob.verify().sound) == (files_of(ada), True)
    else:
        with pytest.raises(Damaged, match=hit.place.digest.hex()[:12]):
            push(ada)
        assert not [*(ada.root.parent / "remote").rglob("*.bundle")]


def test_damage_to_what_is_not_needed_stops_nothing(ada: OpenProject, bob: OpenProject) -> None:
    pack = max(packs_of(store_of(ada)).values(), key=lambda one: one.stat().st_size)
    hit = next(frame for frame in frames_of(pack) if frame.payload in files_of(ada).values())
    [gone] = [name for name, data in files_of(ada).items() if data == hit.payload]
    (ada.root / "data" / gone).unlink()
    ada.add("data")
    data = bytearray(pack.read_bytes())
    data[hit.place.end - 9] ^= 1
    pack.write_bytes(data)
    push(ada)
    pull(ada, bob)
    assert files_of(bob) == files_of(ada)
