"""From an address to the backend that reaches it."""

from __future__ import annotations

from importlib.util import find_spec

from cloche.errors import RemoteError
from cloche.remotes.adapter import FsspecBackend
from cloche.remotes.address import Address, check_server
from cloche.remotes.backend import Backend
from cloche.remotes.cloud import CloudBackend
from cloche.remotes.folder import Disk, FolderBackend
from cloche.remotes.retrying import Retrying
from cloche.remotes.sftp import SftpBackend
from cloche.remotes.web import WebBackend

_NEEDED = {"cloud": "obstore", "sftp": "paramiko", "fsspec": "fsspec"}


def open_backend(address: Address, endpoint: str = "", region: str = "", *, disk: Disk) -> Backend:
    """The backend for an address; `disk` takes the writes to one that is a folder. Nothing is asked of the place yet.
    Raises RemoteError where a package is missing, UsageError for an endpoint or region that cannot be one."""
    check_server(address, endpoint, region)
    package = _NEEDED.get(address.kind)
    if package is not None and find_spec(package) is None:
        raise RemoteError(
            f"{address.scheme}:// needs the package {package}, which is not installed",
            hint="type `pip install 'cloche[remotes]'`",
        )
    if address.kind == "folder":
        return FolderBackend(address.path, disk)
    if address.kind == "web":
        return Retrying(WebBackend(address.url))
    if address.kind == "cloud":
        return CloudBackend(address, endpoint, region)  # tries again by itself
    return Retrying(SftpBackend(address) if address.kind == "sftp" else FsspecBackend(address))
