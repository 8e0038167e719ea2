"""What compressing promises: whatever is put in comes out, and many small files come out as they would one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloche.store.codec import RAW, ZSTD, Compressor, Decompressor

_NOISE = st.binary(max_size=300)
_PIECES = st.lists(_NOISE | _NOISE.map(lambda data: data * 9) | st.just(b"") | st.just(b"a" * 64))


@given(_PIECES)
def test_small_files_are_compressed_together_as_they_would_be_one_by_one(pieces: list[bytes]) -> None:
    alone = []
    for data in pieces:
        compressor = Compressor()
        alone.append(compressor.compress(data))
    assert Compressor().compress_apart(pieces) == alone


@given(_PIECES)
def test_what_was_compressed_comes_back(pieces: list[bytes]) -> None:
    compressor, decompressor = Compressor(), Decompressor()
    for data, (how, payload) in zip(pieces, compressor.compress_apart(pieces), strict=True):
        assert len(payload) <= len(data)
        assert decompressor.decompress(payload, how, len(data)) == data
    for data in pieces:
        how, payload = compressor.compress(data)
        assert decompressor.decompress(payload, how, len(data)) == data


def test_what_pays_is_compressed_and_what_does_not_is_left_alone() -> None:
    text, noise = b"the same again " * 100, bytes(range(256))
    assert [how for how, _ in Compressor().compress_apart([text, noise, b"short"])] == [ZSTD, RAW, RAW]
