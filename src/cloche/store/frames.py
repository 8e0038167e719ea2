r"""Packs: files of frames that describe themselves.

All numbers are little endian. A pack is the 14 bytes `cloche-pack-1\n`, then frames until its end:

| bytes | what |
|---|---|
| 1 | kind: `c` content (a whole small blob or tree, or a chunk), `b` recipe of a blob (see `recipes`) |
| 1 | codec of the payload: `r` raw, `z` one zstd frame |
| 32 | digest: BLAKE3-256 of the content; for a recipe, of the whole blob that it describes |
| 4 | stored length: bytes of payload in the pack |
| 4 | raw length: bytes of payload once decompressed; at most 16 MiB where the codec is `z` |
| stored length | payload |

A pack is closed before a frame would carry it over 64 MiB (a recipe larger than that has a pack of its own) or over
131,072 frames, and is
named `packs/ab/<digest>.pack` by the BLAKE3-256 of its bytes, `ab` being the first two digits. It never changes.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from blake3 import blake3

from cloche.errors import Damaged, NewerVersion
from cloche.store import codec
from cloche.store.recipes import RECIPE, SMALL, check_recipe

MAGIC = b"cloche-pack-1\n"
_FAMILY = b"cloche-pack-"
_NAME = re.compile("[0-9a-f]{64}")
CONTENT = b"c"
HEADER = struct.Struct("<cc32sII")
PACK_LIMIT = 64 << 20
MOST_FRAMES = 1 << 17  # in a pack: its records lie in memory until it is closed


class Place(NamedTuple):
    """Where a frame lies. pack: number of the pack among those that are open; offset: of the frame's first byte."""

    digest: bytes
    offset: int
    stored: int
    raw: int
    kind: bytes
    codec: bytes
    pack: int = 0

    @property
    def end(self) -> int:
        """Offset of the byte behind the frame."""
        return self.offset + HEADER.size + self.stored


def read_header(data: bytes, offset: int) -> Place:
    """The frame that begins with `data` at `offset` of a pack. Raises Damaged where none can begin so."""
    if len(data) < HEADER.size:
        raise Damaged("a pack of the store is cut short")
    kind, how, digest, stored, raw = HEADER.unpack_from(data)
    if kind not in (CONTENT, RECIPE) or how not in (codec.RAW, codec.ZSTD):
        raise Damaged("a pack of the store holds something that is no frame")
    return Place(digest, offset, stored, raw, kind, how)


def write_header(kind: bytes, how: bytes, digest: bytes, stored: int, raw: int) -> bytes:
    """The bytes before a payload."""
    return HEADER.pack(kind, how, digest, stored, raw)


def open_frame(data: bytes, place: Place, decompressor: codec.Decompressor) -> bytes:
    """The payload of the frame that `data` is, decompressed and proven to be what its digest says.

    Raises Damaged where any byte of the frame is not as it was written.
    """
    digest, _, stored, raw, kind, how, _ = place
    expected = HEADER.pack(kind, how, digest, stored, raw)
    if len(data) != HEADER.size + stored or not data.startswith(expected):
        raise Damaged(f"the frame of {digest.hex()[:12]} is not where the index says")
    content = decompressor.decompress(data[HEADER.size :], how, raw)
    if kind == RECIPE:
        check_recipe(content, digest)
    elif blake3(content).digest() != digest:
        raise Damaged(f"the stored bytes of {digest.hex()[:12]} do not match their digest")
    return content


def is_small(place: Place) -> bool:
    """Whether a frame holds a whole content that is small enough to be opened with many others."""
    return place.kind == CONTENT and place.raw <= SMALL


def open_small(
    data: bytes, start: int, places: Sequence[Place], decompressor: codec.Decompressor
) -> dict[bytes, bytes]:
    """The small contents among frames of one pack, by raw digest, decompressed in one call and proven as `open_frame`
    does. Those that are not as they were written are left out.

    data: bytes of the pack from the offset `start` on.
    """
    view = memoryview(data)
    found: list[tuple[Place, memoryview]] = []
    for place in places:
        at, end = place.offset - start + HEADER.size, place.end - start
        expected = HEADER.pack(place.kind, place.codec, place.digest, place.stored, place.raw)
        fits = place.codec == codec.ZSTD or place.stored == place.raw
        if is_small(place) and fits and end <= len(data) and view[at - HEADER.size : at] == expected:
            found.append((place, view[at:end]))
    packed = [(place, payload) for place, payload in found if place.codec == codec.ZSTD]
    pairs = [(place, bytes(payload)) for place, payload in found if place.codec == codec.RAW]
    with contextlib.suppress(Damaged):  # one that cannot be decompressed spoils all: they are opened one by one then
        opened = decompressor.decompress_many([one for _, one in packed], [place.raw for place, _ in packed])
        pairs += zip((place for place, _ in packed), opened, strict=True)
    return {place.digest: one for place, one in pairs if blake3(one).digest() == place.digest}


def is_pack_name(text: str) -> bool:
    """Whether a pack can have this name, without its ending; other files among the packs are none of ours."""
    return _NAME.fullmatch(text) is not None


def check_magic(data: bytes) -> None:
    """Raises NewerVersion or Damaged where `data` does not begin as a pack that can be read here."""
    if data[: len(MAGIC)] == MAGIC:
        return
    if data.startswith(_FAMILY) and data[len(_FAMILY) : len(_FAMILY) + 1] in b"23456789":
        raise NewerVersion("the store was written by a newer Cloche", hint="upgrade Cloche to read it")
    raise Damaged("a file among the packs is no pack")
