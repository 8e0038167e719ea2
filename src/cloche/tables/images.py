"""Images, by what their headers say: format, width, height, kind of pixel. No pixel is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cloche.model.content import ImageFacts

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
_MOST_SEGMENTS = 10_000
_MOST_TAGS = 4_096
_PNG_MODES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey+alpha", 6: "RGBA"}
_JPEG_MODES = {1: "grey", 3: "RGB", 4: "CMYK"}
_BMP_MODES = {1: ("palette", 1), 4: ("palette", 4), 8: ("palette", 8), 16: ("RGB", 5), 24: ("RGB", 8), 32: ("RGBA", 8)}
_TIFF_MODES = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # how a value of each type that a size may have is packed
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 262, 277


def is_image(path: str) -> bool:
    """Whether a file is an image by its name."""
    return PurePosixPath(path.lower()).suffix in SUFFIXES


def image_facts(file: Path) -> ImageFacts:
    """What the header of an image says; the format is that of the content, whatever the name says. Never raises for
    what is in a file: `note` says why it could not be read."""
    try:
        with open(file, "rb") as stream:
            head = stream.read(32)
            for magic, read in _READERS:
                if head.startswith(magic):
                    return read(stream, head)
    except OSError as error:
        return ImageFacts(note=f"cannot be read: {error.strerror}")
    except (struct.error, ValueError, IndexError, OverflowError):
        return ImageFacts(note="has a damaged header")
    return ImageFacts(note="is no image that is known here")


def _png(_: BinaryIO, head: bytes) -> ImageFacts:
    width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
    return ImageFacts("PNG", width, height, _PNG_MODES.get(colour, ""), depth)


def _gif(_: BinaryIO, head: bytes) -> ImageFacts:
    width, height, packed = struct.unpack_from("<HHB", head, 6)
    return ImageFacts("GIF", width, height, "palette", (packed & 7) + 1)


def _bmp(_: BinaryIO, head: bytes) -> ImageFacts:
    if struct.unpack_from("<I", head, 14)[0] == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", head, 18)
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", head, 18)
    mode, depth = _BMP_MODES.get(bits, ("", bits))
    return ImageFacts("BMP", abs(width), abs(height), mode, depth)


def _riff(_: BinaryIO, head: bytes) -> ImageFacts:
    if head[8:12] != b"WEBP":
        return ImageFacts(note="is no image that is known here")
    kind = head[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return ImageFacts("WebP", width, height, "RGBA" if head[20] & 0x10 else "RGB", 8)
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = struct.unpack_from("<I", head, 21)[0]
        mode = "RGBA" if bits >> 28 & 1 else "RGB"
        return ImageFacts("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, mode, 8)
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return ImageFacts("WebP", width & 0x3FFF, height & 0x3FFF, "RGB", 8)
    raise ValueError


def _jpeg(stream: BinaryIO, _: bytes) -> ImageFacts:
    stream.seek(2)
    for _segment in range(_MOST_SEGMENTS):
        mark = stream.read(2)
        while mark == b"\xff\xff":  # fill bytes may stand before a mark
            mark = mark[1:] + stream.read(1)
        if mark[:1] != b"\xff" or len(mark) < 2:
            break
        number = mark[1]
        if number == 0x01 or 0xD0 <= number <= 0xD8:
            continue
        length = int.from_bytes(stream.read(2), "big")
        if 0xC0 <= number <= 0xCF and number not in (0xC4, 0xC8, 0xCC):
            depth, height, width, parts = struct.unpack(">BHHB", stream.read(6))
            return ImageFacts("JPEG", width, height, _JPEG_MODES.get(parts, ""), depth)
        if length < 2 or number in (0xD9, 0xDA):
            break
        stream.seek(length - 2, 1)
    raise ValueError


def _tiff(stream: BinaryIO, head: bytes) -> ImageFacts:
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    stream.seek(struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0])
    number, row = ("Q", "HHQ8s") if big else ("H", "HHI4s")
    count = struct.unpack(order + number, stream.read(struct.calcsize(order + number)))[0]
    size = struct.calcsize(order + row)
    tags = {}
    for _entry in range(min(count, _MOST_TAGS)):
        tag, kind, many, value = struct.unpack(order + row, stream.read(size))
        if kind in _TIFF_TYPES:
            tags[tag] = (_TIFF_TYPES[kind], many, value)
    found = {tag: _tiff_value(stream, order, *about) for tag, about in tags.items() if tag in _WANTED}
    samples = found.get(_SAMPLES, 1)
    mode = _TIFF_MODES.get(found.get(_PHOTOMETRIC, -1), "")
    mode = {("RGB", 4): "RGBA", ("grey", 2): "grey+alpha"}.get((mode, samples), mode)
    return ImageFacts("TIFF", found[_WIDTH], found[_HEIGHT], mode, found.get(_BITS, 1))


_WANTED = frozenset({_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES})


def _tiff_value(stream: BinaryIO, order: str, kind: str, many: int, value: bytes) -> int:
    """The first value of a tag, which lies in the tag itself, or elsewhere where there are too many for that."""
    if struct.calcsize(order + kind) * many <= len(value):
        return int(struct.unpack_from(order + kind, value)[0])
    stream.seek(struct.unpack(order + ("Q" if len(value) == 8 else "I"), value)[0])
    return int(struct.unpack(order + kind, stream.read(struct.calcsize(order + kind)))[0])


_READERS: tuple[tuple[bytes, Callable[[BinaryIO, bytes], ImageFacts]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF8", _gif),
    (b"RIFF", _riff),
    (b"BM", _bmp),
    *((magic, _tiff) for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
