"""Reading the URL of a remote. Nothing that it says is a secret: a password in it is refused, never stored."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

import msgspec

from cloche.errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]{2,}:(?!//)[^\\]")
_CLOUDS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "azure": "az", "abfs": "az", "abfss": "az"}
_KINDS = {"http": "web", "https": "web", "sftp": "sftp", "ssh": "sftp"}
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
    try:
        parts = urlsplit(text)
        port = parts.port or 0
    except ValueError as error:
        raise UsageError(f"the URL cannot be read: {error}", hint="such as s3://bucket/folder") from None
    _refuse_secrets(scheme, parts.username, parts.password, bool(parts.query or parts.fragment))
    if scheme == "file":
        if parts.hostname not in (None, "localhost"):
            raise UsageError(f"{text} names a file of another machine", hint="write file:///folder")
        return _folder(unquote(parts.path), base)
    kind = "cloud" if scheme in _CLOUDS else _KINDS.get(scheme, "fsspec")
    host = parts.netloc.rpartition("@")[2] if kind == "cloud" else parts.hostname or ""
    if not host and kind != "fsspec":
        raise UsageError(
            f"{text} names no {'bucket' if kind == 'cloud' else 'host'}", hint=f"write {scheme}://NAME/folder"
        )
    path = re.sub("/+", "/", unquote(parts.path)).rstrip("/")
    if any(part in (".", "..") for part in path.split("/")):
        raise UsageError(f"{text} holds . or .. in its path", hint="write the path without them")
    return Address(kind, text.rstrip("/"), _CLOUDS.get(scheme, scheme), host, path, parts.username or "", port)


def _refuse_secrets(scheme: str, user: str | None, password: str | None, query: bool) -> None:
    if password is not None or (user and scheme in ("http", "https", *_CLOUDS) and not scheme.startswith("abfs")):
        raise UsageError("the URL holds a user name or password, which would be stored", hint=_KEYS)
    if query and scheme in ("http", "https", "sftp", "ssh", *_CLOUDS):
        raise UsageError("the URL holds a query (`?` or `#`), which may be a secret", hint=_KEYS)


def _folder(text: str, base: str) -> Address:
    if _SCP.match(text) and not os.path.lexists(os.path.join(base, text)):
        host, _, path = text.partition(":")
        raise UsageError(f"{text} is neither a URL nor a folder", hint=f"write sftp://{host}/{path.lstrip('/')}")
    path = os.path.normpath(os.path.join(base, os.path.expanduser(text)))
    return Address("folder", path, path=path)
