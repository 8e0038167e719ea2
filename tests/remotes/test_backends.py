"""What every place has to do, tried on each: a folder, S3, SFTP, and fsspec."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
from places import PLACES, Sshd

from cloche.errors import ClocheError, RemoteError, UsageError
from cloche.remotes import sftp
from cloche.remotes.address import parse_address
from cloche.remotes.backend import Backend, CannotCreate, Passing, bundle_name, pack_name, parse_name
from cloche.remotes.opening import open_backend
from cloche.remotes.profiles import aws_profile
from cloche.remotes.retrying import Retrying
from cloche.remotes.sftp import SftpBackend
from cloche.remotes.web import WebBackend, only_web
from cloche.store.filesystem import FileSystem

DIGEST = "ab" * 32
Open = Callable[[], Backend]


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a place that is empty; each call is another client."""
    url, endpoint = PLACES[request.param](request, tmp_path)
    return lambda: open_backend(parse_address(url, str(tmp_path)), endpoint, disk=FileSystem())


def test_an_empty_place_holds_nothing(place: Open) -> None:
    backend = place()
    assert [*backend.list("packs")] == []
    assert backend.get("format", 100) is None
    backend.delete("format")


def test_what_is_put_is_listed_and_read_by_another_client(place: Open) -> None:
    data = bytes(range(256)) * 40
    name = pack_name(DIGEST)
    assert place().put(name, data)
    other = place()
    assert [(one.name, one.size) for one in other.list("packs")] == [(name, len(data))]
    assert [*other.list("bundles")] == []
    assert other.get(name, len(data)) == data
    assert other.get_range(name, 300, 1000) == data[300:1300]
    assert other.get_range(name, len(data) - 5, 5) == data[-5:]


def test_an_object_of_no_bytes_is_one(place: Open) -> None:
    backend = place()
    assert backend.put(bundle_name(DIGEST), b"")
    assert backend.get(bundle_name(DIGEST), 0) == b""


def test_what_lies_at_the_top_is_seen_whosever_it_is(place: Open) -> None:
    backend = place()
    assert [*backend.top()] == []
    for name in ("format", "thesis/chapter/one.tex", "thesis/two.tex"):
        backend.put(name, b"x")
    assert sorted(place().top()) == ["format", "thesis"]


def test_overwriting_is_whole(place: Open) -> None:
    backend = place()
    backend.put("inventory", b"one" * 1000)
    backend.put("inventory", b"two")
    assert backend.get("inventory", 10_000) == b"two"


def test_creating_leaves_alone_what_is_there(place: Open) -> None:
    backend = place()
    assert backend.put("format", b"first", create=True)
    assert not place().put("format", b"second", create=True)
    assert backend.get("format", 100) == b"first"
    assert [one.name for one in backend.list("packs")] == []


def test_of_many_who_create_at_once_one_does(place: Open) -> None:
    clients = [place() for _ in range(4)]
    barrier = threading.Barrier(len(clients))

    def create(number: int) -> bool:
        barrier.wait()
        return clients[number].put("format", b"%d" % number * 1000, create=True)

    with ThreadPoolExecutor(len(clients)) as pool:
        written = list(pool.map(create, range(len(clients))))
    assert written.count(True) == 1
    assert place().get("format", 10_000) == b"%d" % written.index(True) * 1000


def test_what_is_larger_than_it_can_be_is_not_read(place: Open) -> None:
    backend = place()
    backend.put("format", b"x" * 5000)
    with pytest.raises(RemoteError, match="more than 100 bytes"):
        backend.get("format", 100)


def test_what_is_deleted_is_gone(place: Open) -> None:
    backend = place()
    backend.put(bundle_name(DIGEST), b"data")
    backend.delete(bundle_name(DIGEST))
    backend.delete(bundle_name(DIGEST))
    assert backend.get(bundle_name(DIGEST), 100) is None
    assert [*backend.list("bundles")] == []


