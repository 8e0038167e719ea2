"""Reading the URL of a remote. Nothing that it says is a secret: a password in it is refused, never stored."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from cloche.errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_CHAINED = re.compile(r"[A-Za-z0-9+.-]+::")
_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]{2,}:(?!//)[^\\]")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[?[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]?")
_REGION = re.compile(r"[A-Za-z0-9-]{0,40}")
_CLOUDS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "azure": "az", "abfs": "az", "abfss": "az"}
_KINDS = {"http": "web", "https": "web", "sftp": "sftp", "ssh": "sftp"}
_WITH_USER = ("sftp", "ssh", "abfs", "abfss", "hdfs", "smb", "ftp")  # elsewhere a user may be a token
_KEYS = "credentials come from the usual places (environment, profiles, agents): see docs/guides/sharing.md"


class Address(msgspec.Struct, frozen=True):
    """Where a remote is. kind: `folder`, `cloud`, `web`, `sftp` or `fsspec`. url: tidy, as it is stored. scheme: empty
    for a folder. host: a bucket or container for a cloud. path: below it, without `/` at the end."""

    kind: str
    url: str
    scheme: str = ""
    host: str = ""
    path: str = ""
    user: str = ""
    port: int = 0


def parse_address(text: str, base: str) -> Address:
    """What a URL or a folder names. base: the folder that a relative path begins at. Raises UsageError."""
    if not text.strip() or not text.isprintable():
        raise UsageError(
            "the URL of the remote is empty or holds control characters", hint="such as s3://bucket/folder"
        )
    found = _SCHEME.match(text)
    if found is None:
        return _folder(text, base)
    scheme = found[1].lower()
    parts, port = _split(text)
    _refuse_secrets(scheme, parts)
    path = unquote(parts.path)
    if not path.isprintable():
        raise UsageError("the path of the URL holds control characters", hint="such as s3://bucket/folder")
    if scheme == "file":
        if parts.hostname not in (None, "localhost"):
            raise UsageError(f"{text} names a file of another machine", hint="write file:///folder")
        return _folder(path, base)
    kind = "cloud" if scheme in _CLOUDS else _KINDS.get(scheme, "fsspec")
    host = parts.netloc.rpartition("@")[2] if kind == "cloud" else parts.hostname or ""
    what = "bucket" if kind == "cloud" else "host"
    if not host and kind != "fsspec":
        raise UsageError(f"{text} names no {what}", hint=f"write {scheme}://NAME/folder")
    if host and kind != "fsspec" and not _HOST.fullmatch(host):
        raise UsageError(f"{host!r} cannot be the name of a {what}", hint=f"write {scheme}://NAME/folder")
    path = re.sub("/+", "/", path).rstrip("/")
    if any(part in (".", "..") for part in path.split("/")):
        raise UsageError(f"{text} holds . or .. in its path", hint="write the path without them")
    return Address(kind, text.rstrip("/"), _CLOUDS.get(scheme, scheme), host, path, parts.username or "", port)


def check_server(address: Address, endpoint: str, region: str) -> None:
    """Raises UsageError unless these can be the endpoint and the region of an address; empty: none is given."""
    if (endpoint or region) and address.scheme != "s3":
        # a cloche.toml of somebody else could have them sent the token that opens the bucket
        raise UsageError(
            f"only s3:// has {'an endpoint' if endpoint else 'a region'} of its own",
            hint=f"leave {'--endpoint' if endpoint else '--region'} out",
        )
    if not _REGION.fullmatch(region):
        raise UsageError("the region is no name of one", hint="such as eu-central-1")
    if endpoint:
        check_endpoint(endpoint)


def check_endpoint(text: str, what: str = "endpoint") -> None:
    """Raises UsageError unless a text is the address of a server, and nothing in it can be a secret."""
    hint = "such as https://minio.example.org or http://127.0.0.1:9000"
    found = _SCHEME.match(text)
    if not text.isprintable() or not text.isascii() or " " in text or found is None:
        raise UsageError(f"the {what} is not the URL of a server", hint=hint)
    parts, _ = _split(text)
    _refuse_secrets("https", parts, what)
    if found[1].lower() not in ("http", "https") or not _HOST.fullmatch(parts.hostname or ""):
        raise UsageError(f"the {what} is not the http:// or https:// address of a server", hint=hint)


def _split(text: str) -> tuple[SplitResult, int]:
    """The parts of a URL, and its port or 0. What cannot be read is not shown: a password may be what makes it so."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise UsageError("the URL cannot be read: its host is none", hint="such as s3://bucket/folder") from None
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise UsageError("the port in the URL is no number from 1 to 65535", hint="such as sftp://host:2222/folder")
    return parts, port or 0


def _refuse_secrets(scheme: str, parts: SplitResult, what: str = "URL") -> None:
    if parts.password is not None or (parts.username and scheme not in _WITH_USER):
        raise UsageError(f"the {what} holds a user name or password, which would be stored", hint=_KEYS)
    if parts.query or parts.fragment:
        raise UsageError(f"the {what} holds a query (`?` or `#`), which may be a secret", hint=_KEYS)


def _folder(text: str, base: str) -> Address:
    if _CHAINED.match(text):
        raise UsageError("addresses within addresses (`::`) are not understood", hint="such as s3://bucket/folder")
    if _SCP.match(text) and not os.path.lexists(os.path.join(base, text)):
        host, _, path = text.partition(":")
        if "@" in path:  # a URL without its //, which may hold a password
            raise UsageError("that is neither a URL nor a folder", hint="such as s3://bucket/folder")
        raise UsageError(f"{text} is neither a URL nor a folder", hint=f"write sftp://{host}/{path.lstrip('/')}")
    path = os.path.normpath(os.path.join(base, os.path.expanduser(text)))
    return Address("folder", path, path=path)
