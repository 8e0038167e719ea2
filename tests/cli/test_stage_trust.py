"""A stage that is taken from an earlier run gives what running it would give; and what is done stays done."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from shell import BIN, Shell


def change_while_going(shell: Shell, path: str, text: str) -> None:
    """Run the pipeline, and write a file once the stage has begun and before it reads it."""
    (shell.folder / "ready").unlink(missing_ok=True)
    process = subprocess.Popen(
        [BIN / "cloche", "run", "-q"], cwd=shell.folder, env=shell.variables, stdin=subprocess.DEVNULL
    )
    end = time.monotonic() + 30
    while not (shell.folder / "ready").exists():
        assert time.monotonic() < end, "it never began"
        time.sleep(0.01)
    shell.write(path, text)
    shell.write("go", "")
    assert process.wait(30) == 0
    (shell.folder / "go").unlink()


WAITING = """\
import os, time
open("ready", "w").close()
end = time.monotonic() + 30
while os.environ.get("WAIT") and not os.path.exists("go") and time.monotonic() < end:
    time.sleep(0.01)
import cloche, tomllib
from helper import V
cloche.log(v=V + float(open("x.txt").read()) + tomllib.load(open("params.toml", "rb"))["p"])
"""


@pytest.mark.parametrize("narrow", [True, False], ids=["reads", "everything"])
@pytest.mark.parametrize(("path", "text"), [("helper.py", "V = 20\n"), ("x.txt", "20"), ("params.toml", "p = 20\n")])
def test_a_stage_whose_inputs_changed_meanwhile_is_never_reused(
    project: Shell, path: str, text: str, narrow: bool
) -> None:
    reads = "reads = ['w.py', 'helper.py', 'x.txt']\nparams = ['p']\n" if narrow else ""
    project.write("cloche.toml", f"[outputs]\nignore = ['ready', 'go']\n[stages.w]\nrun = 'python w.py'\n{reads}")
    project.write(".gitignore", "ready\ngo\n")
    project.write("w.py", WAITING)
    before = {"helper.py": "V = 1\n", "x.txt": "1", "params.toml": "p = 1\n"}
    for name, content in before.items():
        project.write(name, content)
    project.commit()
    project.variables["WAIT"] = "1"
    change_while_going(project, path, text)
    changed = project.facts("show")["run"]
    assert (changed["metrics"], [one["check"] for one in changed["findings"]]) == ({"v": 22.0}, ["input-changed"])
    project.write(path, before[path])
    del project.variables["WAIT"]
    run = project.run(command=())
    assert (run["metrics"], run["stages"][0]["reused"]) == ({"v": 3.0}, "")
    assert project.run(command=())["stages"][0]["reused"] == run["id"]


def test_an_input_that_is_as_before_again_may_have_been_read_otherwise(project: Shell) -> None:
    project.write("helper.py", "V = 1\n")
    project.write("w.py", "open('helper.py', 'w').write('V = 9\\n'); import cloche, helper; cloche.log(v=helper.V)\n")
    back = "printf 'V = 1\\n' > helper.py"
    project.write("cloche.toml", f'[stages.w]\nrun = """python w.py; {back}"""\nreads = [\'w.py\', \'helper.py\']\n')
    project.commit()
    for _ in range(2):
        assert project.run(command=())["stages"][0]["reused"] == ""


def test_a_stage_that_names_only_params_depends_on_the_data(project: Shell) -> None:
    project.write("data/d.txt", "1\n")
    project.cloche("add", "data")
    project.write("params.toml", "p = 1\n")
    project.write("cloche.toml", "[stages.t]\nrun = 'cat data/d.txt > out'\nwrites = ['out']\nparams = ['p']\n")
    project.run(command=())
    project.write("data/d.txt", "2\n")
    assert project.run(command=())["stages"][0]["reused"] == ""
    assert project.read("out") == "2\n"


def test_a_stage_that_names_no_reads_depends_on_the_stages_before_it(project: Shell) -> None:
    project.write("seed", "1\n")
    project.write(
        "cloche.toml",
        "[outputs]\nignore = ['count']\n[code]\nignore = ['count']\n"
        "[stages.a]\nrun = 'echo x >> count; wc -l < count > a.txt'\nwrites = ['a.txt']\n"
        "[stages.b]\nrun = 'cat a.txt > b.txt'\nwrites = ['b.txt']\n",
    )
    project.run(command=())
    project.run("--force", "--stage", "a", command=())
    project.run(command=())
    assert project.read("a.txt") == project.read("b.txt")


def test_what_lies_in_an_output_folder_from_before_is_said(project: Shell) -> None:
    project.write(
        "g.py",
        "import os, tomllib\nos.makedirs('out', exist_ok=True)\n"
        "for i in range(tomllib.load(open('params.toml', 'rb'))['n']): open(f'out/{i}', 'w').close()\n",
    )
    project.write(
        "cloche.toml", "[stages.g]\nrun = 'python g.py'\nwrites = ['out']\nreads = ['g.py']\nparams = ['n']\n"
    )
    project.write("params.toml", "n = 3\n")
    assert project.run(command=())["findings"] == []
    run = project.run("-P", "n=2", command=())
    [finding] = run["findings"]
    assert (finding["check"], finding["place"]["file"]) == ("left-over", "out/2")
    assert [one["check"] for one in project.run(command=())["findings"]] == ["left-over"], "and it is never reused"
    (project.folder / "out/2").unlink()
    clean = project.run(command=())
    assert (clean["findings"], clean["outputs"][0]["count"]) == ([], 2)
    assert project.run(command=())["stages"][0]["reused"] == clean["id"]


def test_secrets_in_an_output_folder_are_not_stored(project: Shell) -> None:
    project.write(
        "cloche.toml", "[stages.s]\nrun = 'mkdir -p o; echo TOKEN=hunter2 > o/.env; echo 1 > o/m'\nwrites = ['o']\n"
    )
    run = project.run(command=())
    assert [one["check"] for one in run["findings"]] == ["left-out"]
    project("rm", "-r", "o")
    assert project.run(command=())["stages"][0]["reused"] == run["id"]
    assert sorted(os.listdir(project.folder / "o")) == ["m"]
    project.write("o/.env", "TOKEN=mine\n")
    project.run(command=())
    assert project.read("o/.env") == "TOKEN=mine\n", "nor taken away"


STAGES = """\
[stages.a]
run = "echo x >> count; python log.py; mkdir -p d; echo 1 > d/a.txt"
reads = ["log.py"]
writes = ["d"]