def test_several_threads_share_one_client(place: Open) -> None:
    backend = place()
    names = [pack_name(f"{number:064x}") for number in range(12)]

    def both(name: str) -> bytes | None:
        backend.put(name, name.encode() * 5000)
        return backend.get(name, 1 << 20)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(both, names)) == [name.encode() * 5000 for name in names]
    assert sorted(one.name for one in backend.list("packs")) == sorted(names)


def test_names_that_are_none_of_ours_are_no_objects() -> None:
    assert parse_name(pack_name(DIGEST)) == (DIGEST, "pack")
    assert parse_name(bundle_name(DIGEST)) == (DIGEST, "bundle")
    for name in (
        *("packs/ab/../../x.pack", f"packs/cd/{DIGEST}.pack", f"packs/ab/{DIGEST}.pack.tmp"),
        *(f"bundles/{DIGEST}.pack", f"bundles/{DIGEST[1:]}.bundle", f"bundles/{DIGEST}.bundle\n"),
    ):
        assert parse_name(name) is None


def test_a_probe_leaves_no_folder_behind(place: Open) -> None:
    backend = place()
    for name in ("probe-01/object", "probe-01/second", "packs/probe-x/kept"):
        backend.put(name, b"1")
    backend.delete("probe-01/object")
    assert [one.name for one in backend.list("probe-01")] == ["probe-01/second"]
    backend.delete("probe-01/second")
    assert [*backend.list("probe-01")] == []
    inner = getattr(backend, "_backend", backend)
    root = getattr(inner, "folder", "") or getattr(inner, "_root", "")
    assert not root or os.listdir(root) == ["packs"]


