"""`cloche.open_file("champion:data/x.csv")`: one file of a run, for whatever takes a file."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import pytest

import cloche
from shell import Shell

ROWS = "id,x\n" + "".join(f"{number},{number * number % 9973}\n" for number in range(30_000))


@pytest.fixture(scope="module")
def runs(an_empty_folder: Callable[[], Shell], a_model: Shell) -> Shell:
    """A project with two runs, the first tagged and of an experiment, whose work tree has moved on since."""
    made = a_model.copied_to(an_empty_folder())
    made.write("data/x.csv", ROWS)
    frame = pd.DataFrame({"id": np.arange(30_000), "x": np.random.default_rng(1).random(30_000)})
    frame.to_parquet(made.folder / "data/x.parquet")
    np.save(made.folder / "data/x.npy", np.arange(50_000))
    with zipfile.ZipFile(made.folder / "data/x.zip", "w") as archive:
        archive.writestr("inner.txt", "zipped " * 1000)
    made.write("data/two\nlines", "odd")
    made.write("data/latin.txt", "gr\xf6\xdfe\r\nnext".encode("latin-1"))
    (made.folder / "data/link").symlink_to("x.csv")
    (made.folder / "data/folder").symlink_to(".")
    (made.folder / "data/out").symlink_to("../../../etc/passwd")
    (made.folder / "data/away").symlink_to("/etc/passwd")
    (made.folder / "data/round").symlink_to("round")
    made.cloche("add")
    made.commit("more data")
    made.run("--experiment", "flights")
    made.cloche("tag", "champion")
    made.write("data/x.csv", "id,x\n1,2\n")
    made.write("src/new.py", "1\n")
    made.run()
    made.write("data/x.csv", "changed since\n")
    return made


def test_every_name_of_a_version(runs: Shell) -> None:
    first, last = (runs.facts("show", name)["run"]["id"] for name in ("champion", "@"))
    for name in ("champion", "flights@champion", "@~1", first, first[:6]):
        with cloche.open_file(f"{name}:data/x.csv", project=runs.folder) as file:
            assert file.read() == ROWS.encode(), name
    for name in ("@", last, "HEAD", "main"):
        assert cloche.open_file(f"{name}:data/x.csv", project=runs.folder).read() == b"id,x\n1,2\n", name
    with cloche.open_file(".:data/x.csv", project=runs.folder) as file:
        assert file.read() == b"changed since\n"
    assert cloche.open_file("@:src/new.py", "r", project=runs.folder).read() == "1\n"
    assert cloche.open_file("@:model.bin", project=str(runs.folder / "src")).read()


def test_a_commit_at_which_nothing_ran(runs: Shell) -> None:
    for name in ("HEAD~1", runs("git", "rev-parse", "HEAD~1").out.strip()):
        with cloche.open_file(f"{name}:data/points.csv", project=runs.folder) as file:
            assert file.read().startswith(b"id,x\n1,1.5")
        assert b"DictReader" in cloche.open_file(f"{name}:train.py", project=runs.folder).read()
    with pytest.raises(cloche.ClocheError, match=r"has no data/x\.csv"):
        cloche.open_file("HEAD~1:data/x.csv", project=runs.folder)


def test_the_current_folder_is_the_default(runs: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.folder / "src")
    assert cloche.open_file("champion:./data//x.csv").read(4) == b"id,x", "paths are those of the project"
    monkeypatch.chdir(runs.folder.parent)
    with pytest.raises(cloche.ClocheError, match="not in a Cloche project"):
        cloche.open_file("champion:data/x.csv")


def test_pandas_pyarrow_numpy_and_zipfile(runs: Shell) -> None:
    def opened(name: str) -> io.BufferedReader:
        return cloche.open_file(f"champion:data/{name}", project=runs.folder)  # type: ignore[return-value]

    assert pd.read_csv(opened("x.csv")).shape == (30_000, 2)
    assert pd.read_csv(opened("x.csv"), engine="pyarrow").x.sum() == pd.read_csv(io.StringIO(ROWS)).x.sum()
    assert pd.read_parquet(opened("x.parquet")).id.tolist() == list(range(30_000))
    assert pyarrow.csv.read_csv(opened("x.csv")).num_rows == 30_000
    assert pyarrow.parquet.ParquetFile(opened("x.parquet")).read(columns=["id"]).num_rows == 30_000
    assert np.load(opened("x.npy")).sum() == sum(range(50_000))
    assert zipfile.ZipFile(opened("x.zip")).read("inner.txt") == b"zipped " * 1000


def test_text(runs: Shell) -> None:
    with cloche.open_file("champion:data/x.csv", "r", project=runs.folder) as file:
        assert (file.readline(), file.readline(), sum(1 for _ in file)) == ("id,x\n", "0,0\n", 29_999)
    latin = cloche.open_file("champion:data/latin.txt", "rt", encoding="latin-1", newline="", project=runs.folder)
    assert latin.read() == "größe\r\nnext"
    with pytest.raises(UnicodeDecodeError):
        cloche.open_file("champion:data/latin.txt", "r", project=runs.folder).read()
    assert "�" in cloche.open_file("champion:data/latin.txt", "r", errors="replace", project=runs.folder).read()


def test_links_are_followed_within_the_run(runs: Shell) -> None:
    for name in ("data/link", "data/folder/x.csv", "data/folder/folder/link"):
        assert cloche.open_file(f"champion:{name}", project=runs.folder).read() == ROWS.encode()
    for name, why in {"out": "leads out", "away": "which no run holds", "round": "circle"}.items():
        with pytest.raises(cloche.ClocheError, match=why):
            cloche.open_file(f"champion:data/{name}", project=runs.folder)


def test_odd_names(runs: Shell) -> None:
    for name in ("data/two\nlines", r"data/two\x0alines"):
        assert cloche.open_file(f"champion:{name}", project=runs.folder).read() == b"odd"


WRONG = {
    "data/x.csv": "names no file of a run",
    "@:": "names no file of a run",
    ":data/x.csv": "names no file of a run",
    "nobody:data/x.csv": "no run, tag or Git revision",
    "@:data": "data is a folder",
    "@:data/y.csv": "has no data/y.csv",
    "@:../x": "unsafe path",
    "@:/etc/passwd": "relative to the project|names no file",
    ".:../x": "unsafe path",
    ".:nowhere.csv": "no such file",
    ".:data": "directory",
    "@:a\0b": "unsafe path|has no",
    "trees@champion:data/x.csv": "belongs to the experiment flights, not to trees",
    "flights@nobody:x": "no run, tag or Git revision",
}


def test_what_cannot_be_opened_says_why_and_what_to_do(runs: Shell) -> None:
    for name, why in WRONG.items():
        with pytest.raises(cloche.ClocheError, match=why) as caught:
            cloche.open_file(name, project=runs.folder)
        assert caught.value.hint, name
    with pytest.raises(cloche.ClocheError) as near:
        cloche.open_file("@:data/x.csw", project=runs.folder)
    assert near.value.hint == "did you mean `data/x.csv`?"
    for mode in ("w", "a", "r+", "rb+", "x", "U", ""):
        with pytest.raises(cloche.ClocheError, match="for reading"):
            cloche.open_file("@:data/x.csv", mode, project=runs.folder)
    with pytest.raises(cloche.ClocheError, match="bytes have no encoding"):
        cloche.open_file("@:data/x.csv", encoding="utf-8", project=runs.folder)


def test_any_thread_opens_files(runs: Shell) -> None:
    def rows(_: int) -> int:
        return len(pd.read_csv(cloche.open_file("champion:data/x.csv", project=runs.folder)))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(rows, range(16))) == {30_000}


def test_a_file_stays_what_it_was_when_its_name_moves_on(model: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", model.variables["PATH"])
    model.write("data/points.csv", ROWS)
    model.run()
    with cloche.open_file("@:data/points.csv", project=model.folder) as file:
        assert file.read(5) == b"id,x\n"
        model.write("data/points.csv", "id,x\n7,7\n")
        model.run()
        assert file.read() == ROWS.encode()[5:]
    assert cloche.open(model.folder).open_file("@", "data/points.csv").read() == b"id,x\n7,7\n"


def test_damage_reaches_whoever_reads(model: Shell) -> None:
    model.write("data/points.csv", "id,x\n" + "".join(f"{os.urandom(8).hex()},{n}\n" for n in range(30_000)))
    model.cloche("add")
    model.run(command=["true"])
    pack = max((model.folder / ".cloche").rglob("*.pack"), key=lambda file: file.stat().st_size)
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    assert cloche.open_file("@:data/points.csv", project=model.folder).read(5) == b"id,x\n"
    readers: list[Callable[[], object]] = [
        lambda: pd.read_csv(cloche.open_file("@:data/points.csv", project=model.folder)),
        lambda: pyarrow.csv.read_csv(cloche.open_file("@:data/points.csv", project=model.folder)),
        lambda: cloche.open_file("@:data/points.csv", "r", project=model.folder).read(),
    ]
    for read in readers:
        with pytest.raises(cloche.ClocheError, match="damaged") as caught:
            read()
        assert "cloche verify" in caught.value.hint


def test_nothing_heavy_is_imported_before_it_is_used(runs: Shell) -> None:
    code = (
        "import sys, cloche\n"
        "print([name for name in sys.modules if name.startswith(('cloche.', 'fsspec', 'msgspec', 'blake3'))])\n"
        "cloche.open_file('@:data/x.csv').read()\n"
        "print([name for name in ('fsspec', 'duckdb', 'rich', 'numpy', 'pandas') if name in sys.modules])\n"
    )
    assert runs(sys.executable, "-c", code).out.splitlines() == ["['cloche.version']", "[]"]


@pytest.mark.skipif(os.name == "nt", reason="users of POSIX systems")
def test_somebody_elses_project_can_be_read(runs: Shell) -> None:
    """Nothing may be written in it: neither by us nor by SQLite."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        theirs = Shell(Path(place) / "theirs", runs.variables)
        runs.copied_to(theirs)
        for folder, _, files in os.walk(theirs.folder / ".cloche"):
            os.chmod(folder, 0o555)
            for name in files:
                os.chmod(os.path.join(folder, name), 0o444)
        code = (
            "import cloche, os, sys\n"
            "read = lambda: cloche.open_file('champion:data/points.csv', project=sys.argv[1]).read()\n"
            "read()\n"
            "os.chdir(sys.argv[1])\n"
            "os.seteuid(os.geteuid() or 65534)\n"
            "print(len(read()), cloche.get(sys.argv[1], 'data/x.csv', revision='@', dry_run=True).size)\n"
        )
        done = runs(sys.executable, "-c", code, str(theirs.folder))
        for folder, _, _ in os.walk(theirs.folder / ".cloche"):
            os.chmod(folder, 0o755)
    assert done.out.split() == ["21", "9"]
