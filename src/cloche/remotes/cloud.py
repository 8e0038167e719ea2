"""Object stores: S3 and what speaks it, Google Cloud Storage, Azure. Needs the package `obstore`."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from cloche.errors import RemoteError
from cloche.remotes.address import Address, check_endpoint, check_server
from cloche.remotes.backend import CannotCreate, Listed, Passing, too_large
from cloche.remotes.profiles import aws_profile
from cloche.remotes.waiting import patiently

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_KEYS = {
    "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `aws configure`",
    "gs": "type `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or what `az login` leaves",
}
_PIECE = 8 << 20
_SILENCE = "30s"  # of a server, after which it is asked again
_SMALL = 64 << 10
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_NOT_WITH_CREATE = ("NotImplemented", "501", "not supported", "not implemented")

T = TypeVar("T")


class Seen(NamedTuple):
    """An object of a store. mark: changes whenever its content does."""

    name: str
    size: int
    mark: str


class CloudBackend:
    """One prefix of a bucket. Writing is one request an object, so that it appears whole or not at all."""

    listable = True
    writable = True

    def __init__(self, address: Address, endpoint: str = "", region: str = "") -> None:
        self.address = address
        self._server = endpoint, region
        self._store = _opened(address, endpoint, region, {"read_timeout": _SILENCE})

    @cached_property
    def _unhurried(self) -> ObjectStore:
        """To write through: until a request is sent there is no answer, so what is large must not wait for one."""
        return _opened(self.address, *self._server, {})

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Backend`."""
        import obstore

        with self._translated("list"):
            for batch in _arriving(obstore.list(self._store, prefix, chunk_size=1000)):
                yield from (Listed(one["path"], one["size"]) for one in batch)

    def seen(self) -> Iterator[Seen]:
        """Every object, with what tells whether it is still the same."""
        import obstore

        with self._translated("list"):
            for batch in _arriving(obstore.list(self._store, chunk_size=1000)):
                yield from (Seen(one["path"], one["size"], _mark(one)) for one in batch)

    def pieces(self, name: str) -> Iterator[bytes]:
        """An object of any size, piece by piece."""
        import obstore

        with self._translated(f"read {name} of"):
            answer = patiently(lambda: obstore.get(self._store, name))
            yield from map(bytes, _arriving(answer.stream(min_chunk_size=_PIECE)))

    def top(self) -> Iterable[str]:
        """See `Backend`."""
        import obstore

        with self._translated("list"):
            first = next(_arriving(obstore.list(self._store, chunk_size=1000)), ())
            return dict.fromkeys(one["path"].partition("/")[0] for one in first)

    def get(self, name: str, most: int) -> bytes | None:
        """See `Backend`."""
        import obstore

        with self._translated(f"read {name} of"):
            try:
                answer = patiently(lambda: obstore.get(self._store, name))
            except FileNotFoundError as error:
                if _is_no_bucket(str(error)):
                    raise
                return None
            if answer.meta["size"] > most:
                raise too_large(name, most)
            return bytes(patiently(answer.bytes))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        import obstore

        with self._translated(f"read {name} of"):
            return bytes(patiently(lambda: obstore.get_range(self._store, name, start=start, length=length)))

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        with self._translated(f"write {name} to"):
            try:
                mode: Literal["create", "overwrite"] = "create" if create else "overwrite"
                store = self._store if len(data) <= _SMALL else self._unhurried
                patiently(lambda: obstore.put(store, name, data, mode=mode, use_multipart=False))
            except (AlreadyExistsError, PreconditionError):
                return False
            except NotSupportedError as error:
                raise CannotCreate(f"{self.address.url} cannot refuse to overwrite") from error
        return True

    def delete(self, name: str) -> None:
        """See `Backend`."""
        import obstore

        with self._translated(f"delete {name} of"), contextlib.suppress(FileNotFoundError):
            patiently(lambda: obstore.delete(self._store, name))

    def close(self) -> None:
        """See `Backend`."""

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise _meaning(self.address, doing, str(error)) from error


