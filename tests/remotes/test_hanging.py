"""A server that takes a connection and says nothing: Ctrl-C ends the wait, whatever is being waited for."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shell import BIN, Shell

Hanging = Callable[[Path], str]
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows sends no SIGINT to one process")


@pytest.fixture
def asked() -> threading.Event:
    """Set as soon as the server has a question that it does not answer."""
    return threading.Event()


@pytest.fixture
def silent(asked: threading.Event) -> Iterator[str]:
    """The address of a server that answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hear() -> None:
            with server.accept()[0] as one:
                one.recv(1)
                asked.set()
                one.recv(1 << 20)
                while one.recv(1 << 20):
                    pass

        threading.Thread(target=hear, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def stuck(asked: threading.Event, tmp_path: Path) -> Iterator[str]:
    """The address of a web server that serves a folder, but never a bundle."""
    over = threading.Event()

    class Stuck(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/bundles/" in self.path:
                asked.set()
                over.wait()
            else:
                super().do_GET()

        def log_message(self, *_words: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Stuck, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/lab"
    over.set()
    server.shutdown()
    server.server_close()


def interrupted(shell: Shell, asked: threading.Event, *words: str) -> str:
    """Have a command interrupted once the server was asked, which has to end it soon; what it said."""
    program = [str(BIN / "cloche"), *words]
    with subprocess.Popen(program, cwd=shell.folder, env=shell.variables, stderr=subprocess.PIPE, text=True) as going:
        assert asked.wait(30)
        going.send_signal(signal.SIGINT)
        since = time.monotonic()
        try:
            said = going.communicate(timeout=20)[1]
        finally:
            going.kill()
        assert time.monotonic() - since < 10
        assert "Traceback" not in said
        assert going.returncode == 130, said
        return said


@pytest.mark.parametrize("url", ["s3://bucket/x", "az://container/x"])
def test_a_cloud_that_does_not_answer_can_be_interrupted(
    folder: Shell, silent: str, asked: threading.Event, url: str
) -> None:
    pytest.importorskip("obstore")
    folder.variables.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_ENDPOINT_URL=silent)
    folder.variables.update(AZURE_STORAGE_USE_EMULATOR="true", AZURITE_BLOB_STORAGE_URL=silent)
    interrupted(folder, asked, "clone", url, "copy")


def test_what_several_threads_wait_for_can_be_interrupted(
    plain: Shell, stuck: str, asked: threading.Event, tmp_path: Path
) -> None:
    plain.run(command=["true"])
    plain.cloche("remote", "add", "lab", str(tmp_path / "lab"))
    plain.cloche("push")
    interrupted(plain, asked, "clone", stuck, "../copy")


def test_a_clone_that_was_interrupted_goes_on_where_it_stopped(
    plain: Shell, stuck: str, asked: threading.Event, tmp_path: Path
) -> None:
    plain.write("data/a.csv", "id\n1\n")
    plain.cloche("add", "data")
    plain.run(command=["true"])
    lab, copy = str(tmp_path / "lab"), Shell(tmp_path / "copy", plain.variables)
    plain.cloche("remote", "add", "lab", lab)
    plain.cloche("push")
    said = interrupted(plain, asked, "clone", stuck, str(copy.folder))
    assert said.splitlines()[-1] == f"cloche: `cloche clone {stuck} {copy.folder}` goes on where it stopped"
    assert "is there already" in plain.cloche("clone", lab, str(copy.folder), status=6).err, "another remote"
    (copy.folder / ".cloche/cloning").write_text(f'{{"url": "{lab}"}}')
    copy.write(".cloche/remotes.toml", f'[remotes.origin]\nurl = "{lab}"\n')
    assert f"`cloche clone {lab} {copy.folder}` goes on" in copy.cloche("pull").err
    assert not (copy.folder / "data").exists()
    plain.cloche("clone", lab, str(copy.folder))
    assert copy.read("data/a.csv") == "id\n1\n"
    assert copy.facts("log") == plain.facts("log")
    assert copy.facts("remote")[0]["url"] == lab
    assert "is there already" in plain.cloche("clone", lab, str(copy.folder), status=6).err