[stages.b]
run = "echo $$ > pid; touch ready; sleep 30"
reads = ["MISSING"]
writes = ["b.txt"]
"""


def test_an_error_between_stages_keeps_the_stages_that_are_done(project: Shell) -> None:
    project.write("log.py", "import cloche; cloche.log(loss=1)\n")
    ignored = "[outputs]\nignore = ['count']\n[code]\nignore = ['count']\n"
    project.write("cloche.toml", ignored + STAGES.replace("MISSING", "d/nope"))
    assert "stage b reads d/nope, which does not exist" in project.cloche("run", status=8).err
    run = project.facts("show")["run"]
    assert (run["status"], run["metrics"]) == ("failed", {"loss": 1.0})
    assert [(stage["name"], stage["status"]) for stage in run["stages"]] == [("a", "finished")]
    assert [one["path"] for one in run["outputs"]] == ["d"]
    assert "d/a.txt" not in [one["path"] for one in project.facts("status")["code"]]
    project.cloche("run", status=8)
    assert project.read("count") == "x\n", "it was not done again"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_recorder_keeps_the_stages_that_are_done(project: Shell) -> None:
    project.write("log.py", "import cloche; cloche.log(loss=1)\n")
    project.write("cloche.toml", "[outputs]\nignore = ['count']\n" + STAGES.replace("MISSING", "d/a.txt"))
    process = subprocess.Popen(
        [BIN / "cloche", "run", "-q"], cwd=project.folder, env=project.variables, stdin=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 30
        while not (project.folder / "ready").exists():
            assert time.monotonic() < end, "it never began"
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait(30)
        os.kill(int(project.read("pid")), signal.SIGKILL)
    [row] = project.facts("log")
    run = project.facts("show")["run"]
    assert (row["status"], run["metrics"]) == ("killed", {"loss": 1.0})
    assert [(stage["name"], stage["status"]) for stage in run["stages"]] == [("a", "finished")]
    assert [one["path"] for one in run["outputs"]] == ["d"]


def test_modules_from_outside_the_project_are_part_of_the_environment(project: Shell) -> None:
    library = project.folder.parent / "library"
    library.mkdir()
    (library / "helper.py").write_text("V = 1\n")
    project.variables["PYTHONPATH"] = str(library)
    project.write("t.py", "import cloche, helper; cloche.log(v=helper.V)\n")
    project.write("cloche.toml", "[stages.t]\nrun = 'python t.py'\nreads = ['t.py']\n")
    project.run(command=())
    assert project.run(command=())["stages"][0]["reused"]
    (library / "helper.py").write_text("V = 20\n")
    assert project.facts("status")["clean"] is False
    assert project.run(command=())["metrics"] == {"v": 20.0}
    assert f"modules in {library}" in project.cloche("diff", "@~1", "@").out
    assert str(library) in project.cloche("show").out


def test_a_file_that_is_only_read_is_no_output_when_somebody_edits_it(plain: Shell) -> None:
    """Without Git every file is code, and an edit must not be taken for the program's."""
    waiting = (
        "end = time.monotonic() + 30\nwhile not os.path.exists('go') and time.monotonic() < end: time.sleep(0.01)\n"
    )
    plain.write("w.py", "import os, time\nopen('conf.json').read()\nopen('ready', 'w').close()\n" + waiting)
    plain.write("conf.json", "{}")
    plain.write(
        "cloche.toml", "[outputs]\nignore = ['ready', 'go']\n[stages.w]\nrun = 'python w.py'\nreads = ['w.py']\n"
    )
    change_while_going(plain, "conf.json", '{"mine": 2}')
    run = plain.facts("show")["run"]
    assert (run["findings"][0]["check"], run["outputs"]) == ("input-changed", [])
    plain.write("conf.json", '{"mine": 3}')
    plain.write("go", "")
    plain.run(command=())
    assert plain.read("conf.json") == '{"mine": 3}'


