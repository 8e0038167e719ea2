"""What `cloche run` takes down before the command starts: code, data, config and environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shell import Shell


def code_paths(shell: Shell) -> list[str]:
    """The code files of the last run, as a revert into an emptied folder brings them back."""
    plan = shell.facts("diff", "@", ".", "--only", "code")
    return sorted(one["path"] for one in plan["code"])


def empty(shell: Shell) -> None:
    """Delete every file of the work tree but the settings."""
    for name in shell.files():
        if name not in ("cloche.toml", "cloche.lock"):
            (shell.folder / name).unlink()


class TestCode:
    def test_everything_that_git_would_track_is_code(self, project: Shell) -> None:
        project.write(".gitignore", "*.tmp\n__pycache__/\n")
        project.write("tracked.py", "1\n")
        project.write("modified.py", "1\n")
        commit = project.commit()
        project.write("modified.py", "2\n")
        project.write("pkg/untracked.py", "3\n")
        project.write("scratch.tmp", "no\n")
        project.write("__pycache__/x.pyc", "no\n")
        code = project.run(command=["true"])["snapshot"]["code"]
        assert (code["commit"], code["branch"], code["dirty"]) == (commit, "main", True)
        empty(project)
        assert code_paths(project) == [".gitignore", "modified.py", "pkg/untracked.py", "tracked.py"]
        project.cloche("revert", "@")
        assert project.read("modified.py") == "2\n"

    def test_a_clean_commit_is_known_as_one(self, project: Shell) -> None:
        project.write("train.py", "1\n")
        commit = project.commit()
        code = project.run(command=["true"])["snapshot"]["code"]
        assert (code["commit"], code["dirty"]) == (commit, False)

    def test_a_repository_without_commits_will_do(self, project: Shell) -> None:
        project.write("train.py", "1\n")
        code = project.run(command=["true"])["snapshot"]["code"]
        assert (code["commit"], code["files"], code["branch"]) == ("", 2, "main")

    def test_a_project_in_a_folder_of_a_repository_is_only_that_folder(self, folder: Shell) -> None:
        folder("git", "init", "--quiet")
        folder.write("outside.py", "1\n")
        folder.write("ml/inside.py", "1\n")
        inner = Shell(folder.folder / "ml", folder.variables)
        inner.cloche("init")
        folder.commit()
        folder.write("outside.py", "2\n")
        code = inner.run(command=["true"])["snapshot"]["code"]
        assert code["files"] == 2
        assert inner.facts("status")["clean"] is True

    def test_without_git_every_file_is_code(self, plain: Shell) -> None:
        plain.write("train.py", "1\n")
        plain.write("notes/todo.txt", "2\n")
        plain.write("__pycache__/train.pyc", "no")
        plain.write("params.toml", "a = 1\n")
        code = plain.run(command=["true"])["snapshot"]["code"]
        assert (code["files"], code["commit"], code["branch"]) == (3, "", "")

    def test_executable_bits_links_and_strange_names_are_code(self, project: Shell) -> None:
        project.write("tool.sh", "#!/bin/sh\n").chmod(0o755)
        os.symlink("tool.sh", project.folder / "same.sh")
        os.symlink("nowhere", project.folder / "dangling")
        os.symlink(".", project.folder / "loop")
        project.write("with space/ümlaut\n.py", "1\n")
        project.run(command=["true"])
        before = project.files()
        empty(project)
        project.cloche("revert", "@")
        assert project.files() == before
        assert os.access(project.folder / "tool.sh", os.X_OK)

    def test_secrets_are_left_out_and_named(self, project: Shell) -> None:
        project.write(".env", "TOKEN=abc\n")
        project.write("settings.ini", "[db]\npassword = x7Kd93jfLq20cPmZ81bN\n")
        project.write("train.py", "1\n")
        left = project.run(command=["true"])["snapshot"]["code"]["left_out"]
        assert [one["path"] for one in left] == [".env", "settings.ini"]
        assert "x7Kd93jfLq20cPmZ81bN" not in project.cloche("show").out
        assert ".env" in project.cloche("show").out
        project.write(".env", "TOKEN=other\n")
        project.cloche("revert", "@")
        assert project.read(".env") == "TOKEN=other\n", "what is left out is left alone"


class TestData:
    def test_tracked_paths_are_recorded_as_they_are_now(self, model: Shell) -> None:
        model.write("data/points.csv", "id,x\n1,100\n")
        run = model.run()
        assert run["metrics"]["total"] == 200
        (item,) = run["snapshot"]["data"]["paths"]
        assert (item["path"], item["count"], item["size"]) == ("data", 1, 11)
        assert item["digest"] not in model.read("cloche.lock"), "recording is not adding"
        model.cloche("add")
        assert item["digest"] in model.read("cloche.lock")

    def test_links_bits_empty_files_and_empty_folders_are_kept(self, project: Shell) -> None:
        project.write("data/empty.csv", "")
        project.write("data/tool", "x").chmod(0o755)
        (project.folder / "data" / "nothing").mkdir()
        os.symlink("empty.csv", project.folder / "data" / "link.csv")
        project.cloche("add", "data")
        project.run(command=["true"])
        subprocess.run(["rm", "-r", project.folder / "data"], check=True)
        project.cloche("revert", "@")
        assert os.readlink(project.folder / "data" / "link.csv") == "empty.csv"
        assert (project.folder / "data" / "nothing").is_dir()
        assert os.access(project.folder / "data" / "tool", os.X_OK)
        assert not os.access(project.folder / "data" / "empty.csv", os.X_OK)

    def test_missing_data_stops_the_run_before_it_begins(self, model: Shell) -> None:
        (model.folder / "data" / "points.csv").unlink()
        (model.folder / "data").rmdir()
        done = model.cloche("run", "--", "python", "train.py", status=8)
        assert "tracked data is missing: data" in done.err
        assert "cloche untrack data" in done.err
        assert model.facts("log") == []


class TestConfig:
    def test_values_keep_their_types(self, project: Shell) -> None:
        project.write("params.toml", 'int = 1\nfloat = 1.0\ntext = "1"\nyes = true\nlist = [1, "a"]\ndeep.er.x = 2\n')
        values = project.run(command=["true"])["snapshot"]["config"]["values"]
        assert values == {"int": 1, "float": 1.0, "text": "1", "yes": True, "list": [1, "a"], "deep.er.x": 2}
        assert [type(values[key]) for key in ("int", "float", "text", "yes")] == [int, float, str, bool]

    def test_yaml_json_and_named_files_work_alike(self, project: Shell) -> None:
        project.write("cloche.toml", '[config]\nfiles = ["conf/model.yaml", "conf/train.json"]\n')
        project.write("conf/model.yaml", "depth: 3\nname: no\n")
        project.write("conf/train.json", '{"lr": 1e-3, "depth": 4}')
        run = project.run(command=["true"])
        assert run["snapshot"]["config"]["values"] == {
            "depth": 3,
            "name": "no",
            "lr": 0.001,
            "conf/train.json:depth": 4,
        }
        assert run["snapshot"]["code"]["files"] == 1, "config files are no code"

    def test_an_override_is_written_where_the_program_reads_it(self, model: Shell) -> None:
        run = model.run("-P", "train.factor=0.5", "-P", "train.name=cubic")
        assert run["metrics"]["total"] == 4.0
        assert run["snapshot"]["config"]["overrides"] == {"train.factor": 0.5, "train.name": "cubic"}
        assert run["snapshot"]["config"]["values"]["train.factor"] == 0.5
        assert model.read("params.toml") == 'seed = 7\n\n[train]\nfactor = 0.5  # doubled\nname = "cubic"\n'

    def test_an_override_can_be_undone(self, model: Shell) -> None:
        before = model.read("params.toml")
        model.run("-P", "train.factor=5")
        assert [one["verb"] for one in model.facts("history")][:2] == ["run", "run -P"]
        model.cloche("undo")
        model.cloche("undo")
        assert model.read("params.toml") == before

    @pytest.mark.parametrize(
        ("file", "text", "key", "after"),
        [
            ("params.yaml", "# top\na: 1 # one\nb:\n  - x\n", "a=2", "# top\na: 2 # one\nb:\n  - x\n"),
            ("params.toml", "day = 2026-07-01  # first\n", "day=2026-08-15", "day = 2026-08-15  # first\n"),
            ("params.yaml", "day: 2026-07-01 # first\n", "day=2026-08-15", "day: 2026-08-15 # first\n"),
            ("params.yaml", "at: 2026-07-01T10:00:00Z\n", "at=2026-08-15T11:30:00Z", "at: 2026-08-15T11:30:00+00:00\n"),
            ("params.json", '{\n   "a": {"b": 1},\n   "c": 2\n}', "a.b=true", '{\n   "a": {"b": true},\n   "c": 2\n}'),
        ],
    )
    def test_an_override_keeps_comments_and_layout(
        self, project: Shell, file: str, text: str, key: str, after: str
    ) -> None:
        project.write(file, text)
        project.run("-P", key, command=["true"])
        assert project.read(file) == after

    def test_what_is_no_date_is_refused_where_a_date_was(self, project: Shell) -> None:
        project.write("params.toml", "day = 2026-07-01\n")
        done = project.cloche("run", "-P", "day=tomorrow", "--", "true", status=2)
        assert "day in params.toml is a date, and 'tomorrow' is none" in done.err
        assert "write it like 2026-07-01" in done.err
        assert project.read("params.toml") == "day = 2026-07-01\n"

    def test_a_key_that_no_file_has_is_refused_with_what_was_meant(self, model: Shell) -> None:
        before = model.files()
        done = model.cloche("run", "-P", "train.factr=1", "--", "python", "train.py", status=5)
        assert "train.factr" in done.err
        assert "did you mean train.factor?" in done.err
        model.cloche("run", "-P", "novalue", "--", "true", status=2)
        assert model.files() == before
        assert model.facts("log") == []


class TestEnvironment:
    def test_interpreter_packages_platform_and_machine_are_on_record(self, plain: Shell) -> None:
        plain.run(command=["python", "-c", "pass"])
        shown = plain.facts("show")
        environment, machine = shown["environment"], shown["run"]["machine"]
        assert environment["interpreter"]["version"] == ".".join(map(str, sys.version_info[:3]))
        packages = {one["name"]: one for one in environment["distributions"]}
        assert packages["pytest"]["source"] == "index"
        assert packages["cloche"]["source"] == "editable"
        assert environment["platform"]["system"]
        assert machine["cpus"] >= 1
        assert machine["memory"] > 0
        assert Path(machine["python"]).name.startswith("python")

    def test_secrets_in_variables_are_not_recorded(self, plain: Shell) -> None:
        plain.write("cloche.toml", '[environment]\nvariables = ["MINE"]\n')
        secret = hashlib.sha256(b"secret").hexdigest()
        plain.cloche("run", "--", "true", AWS_SECRET_ACCESS_KEY=secret, MINE="yes", OTHER="no", OMP_NUM_THREADS="1")
        variables = plain.facts("show")["environment"]["variables"]
        assert variables["MINE"] == "yes"
        assert variables["OMP_NUM_THREADS"] == "1"
        assert "OTHER" not in variables
        assert all(secret.encode() not in file.read_bytes() for file in (plain.folder / ".cloche").rglob("*.db*"))

    def test_an_edit_in_an_editable_package_is_another_environment(self, venv: Shell, tmp_path: Path) -> None:
        source = tmp_path / "mylib"
        source.mkdir()
        (source / "mylib.py").write_text("FACTOR = 1\n")
        site = Path(venv("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").out.strip())
        install_editable(site, source)
        first = venv.run(command=["python", "-c", "import mylib"])
        again = venv.run(command=["python", "-c", "import mylib"])
        (source / "mylib.py").write_text("FACTOR = 2\n")
        edited = venv.run(command=["python", "-c", "import mylib"])
        assert first["snapshot"]["environment"] == again["snapshot"]["environment"]
        assert first["snapshot"]["environment"] != edited["snapshot"]["environment"]
        (change,) = venv.facts("diff", "@~1", "@")["environment"]["packages"]
        assert (change["name"], change["direction"]) == ("mylib", "changed")
        assert change["after"]["source"] == "editable"

    def test_the_interpreter_that_really_ran_is_recorded(self, venv: Shell) -> None:
        other = venv("python", "-c", "import sys; print(sys.executable)").out.strip()
        run = Shell(venv.folder, {**venv.variables, "PATH": os.environ["PATH"]}).run(
            command=["sh", "-c", f"cd . && exec {other} -c pass"]
        )
        assert run["machine"]["python"] == other
        assert venv.facts("show")["environment"]["distributions"] == []


def install_editable(site: Path, source: Path) -> None:
    """What `pip install --editable` leaves in an environment."""
    info = site / "mylib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylib\nVersion: 1.0\n")
    (info / "RECORD").write_text("")
    (info / "direct_url.json").write_text(f'{{"url": "{source.as_uri()}", "dir_info": {{"editable": true}}}}')
    (site / "mylib.pth").write_text(f"{source}\n")


class TestInputsThatChangeMeanwhile:
    def checks(self, run: Any) -> list[tuple[str, str]]:
        return [(one["check"], one["place"].get("file", "")) for one in run["findings"]]

    @pytest.mark.parametrize("path", ["train.py", "data/points.csv", "params.toml"])
    def test_an_edited_input_is_reported_and_the_snapshot_holds_the_old(self, model: Shell, path: str) -> None:
        old = model.data(path)
        model.write("edit.py", f"open({path!r}, 'a').write('\\n')\n")
        run = model.run(command=["python", "edit.py"])
        assert self.checks(run) == [("input-changed", path)]
        assert path not in [one["path"] for one in run["outputs"]]
        model.cloche("revert", "@")
        assert model.data(path) == old

    def test_a_deleted_input_is_reported_and_can_be_had_back(self, model: Shell) -> None:
        old = model.data("data/points.csv")
        run = model.run(command=["rm", "data/points.csv"])
        assert self.checks(run) == [("input-changed", "data/points.csv")]
        model.cloche("revert", "@")
        assert model.data("data/points.csv") == old

    def test_an_input_that_is_only_touched_is_no_news(self, model: Shell) -> None:
        assert self.checks(model.run(command=["touch", "train.py", "data/points.csv"])) == []
