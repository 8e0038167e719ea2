"""A remote that a plain web server offers: it can be read, not listed, not written to. Needs no extra package."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from cloche.errors import RemoteError
from cloche.remotes.backend import Listed, Passing, too_large
from cloche.version import __version__

if TYPE_CHECKING:  # at run time only where a web server is really asked: they take 20 ms
    import urllib.error
    import urllib.request

_TIMEOUT = 60.0
_NOTHING = (404, 410, 416)  # no such object; or a piece of it that begins behind its end
_BUSY = (408, 429, 500, 502, 503, 504)
_READ_ONLY = "a web server can only be read: push to the place that it serves"


class WebBackend:
    """GET, with ranges where the server knows them."""

    listable = False
    writable = False

    def __init__(self, url: str) -> None:
        import urllib.request

        self.url = url
        self._sent = quote(url, safe="/:%[]@!$&'()*+,;=~")  # as a browser sends what is typed
        self._opener = urllib.request.build_opener(only_web())

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Backend`: never called, for nothing can be listed."""
        raise RemoteError(f"{self.url} cannot be listed", hint=_READ_ONLY)

    def top(self) -> Iterable[str]:
        """See `Backend`."""
        return []

    def get(self, name: str, most: int) -> bytes | None:
        """See `Backend`."""
        with self._open(name, None) as answer:
            if answer is None:
                return None
            data = answer.read(most + 1)
            if len(data) > most:
                raise too_large(name, most)
            return data

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Backend`."""
        with self._open(name, f"bytes={start}-{start + length - 1}") as answer:
            if answer is None:
                return b""
            if getattr(answer, "status", 206) != 206:  # a server that knows no ranges begins at the beginning
                _skip(answer, start)
            return answer.read(length)

    def put(self, name: str, data: bytes, *, create: bool = False) -> bool:
        """See `Backend`."""
        raise RemoteError(f"{self.url} cannot be written to", hint=_READ_ONLY)

    def delete(self, name: str) -> None:
        """See `Backend`."""
        raise RemoteError(f"{self.url} cannot be written to", hint=_READ_ONLY)

    def close(self) -> None:
        """See `Backend`."""

    @contextlib.contextmanager
    def _open(self, name: str, wanted: str | None) -> Iterator[IO[bytes] | None]:
        import http.client
        import urllib.error
        import urllib.request

        headers = {"User-Agent": f"cloche/{__version__}", "Accept-Encoding": "identity"}
        if wanted:
            headers["Range"] = wanted
        try:
            request = urllib.request.Request(f"{self._sent}/{quote(name)}", headers=headers)  # noqa: S310 - see only_web
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            if error.code in _NOTHING:
                yield None
                return
            raise self._refused(error) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise self._unreachable(error) from error

    def _refused(self, error: urllib.error.HTTPError) -> RemoteError:
        what = f"{self.url} answers {error.code} {error.reason}"
        if error.code in _BUSY:
            return Passing(what, hint="try again later")
        if error.code in (401, 403):
            return RemoteError(what, hint="it must be readable for everyone: a password cannot be given here")
        return RemoteError(what, hint="check the URL")

    def _unreachable(self, error: Exception) -> RemoteError:
        import socket
        import ssl

        why = getattr(error, "reason", error)
        if isinstance(why, ssl.SSLCertVerificationError):
            return RemoteError(f"{self.url}: the certificate is not valid: {why.verify_message}", hint="check the URL")
        if isinstance(why, socket.gaierror):
            return RemoteError(f"{self.url}: no such host", hint="check the spelling, and the network")
        if isinstance(why, TimeoutError):
            return Passing(f"{self.url} does not answer", hint="check the network, then try again")
        return Passing(f"{self.url} cannot be reached: {why}", hint="check the URL and the network")


def only_web() -> urllib.request.HTTPRedirectHandler:
    """Follows redirections to web addresses only, never from https to http."""
    import urllib.request

    class OnlyWeb(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
            """As urllib does, where the new address is no worse than the old one."""
            if not newurl.startswith("https://") and not (newurl.startswith("http://") and req.type == "http"):
                where = newurl.partition("?")[0]  # behind it stands what may be a secret
                raise RemoteError(f"{req.full_url} leads to {where}, which is not followed", hint="check the URL")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return OnlyWeb()


def _skip(answer: IO[bytes], count: int) -> None:
    while count > 0:
        got = len(answer.read(min(count, 1 << 20)))
        if not got:
            return
        count -= got