def test_a_stage_that_could_not_be_observed_is_run_again(project: Shell) -> None:
    project.write("src/helper.py", "V = 1\n")
    project.write("t.py", "import helper; open('v.txt', 'w').write(str(helper.V))\n")
    project.write(
        "cloche.toml", "[stages.t]\nrun = 'PYTHONPATH=src python -m t'\nreads = ['t.py']\nwrites = ['v.txt']\n"
    )
    project.run(command=())
    project.write("src/helper.py", "V = 20\n")
    assert [one["check"] for one in project.run(command=())["findings"]] == ["not-observed"]
    assert project.read("v.txt") == "20"


def test_a_stage_whose_stored_outputs_are_damaged_is_run_again(project: Shell) -> None:
    project.write("make.py", "import os; open('big.bin', 'wb').write(os.urandom(60_000))\n")
    project.write("cloche.toml", "[stages.m]\nrun = 'python make.py'\nreads = ['make.py']\nwrites = ['big.bin']\n")
    project.run(command=())
    data = project.data("big.bin")
    (project.folder / "big.bin").unlink()
    pack = max((project.folder / ".cloche/store").rglob("*.pack"), key=lambda file: file.stat().st_size)
    held = bytearray(pack.read_bytes())
    held[held.index(data[:20])] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(held)
    done = project.cloche("run")
    assert "stage m: not taken from run" in done.err
    assert len(project.data("big.bin")) == 60_000


def test_a_stage_that_left_something_running_is_run_again(project: Shell) -> None:
    command = "(for i in 1 2 3 4; do echo $i; sleep 0.3; done > a) & sleep 0.4"
    project.write("cloche.toml", f"[stages.s]\nrun = '{command}'\nreads = ['cloche.toml']\nwrites = ['a']\n")
    assert [one["check"] for one in project.run(command=())["findings"]] == ["still-running"]
    assert project.run(command=())["stages"][0]["reused"] == ""


def test_what_a_reused_stage_wrote_is_not_left_over(project: Shell) -> None:
    project.write("x", "1\n")
    project.write(
        "cloche.toml",
        "[stages.a]\nrun = 'mkdir -p out; echo 1 > out/a; echo 1 > a.txt'\n"
        "reads = ['cloche.toml']\nwrites = ['a.txt']\n"
        "[stages.b]\nrun = 'cp x out/b'\nreads = ['x', 'a.txt']\nwrites = ['out']\n",
    )
    project.run(command=())
    project.write("x", "2\n")
    run = project.run(command=())
    assert ([stage["reused"] != "" for stage in run["stages"]], run["findings"]) == ([True, False], [])
