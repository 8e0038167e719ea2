"""`cloche diff`: what differs between two versions, in every input and in what came out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shell import Shell


def test_equal_runs_differ_in_nothing(model: Shell) -> None:
    model.run()
    model.run()
    found = model.facts("diff", "@~1", "@")
    assert found["same"] == ["code", "data", "config", "environment"]
    assert all(one["before"] == one["after"] for one in found["metrics"])
    assert (found["outputs"], found["command"]) == ([], None)
    assert "same: code, data, config, environment" in model.cloche("diff", "@~1", "@", "--exit-code").out


def test_config_side_by_side(model: Shell) -> None:
    model.run()
    model.run("-P", "train.factor=3", "-P", "train.name=2")
    found = model.facts("diff", "@~1", "@")
    assert [(one["key"], one["before"], one["after"]) for one in found["config"]] == [
        ("train.factor", 2, 3),
        ("train.name", "linear", 2),
    ]
    assert found["same"] == ["code", "data", "environment"]
    shown = model.cloche("diff", "@~1", "@", "--exit-code", status=1).out
    assert '"linear"' in shown
    total = next(one for one in found["metrics"] if one["key"] == "total")
    assert (total["before"], total["after"]) == (16, 24)
    assert "+8" in shown


def test_code_as_a_unified_diff(model: Shell) -> None:
    model.write("old.py", "gone\n")
    model.run()
    model.write("train.py", model.read("train.py").replace("total = sum", "total = 2 * sum"))
    model.write("new.py", "print('new')\n")
    (model.folder / "old.py").unlink()
    model.write("picture.png", b"\x89PNG\x00\x01")
    found = {one["path"]: one for one in model.facts("diff")["code"]}
    assert {path: one["act"] for path, one in found.items()} == {
        "new.py": "added",
        "old.py": "removed",
        "picture.png": "added",
        "train.py": "changed",
    }
    assert (found["train.py"]["added"], found["train.py"]["removed"]) == (1, 1)
    assert "\n-total = sum(" in found["train.py"]["text"]
    assert "\n+total = 2 * sum(" in found["train.py"]["text"]
    assert (found["picture.png"]["binary"], found["picture.png"]["text"]) == (True, "")
    shown = model.cloche("diff").out
    assert "+total = 2 * sum(" in shown
    assert "(binary)" in shown


def test_the_code_diff_is_a_patch(model: Shell) -> None:
    model.run()
    old = model.read("train.py")
    model.write("train.py", old.replace("rows", "lines") + "no newline at the end")
    model.write("sub/with space.py", "1\n2\n")
    new = model.files()
    patch = "".join(one["text"] for one in model.facts("diff")["code"])
    model.cloche("revert", "@", "--only", "code")
    model.write("../the.patch", patch)
    model("git", "apply", "../the.patch")
    assert model.files() == new


def test_rows_and_columns_of_a_csv(model: Shell) -> None:
    model.run()
    model.write("data/points.csv", "id,x,weight\n1,1.5,1\n2,9,1\n4,4,1\n5,5,1\n")
    model.write("data/notes.txt", "more\n")
    (change,) = model.facts("diff")["data"]
    assert (change["path"], change["act"], len(change["files"])) == ("data", "changed", 2)
    (table,) = change["tables"]
    assert (table["path"], table["rows_before"], table["rows_after"]) == ("data/points.csv", 3, 4)
    assert (table["rows_added"], table["rows_removed"], table["rows_changed"]) == (2, 1, 1)
    assert (table["key"], table["columns_added"]) == (["id"], ["weight"])
    shown = model.cloche("diff").out
    assert "3 → 4 rows" in shown
    assert "+weight" in shown


def test_rows_by_a_key_of_ones_own(model: Shell) -> None:
    model.write("data/points.csv", "a,b,x\n1,1,5\n1,2,6\n")
    model.run()
    model.write("data/points.csv", "a,b,x\n1,2,7\n1,1,5\n2,1,8\n")
    (table,) = model.facts("diff", "@", ".", "--key", "a,b")["data"][0]["tables"]
    assert (table["rows_added"], table["rows_removed"], table["rows_changed"]) == (1, 0, 1)
    assert model.facts("diff", "@", ".", "--no-rows")["data"][0]["tables"] == []


def test_rows_and_columns_of_parquet(project: Shell) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    def put(**columns: Any) -> None:
        (project.folder / "data").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), project.folder / "data" / "t.parquet")

    put(id=[1, 2, 3], x=[0.5, 1.5, 2.5], old=["a", "b", "c"])
    project.cloche("add", "data")
    project.run(command=["true"])
    put(id=[2, 3, 4, 5], x=[1, 9, 4, 5], new=[True, True, True, False])
    (table,) = project.facts("diff")["data"][0]["tables"]
    assert (table["rows_before"], table["rows_after"]) == (3, 4)
    assert (table["rows_added"], table["rows_removed"], table["rows_changed"]) == (2, 1, 2)
    assert (table["columns_added"], table["columns_removed"]) == (["new"], ["old"])
    assert list(table["columns_retyped"]) == ["x"]


def test_data_that_came_or_went(model: Shell) -> None:
    model.run()
    model.write("extra.csv", "id\n1\n")
    model.cloche("add", "extra.csv")
    model.cloche("untrack", "data")
    changes = {one["path"]: one for one in model.facts("diff")["data"]}
    assert {path: one["act"] for path, one in changes.items()} == {"data": "removed", "extra.csv": "added"}
    assert (changes["extra.csv"]["size_before"], changes["extra.csv"]["size_after"]) == (0, 5)


def test_packages_and_interpreters(venv: Shell, tmp_path: Path) -> None:
    site = Path(venv("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").out.strip())

    def put(name: str, version: str) -> None:
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def drop(name: str) -> None:
        for info in site.glob(f"{name}-*.dist-info"):
            subprocess.run(["rm", "-r", info], check=True)

    for name in ("goes", "grows", "shrinks", "stays"):
        put(name, "1.10")
    venv.run(command=["python", "-c", "pass"])
    for name in ("goes", "grows", "shrinks"):
        drop(name)
    put("grows", "1.11")
    put("shrinks", "1.9")
    put("comes", "1")
    changes = venv.facts("diff")["environment"]["packages"]
    assert {one["name"]: one["direction"] for one in changes} == {
        "comes": "added",
        "goes": "removed",
        "grows": "upgraded",
        "shrinks": "downgraded",
    }
    shown = venv.cloche("diff", "@", ".", "--only", "environment").out
    assert "1.11" in shown
    assert "downgraded" in shown


def test_metrics_outputs_resources_and_command(model: Shell) -> None:
    model.run()
    model.write("data/points.csv", "id,x\n1,1\n")
    model.write("again.py", model.read("train.py"))
    model.run(command=["python", "again.py"])
    found = model.facts("diff", "@~1", "@")
    assert found["command"] == ["python train.py", "python again.py"]
    assert sorted(one["path"] for one in found["outputs"]) == ["metrics.json", "model.bin"]
    assert len(found["resources"]) == 2
    shown = model.cloche("diff", "@~1", "@").out
    for words in ("metrics", "outputs", "resources", "peak memory", "python again.py"):
        assert words in shown


def test_a_path_that_neither_side_has_is_named(model: Shell) -> None:
    model.run()
    done = model.cloche("diff", "@", ".", "data/point.csv", status=5)
    assert "neither side has data/point.csv among its code and data" in done.err
    assert "did you mean `data/points.csv`?" in done.err
    model.write("new.py", "1\n")
    assert [one["path"] for one in model.facts("diff", "@", ".", "new.py")["code"]] == ["new.py"]


def test_only_some_inputs_and_only_some_paths(model: Shell) -> None:
    model.run()
    model.write("train.py", "1\n")
    model.write("sub/other.py", "1\n")
    model.write("params.toml", "seed = 1\n")
    model.write("data/points.csv", "id,x\n")
    only = model.facts("diff", "@", ".", "--only", "config,data")
    assert only["code"] == []
    assert only["config"]
    assert only["data"]
    below = model.facts("diff", "@", ".", "sub", "data/points.csv")
    assert [one["path"] for one in below["code"]] == ["sub/other.py"]
    assert [one["path"] for one in below["data"]] == ["data"]
    done = model.cloche("diff", "--only", "cod", status=2)
    assert "did you mean `code`?" in done.err


def test_either_side_can_be_the_work_tree(model: Shell) -> None:
    model.run()
    model.write("new.py", "1\n")
    assert model.facts("diff", "@", ".")["code"][0]["act"] == "added"
    assert model.facts("diff", ".", "@")["code"][0]["act"] == "removed"
    assert model.facts("diff", ".", ".")["same"] == ["code", "data", "config", "environment"]


def test_it_stores_nothing_and_changes_nothing(model: Shell) -> None:
    model.run()
    model.write("new.py", "1\n")
    model.write("data/points.csv", "id,x\n")

    def everything() -> object:
        inner = (model.folder / ".cloche" / name for name in ("store", "tmp", "runs"))
        return model.files(), [sorted(folder.rglob("*")) for folder in inner]

    before = everything()
    model.cloche("diff")
    assert everything() == before


def test_links_and_bits_of_code(model: Shell) -> None:
    model.write("tool.sh", "true\n")
    model.run()
    os.chmod(model.folder / "tool.sh", 0o755)
    os.symlink("tool.sh", model.folder / "link.sh")
    assert {one["path"]: one["act"] for one in model.facts("diff")["code"]} == {
        "link.sh": "added",
        "tool.sh": "changed",
    }


def test_a_pipe_gets_no_colour_and_no_cut_lines(model: Shell) -> None:
    model.run()
    model.write("train.py", "x = '" + "long " * 100 + "'\n")
    shown = model.cloche("diff").out
    assert "\x1b" not in shown
    assert "+x = '" + "long " * 100 + "'" in shown
    assert sys.executable not in shown


@pytest.mark.skipif(os.name == "nt", reason="execute bits and links")
def test_a_change_of_kind_is_said(model: Shell) -> None:
    model.write("tool.sh", "#!/bin/sh\n")
    (model.folder / "data/link.csv").symlink_to("points.csv")
    model.cloche("add")
    model.run()
    (model.folder / "tool.sh").chmod(0o755)
    (model.folder / "data/points.csv").chmod(0o755)
    (model.folder / "data/link.csv").unlink()
    model.write("data/link.csv", "id\n1\n")
    found = model.facts("diff")
    assert [(one["path"], one["kinds"]) for one in found["code"]] == [("tool.sh", ["file", "executable"])]
    assert found["data"][0]["tables"] == [], "there are no rows to compare"
    shown = model.cloche("diff").out
    for line in ("~ tool.sh  +0 -0  file → executable", "data/link.csv  5 B  link → file", "file → executable"):
        assert line in shown


def test_of_many_tables_some_are_compared_and_the_others_named(model: Shell) -> None:
    for number in range(33):
        model.write(f"data/{number:02}.csv", "id,x\n1,1\n")
    model.cloche("add")
    model.run(command=["true"])
    for number in range(33):
        model.write(f"data/{number:02}.csv", "id,x\n1,2\n")
    [data] = model.facts("diff")["data"]
    assert (len(data["tables"]), data["uncompared"]) == (30, ["data/30.csv", "data/31.csv", "data/32.csv"])
    assert "3 more files that were not looked into; name a path" in model.cloche("diff").out
    [table] = model.facts("diff", "@", ".", "data/32.csv")["data"][0]["tables"]
    assert table["rows_changed"] == 1


def test_what_is_no_number_on_both_sides_is_the_same(plain: Shell) -> None:
    plain.write("t.py", "import cloche; cloche.log(loss=float('nan'), count=1234567)\n")
    plain.run(command=["python", "t.py"])
    plain.run(command=["python", "t.py"])
    shown = plain.cloche("diff", "@~1", "@").out
    assert [line.split()[-1] for line in shown.splitlines() if line.startswith(("loss", "count"))] == ["=", "="]
    assert "1234567" in shown


def test_exit_code_minds_only_what_was_asked_for(model: Shell) -> None:
    model.run()
    model.write("train.py", "print(2)\n")
    assert model.facts("diff", "@", ".", "--only", "data,config")["same"] == ["data", "config"]
    model.cloche("diff", "--only", "data", "--exit-code")
    model.cloche("diff", "--only", "code", "--exit-code", status=1)


def test_json_lines_arrays_and_images(project: Shell) -> None:
    import numpy as np

    def put(number: int, width: int) -> None:
        (project.folder / "data").mkdir(exist_ok=True)
        project.write("data/t.jsonl", f'{{"id": 1, "x": {number}}}\n{{"id": {number}, "x": "y"}}\n')
        np.save(project.folder / "data/a.npy", np.arange(6).reshape(2, 3) * number)
        np.savez(project.folder / "data/b.npz", same=np.ones(2), x=np.full(4, number))
        project.write(
            "data/i.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + b"\0\0\0\x09\x08\x02" + bytes(9)
        )

    put(2, 640)
    project.cloche("add", "data")
    project.run(command=["true"])
    put(3, 800)
    [data] = project.facts("diff")["data"]
    assert [(one["rows_added"], one["rows_removed"], one["rows_changed"]) for one in data["tables"]] == [(1, 1, 1)]
    assert [(one["arrays"][0]["name"], one["arrays"][0]["differing"]) for one in data["arrays"]] == [("", 5), ("x", 4)]
    assert (data["images"][0]["before"]["width"], data["images"][0]["after"]["width"]) == (640, 800)
    digests = [data["images"][0][side]["digest"] for side in ("before", "after")]
    assert digests == [
        one[side]["digest"] for one in data["files"] if one["path"] == "data/i.png" for side in ("before", "after")
    ]
    shown = project.cloche("diff").out
    for line in (
        "      ~ id=1: x 2 → 3\n",
        "    data/a.npy: 2×3 <i8, 5 of 6 elements differ by 5 at most\n",
        "    data/b.npz[x]: 4 <i8, 4 of 4 elements differ by 1 at most\n",
        "    data/i.png: PNG 640×9 RGB 8 bit → PNG 800×9 RGB 8 bit\n",
    ):
        assert line in shown
    none = project.facts("diff", "--no-rows")["data"][0]
    assert (none["tables"], none["arrays"], none["images"]) == ([], [], [])


def test_keys_that_the_settings_name(model: Shell) -> None:
    model.write("data/points.csv", "a,b,x\n1,1,5\n1,2,6\n")
    model.write("data/other.csv", "k,x\n1,5\n2,6\n")
    model.run()
    model.write("data/points.csv", "a,b,x\n1,2,7\n1,1,5\n2,1,8\n")
    model.write("data/other.csv", "k,x\n1,5\n2,7\n")
    model.write("cloche.toml", '[data.keys]\n"data/p*.csv" = ["a", "b"]\n"./data/*.csv" = ["k"]\n')
    keys = {one["path"]: one["key"] for one in model.facts("diff", "@", ".", "data")["data"][0]["tables"]}
    assert keys == {"data/points.csv": ["a", "b"], "data/other.csv": ["k"]}
    [table] = model.facts("diff", "@", ".", "data/points.csv", "--key", "x")["data"][0]["tables"]
    assert table["key"] == ["x"]
    for wrong in ('"../x.csv" = ["a"]', '"x.csv" = "a"', '"x.csv" = [1]', '"x.csv" = [""]'):
        model.write("cloche.toml", f"[data.keys]\n{wrong}\n")
        assert "cloche.toml, line 2" in model.cloche("diff", status=4).err


def test_a_path_alone_is_a_path(model: Shell) -> None:
    model.run()
    model.write("data/points.csv", "id,x\n1,1\n")
    model.write("train.py", "1\n")
    (model.folder / "data/notes.txt").unlink(missing_ok=True)
    whole = model.facts("diff", "@", ".", "data/points.csv")
    assert whole["data"]
    assert whole["code"] == []
    for words in (["data/points.csv"], ["--", "data"], ["@", "data/points.csv"], ["@", "--", "./data/points.csv"]):
        found = json.loads(model.cloche("diff", "--json", *words).out)
        assert ([one["path"] for one in found["data"]], found["code"]) == (["data"], [])
    both = model.facts("diff", "data/points.csv", "train.py")
    assert ([one["path"] for one in both["data"]], [one["path"] for one in both["code"]]) == (["data"], ["train.py"])
    (model.folder / "data/points.csv").unlink()
    (model.folder / "train.py").unlink()
    assert [one["act"] for one in model.facts("diff", "train.py")["code"]] == ["removed"]
    assert [one["after"] for one in model.facts("diff", "data/points.csv")["data"][0]["files"]] == [None]


def test_what_is_a_run_and_a_path_is_a_run(model: Shell) -> None:
    model.run()
    model.cloche("tag", "data")
    model.write("data/points.csv", "id,x\n1,1\n")
    model.write("train.py", "1\n")
    assert model.facts("diff", "data")["code"], "the run with that tag, against the whole work tree"
    assert json.loads(model.cloche("diff", "--json", "--", "data").out)["code"] == []
    model("git", "commit", "--quiet", "--allow-empty", "--message", "no run was made here")
    model("git", "branch", "train.py")
    assert "for the path type `cloche diff -- train.py`" in model.cloche("diff", "train.py", status=5).err
    assert "did you mean `data/points.csv`?" in model.cloche("diff", "data/point.csv", status=5).err
    assert "type `cloche log`" in model.cloche("diff", "/etc", status=5).err


def test_a_file_that_moved_is_said_to_have(model: Shell) -> None:
    model.write("data/old.csv", "id,x\n1,1\n2,2\n")
    model.write("data/empty", "")
    model.cloche("add")
    model.run()
    (model.folder / "data/empty").rename(model.folder / "data/hollow")
    (model.folder / "data/sub").mkdir()
    (model.folder / "data/old.csv").rename(model.folder / "data/sub/new.csv")
    [data] = model.facts("diff")["data"]
    assert data["moved"] == [["data/old.csv", "data/sub/new.csv"]]
    assert data["tables"] == [], "what only moved is not looked into"
    shown = model.cloche("diff").out
    assert "1 added, 1 removed, 1 moved" in shown
    assert "    > data/old.csv → data/sub/new.csv\n" in shown
    assert "- data/old.csv" not in shown


def test_what_is_no_table_is_said_once_and_strange_names_stay_on_their_line(model: Shell) -> None:
    import numpy as np

    image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x09\0\0\0\x09\x08\x02" + bytes(8)
    model.write("data/nul.csv", b"a\0b")
    model.write("data/i.png", image + b"1")
    model.write("data/points.csv", 'id,"two\nli\x1bnes"\n1,a\n')
    np.save(model.folder / "data/a.npy", np.arange(6.0).reshape(2, 3))
    model.cloche("add")
    model.run(command=["true"])
    model.write("data/nul.csv", b"a\0c")
    model.write("data/i.png", image + b"2")
    model.write("data/points.csv", 'id,"two\nli\x1bnes"\n1,b\n')
    np.save(model.folder / "data/a.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    shown = model.cloche("diff").out
    assert "    data/nul.csv: each side holds binary data, so rows were not compared\n" in shown
    assert shown.count("binary data") == 1
    assert "0 → 0 rows" not in shown
    assert "      changed in two\\x0ali\\x1bnes\n" in shown
    [data] = model.facts("diff")["data"]
    digests = [data["images"][0][side]["digest"][:12] for side in ("before", "after")]
    assert f"data/i.png: PNG 9×9 RGB 8 bit, {digests[0]} → {digests[1]}\n" in shown
    assert "data/a.npy: 2×3 <f8, C order → Fortran order, 0 of 6 elements differ, " in shown