@pytest.mark.parametrize(
    ("text", "kind", "host", "path"),
    [
        ("/srv/x", "folder", "", "/srv/x"),
        ("x/../y", "folder", "", "/base/y"),
        ("file:///srv/a%20b", "folder", "", "/srv/a b"),
        ("s3://bucket/a/b/", "cloud", "bucket", "/a/b"),
        ("gs://bucket", "cloud", "bucket", ""),
        ("az://container/a", "cloud", "container", "/a"),
        ("https://host:8443/a", "web", "host", "/a"),
        ("sftp://ada@host:22/srv", "sftp", "host", "/srv"),
        ("memory://x/y", "fsspec", "x", "/y"),
    ],
)
def test_an_address_says_where_a_remote_is(text: str, kind: str, host: str, path: str) -> None:
    address = parse_address(text, "/base")
    assert (address.kind, address.host, address.path) == (kind, host, path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "s3://", "https:///x", "s3://bucket/../other", "a\nb", "host.example.org:srv/x", "http://[broken/x"),
        *(
            "https://ada:hunter2@host/x",
            "https://token@host/x",
            "s3://KEY:hunter2@bucket/x",
            "sftp://ada:hunter2@host/x",
        ),
        *("https://host/x?sig=hunter2", "s3://bucket/x#hunter2", "ftp://ada:hunter2@host/x"),
        *("webdav://hunter2@host/x", "memory://x?token=hunter2", "https://ada:hun/ter2@host/x"),
        *("s3:/KEY:hunter2@bucket/x", "simplecache::s3://KEY:hunter2@bucket/x", "http://ada:hunter2@h\u2100st/x"),
        *("sftp://host:0/x", "sftp://host:70000/x", "sftp://host:port/x", "s3://bücket/x", "http://a host/x"),
        *("file:///a%00b", "s3://bucket/%0Ax", "http://host%40other/x", "sftp://[::1/x"),
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text, "/base")
    assert caught.value.hint
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        *((text, "") for text in ("foo", "ftp://host", "http://", "http://host:0", "http://h ost", "https://höst")),
        *((text, "") for text in ("http://host:99999", "http://[::1", "http://host\n", "//host", "s3://host")),
        *((text, "") for text in ("http://ada:hunter2@host", "http://hunter2@host", "http://host?tok=hunter2")),
        *((text, "") for text in ("http://host/#hunter2", "http://ada:hun/ter2@host", "hunter2@host")),
        *(("", text) for text in ("eu central", "hunter2?", "x" * 100, "a\n")),
    ],
)
def test_an_endpoint_or_region_that_is_none_or_holds_a_secret_is_refused(endpoint: str, region: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_backend(parse_address("s3://bucket/x", "/"), endpoint, region, disk=FileSystem())
    assert caught.value.hint
    assert "hunter2" not in caught.value.message
    with pytest.raises(UsageError, match="only s3://"):
        open_backend(parse_address("/srv/x", "/"), endpoint, region, disk=FileSystem())


def test_no_error_shows_the_password_of_a_url() -> None:
    for url in ("https://ada:hunter2@host/x", "http://hunter2@host", "sftp://a:hunter2@h", "s3://a:p/hunter2@h"):
        error = RemoteError(f"cannot read {url}: no", hint=f"type `git clone {url}`")
        assert "hunter2" not in f"{error} {error.message} {error.hint}"
    plain = "sftp://ada@host:22/x, http://host:80/a@b, s3://bucket/a@b"
    assert RemoteError(plain).message == plain


def test_a_web_address_is_sent_as_a_browser_does(tmp_path: Path) -> None:
    with closing(WebBackend("http://127.0.0.1:1/a bucket é")) as web, pytest.raises(RemoteError, match="é cannot be"):
        web.get("format", 10)


def test_a_protocol_that_nothing_speaks_is_refused() -> None:
    with pytest.raises(UsageError, match="quux"):
        open_backend(parse_address("quux://x/y", "/"), disk=FileSystem())


def test_a_protocol_whose_package_is_missing_names_it() -> None:
    pytest.importorskip("fsspec")
    if find_spec("webdav4") is not None:
        pytest.skip("webdav4 is installed")
    with pytest.raises(RemoteError, match="needs the package webdav4, which is not installed") as caught:
        open_backend(parse_address("webdav://x/y", "/"), disk=FileSystem())
    assert caught.value.hint == "type `pip install webdav4`"


def test_what_ssh_refuses_comes_with_the_command_that_mends_it(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, ssh = sshd.url(Path("/x")), tmp_path / ".ssh"
    shutil.copytree(sshd.home / ".ssh", ssh)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    where = f"-p {sshd.port} {getpass.getuser()}@127.0.0.1"

    def hint(message: str) -> str:
        with (
            closing(open_backend(parse_address(url, "/"), disk=FileSystem())) as backend,
            pytest.raises(RemoteError, match=message) as got,
        ):
            backend.get("format", 10)
        return got.value.hint

    (ssh / "id_ed25519").unlink()
    assert f"`ssh {where}`" in hint("refuses to let you in")
    known = (ssh / "known_hosts").read_text()
    (ssh / "known_hosts").write_text("")
    assert f"`ssh {where}` once" in hint("is not known")
    name, kind, key = known.split()
    (ssh / "known_hosts").write_text(f"{name} {kind} {key[:-4]}AAAA\n")
    assert f"`ssh-keygen -R '[127.0.0.1]:{sshd.port}'`" in hint("is not the one that is known")


_FAILING = """
import logging, sys
from cloche.errors import RemoteError
from cloche.remotes.address import parse_address
from cloche.remotes.sftp import SftpBackend
if sys.argv[2:]:
    logging.basicConfig()
try:
    SftpBackend(parse_address(sys.argv[1], ".")).get("format", 9)
except RemoteError as error:
    print(error.message)
"""


def test_a_server_that_hangs_up_is_told_in_one_line_and_traced_only_for_who_logs() -> None:
    pytest.importorskip("paramiko")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(2):
                server.accept()[0].close()

        Thread(target=hang_up, daemon=True).start()
        url = f"sftp://ada@127.0.0.1:{server.getsockname()[1]}/x"
        quiet, logging = (
            subprocess.run([sys.executable, "-c", _FAILING, url, *more], capture_output=True, text=True, check=True)
            for more in ([], ["log"])
        )
    assert (quiet.stdout.count("\n"), quiet.stderr) == (1, "")
    assert "127.0.0.1 cannot be reached" in quiet.stdout
    assert "cloche.sftp" in logging.stderr


@pytest.mark.parametrize(("listens", "message"), [(True, "does not answer"), (False, "at port .*: Connection refused")])
def test_a_server_that_says_nothing_is_not_one_that_refuses(
    monkeypatch: pytest.MonkeyPatch, listens: bool, message: str
) -> None:
    pytest.importorskip("paramiko")
    monkeypatch.setattr(sftp, "_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"sftp://ada@127.0.0.1:{server.getsockname()[1]}/x"
        if not listens:
            server.close()
        with closing(SftpBackend(parse_address(url, "/"))) as backend, pytest.raises(Passing, match=message):
            backend.get("format", 10)


def test_a_file_system_that_cannot_refuse_to_overwrite_says_so(tmp_path: Path) -> None:
    """zip files, for one, can be written to only once; none of fsspec's that does more is here without a server."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Careless(MemoryFileSystem):  # type: ignore[misc]
        protocol = "careless"

        def _open(self, path: str, mode: str = "rb", **options: object) -> object:
            if "x" in mode:
                raise ValueError(mode)
            return super()._open(path, mode, **options)

    fsspec.register_implementation("careless", Careless, clobber=True)
    backend = open_backend(parse_address("careless://x/y", "/"), disk=FileSystem())
    assert backend.put("format", b"1")
    with pytest.raises(CannotCreate):
        backend.put("other", b"1", create=True)


def test_a_folder_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    backend = open_backend(parse_address(str(tmp_path / "file" / "below"), "/"), disk=FileSystem())
    with pytest.raises(ClocheError, match="cannot write") as caught:
        backend.put("format", b"1")
    assert caught.value.hint


# A server that is in trouble, and keys


class Trouble(BaseHTTPRequestHandler):
    """Answers 503 as often as it is told to, then gives what is asked for, whole, whatever the range."""

    left = 0

    def do_GET(self) -> None:
        type(self).left -= 1
        self.send_response(503 if type(self).left >= 0 else 404 if "no" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def troubled() -> Iterator[str]:
    """The URL of such a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trouble)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_in_trouble_is_asked_again_a_few_times(troubled: str) -> None:
    backend = Retrying(WebBackend(troubled), pauses=(0, 0))
    Trouble.left = 2
    assert backend.get("format", 100) == b"0123456789"
    assert backend.get("no", 100) is None
    Trouble.left = 3
    with pytest.raises(RemoteError, match="503"):
        backend.get("format", 100)


def test_a_server_that_knows_no_ranges_gives_the_right_piece(troubled: str) -> None:
    Trouble.left = 0
    assert WebBackend(troubled).get_range("packs", 3, 4) == b"3456"
    with pytest.raises(RemoteError, match="more than 5 bytes"):
        WebBackend(troubled).get("packs", 5)


def test_nobody_is_followed_away_from_the_web_or_from_encryption() -> None:
    import urllib.request

    secure = urllib.request.Request("https://host/x")
    for new in ("http://host/x", "file:///etc/passwd", "ftp://host/x"):
        with pytest.raises(RemoteError, match="not followed"):
            only_web().redirect_request(secure, None, 302, "", {}, new)  # type: ignore[arg-type]


def test_keys_of_s3_come_from_variables_or_the_chosen_profile(tmp_path: Path) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[default]\nregion = one\n[profile lab]\nregion = two\nendpoint_url = http://lab\n")
    credentials.write_text(
        "[default]\naws_access_key_id = A\n[lab]\naws_access_key_id = B\naws_secret_access_key = S\n"
    )
    files = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    assert aws_profile(files) == {"region": "one", "access_key_id": "A"}
    said = {"region": "two", "endpoint": "http://lab", "access_key_id": "B", "secret_access_key": "S"}
    assert aws_profile({**files, "AWS_PROFILE": "lab"}) == said
    assert aws_profile({**files, "AWS_ACCESS_KEY_ID": "V", "AWS_REGION": "three"}) == {"region": "three"}
    config.write_bytes(b"\xff no ini")
    assert aws_profile(files) == {"access_key_id": "A"}


def test_a_token_is_sent_to_nobody_but_its_cloud() -> None:
    with pytest.raises(UsageError, match="only s3"):
        open_backend(parse_address("gs://bucket/x", "/"), "https://host.example.org", disk=FileSystem())
