"""Whatever fsspec speaks: hdfs, webdav, a network drive ... Needs the package `fsspec` and the one for the protocol."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from cloche.errors import ClocheError, RemoteError, UsageError
from cloche.model.suggestions import closest
from cloche.remotes.address import Address
from cloche.remotes.backend import CannotCreate, Listed, probe_folder, too_large

_INSTALL = re.compile(r"(?i)install [\"'`]?(?!the\b|package\b|it\b)([a-z][\w.-]*\w)")
_OURS = ("s3", "gs", "az", "http", "https", "sftp", "file")


class FsspecBackend:
    """Objects are files below a folder; each is written beside its place and moved."""

    listable = True
    writable = True

    def __init__(self, address: Address) -> None:
        self.address = address
        self._files, self._root = _opened(address)

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Backend`."""
        with self._translated("list"):
            self._files.invalidate_cache()
            top = self._path(prefix)
            if not self._files.exists(top):
                return
            start = len(self._root.rstrip("/")) + 1
            for path, one in self._files.find(top, detail=True).items():
                changed = one.get("mtime") or one.get("LastModified") or 0
                when = changed.timestamp() if isinstance(changed, datetime.datetime) else changed
                yield Listed(path[start:], int(one.get("size") or 0), when if isinstance(when, int | float) else 0)

    def top(self) -> Iterable[str]:
        """See `Backend`."""
        with self._translated("list"):
            if not self._files.exists(self._root):
                return []
            return [str(one).rstrip("/").rpartition("/")[2] for one in self._files.ls(self._root, detail=False)]

    def get(self, name: str, most: int) -> bytes | None:
        """See `Backend`."""
        with self._translated(f"read {name} of"):
            try:
                if int(self._files.info(self._path(name)).get("size") or 0) > most:
                    raise too_large(name, most)
                return bytes(self._files.cat_file(self._path(name), start=0, end=most))
            except FileNotFoundError:
                return None

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        with self._translated(f"read {name} of"):
            return bytes(self._files.cat_file(self._path(name), start=start, end=start + length))

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`. What refuses to overwrite is the mode `xb`, which few file systems know."""
        target = self._path(name)
        with self._translated(f"write {name} to"):
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            if create:
                return self._create(target, data)
            beside = f"{target}.{os.urandom(8).hex()}.tmp"
            try:
                self._files.pipe_file(beside, data)
                self._files.mv(beside, target)
            except BaseException:
                with contextlib.suppress(Exception):
                    self._files.rm_file(beside)
                raise
            self._files.invalidate_cache()
        return True

    def _create(self, target: str, data: bytes) -> bool:
        if self._files.exists(target):
            return False
        try:
            with self._files.open(target, "xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        except (ValueError, NotImplementedError, KeyError, TypeError) as error:
            raise CannotCreate(f"{self.address.url} cannot refuse to overwrite ({error})") from error
        self._files.invalidate_cache()
        return True

    def delete(self, name: str) -> None:
        """See `Backend`."""
        with self._translated(f"delete {name} of"), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))
            if folder := probe_folder(name):
                with contextlib.suppress(Exception):  # not its last, or a place without folders
                    self._files.rmdir(self._path(folder))

    def close(self) -> None:
        """See `Backend`."""

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except ClocheError:
            raise
        except Exception as error:  # every file system has errors of its own
            why = str(error) or type(error).__name__
            hint = "check the URL and what its package needs; `cloche remote test` tries everything"
            raise RemoteError(f"cannot {doing} {self.address.url}: {why[:300]}", hint=hint) from error


def _opened(address: Address) -> tuple[Any, str]:
    import fsspec

    try:
        fsspec.get_filesystem_class(address.scheme)
        files, root = fsspec.core.url_to_fs(address.url)
    except ImportError as error:
        raise _needs(address.scheme, error) from error
    except Exception as error:  # every file system has errors of its own
        known = [*fsspec.available_protocols(), *_OURS]
        if isinstance(error, ValueError) and address.scheme not in known:
            near = closest(address.scheme, known)
            hint = f"did you mean {near}://?" if near else "such as s3://bucket/folder, sftp://host/folder or a folder"
            raise UsageError(f"no remote is reached by {address.scheme}://", hint=hint) from None
        why = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise RemoteError(
            f"cannot use {address.url}: {why}", hint="check the URL, and what its package needs"
        ) from error
    return files, str(root)


def _needs(scheme: str, error: ImportError) -> RemoteError:
    """fsspec says in a sentence what to install; the module that could not be imported is the next best thing."""
    cause = error.__cause__
    found = _INSTALL.search(str(error))
    package = found[1] if found else (cause.name if isinstance(cause, ImportError) else error.name) or ""
    if not package:
        return RemoteError(f"{scheme}:// needs another package: {str(error)[:300]}", hint="install it")
    return RemoteError(
        f"{scheme}:// needs the package {package}, which is not installed", hint=f"type `pip install {package}`"
    )
