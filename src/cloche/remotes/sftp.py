"""A remote on a machine that is reached by SSH. Needs the package `paramiko`.

Hosts must be known (`~/.ssh/known_hosts`): an unknown or changed key is refused. Keys come from the agent and from
`~/.ssh`, names and users from `~/.ssh/config`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import posixpath
import shlex
import socket
import stat
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cloche.errors import RemoteError
from cloche.remotes.address import Address
from cloche.remotes.backend import Listed, Passing, probe_folder, too_large

if TYPE_CHECKING:
    from paramiko import SFTPClient, SSHClient

_PORT = 22
_TIMEOUT = 20.0
_SILENCE = 60.0
_BLOCK = 1 << 20
_NO_SESSION = "No existing session"
_LOG = "cloche.sftp"
# What goes wrong is told in one line; the traces of paramiko are for who has set up logging.
logging.getLogger(_LOG).addHandler(logging.NullHandler())


class SftpBackend:
    """Objects are files below a folder; each is written beside its place and renamed, which SFTP does only where
    nothing has the name yet."""

    listable = True
    writable = True

    def __init__(self, address: Address) -> None:
        self.address = address
        # sftp://host/folder begins at the root, sftp://host/~/folder at the home of the user
        path = address.path
        self._root = path.removeprefix("/~/") if path.startswith("/~/") else path or "/"
        self._guard = threading.Lock()
        self._client: SSHClient | None = None
        self._idle: list[SFTPClient] = []  # a channel serves one thread at a time

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Backend`."""
        pending = [prefix]
        while pending:
            at = pending.pop()
            with self._translated("list") as sftp, contextlib.suppress(FileNotFoundError):
                for one in sftp.listdir_attr(self._path(at)):
                    if stat.S_ISDIR(one.st_mode or 0):
                        pending.append(f"{at}/{one.filename}")
                    else:
                        yield Listed(f"{at}/{one.filename}", one.st_size or 0, one.st_mtime or 0)

    def top(self) -> Iterable[str]:
        """See `Backend`."""
        with self._translated("list") as sftp, contextlib.suppress(FileNotFoundError):
            return sftp.listdir(self._root)
        return []

    def get(self, name: str, most: int) -> bytes | None:
        """See `Backend`."""
        with self._translated(f"read {name} of") as sftp:
            try:
                with sftp.open(self._path(name), "rb") as file:
                    size = file.stat().st_size or 0
                    if size > most:
                        raise too_large(name, most)
                    file.prefetch(size)
                    return file.read(size)
            except FileNotFoundError:
                return None

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        with self._translated(f"read {name} of") as sftp, sftp.open(self._path(name), "rb") as file:
            pieces = [(at, min(32768, start + length - at)) for at in range(start, start + length, 32768)]
            return b"".join(file.readv(pieces))

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`."""
        target = self._path(name)
        with self._translated(f"write {name} to") as sftp:
            if create and self._exists(sftp, target):
                return False
            beside = f"{target}.{os.urandom(8).hex()}.tmp"
            try:
                with self._created(sftp, beside) as file:
                    file.set_pipelined(True)
                    for at in range(0, len(data), _BLOCK):
                        file.write(data[at : at + _BLOCK])
                return self._rename(sftp, beside, target, create=create)
            except BaseException:
                with contextlib.suppress(Exception):
                    sftp.remove(beside)
                raise

    def _rename(self, sftp: SFTPClient, beside: str, target: str, *, create: bool) -> bool:
        if not create:
            sftp.posix_rename(beside, target)
            return True
        try:
            sftp.rename(beside, target)
        except OSError:
            if not self._exists(sftp, target):
                raise
            sftp.remove(beside)
            return False
        return True

    def delete(self, name: str) -> None:
        """See `Backend`."""
        with self._translated(f"delete {name} of") as sftp, contextlib.suppress(FileNotFoundError):
            sftp.remove(self._path(name))
            if folder := probe_folder(name):
                with contextlib.suppress(OSError):  # not its last
                    sftp.rmdir(self._path(folder))

    def close(self) -> None:
        """See `Backend`."""
        with self._guard:
            client, self._client = self._client, None
            self._idle.clear()
        if client is not None:
            client.close()

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)

    def _exists(self, sftp: SFTPClient, path: str) -> bool:
        try:
            sftp.lstat(path)
        except FileNotFoundError:
            return False
        return True

    def _created(self, sftp: SFTPClient, path: str) -> Any:
        try:
            return sftp.open(path, "wbx")
        except FileNotFoundError:
            self._make_folders(sftp, posixpath.dirname(path))
            return sftp.open(path, "wbx")

    def _make_folders(self, sftp: SFTPClient, path: str) -> None:
        if not path or path == "/" or self._exists(sftp, path):
            return
        self._make_folders(sftp, posixpath.dirname(path))
        try:
            sftp.mkdir(path)
        except OSError:
            if not self._exists(sftp, path):  # somebody else may have been faster
                raise

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[SFTPClient]:
        from paramiko import SSHException

        try:
            channel = self._taken()
            try:
                yield channel
            except (ConnectionError, TimeoutError):
                raise
            except OSError:  # an answer of the server: the channel itself is fine
                self._idle.append(channel)
                raise
            self._idle.append(channel)
        except (EOFError, SSHException, ConnectionError, TimeoutError) as error:
            self.close()
            what = f"cannot {doing} {self.address.url}: the connection broke"
            raise Passing(f"{what} ({error})" if str(error) else what, hint="check the network") from error
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            hint = "is the folder there, and yours to write?"
            raise RemoteError(f"cannot {doing} {self.address.url}: {why}", hint=hint) from error

    def _taken(self) -> SFTPClient:
        with self._guard:
            if self._idle:
                return self._idle.pop()
            if self._client is None:
                self._client = _connect(self.address)
            opened = self._client.open_sftp()
        channel = opened.get_channel()
        if channel is not None:
            channel.settimeout(_SILENCE)
        return opened


def _connect(address: Address) -> SSHClient:
    import paramiko

    client = paramiko.SSHClient()
    client.set_log_channel(_LOG)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    options = _options(address)
    host = str(options["hostname"])
    files = options.pop("known_hosts")
    ssh = _as_typed(address)
    for file in files if isinstance(files, list) else []:
        with contextlib.suppress(OSError):
            client.load_system_host_keys(os.path.expanduser(file))
    try:
        client.connect(**options, timeout=_TIMEOUT, banner_timeout=_TIMEOUT, auth_timeout=_TIMEOUT)
    except paramiko.BadHostKeyException as error:
        known = host if options["port"] == _PORT else f"[{host}]:{options['port']}"
        forget = shlex.join(["ssh-keygen", "-R", known])
        hint = f"if it was set up anew: `{forget}`, then `{ssh}`; if not, somebody stands between"
        raise RemoteError(f"the key of {host} is not the one that is known", hint=hint) from error
    except socket.gaierror as error:
        raise RemoteError(f"there is no host {host}", hint="check the spelling, and the network") from error
    except paramiko.PasswordRequiredException as error:
        hint = "give it to the agent: `ssh-add`"
        raise RemoteError(f"the key for {host} has a passphrase", hint=hint) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        if "not found in known_hosts" in str(error):
            raise RemoteError(f"the host {host} is not known", hint=f"type `{ssh}` once and compare its key") from error
        if _is_silence(client, error):
            raise Passing(f"{host} does not answer", hint="check the network, then try again") from error
        if _is_refusal(error):
            hint = f"try `{ssh}`; keys come from the agent and ~/.ssh"
            raise RemoteError(f"{host} refuses to let you in: {error}", hint=hint) from error
        where = f"{host} cannot be reached at port {options['port']}"
        raise Passing(f"{where}: {_cause(error)}", hint="check the network, and that it listens") from error
    return client


def _is_silence(client: SSHClient, error: Exception) -> bool:
    """Whether a machine took the connection and said nothing. After that paramiko may go on to the keys, and find no
    session."""
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return True
    transport = client.get_transport()
    return _NO_SESSION in str(error) and transport is not None and not transport.remote_version


def _cause(error: Exception) -> object:
    """What went wrong; where several addresses were tried, at the first one."""
    tried: dict[object, OSError] = getattr(error, "errors", {})
    return next((one.strerror or one for one in tried.values()), error)


def _is_refusal(error: Exception) -> bool:
    """Whether the machine was reached, and does not take the keys or the password that there are."""
    from paramiko import AuthenticationException

    said = ("No authentication methods available", _NO_SESSION, "not a valid", "Too many authentication")
    return isinstance(error, AuthenticationException) or any(one in str(error) for one in said)


def _as_typed(address: Address) -> str:
    """The command that does by hand what is done here: it asks about keys, and for passwords."""
    port = ["-p", str(address.port)] if address.port else []
    return shlex.join(["ssh", *port, f"{address.user}@{address.host}" if address.user else address.host])


def _options(address: Address) -> dict[str, Any]:
    """What to connect with: the address, then `~/.ssh/config`."""
    import paramiko

    config = paramiko.SSHConfig()
    with contextlib.suppress(OSError, paramiko.ConfigParseError):
        config = paramiko.SSHConfig.from_path(os.path.expanduser("~/.ssh/config"))
    found = config.lookup(address.host)
    port = str(found.get("port", _PORT))
    if not port.isdecimal():
        raise RemoteError(f"~/.ssh/config says that {address.host} listens on port {port}", hint="correct it there")
    options: dict[str, Any] = {
        "hostname": found.get("hostname", address.host),
        "port": address.port or int(port),
        "username": address.user or found.get("user"),
        "known_hosts": [
            *str(found.get("userknownhostsfile", "~/.ssh/known_hosts")).split(),
            "/etc/ssh/ssh_known_hosts",
        ],
    }
    if found.get("identityfile"):
        options["key_filename"] = [os.path.expanduser(file) for file in found["identityfile"]]
    if found.get("proxycommand"):
        options["sock"] = paramiko.ProxyCommand(found["proxycommand"])
    return options
