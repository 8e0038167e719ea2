"""Blobs above 64 KiB: cut into chunks by content (FastCDC), and put together again by a recipe.

The payload of a recipe's frame, all numbers little endian:

| bytes | what |
|---|---|
| 16 | check: the first 16 bytes of BLAKE3-256 over the blob's digest and all bytes that follow |
| 1 | how it was cut: 1 or 2 is FastCDC of 2020, normalisation 1, the published gear table |
| 4, 4, 4 | smallest, average and largest length of a chunk |
| 8 | length of the blob |
| 36 each | with 1: the chunks in order: digest (32), length (4) |
| 32 | with 2: the digest of these rows, which are content of their own |

Rows of more than 64 KiB are content of their own, and cut in turn: of a file of 4 GiB in which one byte changes, a few
chunks of the list change with it, and not ten megabytes of list.

The average is 16 KiB for blobs up to 1.6 GB and doubles each time they double, up to 4 MiB, so that no blob below
400 GB has more than about 100,000 chunks: each costs some 15 microseconds of Python. The smallest chunk is a quarter of
it, the largest four times as much. A file that was stored before keeps the average that it had, within a factor of
four, so that a growing file still shares chunks with its last version.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from cloche.errors import Damaged

if TYPE_CHECKING:
    from pyfastcdc import FastCDC

RECIPE = b"b"
SMALL = 64 << 10
_SMALLEST_AVERAGE = 16 << 10
_LARGEST_AVERAGE = 4 << 20
_MOST_CHUNKS = 100_000
_ROWS, _LISTED = 1, 2
_HEAD = struct.Struct("<BIIIQ")
_CHUNK = struct.Struct("<32sI")
_CHECK = 16
_DIGEST = 32
DEEPEST = 3  # lists of lists of chunks: enough for files of any size


class Recipe(NamedTuple):
    """average: of the chunks' lengths. size: of the blob. rows: digests and lengths of the chunks, as stored. listed:
    raw digest of the rows where they are content of their own; `rows` is empty until somebody has read them."""

    average: int
    size: int
    rows: bytes
    listed: bytes = b""

    @property
    def chunks(self) -> Iterator[tuple[bytes, int]]:
        """Digest and length of each chunk, in order."""
        return _CHUNK.iter_unpack(self.rows)


def average_for(size: int, previous: int | None = None) -> int:
    """The average length of a chunk for a blob of `size` bytes whose last version was cut with `previous`."""
    average = _SMALLEST_AVERAGE
    while average * _MOST_CHUNKS < size and average < _LARGEST_AVERAGE:
        average *= 2
    if previous is not None and average // 4 <= previous <= average * 4:
        return previous
    return average


def cutter(average: int) -> FastCDC:
    """A FastCDC instance for one blob."""
    from pyfastcdc import FastCDC

    return FastCDC(average, min_size=average // 4, max_size=average * 4, normalized_chunking=1, seed=0)


def chunk_row(digest: bytes, length: int) -> bytes:
    """A chunk as a recipe lists it."""
    return _CHUNK.pack(digest, length)


def encode_recipe(digest: bytes, recipe: Recipe) -> bytes:
    """The payload of the recipe of the blob with this digest."""
    average = recipe.average
    how, rows = (_LISTED, recipe.listed) if recipe.listed else (_ROWS, recipe.rows)
    rest = _HEAD.pack(how, average // 4, average, average * 4, recipe.size) + rows
    return _check(digest, rest) + rest


def check_recipe(payload: bytes, digest: bytes) -> None:
    """Raises Damaged where these bytes are not those that were written for the blob with this digest."""
    rest = memoryview(payload)[_CHECK:]
    if payload[:_CHECK] != _check(digest, rest) or not _fits(rest):
        raise Damaged(f"the list of chunks of {digest.hex()[:12]} is damaged")


def decode_recipe(payload: bytes) -> Recipe:
    """What a checked payload says."""
    how, _, average, _, size = _HEAD.unpack_from(payload, _CHECK)
    rest = payload[_CHECK + _HEAD.size :]
    return Recipe(average, size, b"", rest) if how == _LISTED else Recipe(average, size, rest)


def with_rows(recipe: Recipe, rows: bytes) -> Recipe:
    """A recipe whose rows are content of their own, with these. Raises Damaged where they cannot be rows."""
    if len(rows) % _CHUNK.size:
        raise Damaged("a list of chunks is not of whole rows")
    return recipe._replace(rows=rows)


def _fits(rest: memoryview) -> bool:
    """Whether what follows the check has a possible length."""
    if len(rest) < _HEAD.size:
        return False
    rows = len(rest) - _HEAD.size
    return rows == _DIGEST if rest[0] == _LISTED else rest[0] == _ROWS and not rows % _CHUNK.size


def _check(digest: bytes, rest: bytes | memoryview) -> bytes:
    hasher = blake3(digest)
    hasher.update(rest)
    return hasher.digest(_CHECK)
