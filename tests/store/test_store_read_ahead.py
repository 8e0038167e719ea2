"""Reading ahead gives what the store gives, or leaves it to the store to say what is wrong."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from blake3 import blake3

from cloche.store.objects import Store
from cloche.store.read_ahead import ReadAhead

SMALL = [b"%d," % number * 20 + os.urandom(number % 50) for number in range(300)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Small contents in several packs, some of them in two, and a large one."""
    for start in (0, 100, 150):
        with Store(tmp_path / "store").writer() as writer:
            for data in SMALL[start : start + 150]:
                writer.add_bytes(data)
    with Store(tmp_path / "store").writer() as writer:
        writer.add_bytes(b"".join(SMALL) * 20)
    return Store(tmp_path / "store")


def ahead(store: Store, raws: list[bytes]) -> dict[bytes, bytes]:
    reader = ReadAhead(store)
    try:
        return reader.start(raws).result()
    finally:
        reader.close()


def test_every_small_content_is_read(store: Store) -> None:
    digests = {blake3(data).digest(): data for data in SMALL}
    raws = [*digests, *digests, blake3(b"".join(SMALL) * 20).digest(), bytes(32)]
    random.Random(1).shuffle(raws)
    assert ahead(store, raws) == digests


def test_a_few_are_not_worth_it(store: Store) -> None:
    assert ahead(store, [blake3(data).digest() for data in SMALL[:3]]) == {}


def test_what_is_damaged_is_never_handed_out(store: Store) -> None:
    digests = {blake3(data).digest(): data for data in SMALL}
    chance = random.Random(2)
    for name in store.pack_names():
        path = Path(store.packs.path(name))
        good = path.read_bytes()
        for _ in range(20):
            damaged = bytearray(good)
            damaged[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
            path.write_bytes(damaged)
            assert ahead(store, [*digests]).items() <= digests.items()
        path.write_bytes(good[: len(good) // 2])
        assert ahead(store, [*digests]).items() <= digests.items()
        path.unlink()
        assert ahead(store, [*digests]).items() <= digests.items()
        path.write_bytes(good)
    assert ahead(store, [*digests]) == digests
