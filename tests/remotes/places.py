"""Places to put a remote: real servers where there can be one, and a reason where not."""

from __future__ import annotations

import base64
import email.utils
import getpass
import hmac
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

SSHD = shutil.which("sshd") or next((one for one in ("/usr/sbin/sshd",) if os.path.exists(one)), "")
AZURITE = shutil.which("azurite") or ""
Made = Callable[[pytest.FixtureRequest, Path], tuple[str, str]]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until something listens on a port."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens on {port}")


class Sshd:
    """A server of one's own: its keys, its user's key, and a home whose `.ssh` knows both."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.port = free_port()
        ssh = self.home / ".ssh"
        ssh.mkdir(parents=True)
        self.home.chmod(0o755)
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        shutil.copy(folder / "user", ssh / "id_ed25519")
        host = " ".join((folder / "host.pub").read_text().split()[:2])
        (ssh / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host}\n")
        (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {folder}/authorized\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
        )
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log)
        wait_for(self.port)

    def url(self, folder: Path) -> str:
        """The URL of a folder."""
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{folder}"

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


class S3:
    """A server that speaks S3, in this process."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.buckets = 0

    def bucket(self) -> str:
        """A new bucket."""
        self.buckets += 1
        request = urllib.request.Request(f"{self.endpoint}/bucket-{self.buckets}", method="PUT")
        urllib.request.urlopen(request).close()
        return f"bucket-{self.buckets}"

    def stop(self) -> None:
        """End it."""
        self._server.stop()


class Gcs:
    """A server that speaks the XML protocol of Google's buckets: that of S3, with other words for "create only"."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        served = DomainDispatcherApplication(create_backend_app)

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            scope = "Credential=test/20260101/us-east-1/s3/aws4_request"
            environ["HTTP_AUTHORIZATION"] = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"
            if environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
                environ["HTTP_IF_NONE_MATCH"] = "*"
            answer: Iterable[bytes] = served(environ, start_response)
            return answer

        self._server = make_server("127.0.0.1", 0, application, threaded=True)
        self.endpoint = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/google", method="PUT")).close()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()


class Azurite:
    """Microsoft's own server for tests; its account and key are the ones that every copy of it has."""

    ACCOUNT = "devstoreaccount1"
    KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        ports = ("--blobPort", str(self.port), "--queuePort", "0", "--tablePort", "0", "--skipApiVersionCheck")
        command = [AZURITE, "--silent", "--disableTelemetry", "--location", str(folder), *ports]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)
        self._create("container")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()

    def _create(self, container: str) -> None:
        now = email.utils.formatdate(usegmt=True)
        headers = {"x-ms-date": now, "x-ms-version": "2021-08-06"}
        listed = "".join(f"{name}:{value}\n" for name, value in headers.items())
        signed = "PUT" + "\n" * 12 + f"{listed}/{self.ACCOUNT}/{self.ACCOUNT}/{container}\nrestype:container"
        mac = base64.b64encode(hmac.digest(base64.b64decode(self.KEY), signed.encode(), "sha256")).decode()
        headers |= {"Authorization": f"SharedKey {self.ACCOUNT}:{mac}", "Content-Length": "0"}
        url = f"{self.endpoint}/{self.ACCOUNT}/{container}?restype=container"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers)).close()


def _folder(_request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    return str(tmp_path / "a folder"), ""


def _s3(request: pytest.FixtureRequest, _tmp_path: Path) -> tuple[str, str]:
    server: S3 = request.getfixturevalue("s3")
    return f"s3://{server.bucket()}/some/prefix", server.endpoint


def _gs(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    server: Gcs = request.getfixturevalue("gcs")
    request.getfixturevalue("monkeypatch").setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    return f"gs://google/{tmp_path.name}", ""


def _az(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    server: Azurite = request.getfixturevalue("azurite")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", server.endpoint)
    return f"az://container/{tmp_path.name}", ""


def _sftp(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    server: Sshd = request.getfixturevalue("sshd")
    request.getfixturevalue("monkeypatch").setenv("HOME", str(server.home))
    return server.url(tmp_path / "sftp folder"), ""


def _fsspec(_request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    return f"local://{tmp_path}/fsspec", ""


PLACES: dict[str, Made] = {"folder": _folder, "s3": _s3, "gs": _gs, "az": _az, "sftp": _sftp, "fsspec": _fsspec}
