"""What the headers of images say."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.model.content import ImageFacts
from cloche.tables.images import image_facts, is_image


def png(width: int, height: int, depth: int, colour: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", width, height, depth, colour, 0, 0, 0, 0)


def jpeg(width: int, height: int, parts: int, *before: bytes) -> bytes:
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(one) + 2) + one for one in before)
    return b"\xff\xd8" + segments + b"\xff\xff\xc2" + struct.pack(">HBHHB", 8 + 3 * parts, 8, height, width, parts)


def bmp(width: int, height: int, bits: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<IiiHH", 40, width, height, 1, bits) + bytes(20)


def riff(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + struct.pack("<I", len(body)) + body + bytes(16)


def tiff(order: str, tags: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    rows = b"".join(
        struct.pack(order + "HHI", tag, kind, many)
        + (struct.pack(order + "HH", value, 0) if kind == 3 and many == 1 else struct.pack(order + "I", value))
        for tag, kind, many, value in tags
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(tags)) + rows + bytes(4) + rest


RGB_TIFF = [(256, 4, 1, 640), (257, 3, 1, 480), (258, 3, 3, 8 + 2 + 12 * 5 + 4), (262, 3, 1, 2), (277, 3, 1, 3)]
VP8X = bytes([0x10, 0, 0, 0]) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (png(640, 480, 8, 2), ("PNG", 640, 480, "RGB", 8)),
        (png(1, 2, 16, 4), ("PNG", 1, 2, "grey+alpha", 16)),
        (png(1, 2, 1, 3), ("PNG", 1, 2, "palette", 1)),
        (jpeg(640, 480, 3), ("JPEG", 640, 480, "RGB", 8)),
        (jpeg(640, 480, 1, b"x" * 60_000, b"y"), ("JPEG", 640, 480, "grey", 8)),
        (b"GIF89a" + struct.pack("<HHBBB", 640, 480, 0x87, 0, 0), ("GIF", 640, 480, "palette", 8)),
        (bmp(640, -480, 24), ("BMP", 640, 480, "RGB", 8)),
        (b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 64, 48, 1, 4) + bytes(9), ("BMP", 64, 48, "palette", 4)),
        (riff(b"VP8X", VP8X), ("WebP", 640, 480, "RGBA", 8)),
        (riff(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)), ("WebP", 640, 480, "RGB", 8)),
        (riff(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)), ("WebP", 640, 480, "RGB", 8)),
        (tiff("<", RGB_TIFF, struct.pack("<HHH", 8, 8, 8)), ("TIFF", 640, 480, "RGB", 8)),
        (tiff(">", RGB_TIFF, struct.pack(">HHH", 16, 16, 16)), ("TIFF", 640, 480, "RGB", 16)),
        (tiff("<", [(256, 3, 1, 7), (257, 3, 1, 9), (262, 3, 1, 1)]), ("TIFF", 7, 9, "grey", 1)),
    ],
)
def test_headers(tmp_path: Path, content: bytes, facts: tuple[object, ...]) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    found = image_facts(file)
    assert (found.format, found.width, found.height, found.mode, found.depth, found.note) == (*facts, "")
    for end in range(min(len(content), 200)):
        file.write_bytes(content[:end])
        image_facts(file)


def test_names() -> None:
    assert [is_image(name) for name in ("a.PNG", "b.jpeg", "c.tif", "d.webp", "png", "a.npy")] == [True] * 4 + [
        False
    ] * 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF    WEBPVP8X", b"BM", b"II*\0", b"MM\0+"]
    ),
    st.binary(max_size=80),
)
def test_no_bytes_make_it_fail(tmp_path: Path, magic: bytes, rest: bytes) -> None:
    (tmp_path / "image").write_bytes(magic + rest)
    assert isinstance(image_facts(tmp_path / "image"), ImageFacts)


def test_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    assert image_facts(tmp_path / "text.png").note == "is no image that is known here"
    assert "cannot be read" in image_facts(tmp_path / "gone.png").note
