"""`cloche://RUN/PATH`: the files of every run for whatever opens files with fsspec."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet
import pytest

import cloche
from shell import Shell

ROWS = "id,x\n" + "".join(f"{number},{number % 97}\n" for number in range(20_000))


@pytest.fixture(scope="module")
def runs(an_empty_folder: Callable[[], Shell], a_model: Shell) -> Shell:
    """A project with one run, tagged twice, and a commit after it."""
    made = a_model.copied_to(an_empty_folder())
    made.write("data/x.csv", ROWS)
    made.write("data/deep/y.csv", "id,x\n1,1\n")
    made.write("data/100% odd?.txt", "odd")
    (made.folder / "data/link").symlink_to("x.csv")
    (made.folder / "data/nowhere").symlink_to("gone")
    (made.folder / "data/empty").mkdir()
    for part in range(3):
        pd.DataFrame({"n": range(part * 100, part * 100 + 100)}).to_parquet(made.folder / f"data/part-{part}.parquet")
    made.cloche("add")
    made.run()
    made.cloche("tag", "champion")
    made.cloche("tag", "team/best")
    made.commit("what ran")
    return made


@pytest.fixture
def files(runs: Shell) -> Any:
    return fsspec.filesystem("cloche", project=str(runs.folder), skip_instance_cache=True)


def test_pandas_reads_a_url(runs: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    here = f"?project={runs.folder}"
    assert len(pd.read_csv(f"cloche://@/data/x.csv{here}")) == 20_000
    assert len(pd.read_csv("cloche://champion/data/x.csv", storage_options={"project": str(runs.folder)})) == 20_000
    assert len(pd.read_parquet(f"cloche://@/data/part-1.parquet{here}")) == 100
    monkeypatch.chdir(runs.folder)
    assert len(pd.read_csv("cloche://team%2Fbest/data/x.csv")) == 20_000
    with fsspec.open("cloche://@/data/x.csv", "rt") as file:
        assert file.readline() == "id,x\n"


def test_pyarrow_reads_files_and_data_sets(files: Any) -> None:
    assert pyarrow.parquet.read_table("champion/data/part-0.parquet", filesystem=files).num_rows == 100
    paths = files.glob("champion/data/*.parquet")
    assert pyarrow.dataset.dataset(paths, filesystem=files).to_table()["n"].to_pylist() == list(range(300))


def test_duckdb_reads_urls(files: Any) -> None:
    with duckdb.connect() as connection:
        connection.register_filesystem(files)
        sql = "select count(*), sum(x) from read_csv('cloche://champion/data/x.csv')"
        assert connection.sql(sql).fetchall() == [(20_000, sum(n % 97 for n in range(20_000)))]
        sql = "select sum(n) from read_parquet('cloche://@/data/part-*.parquet')"
        assert connection.sql(sql).fetchall() == [(sum(range(300)),)]


def test_folders_and_files(files: Any, runs: Shell) -> None:
    run = runs.facts("show")["run"]["id"]
    assert files.ls("", detail=False) == ["champion", "team%2Fbest", run]
    assert files.ls("cloche://@/data/deep", detail=False) == ["@/data/deep/y.csv"]
    assert files.ls("@/data/x.csv", detail=False) == ["@/data/x.csv"]
    assert "@/data/100% odd?.txt" in files.ls("@/data", detail=False)
    assert files.find("@") == sorted(f"@/{one['path']}" for one in runs.facts("ls") if one["kind"] != "d")
    assert files.glob("@/**/*.csv") == ["@/data/deep/y.csv", "@/data/points.csv", "@/data/x.csv"]
    assert [root for root, _, _ in files.walk("@")] == ["@", "@/data", "@/data/deep", "@/data/empty"]
    assert (files.exists("@/data"), files.exists("@/nothing"), files.exists("nobody/x")) == (True, False, False)
    assert (files.isdir("@/data/empty"), files.isfile("@/data/x.csv"), files.isdir("@/data/x.csv")) == (
        *(True, True),
        False,
    )
    assert files.cat("@/data/deep/y.csv") == b"id,x\n1,1\n"
    assert files.cat_file("@/data/x.csv", 3, 6) == b"x\n0"
    assert files.cat_file("@/data/x.csv", -5) == ROWS.encode()[-5:]
    assert files.head("@/data/x.csv", 4) + files.tail("@/data/x.csv", 3) == b"id,x" + ROWS.encode()[-3:]
    assert files.size("@/data/x.csv") == len(ROWS)
    about = files.info("champion/data/x.csv")
    assert (about["run"], about["part"], about["type"], about["name"]) == (run, "data", "file", "champion/data/x.csv")
    assert files.info("champion")["run"] == run


def test_the_same_bytes_have_the_same_mark(files: Any) -> None:
    assert files.ukey("@/data/x.csv") == files.ukey("champion/data/x.csv") != files.ukey("@/data/deep/y.csv")
    assert files.checksum("@/data/x.csv") == files.checksum("champion/data/x.csv")


def test_links(files: Any) -> None:
    assert files.cat("@/data/link") == ROWS.encode()
    assert (files.info("@/data/link")["type"], files.info("@/data/link")["size"]) == ("file", len(ROWS))
    assert files.info("@/data/nowhere")["type"] == "link"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        files.open("@/data/nowhere")


def test_a_folder_is_copied_out(files: Any, tmp_path: Path) -> None:
    files.get("@/data/deep", str(tmp_path / "copy"), recursive=True)
    assert (tmp_path / "copy/y.csv").read_text() == "id,x\n1,1\n"


def test_files_of_a_commit_at_which_nothing_ran(files: Any) -> None:
    assert files.cat("HEAD/train.py").startswith(b"import csv")
    assert len(files.cat("HEAD/data/x.csv")) == len(ROWS)


WRITES: dict[str, Callable[[Any], object]] = {
    "open": lambda files: files.open("@/x", "wb"),
    "append": lambda files: files.open("@/x", "ab"),
    "text": lambda files: files.write_text("@/x", "1"),
    "pipe": lambda files: files.pipe("@/x", b"1"),
    "put": lambda files: files.put(__file__, "@/x"),
    "upload": lambda files: files.upload(__file__, "@/x"),
    "rm": lambda files: files.rm("@/data", recursive=True),
    "delete": lambda files: files.delete("@/data/x.csv"),
    "rm_file": lambda files: files.rm_file("@/data/x.csv"),
    "mkdir": lambda files: files.mkdir("@/new"),
    "makedirs": lambda files: files.makedirs("@/new"),
    "rmdir": lambda files: files.rmdir("@/data/empty"),
    "mv": lambda files: files.mv("@/data/x.csv", "@/y"),
    "rename": lambda files: files.rename("@/data/x.csv", "@/y"),
    "copy": lambda files: files.copy("@/data/x.csv", "@/y"),
    "touch": lambda files: files.touch("@/y"),
}


@pytest.mark.parametrize("verb", WRITES)
def test_runs_never_change(files: Any, verb: str) -> None:
    with pytest.raises(PermissionError, match="runs never change"):
        WRITES[verb](files)


def test_what_is_not_there(files: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no data/z\.csv \(cloche://@/data/z.csv\)"):
        files.open("@/data/z.csv")
    with pytest.raises(FileNotFoundError, match=r"is called `champ` \(did you mean"):
        files.ls("champ/data")
    with pytest.raises(IsADirectoryError):
        files.open("@/data")
    with pytest.raises(IsADirectoryError):
        files.open("")
    with pytest.raises(cloche.ClocheError, match="work tree"):
        files.open("./train.py")
    with pytest.raises(cloche.ClocheError, match="not in a Cloche project"):
        fsspec.filesystem("cloche", project=str(tmp_path)).ls("")
    for path in ("@/../x", "@/data/../../x", "@/data/x.csv/below", "@/\0"):
        assert not files.exists(path)


def test_names_that_move_on_are_looked_up_each_time(model: Shell) -> None:
    model.run()
    files = fsspec.filesystem("cloche", project=str(model.folder))
    kept = files.info("@")["run"]
    with duckdb.connect() as connection:
        connection.register_filesystem(files)

        def last() -> object:
            return connection.sql("select max(x) from read_csv('cloche://@/data/points.csv')").fetchall()[0][0]

        assert (last(), files.cat("@/data/points.csv")[:10]) == (4, b"id,x\n1,1.5")
        model.write("data/points.csv", "id,x\n9,9\n")
        model.run()
        assert (last(), files.cat("@/data/points.csv")) == (9, b"id,x\n9,9\n")
    assert files.cat(f"{kept}/data/points.csv").startswith(b"id,x\n1,1.5")
    assert files.modified(kept) < files.modified("@")


def test_any_thread_and_any_process(files: Any, runs: Shell) -> None:
    def reads(_: int) -> int:
        return len(files.cat("@/data/x.csv")) + len(files.find("@/data/deep"))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(reads, range(24))) == {len(ROWS) + 1}
    again = pickle.loads(pickle.dumps(files))
    assert again.cat("champion/data/deep/y.csv") == b"id,x\n1,1\n"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux does")
def test_nothing_stays_open(files: Any) -> None:
    files.cat("@/data/x.csv")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        files.cat("@/data/x.csv")
        files.info("@/data")
    assert len(os.listdir("/proc/self/fd")) == before
