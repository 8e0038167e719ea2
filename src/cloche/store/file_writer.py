"""A process that writes small files out of packs for `file_writers`: `python -m cloche.store.file_writer`.

It answers one request after the other on its stdout until its stdin ends, which it does when whoever asks is killed. A
message is its length in 4 bytes, little endian, and its bytes. The answer to a request has the stat record (see
`listing`) of each file in its order, zeros where one could not be written as it should be: whoever asked finds out why.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import IO

import msgspec

from cloche.store.codec import Decompressor
from cloche.store.filesystem import FileSystem
from cloche.store.frames import Place
from cloche.store.listing import RECORD
from cloche.store.packs import ROW
from cloche.store.small_contents import Contents, read_small_contents
from cloche.store.walk import stat_record

LENGTH = struct.Struct("<I")
NOT_WRITTEN = bytes(RECORD.size)


class Request(msgspec.Struct, array_like=True, frozen=True):
    """Files that are to be created, as columns: there are many. targets: OS paths with a zero byte between them. kinds:
    `f` or `x` for each. places: a `packs.ROW` each. packs: the path of each pack that they name."""

    targets: bytes
    kinds: bytes
    places: bytes
    packs: dict[int, str]


def answer(request: Request, fs: FileSystem, decompressor: Decompressor) -> bytes:
    """Write the files of a request; their records."""
    places = [Place._make(row) for row in ROW.iter_unpack(request.places)]
    found: Contents = {}
    for number, path in request.packs.items():
        found |= read_small_contents(path, (one for one in places if one.pack == number), decompressor)
    targets = request.targets.split(b"\0")
    files = zip(targets, request.kinds, places, strict=True)
    return b"".join([_write(target, kind, found.get(place.digest), fs) for target, kind, place in files])


def _write(target: bytes, kind: int, content: bytes | None, fs: FileSystem) -> bytes:
    if content is None:
        return NOT_WRITTEN
    path = os.fsdecode(target)
    try:
        fd = fs.create(path, 0o777 if kind == ord("x") else 0o666)
    except OSError:
        return NOT_WRITTEN
    try:
        fs.write(fd, content)
        return stat_record(os.fstat(fd))
    except OSError:
        fs.discard(path)
        return NOT_WRITTEN
    finally:
        fs.close(fd)


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
    decoder = msgspec.msgpack.Decoder(Request)
    fs, decompressor = FileSystem(), Decompressor()
    while message := receive(sys.stdin.buffer):
        send(answer(decoder.decode(message), fs, decompressor), sys.stdout.buffer)


if __name__ == "__main__":
    main()
