"""Documents: whole records as MessagePack, environments as JSON.

MessagePack because metrics may be NaN or infinite, which JSON cannot say. Maps are keyed by the names of fields, so
that a record of an older Cloche, which lacks fields, still reads: they have defaults.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from cloche.catalog.database import as_utf8
from cloche.errors import Damaged, InputError
from cloche.model.digest import Digest
from cloche.model.environment import Environment
from cloche.model.run import Series

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[object, msgspec.msgpack.Decoder[Any]] = {}
_LARGEST = 2**64
_SMALLEST = -(2**63)


def encode(value: object) -> bytes:
    """The document of a record. Text that UTF-8 cannot hold is escaped, and whole numbers beyond 64 bits become text:
    a record with one odd value is worth more than none."""
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return _encoder.encode(_plain(msgspec.to_builtins(value)))


def decode(data: bytes, kind: type[T], what: str) -> T:
    """The record in a document. Raises Damaged, naming `what`, where it is not one."""
    try:
        decoder = _decoders.get(kind) or _decoders.setdefault(kind, msgspec.msgpack.Decoder(kind))
        found: T = decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"{what} in the catalog is damaged: {error}", hint="type `cloche doctor`") from error
    return found


def encode_environment(environment: Environment) -> tuple[Digest, bytes]:
    """The digest of an environment, and its document."""
    return environment.digest, msgspec.json.encode(environment, order="deterministic")


def decode_environment(digest: Digest, data: bytes) -> Environment:
    """The environment with this digest. Raises Damaged where the document is of another."""
    what = f"environment {digest[:12]} in the catalog is damaged"
    try:
        found = msgspec.json.decode(data, type=Environment)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"{what}: {error}", hint="type `cloche doctor`") from error
    if found.digest != digest:
        raise Damaged(what, hint="type `cloche doctor`")
    return found


def encode_series(series: Series) -> bytes:
    """The segment of a series: its three columns, compressed. Raises InputError for columns of unequal length."""
    import zstandard  # 13 ms that most commands need not spend

    if not len(series.steps) == len(series.values) == len(series.times):
        raise InputError("a series has not as many steps and times as values", hint="log them together")
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(encode(series))


def decode_series(data: bytes, what: str) -> Series:
    """The series in a segment. Raises Damaged, naming `what`, where it is not one."""
    import zstandard  # 13 ms that most commands need not spend

    try:
        raw = zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise Damaged(f"{what} in the catalog is damaged: {error}", hint="type `cloche doctor`") from error
    return decode(raw, Series, what)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return as_utf8(value)
    if isinstance(value, int) and not _SMALLEST <= value < _LARGEST:
        return str(value)
    return value