def _mark(one: Any) -> str:
    return f"{one['size']} {one.get('e_tag') or ''} {one.get('version') or ''} {one['last_modified'].isoformat()}"


def _arriving(batches: Iterator[T]) -> Iterator[T]:
    """What a store sends, batch by batch."""
    while (batch := patiently(lambda: next(batches, None))) is not None:
        yield batch


def _opened(address: Address, endpoint: str, region: str, limits: Mapping[str, str]) -> ObjectStore:
    import datetime

    from obstore import store

    config: dict[str, Any] = {}
    if address.scheme == "s3":
        config = aws_profile(os.environ)
        if endpoint:
            config["endpoint"] = endpoint
        if region:
            config["region"] = region
        check_server(address, config.get("endpoint", ""), config.get("region", ""))
    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "") if address.scheme == "gs" else ""
    if emulator:
        emulator = emulator if "://" in emulator else f"http://{emulator}"
        check_endpoint(emulator, "STORAGE_EMULATOR_HOST")
        config = {"service_account_key": _nobody(emulator)}
    client: Any = {"connect_timeout": "10s", "timeout": "1200s", "user_agent": "cloche", **limits}
    where = str(config.get("endpoint") or emulator or os.environ.get("AWS_ENDPOINT_URL", ""))
    if where.startswith("http://"):
        client["allow_http"] = True
    second = datetime.timedelta(seconds=1)
    retry: Any = {
        "max_retries": 3,
        "backoff": {"init_backoff": second / 5, "max_backoff": second * 5, "base": 3},
        "retry_timeout": second * 180,
    }
    url = f"{address.scheme}://{address.host}{address.path}"
    if address.user:
        url = address.url  # abfss://container@account/...
    try:
        return store.from_url(url, config=config or None, client_options=client, retry_config=retry)
    except Exception as error:
        raise _meaning(address, "use", str(error)) from error


def _nobody(endpoint: str) -> str:
    """The key of an account without a name, for a server in the place of Google's: the one form in which `obstore`
    neither asks for a token nor goes to Google."""
    key = {"gcs_base_url": endpoint, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return json.dumps(key)


def _is_no_bucket(text: str) -> bool:
    return any(mark in text for mark in _NO_BUCKET)


def _meaning(address: Address, doing: str, text: str) -> RemoteError:
    """What an error of the object store means to a user."""
    url, keys = address.url, _KEYS[address.scheme]
    status, code = (found[1] if (found := pattern.search(text)) else "" for pattern in (_STATUS, _CODE))
    said = " ".join(filter(None, (status, code))) or text.splitlines()[0][:200]
    if _is_no_bucket(text):
        return RemoteError(f"there is no bucket {address.host} ({said})", hint="create it, or correct the URL")
    if any(mark in text for mark in ("metadata", "169.254.169.254", "credential", "Account must be specified")):
        return RemoteError(f"no credentials for {url} were found", hint=keys)
    if code in ("NotImplemented",) or status == "501":
        return CannotCreate(f"{url} cannot do that ({said})")
    if status in ("301", "307", "400") and ("Region" in text or "region" in text):
        return RemoteError(
            f"{url} lies in another region ({said})", hint="name it: `cloche remote add --region REGION`"
        )
    if status in ("400", "401", "403"):
        return RemoteError(f"cannot {doing} {url}: it refuses the credentials ({said})", hint=keys)
    if status[:1] == "5" or status == "429":
        return Passing(f"cannot {doing} {url}: the server is in trouble ({said})", hint="try again later")
    if not status and ("error sending request" in text or "timed out" in text or "dns" in text.lower()):
        hint = "check the network, the URL and its endpoint, then run it again: it goes on where it stopped"
        what = "does not answer" if "timed out" in text else "cannot be reached"
        return RemoteError(f"cannot {doing} {url}: the server {what}", hint=hint)
    return RemoteError(f"cannot {doing} {url}: {said}", hint="check the URL; `cloche remote test` tries everything")
