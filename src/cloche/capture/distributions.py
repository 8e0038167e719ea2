"""The distributions (installed packages) that an interpreter finds on its path, read straight from their metadata.

`importlib.metadata` would cost 40 ms to import and sees the interpreter that runs it, not another one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from cloche.capture.cache import Stamp, load, now, save, settled, stamp
from cloche.model.digest import digest_parts
from cloche.model.environment import Distribution, Source

CACHE_FILE = "folders.json"
_HEADER_BYTES = 8192
_RUN_TOGETHER = re.compile(r"[-_.]+")
_FOLDER_NAME = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+?)(-py[\d.]+)?\.(dist|egg)-info$")
_INSTALLED_FROM_INDEX_BY = frozenset({"pip", "uv", "poetry", "pdm", "hatch", "flit", "installer"})


class Found(msgspec.Struct, frozen=True):
    """A distribution as it lies in a folder. tree: the folder of its source, where that can be edited in place."""

    distribution: Distribution
    tree: str = ""


class Listed(msgspec.Struct, frozen=True):
    """What a folder holds, and its state when it was read."""

    mark: Stamp
    found: tuple[Found, ...]


def normalise(name: str) -> str:
    """The one spelling of a distribution's name (PEP 503).

    >>> normalise("Scikit_Learn")
    'scikit-learn'
    """
    return _RUN_TOGETHER.sub("-", name.strip()).lower()


def read_distributions(path: Iterable[str], prefix: str, cache_folder: Path) -> list[Found]:
    """The distributions on a sys.path, sorted by name. Of two with one name the first on the path counts.

    prefix: the interpreter's own, where conda keeps its records. Broken or half-removed distributions are passed
    over, as the interpreter does.
    """
    file = cache_folder / CACHE_FILE
    cached = load(file, dict[str, Listed]) or {}
    fresh: dict[str, Listed] = {}
    chosen: dict[str, Found] = {}
    conda = os.path.join(prefix, "conda-meta")
    for folder in dict.fromkeys([*path, conda]):
        listed = _list(folder, cached, fresh)
        for item in listed:
            name = item.distribution.name
            chosen[name] = _with_channel(chosen[name], item) if name in chosen else item
    if fresh:
        save(file, cached | fresh)
    return sorted(chosen.values(), key=lambda item: item.distribution.name)


def _list(folder: str, cached: Mapping[str, Listed], fresh: dict[str, Listed]) -> tuple[Found, ...]:
    mark = stamp(folder)
    if not mark:
        return ()
    known = cached.get(folder)
    if known is not None and known.mark == mark:
        return known.found
    started = now()
    read = _read_conda if os.path.basename(folder) == "conda-meta" else _read_folder
    found = tuple(item for item in read(folder) if item is not None)
    if settled(mark, started):
        fresh[folder] = Listed(mark, found)
    return found


def _with_channel(first: Found, second: Found) -> Found:
    """conda writes metadata of both kinds: its own tells the channel."""
    if first.distribution.installer != "conda" or second.distribution.installer != "conda":
        return first
    return Found(msgspec.structs.replace(first.distribution, location=second.distribution.location), first.tree)


def _read_folder(folder: str) -> Iterable[Found | None]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    if folder.endswith(".egg"):
        yield _read_egg_info(folder, "EGG-INFO")
    for name in names:
        if name.startswith("~"):
            continue
        if name.endswith(".dist-info"):
            yield _read_dist_info(folder, name)
        elif name.endswith(".egg-info"):
            yield _read_egg_info(folder, name)
        elif name.endswith(".egg-link"):
            yield _read_egg_link(folder, name)


def _text(*parts: str, most: int = -1) -> str:
    try:
        with open(os.path.join(*parts), "rb") as file:
            return file.read(most).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _headers(text: str) -> tuple[str, str]:
    """Name and version at the top of METADATA or PKG-INFO."""
    name = version = ""
    for line in text.splitlines():
        if not line:
            break
        key, colon, value = line.partition(":")
        if not colon:
            continue
        if not name and key.lower() == "name":
            name = value.strip()
        elif not version and key.lower() == "version":
            version = value.strip()
        if name and version:
            break
    return name, version


def _identity(folder: str, info: str, file: str) -> tuple[str, str]:
    name, version = _headers(_text(folder, info, file, most=_HEADER_BYTES))
    if name and version:
        return name, version
    name, version = _headers(_text(folder, info, file))
    match = _FOLDER_NAME.match(info)
    return name or (match["name"] if match else ""), version or (match["version"] if match else "")


def _read_dist_info(folder: str, info: str) -> Found | None:
    inside = os.path.join(folder, info)
    # What an interrupted uninstall leaves behind is an empty folder, not a distribution.
    if not any(os.path.exists(os.path.join(inside, file)) for file in ("METADATA", "RECORD")):
        return None
    name, version = _identity(folder, info, "METADATA")
    if not name:
        return None
    installer = _text(inside, "INSTALLER", most=64).strip()
    direct = _text(inside, "direct_url.json")
    if direct:
        return _from_direct_url(name, version, installer, direct, inside)
    source: Source = "index" if installer in _INSTALLED_FROM_INDEX_BY else "unknown"
    return Found(Distribution(normalise(name), version, source, installer=installer))


class _DirInfo(msgspec.Struct):
    editable: bool = False


class _VcsInfo(msgspec.Struct):
    vcs: str = "git"
    commit_id: str = ""


class _DirectUrl(msgspec.Struct):
    url: str
    dir_info: _DirInfo | None = None
    vcs_info: _VcsInfo | None = None
    subdirectory: str = ""


def _from_direct_url(name: str, version: str, installer: str, text: str, inside: str) -> Found:
    plain = Distribution(normalise(name), version, "unknown", installer=installer)
    try:
        direct = msgspec.json.decode(text, type=_DirectUrl)
    except msgspec.MsgspecError:
        return Found(plain)
    url = without_credentials(direct.url)
    suffix = f"#subdirectory={direct.subdirectory}" if direct.subdirectory else ""
    if direct.vcs_info is not None:
        vcs = direct.vcs_info
        location = f"{vcs.vcs}+{url}@{vcs.commit_id}{suffix}"
        return Found(msgspec.structs.replace(plain, source="git", location=location))
    if direct.dir_info is None:
        return Found(msgspec.structs.replace(plain, source="url", location=url + suffix))
    tree = os.path.join(path_of(direct.url), direct.subdirectory) if direct.subdirectory else path_of(direct.url)
    if direct.dir_info.editable:
        return Found(msgspec.structs.replace(plain, source="editable", location=tree), tree)
    digest = _record_digest(inside)
    return Found(msgspec.structs.replace(plain, source="local", location=tree, digest=digest))


def _record_digest(inside: str) -> str:
    """The digest of what a local source installed. The source itself may have moved on since without any effect."""
    rows = []
    info = os.path.basename(inside) + "/"
    for line in _text(inside, "RECORD").splitlines():
        path, _, rest = line.rpartition(",")[0].rpartition(",")
        if rest and not path.startswith((info, "../", '"../')):
            rows.append(f"{path},{rest}")
    return digest_parts(sorted(rows)) if rows else ""


def path_of(url: str) -> str:
    """The path that a file URL names.

    >>> path_of("file:///home/a%20b")
    '/home/a b'
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    path = unquote(parts.path, errors="surrogateescape")
    if os.name == "nt":
        path = path.lstrip("/").replace("/", "\\") if not parts.netloc else f"\\\\{parts.netloc}{path}"
    return path.rstrip("/") or path


