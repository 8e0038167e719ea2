"""A process that writes small files out of packs for `file_writers`: `python -m cloche.store.file_writer`.

It answers one request after the other on its stdout until its stdin ends, which it does when whoever asks is killed. A
message is its length in 4 bytes, little endian, and MessagePack. A request is the packs to read, and of each the files
to write; the answer has the stat record of each file in that order, empty where it could not be written as it should
be: whoever asked finds out why.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

import msgspec

from cloche.store.codec import Decompressor
from cloche.store.filesystem import FileSystem
from cloche.store.frames import Place, open_small
from cloche.store.packs import read_at
from cloche.store.walk import stat_record

LENGTH = struct.Struct("<I")

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_GAP = 64 << 10  # bytes between two frames that are rather read than passed over
_SPAN = 4 << 20


class Wanted(NamedTuple):
    """A file that is to be created. target: its OS path; place: of its content in the pack."""

    target: bytes
    mode: int
    place: Place


Request = list[tuple[str, list[Wanted]]]
Answer = list[bytes]


def answer(request: Request, fs: FileSystem, decompressor: Decompressor) -> Answer:
    """Write the files of a request."""
    return [record for path, files in request for record in _of_pack(path, files, fs, decompressor)]


def _of_pack(path: str, files: Sequence[Wanted], fs: FileSystem, decompressor: Decompressor) -> list[bytes]:
    found: dict[bytes, bytes] = {}
    try:
        fd = os.open(path, _READ)
        try:
            for span in spans(sorted({one.place for one in files}, key=lambda place: place.offset)):
                start = span[0].offset
                data = read_at(fd, span[-1].end - start, start)
                found.update(open_small(data, start, span, decompressor))
        finally:
            os.close(fd)
    except OSError:
        pass  # what was found until then is as good
    return [_write(one, found.get(one.place.digest), fs) for one in files]


def spans(places: Sequence[Place]) -> Iterator[list[Place]]:
    """Neighbours, which one read brings; the places are in the order of their offsets."""
    span: list[Place] = []
    for place in places:
        if span and (place.offset - span[-1].end > _GAP or place.end - span[0].offset > _SPAN):
            yield span
            span = []
        span.append(place)
    if span:
        yield span


def _write(one: Wanted, content: bytes | None, fs: FileSystem) -> bytes:
    if content is None:
        return b""
    target = os.fsdecode(one.target)
    try:
        fd = fs.create(target, one.mode)
    except OSError:
        return b""
    try:
        fs.write(fd, content)
        record = stat_record(os.fstat(fd))
    except OSError:
        record = b""
    finally:
        fs.close(fd)
    if not record:
        fs.discard(target)
    return record


def receive(source: IO[bytes]) -> bytes:
    """The next message; empty where there is none."""
    head = source.read(LENGTH.size)
    return source.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def send(message: bytes, to: IO[bytes]) -> None:
    """Write one message. Raises OSError."""
    to.write(LENGTH.pack(len(message)) + message)
    to.flush()


def main() -> None:
    """Answer until stdin ends."""
    decoder, encoder = msgspec.msgpack.Decoder(Request), msgspec.msgpack.Encoder()
    fs, decompressor = FileSystem(), Decompressor()
    while message := receive(sys.stdin.buffer):
        send(encoder.encode(answer(decoder.decode(message), fs, decompressor)), sys.stdout.buffer)


if __name__ == "__main__":
    main()
