"""Bundles as bytes.

`cloche-bundle-1`, a line end, one zstd frame that states its length, of MessagePack: a `Bundle` of `model.bundle` as a
map from field name to value. Its name is the digest of all of it.
"""

from __future__ import annotations

import msgspec

from cloche.errors import Damaged, NewerVersion
from cloche.model.bundle import Bundle, check_bundle
from cloche.model.digest import Digest, digest_bytes

MAGIC = b"cloche-bundle-1\n"
_FAMILY = b"cloche-bundle-"
LARGEST = 256 << 20
LARGEST_FILE = 128 << 20


def encode_bundle(bundle: Bundle) -> bytes:
    """The bytes of a bundle."""
    import zstandard  # 13 ms that most commands need not spend

    return MAGIC + zstandard.ZstdCompressor(level=6, write_checksum=True).compress(msgspec.msgpack.encode(bundle))


def decode_bundle(data: bytes, digest: Digest) -> Bundle:
    """The bundle with this digest. Raises Damaged where the bytes are others, or say what cannot be; NewerVersion."""
    what = f"bundle {digest[:12]}"
    if digest_bytes(data) != digest:
        raise Damaged(f"{what} is damaged: its bytes do not match its name")
    if not data.startswith(MAGIC):
        if data.startswith(_FAMILY):
            raise NewerVersion(f"{what} was written by a newer Cloche", hint="upgrade cloche to read it")
        raise Damaged(f"{what} is no bundle")
    try:
        found = msgspec.msgpack.decode(_decompressed(data[len(MAGIC) :], what), type=Bundle)
        check_bundle(found)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"{what} cannot be understood: {error}") from error
    except Damaged as error:
        raise Damaged(f"{what} is not used: {error.message}") from error
    return found


def _decompressed(data: bytes, what: str) -> bytes:
    """The payload: its length is looked at before any memory is taken for it."""
    import zstandard  # 13 ms that most commands need not spend

    try:
        length = zstandard.frame_content_size(data)
        if not 0 <= length <= LARGEST:
            raise Damaged(f"{what} claims an impossible length")
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(data, max_output_size=max(1, length))
    except zstandard.ZstdError as error:
        raise Damaged(f"{what} cannot be decompressed") from error
