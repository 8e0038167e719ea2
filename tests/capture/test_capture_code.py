from __future__ import annotations

from pathlib import Path

import pytest
from capture_helpers import put

from cloche.capture.code import classify, folder_filter, is_source, plain_candidates
from cloche.model.settings import CodeSection, MetricsSection, Settings, Stage
from cloche.model.snapshot import LeftOut


def test_data_config_and_declared_outputs_are_no_code(tmp_path: Path) -> None:
    candidates = ["train.py", "data/a.csv", "database.py", "params.toml", "cloche.lock", "cloche.toml", "model.bin"]
    candidates += ["metrics.json", "metrics/eval.json", "sub/metrics.json", "reports/fig.png"]
    settings = Settings(stages={"train": Stage("python train.py", writes=("model.bin", "reports"))})
    found = classify(tmp_path, candidates, settings, data=["data"], config=["params.toml"], tracked=candidates)
    assert found.code == ("cloche.toml", "database.py", "sub/metrics.json", "train.py")
    assert found.left_out == ()


def test_ignored_patterns_hold_for_tracked_files_too(tmp_path: Path) -> None:
    settings = Settings(code=CodeSection(ignore=("*.log", "scratch/")), metrics=MetricsSection(files=()))
    candidates = ["a.py", "x.log", "deep/y.log", "scratch/z.py", "metrics.json"]
    assert classify(tmp_path, candidates, settings, tracked=candidates).code == ("a.py", "metrics.json")


def test_outputs_of_earlier_runs_stay_outputs_unless_people_write_them(tmp_path: Path) -> None:
    candidates = ["model.joblib", "generated.py", "kept.bin", "notes.txt"]
    outputs = ["model.joblib", "generated.py", "kept.bin"]
    found = classify(tmp_path, candidates, Settings(), outputs=outputs, tracked=["kept.bin"])
    assert found.code == ("generated.py", "kept.bin", "notes.txt")


def test_environments_and_caches_that_no_gitignore_names(tmp_path: Path) -> None:
    candidates = ["a.py", "env/pyvenv.cfg", "env/lib/x.py", "environment.py", "__pycache__/a.cpython-311.pyc"]
    candidates += [".DS_Store", "node_modules/left/pad.js"]
    found = classify(tmp_path, candidates, Settings())
    assert found.code == ("a.py", "environment.py")
    assert found.left_out == (LeftOut("env", "a virtual environment"),)
    committed = ["node_modules/left/pad.js", "a.py"]
    assert classify(tmp_path, committed, Settings(), tracked=committed).code == ("a.py", "node_modules/left/pad.js")


def test_secrets_are_left_out_and_named_unless_git_tracks_them(tmp_path: Path) -> None:
    put(tmp_path / ".env", "TOKEN=1")
    put(tmp_path / "settings.ini", "[db]\npassword = hunter2Q9zL0pVt3x\n")
    candidates = [".env", "settings.ini", "a.py"]
    found = classify(tmp_path, candidates, Settings())
    assert found.code == ("a.py",)
    assert [item.path for item in found.left_out] == [".env", "settings.ini"]
    assert found.left_out[1].reason == "holds a secret (password)"
    assert classify(tmp_path, candidates, Settings(), tracked=candidates).code == (".env", "a.py", "settings.ini")


def test_a_project_without_git(tmp_path: Path) -> None:
    put(tmp_path / "own-env/pyvenv.cfg")
    put(tmp_path / "conda/conda-meta/history")
    put(tmp_path / "src/a.py")
    skip = folder_filter(tmp_path)
    assert skip(".git", ".git")
    assert skip("own-env", "own-env")
    assert skip("conda", "conda")
    assert not skip("src", "src")
    assert plain_candidates(["src/a.py", "src/__pycache__/a.pyc", "x.pyc", ".git/HEAD", "b"]) == ["src/a.py", "b"]


@pytest.mark.parametrize(("path", "expected"), [("a/B.PY", True), ("model.bin", False), ("x.ipynb", True)])
def test_source_is_told_by_its_ending(path: str, expected: bool) -> None:
    assert is_source(path) is expected
