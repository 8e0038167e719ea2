"""`cloche import dvc`, on repositories that the real DVC made: everything is there, and is what DVC would give."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc_repositories import with_dvc
from ruamel.yaml import YAML

import cloche
from cloche.model.settings_text import parse_settings
from shell import Shell, variables


def test_dvc_is_not_needed(repository: Shell) -> None:
    assert repository.facts("import", "dvc")["operation"]
    assert not any((Path(folder) / "dvc").exists() for folder in repository.variables["PATH"].split(":"))
    assert "dvc" not in sys.modules


def test_every_stage_of_dvc_is_a_stage_with_the_same_command(repository: Shell) -> None:
    done = repository.facts("import", "dvc")
    listed = with_dvc(repository, "dvc3")("dvc", "stage", "list", "--all", "--name-only").out.split()
    wanted = {name if ":" in name else f"dvc.yaml:{name}" for name in listed if not name.endswith(".dvc")}
    by_origin = {one["origin"]: one for one in done["stages"]}
    assert by_origin.keys() == wanted
    settings = parse_settings(repository.read("cloche.toml"))
    commands = {f"dvc.yaml:{name}": one["cmd"] for name, one in lock(repository, "dvc.lock").items()}
    commands |= {f"sub/dvc.yaml:{name}": one["cmd"] for name, one in lock(repository, "sub/dvc.lock").items()}
    assert commands.keys() == wanted
    for origin, command in commands.items():
        stage = by_origin[origin]
        lines = command if isinstance(command, list) else command.splitlines()
        folder = "cd sub/inner && " if origin.startswith("sub") else ""
        assert settings.stages[stage["name"]].run == stage["run"] == folder + " && ".join(lines)


def lock(shell: Shell, path: str) -> Any:
    return YAML(typ="safe", pure=True).load(shell.read(path))["stages"]


def test_stages_say_what_they_read_and_write(repository: Shell) -> None:
    repository.cloche("import", "dvc")
    settings = parse_settings(repository.read("cloche.toml"))
    train = settings.stages["train"]
    assert train.reads == ("out/x.csv", "train.py")
    assert set(train.writes) == {"model.txt", "models", "metrics.json", "scores.yaml", "curve.csv"}
    assert train.params == ("train.lr", "train.layers", "seed")
    assert settings.config.files == ("params.yaml", "more.json")
    assert settings.stages["sub.train"].reads == ("data/y.txt",)
    assert settings.stages["sub.train"].writes == ("sub/inner/here.txt",)
    assert "# cleans the rows\n[stages.prepare]" in repository.read("cloche.toml")


def test_the_pipeline_runs_and_writes_the_same(repository: Shell) -> None:
    repository.cloche("import", "dvc")
    before = repository.files()
    run = repository.run(command=())
    assert run["status"] == "finished"
    assert repository.files() == before
    imported = next(one for one in repository.facts("log") if one["message"] == "more data")
    theirs = {one["path"]: one["digest"] for one in repository.facts("show", imported["id"])["run"]["outputs"]}
    assert {one["path"]: one["digest"] for one in run["outputs"]} == theirs
    assert {key: run["metrics"][key] for key in ("auc", "by.us")} == {"auc": 0.99, "by.us": 0.01}


def test_each_commit_with_results_of_its_own_is_a_run(repository: Shell) -> None:
    repository.cloche("import", "dvc")
    rows = {row["message"]: row for row in repository.facts("log")}
    assert rows.keys() == {"the first", "more data", "fast-lane"}
    for message, lr in (("the first", 0.001), ("more data", 0.01), ("fast-lane", 0.5)):
        row = rows[message]
        times = repository("git", "show", "-s", "--format=%ct", row["commit"]).out
        assert (row["created"], row["ended"], row["status"]) == (float(times), float(times), "finished")
        assert row["metrics"] == {"auc": 1 - lr, "by.us": lr, "f1": lr}
        assert (row["params"]["train.lr"], row["params"]["answer"], row["params"]["octal"]) == (lr, "no", 10)
        assert not row["dirty"]
    assert rows["fast-lane"]["experiment"] == "dvc-" + rows["more data"]["commit"][:7]
    assert rows["the first"]["tags"] == ["flights@v1.0.0"]
    assert rows["more data"]["tags"] == ["flights#prod", "flights@v1.1.0"]
    assert rows["fast-lane"]["tags"] == ["fast-lane"]


def test_a_run_holds_the_code_of_its_commit_and_no_files_of_dvc(repository: Shell) -> None:
    repository.cloche("import", "dvc")
    held = repository.facts("ls", "flights@v1.0.0")
    code = {one["path"] for one in held if one["part"] == "code"}
    assert code == {
        *(
            ".dvcignore",
            ".gitignore",
            "cloche.toml",
            "dvc.yaml",
            "out/.gitignore",
            "sub/dvc.yaml",
            "sub/inner/.gitignore",
        ),
        *("sub/inner/.keep", "train.py", "vars.toml"),
    }
    assert {one["path"] for one in held if one["part"] == "config"} == {"params.yaml", "more.json"}
    assert repository.cloche("cat", "flights@v1.0.0", "train.py").out == repository.read("train.py")


def test_the_environment_of_an_imported_run_is_not_made_up(repository: Shell) -> None:
    repository.cloche("import", "dvc")
    shown = repository.facts("show", "fast-lane")
    assert shown["environment"]["interpreter"] is None
    assert shown["environment"]["distributions"] == []
    text = repository.cloche("show", "fast-lane").out
    assert "not recorded" in text
    assert "took" not in text.partition("metric")[0]
    assert repository.facts("diff", "fast-lane", ".")["environment"]["facts"] == {
        "environment": ["not recorded", "recorded"]
    }


def test_every_byte_is_the_one_that_dvc_checks_out(repository: Shell, tmp_path: Path) -> None:
    """Compared with `git checkout` and `dvc checkout` of the same commit, file by file."""
    repository.cloche("import", "dvc")
    place = tmp_path / "theirs"
    shutil.copytree(repository.folder, place)
    theirs = with_dvc(Shell(place, variables(tmp_path / "home")), "dvc3")
    runs = repository.facts("log")
    assert len(runs) == 3
    with cloche.open(repository.folder) as project:
        for run in runs:
            theirs("git", "checkout", "--quiet", "--force", run["commit"])
            theirs("dvc", "checkout", "-q", "--force")
            held = [one for one in project.ls(run["id"]) if one.path != "cloche.toml"]
            assert {"data/x.csv", "data/deep/same.csv", "models/zwei ü.bin", "sub/inner/here.txt", "big.bin"} <= {
                one.path for one in held
            }
            for one in held:
                assert b"".join(project.cat(run["id"], one.path)) == theirs.data(one.path), one.path


def test_a_run_can_be_checked_out_and_gone_back_to(repository: Shell) -> None:
    repository.cloche("import", "dvc")
    repository.cloche("checkout", "flights@v1.0.0", "data", "model.txt")
    assert repository.read("data/x.csv") == "a,b\n1,2\n"
    assert "--lr 0.001" in repository.read("model.txt")
    repository.cloche("undo")
    before = repository.files()
    repository.cloche("revert", "flights@v1.0.0")
    assert "1e-3" in repository.read("params.yaml")
    assert (repository.folder / "cloche.toml").exists()
    repository.cloche("undo")
    assert repository.files() == before


def test_a_preview_changes_nothing_and_foretells_what_comes(repository: Shell) -> None:
    before = repository.files()
    foretold = repository.facts("import", "dvc", "--dry-run")
    assert repository.files() == before
    assert not (repository.folder / ".cloche").exists()
    done = repository.facts("import", "dvc")
    assert foretold["created"]
    assert foretold["dry_run"]
    assert foretold["stages"] == done["stages"]
    assert foretold["skipped"] == done["skipped"]
    assert [one["path"] for one in foretold["data"]] == [one["path"] for one in done["data"]]
    assert [one["commit"] for one in foretold["runs"]] == [one["commit"] for one in done["runs"]]
    assert foretold["tags"].keys() == done["tags"].keys()


def test_a_second_import_adds_nothing_and_a_later_one_what_came_since(repository: Shell) -> None:
    repository.cloche("import", "dvc")
    before, runs = repository.files(), repository.facts("log")
    again = repository.facts("import", "dvc")
    assert again["operation"] == 0
    assert {one["state"] for one in again["runs"]} == {"known"}
    assert {one["state"] for one in (*again["stages"], *again["data"])} == {"unchanged"}
    assert repository.files() == before
    assert repository.facts("log") == runs
    dvc = with_dvc(repository, "dvc3")
    text = repository.read("params.yaml").replace("1e-2", "2e-2")
    repository.write("params.yaml", text)
    dvc("dvc", "repro", "-q", "--all-pipelines")
    dvc.commit("later")
    later = repository.facts("import", "dvc")
    assert [one["state"] for one in later["runs"]].count("new") == 1
    assert len(repository.facts("log")) == 4


def test_undo_takes_it_back_and_importing_again_brings_it_back(repository: Shell) -> None:
    repository.cloche("init")
    before = repository.files()
    repository.cloche("import", "dvc")
    runs = repository.facts("log")
    repository.cloche("undo")
    assert repository.files() == before
    assert repository.facts("log") == []
    assert repository.facts("tag") == []
    assert {one["state"] for one in repository.facts("import", "dvc")["runs"]} == {"back"}
    assert repository.facts("log") == runs


def test_what_cloche_toml_and_cloche_lock_say_already_stays(repository: Shell) -> None:
    repository.write("cloche.toml", '# mine\n[stages.prepare]\nrun = "true"\nwrites = ["out"]\n')
    repository.write("big.bin", "another one")
    repository.cloche("add", "big.bin")
    lock = repository.read("cloche.lock")
    done = repository.facts("import", "dvc")
    assert repository.read("cloche.toml").startswith('# mine\n[stages.prepare]\nrun = "true"\nwrites = ["out"]\n')
    assert parse_settings(repository.read("cloche.toml")).stages["prepare"].run == "true"
    assert {one["name"]: one["state"] for one in done["stages"]}["prepare"] == "kept"
    assert {one["path"]: one["state"] for one in done["data"]} == {"big.bin": "kept", "data": "new"}
    assert lock.splitlines()[1] in repository.read("cloche.lock").splitlines()
    assert reasons(done)["dvc.yaml:prepare"].startswith("cloche.toml has a stage prepare that differs")


def reasons(done: Any) -> dict[str, str]:
    return {one["name"]: one["reason"] for one in done["skipped"]}


def test_what_is_not_carried_over_is_listed_with_the_reason(repository: Shell) -> None:
    done = repository.cloche("import", "dvc")
    for text in ("scores.yaml", "curve.csv", "flights", "s3://bucket/place was not read", "values are filled in"):
        assert text in done.out
    assert "not carried over: 5 things" in done.err


def test_no_credentials_are_read_or_kept(repository: Shell) -> None:
    repository("git", "add", "-f", ".dvc/config.local")
    repository.commit("a mistake that 88 repositories made")
    printed = repository.cloche("import", "dvc", "--json").out + repository.cloche("log", "--json").out
    printed += repository.read("cloche.toml")
    assert "TOPSECRET" not in printed
    assert "user:secret" not in printed
    assert '#url = "s3://bucket/place/cloche"' in repository.read("cloche.toml")
    repository.run(command=["true"])
    for run in repository.facts("log"):
        assert not [one["path"] for one in repository.facts("ls", run["id"]) if one["path"].startswith(".dvc/")]


def test_content_comes_from_a_remote_that_is_a_folder(repository: Shell) -> None:
    shutil.rmtree(repository.folder / ".dvc" / "cache")
    for path in ("data", "models", "out/x.csv", "big.bin"):
        place = repository.folder / path
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    done = repository.facts("import", "dvc")
    assert {one["path"] for one in done["data"]} == {"big.bin", "data"}
    pushed = repository("git", "rev-parse", "HEAD").out[:12]
    lost = [one["name"] for one in done["skipped"] if one["kind"] in ("data", "output")]
    assert lost
    assert not [name for name in lost if name.startswith(pushed)]
    repository.cloche("revert", "--lock")
    assert repository.read("data/x.csv") == "a,b\n1,3\n2,4\n"


def test_content_comes_from_the_work_tree_where_it_is_the_same(repository: Shell) -> None:
    shutil.rmtree(repository.folder / ".dvc" / "cache")
    shutil.rmtree(repository.folder.parent / "remote")
    repository.write("big.bin", "another one")
    done = repository.facts("import", "dvc")
    assert [one["path"] for one in done["data"]] == ["data"]
    assert reasons(done)["big.bin"] == "it is not in the cache, and what is in its place has another md5"


def test_what_is_missing_is_listed_and_a_later_import_is_better(repository: Shell) -> None:
    cache, aside = repository.folder / ".dvc" / "cache", repository.folder.parent / "aside"
    cache.rename(aside)
    shutil.rmtree(repository.folder.parent / "remote")
    first = repository.facts("import", "dvc")
    assert any("not in the cache" in one["reason"] for one in first["skipped"] if one["kind"] == "output")
    run = repository.facts("show", "flights@v1.0.0")["run"]
    assert [one["check"] for one in run["findings"]] == ["imported-from-dvc", "content-missing"]
    assert run["metrics"] == {"auc": 0.999, "by.us": 0.001}
    second = repository.facts("import", "dvc", "--cache", str(aside))
    assert "better" in {one["state"] for one in second["runs"]}
    assert len(repository.facts("log")) == 3
    assert repository.facts("show", "flights@v1.0.0")["run"]["metrics"] == {"auc": 0.999, "by.us": 0.001, "f1": 0.001}


def test_history_can_be_left_out(repository: Shell) -> None:
    done = repository.facts("import", "dvc", "--no-history")
    assert done["runs"] == []
    assert len(done["stages"]) == 15
    assert repository.facts("log") == []


@pytest.mark.parametrize("start", [".", "sub/inner", ".."])
def test_it_can_be_started_anywhere_in_the_repository_and_above(repository: Shell, start: str) -> None:
    done = Shell(repository.folder / start, repository.variables).facts("import", "dvc", "--dry-run")
    assert (done["root"], done["repository"]) == (str(repository.folder), str(repository.folder))
    assert len(done["runs"]) == 3


def test_a_repository_in_a_sub_folder_of_git(folder: Shell) -> None:
    folder("git", "init", "--quiet", "--initial-branch=main")
    inner = with_dvc(Shell(folder.folder, folder.variables), "dvc3")
    inner.write("ml/data.txt", "one\n")
    at = Shell(folder.folder / "ml", inner.variables)
    at("dvc", "init", "-q", "--subdir")
    at("dvc", "add", "-q", "data.txt")
    at("dvc", "stage", "add", "-q", "-n", "train", "-d", "data.txt", "-o", "out.txt", "cp data.txt out.txt")
    at("dvc", "repro", "-q")
    folder.commit("first")
    folder.cloche("init")
    done = folder.facts("import", "dvc")
    assert done["root"] == str(folder.folder)
    assert parse_settings(folder.read("cloche.toml")).stages["train"].run == "cd ml && cp data.txt out.txt"
    assert [one["path"] for one in done["data"]] == ["ml/data.txt"]
    assert folder.cloche("cat", "@", "ml/out.txt").out == "one\n"
    assert folder.run(command=())["status"] == "finished"


def test_a_repository_of_dvc_2(old_repository: Shell, tmp_path: Path) -> None:
    done = old_repository.facts("import", "dvc")
    assert len(done["runs"]) == 2
    doubtful = {one["name"]: one["reason"] for one in done["skipped"] if one["kind"] == "doubtful"}
    assert len(doubtful) == 1
    assert "line ends" in next(iter(doubtful.values()))
    place = tmp_path / "theirs"
    shutil.copytree(old_repository.folder, place)
    theirs = with_dvc(Shell(place, variables(tmp_path / "home")), "dvc2")
    for run in old_repository.facts("log"):
        theirs("git", "checkout", "--quiet", "--force", run["commit"])
        theirs("dvc", "checkout", "-q", "--force")
        held = [one["path"] for one in old_repository.facts("ls", run["id"]) if one["path"] != "cloche.toml"]
        assert {"data/a.csv", "data/deep/b.bin", "lf.txt", "crlf.txt", "model.txt"} <= set(held)
        for path in held:
            assert old_repository.cloche("cat", run["id"], path).out.encode() == theirs.data(path), path


def test_in_python(repository: Shell) -> None:
    with cloche.init(repository.folder) as project:
        done = project.import_dvc(history=False, dry_run=True)
        assert len(done.stages) == 15
        assert project.import_dvc().operation
        assert len(project.log()) == 3
