from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.model.paths import encode_path
from cloche.store.listing import FileStat
from cloche.store.walk import os_path, stat_of, walk

NAMES = st.binary(min_size=1, max_size=30).filter(lambda name: not {0, 47} & {*name} and name not in (b".", b".."))


def kinds(found: Mapping[str, FileStat]) -> dict[str, str]:
    return {path: stat.kind for path, stat in found.items()}


def test_files_links_and_empty_folders_are_found(root: Path) -> None:
    (root / "data/deep").mkdir(parents=True)
    (root / "data/empty").mkdir()
    (root / "data/deep/a.csv").write_bytes(b"123")
    (root / "run.sh").write_bytes(b"")
    (root / "run.sh").chmod(0o755)
    (root / "loop").symlink_to(".")
    (root / "data/dangling").symlink_to("/nowhere")
    found = walk(root)
    assert kinds(found.files) == {
        "loop": "l",
        "run.sh": "x",
        "data/dangling": "l",
        "data/deep/a.csv": "f",
        "data/empty": "d",
    }
    assert found.files["data/deep/a.csv"].size == 3
    assert (found.unreadable, found.special) == ([], [])
    for path, stat in found.files.items():
        assert stat_of(root, path) == stat


def test_the_start_may_be_anything(root: Path) -> None:
    (root / "data/sub").mkdir(parents=True)
    (root / "data/a").write_bytes(b"")
    (root / "link").symlink_to("data")
    assert kinds(walk(root, "data").files) == {"data/a": "f", "data/sub": "d"}
    assert kinds(walk(root, "data/a").files) == {"data/a": "f"}
    assert kinds(walk(root, "data/sub").files) == {"data/sub": "d"}
    assert kinds(walk(root, "link").files) == {"link": "l"}
    assert walk(root, "nothing").files == {}
    assert walk(root, "data/a/below").files == {}
    assert stat_of(root, "nothing") is None


def test_an_empty_root_is_no_entry(root: Path) -> None:
    assert walk(root).files == {}


def test_folders_can_be_skipped_and_then_do_not_count_as_empty(root: Path) -> None:
    (root / "pkg/__pycache__").mkdir(parents=True)
    (root / "pkg/__pycache__/x.pyc").write_bytes(b"")
    asked = []

    def skip(path: str, name: str) -> bool:
        asked.append((path, name))
        return name == "__pycache__"

    assert walk(root, skip=skip).files == {}
    assert asked == [("pkg", "pkg"), ("pkg/__pycache__", "__pycache__")]


def test_pipes_and_sockets_are_named_and_never_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        found = walk(root)
    assert found.files == {}
    assert found.special == ["pipe", "socket"]
    assert walk(root, "pipe").special == ["pipe"]
    assert stat_of(root, "pipe") is None


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(NAMES, max_size=4))
def test_any_name_is_found_again(tmp_path_factory: pytest.TempPathFactory, names: set[bytes]) -> None:
    root = tmp_path_factory.mktemp("names")
    for name in names:
        with open(os.path.join(os.fsencode(root), name), "wb") as file:
            file.write(name)
    found = walk(root).files
    assert set(found) == {encode_path(os.fsdecode(name)) for name in names}
    for path in found:
        with open(os_path(root, path), "rb") as file:
            assert encode_path(os.fsdecode(file.read())) == path


def test_the_order_is_the_same_each_time(root: Path) -> None:
    for name in ("b", "a", "c"):
        (root / name).mkdir()
        for leaf in ("2", "1"):
            (root / name / leaf).write_bytes(b"")
    (root / "z").write_bytes(b"")
    assert list(walk(root).files) == ["z", "a/1", "a/2", "b/1", "b/2", "c/1", "c/2"]


def test_depth_is_no_limit(root: Path) -> None:
    deep = [os.fspath(root)]
    for _ in range(1200):
        deep.append(f"{deep[-1]}/d")
        os.mkdir(deep[-1])
    found = walk(root).files
    for folder in reversed(deep):
        os.rmdir(folder)
    assert kinds(found) == {"/".join(["d"] * 1200): "d"}


@pytest.mark.skipif(sys.platform == "win32", reason="no permission bits")
def test_a_folder_that_cannot_be_listed_is_reported(root: Path) -> None:
    (root / "open").mkdir()
    (root / "open/file").write_bytes(b"")
    (root / "closed").mkdir()
    (root / "closed/file").write_bytes(b"")
    script = (
        "import os, sys; from pathlib import Path; from cloche.store.walk import walk\n"
        "os.chmod(sys.argv[1] + '/closed', 0)\n"
        "if os.getuid() == 0:\n"
        "    os.chmod(sys.argv[1], 0o777); os.chown(sys.argv[1] + '/closed', 65534, 65534)\n"
        "    sys.path[:] = [p for p in sys.path]\n"
        "    os.chdir(sys.argv[1]); os.setuid(65534)\n"
        "found = walk(Path('.') if os.getuid() == 65534 else Path(sys.argv[1]))\n"
        "print(sorted(found.files), found.unreadable)"
    )
    out = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, check=True).stdout
    (root / "closed").chmod(0o700)
    assert out.strip() == "['open/file'] [('closed', 'permission denied')]"
