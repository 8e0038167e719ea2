"""Digests: BLAKE3-256 of content, written as 64 lower-case hexadecimal digits (`b3sum` prints the same)."""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

Digest = str

SHORT = 12


def digest_bytes(data: bytes | bytearray | memoryview) -> Digest:
    """The digest of some bytes.

    >>> digest_bytes(b"")[:16]
    'af1349b9f5f9a1a6'
    """
    return blake3(data).hexdigest()


def digest_parts(parts: Iterable[str]) -> Digest:
    """The digest of a list of texts. No two different lists have the same digest: each text goes in with its length."""
    hasher = blake3()
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape")  # names of files come as Python gives them
        hasher.update(len(raw).to_bytes(8, "little") + raw)
    return hasher.hexdigest()