def without_credentials(url: str) -> str:
    """A URL without user, password and query, where tokens stand.

    >>> without_credentials("https://me:secret@example.org/a.whl?token=x#egg=a")
    'https://example.org/a.whl#egg=a'
    """
    from urllib.parse import urlsplit, urlunsplit

    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        # `ssh://git@host` names an account that everybody shares.
        if parts.netloc == f"git@{host}":
            host = parts.netloc
        return urlunsplit((parts.scheme, host, parts.path, "", parts.fragment))
    except ValueError:
        return ""


def _read_egg_info(folder: str, info: str) -> Found | None:
    inside = os.path.join(folder, info)
    if os.path.isfile(inside):
        name, version = _headers(_text(inside, most=_HEADER_BYTES))
    else:
        name, version = _identity(folder, info, "PKG-INFO")
    if not name:
        return None
    installer = _text(inside, "INSTALLER", most=64).strip()
    plain = Distribution(normalise(name), version, "unknown", installer=installer)
    installed = os.path.basename(folder) in ("site-packages", "dist-packages") or folder.endswith(".egg")
    if installed:
        return Found(plain)
    # A source folder that is on the path itself.
    return Found(msgspec.structs.replace(plain, source="editable", location=folder), folder)


def _read_egg_link(folder: str, link: str) -> Found | None:
    lines = _text(folder, link).splitlines()
    if not lines or not lines[0].strip():
        return None
    source = os.path.normpath(os.path.join(folder, lines[0].strip()))
    tree = os.path.normpath(os.path.join(source, lines[1].strip())) if len(lines) > 1 else source
    for name in _sorted_names(source):
        if name.endswith(".egg-info") and normalise(name[: -len(".egg-info")]) == normalise(link[: -len(".egg-link")]):
            found = _read_egg_info(source, name)
            if found is not None:
                distribution = msgspec.structs.replace(found.distribution, source="editable", location=tree)
                return Found(distribution, tree)
    return None


def _sorted_names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


class _CondaRecord(msgspec.Struct):
    name: str
    version: str
    channel: str = ""
    build: str = ""


def _read_conda(folder: str) -> Iterable[Found | None]:
    for name in _sorted_names(folder):
        if not name.endswith(".json"):
            continue
        try:
            record = msgspec.json.decode(_text(folder, name), type=_CondaRecord)
        except msgspec.MsgspecError:
            continue
        location = f"{without_credentials(record.channel)} {record.build}".strip()
        yield Found(Distribution(normalise(record.name), record.version, "unknown", location, installer="conda"))
