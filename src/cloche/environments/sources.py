"""Where a package is installed from, as an installer is told."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cloche.model.environment import Distribution
from cloche.model.paths import decode_path


def requirement(package: Distribution, root: Path) -> tuple[str, ...]:
    """What to write on an installer's command line for exactly this package. root: where relative paths start."""
    if package.source == "editable":
        return "--editable", local_path(package, root)
    if package.source == "local":
        return (f"{package.name} @ {Path(local_path(package, root)).as_uri()}",)
    if package.location.startswith("git+file:"):
        return (package.location,)  # older pips take no such URL after a name
    if package.source in ("git", "url"):
        return (f"{package.name} @ {package.location}",)
    return (f"{package.name}=={package.version}",)


def local_path(package: Distribution, root: Path) -> str:
    """The path of the folder or file that a package comes from; empty where it comes from elsewhere."""
    if package.source in ("editable", "local"):
        return os.path.normpath(root / decode_path(package.location))
    if package.source == "url" and package.location.startswith("file:"):
        path = unquote(urlsplit(package.location).path, errors="surrogateescape")
        return path.lstrip("/").replace("/", "\\") if os.name == "nt" else path
    return ""


def in_words(package: Distribution) -> str:
    """Name, version and origin, as a message says them."""
    origin = f" from {package.location}" if package.location else ""
    return f"{package.name} {package.version}{origin}"
