"""`.dvc/config`: where the cache and the remotes are. `config.local`, which holds credentials, is never read."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

import msgspec

_SECTION = re.compile(r"\[\s*(['\"]?)(.*?)\1\s*\]")
_NAMED = re.compile(r"(\w+)\s+['\"](.*)['\"]")
_PAIR = re.compile(r"([\w-]+)\s*=\s*(.*)")
_LOCAL = re.compile(r"file://(?:localhost)?(?=/)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class Remote(msgspec.Struct, frozen=True):
    """A remote. url: without user, password, query. folder: where it is a folder of this machine, as DVC wrote it.
    copies: whether it holds plain files (a worktree or versioned remote) and not objects."""

    name: str
    url: str
    folder: str = ""
    copies: bool = False


class Config(msgspec.Struct, frozen=True):
    """cache: the folder of the cache as written, empty for the usual one. default: name of the default remote."""

    cache: str = ""
    default: str = ""
    remotes: tuple[Remote, ...] = ()
    options: dict[str, str] = {}


def read_config(text: str) -> Config:
    """What of the file matters here. Everything else in it, credentials above all, is passed over."""
    sections: dict[str, dict[str, str]] = {}
    here: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        section, pair = _SECTION.fullmatch(line), _PAIR.fullmatch(line)
        if section:
            named = _NAMED.fullmatch(section[2])
            here = sections.setdefault(f"{named[1]} {named[2]}" if named else section[2], {})
        elif pair:
            here[pair[1]] = _unquoted(pair[2])
    remotes = [(name.partition(" ")[2], keys) for name, keys in sections.items() if name.startswith("remote ")]
    return Config(
        cache=sections.get("cache", {}).get("dir", ""),
        default=sections.get("core", {}).get("remote", ""),
        remotes=tuple(_remote(name, keys) for name, keys in remotes if keys.get("url")),
        options=sections.get("parsing", {}),
    )


def _remote(name: str, keys: dict[str, str]) -> Remote:
    url = keys["url"]
    local = _LOCAL.match(url)
    folder = url[local.end() :] if local else "" if _SCHEME.match(url) else url
    copies = any(keys.get(key, "").lower() == "true" for key in ("worktree", "version_aware"))
    return Remote(name, folder or without_secrets(url), folder, copies)


def without_secrets(url: str) -> str:
    """An address without user, password, query and fragment, any of which may hold a secret.

    >>> without_secrets("https://me:secret@example.org:8443/data?token=1")
    'https://example.org:8443/data'
    """
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return url.partition("://")[0] + "://"


def _unquoted(text: str) -> str:
    quoted = re.match(r"(['\"])(.*?)\1", text)
    return quoted[2] if quoted else text.partition(" #")[0].strip()
