"""How a payload is compressed: zstd where it pays, raw bytes elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING

from cloche.errors import Damaged

if TYPE_CHECKING:
    from zstandard import BufferSegment

RAW = b"r"
ZSTD = b"z"
LARGEST = 16 << 20

_LEVEL = 1
_SMALL = 64 << 10  # bytes; level 1 would clear a table of 128 KiB before each such piece
_FOR_SMALL = {"window_log": 16, "hash_log": 13}
_WORTH_TRYING = 64
_LONGEST_PAUSE = 32


class Compressor:
    """Compresses pieces one after the other. Not for use by several threads.

    Every piece is a sample: where one does not shrink by an eighth (floats, images, archives), the next 1, 2, 4 ... 32
    are not tried, so that data that cannot be compressed costs next to nothing.
    """

    def __init__(self) -> None:
        import zstandard

        self._zstd = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=False, write_checksum=False)
        small = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, **_FOR_SMALL, write_content_size=False, write_checksum=False
        )
        self._small = zstandard.ZstdCompressor(compression_params=small)
        self.start()

    def start(self) -> None:
        """Begin another file: what was learned from the last one no longer counts."""
        self._pause = 0
        self._left = 0

    def compress(self, data: bytes | memoryview) -> tuple[bytes, bytes]:
        """Codec and payload."""
        if len(data) < _WORTH_TRYING:
            return RAW, bytes(data)
        if self._left:
            self._left -= 1
            return RAW, bytes(data)
        small = (self._small if len(data) <= _SMALL else self._zstd).compress(data)
        if _pays(small, data):
            self._pause = 0
            return ZSTD, small
        self._pause = min(max(1, self._pause * 2), _LONGEST_PAUSE)
        self._left = self._pause
        return RAW, bytes(data)

    def compress_apart(self, pieces: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Codec and payload of each of many files of up to 64 KiB, as `start` and `compress` give them.

        All in one call that leaves Python to other threads: handing it over for every file costs more than compressing.
        """
        tried = [data for data in pieces if len(data) >= _WORTH_TRYING]
        done = iter(self._small.multi_compress_to_buffer([*tried]) if tried else ())
        self.start()
        return [
            (ZSTD, small.tobytes()) if len(data) >= _WORTH_TRYING and _pays(small := next(done), data) else (RAW, data)
            for data in pieces
        ]


def _pays(small: Sized, data: Sized) -> bool:
    return len(small) <= len(data) - len(data) // 8


class Decompressor:
    """Undoes `Compressor`. Not for use by several threads."""

    def __init__(self) -> None:
        import zstandard

        self._zstd = zstandard.ZstdDecompressor()
        self._error = zstandard.ZstdError
        self._claimed = zstandard.frame_content_size

    def decompress_many(self, payloads: Sequence[bytes | memoryview], raws: Sequence[int]) -> list[bytes]:
        """The bytes that were compressed with zstd, as many as `raws` says of each, in one call that leaves Python to
        other threads. Raises Damaged."""
        return [content.tobytes() for content in self.segments(payloads, raws)]

    def segments(self, payloads: Sequence[bytes | memoryview], raws: Sequence[int]) -> Sequence[BufferSegment]:
        """Like `decompress_many`, as buffers that are to be looked at only."""
        if not payloads:
            return []
        if max(raws) > LARGEST:
            raise Damaged("a frame of the store claims an impossible length")
        sizes = struct.pack(f"={len(raws)}Q", *raws)
        try:
            done = self._zstd.multi_decompress_to_buffer([*payloads], decompressed_sizes=sizes)
        except self._error as error:
            raise Damaged("a frame of the store cannot be decompressed") from error
        return [done[number] for number in range(len(done))]

    def decompress(self, payload: bytes, how: bytes, raw: int) -> bytes:
        """The bytes that were compressed, `raw` of them. Raises Damaged."""
        if how == RAW:
            content = payload
        elif raw > LARGEST:
            raise Damaged("a frame of the store claims an impossible length")
        else:
            try:
                if self._claimed(payload) not in (-1, raw):  # it would be believed, whatever we allow
                    raise Damaged("a frame of the store claims another length")
                content = self._zstd.decompress(payload, max_output_size=raw)
            except self._error as error:
                raise Damaged("a frame of the store cannot be decompressed") from error
        if len(content) != raw:
            raise Damaged("a frame of the store has the wrong length")
        return content
