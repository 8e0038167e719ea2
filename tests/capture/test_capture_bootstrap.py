"""The bootstrap, in real processes of every interpreter that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from capture_helpers import interpreters, old_interpreters, put, version_of

from cloche.capture.bootstrap import FOLDER, PARAMS_FILE, bootstrap_variables, without_bootstrap
from cloche.capture.spool import Spool, Spooled
from cloche.errors import InputError
from cloche.model.values import Value

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
EVERY = pytest.mark.parametrize("python", interpreters(), ids=version_of)
HERE = interpreters()[-1] if len(interpreters()) == 1 else Path(sys.executable)


class Project:
    """A project with a run that is going."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run = root / ".cloche" / "runs" / "kkkkkkkk"
        self.run.mkdir(parents=True)
        self.values: dict[str, Value] = {"train.lr": 0.1, "name": "é"}
        self.environ: dict[str, str] = dict(os.environ)

    def variables(self) -> dict[str, str]:
        return bootstrap_variables(self.run, "kkkkkkkk", self.root, self.values, self.environ)

    def start(
        self, *words: str | Path, traced: bool = True, extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        variables = (self.variables() if traced else self.environ) | dict(extra or {})
        return subprocess.run(
            [str(word) for word in words], cwd=self.root, env=variables, capture_output=True, timeout=60, check=False
        )

    def script(self, text: str, name: str = "train.py") -> Path:
        return put(self.root / name, textwrap.dedent(text))

    def same(self, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
        """Run with and without the bootstrap, and see that nobody could tell the two apart."""
        plain = self.start(*words, traced=False)
        traced = self.start(*words)
        assert (traced.returncode, traced.stdout, traced.stderr) == (plain.returncode, plain.stdout, plain.stderr)
        return traced

    def read(self) -> Spooled:
        return Spool(self.run).read()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "my project"
    root.mkdir()
    return Project(root)


@EVERY
def test_it_records_the_interpreter_and_the_files_and_is_not_noticed(python: Path, project: Project) -> None:
    put(project.root / "pkg/__init__.py")
    put(project.root / "pkg/mod.py", "X = 1\n")
    put(project.root / "data/a b.csv", "1")
    put(project.root.parent / "outside.csv", "1")
    script = project.script("""
        import os, sys
        import pkg.mod
        for path in ("data/a b.csv", b"data/a b.csv", "./data/../data/a b.csv", os.path.abspath("data/a b.csv")):
            with open(path) as file:
                print(file.read(), file.fileno())
        with open("../outside.csv") as file, open("out.txt", "w") as out:
            out.write(file.read())
        os.close(os.open("low.bin", os.O_WRONLY | os.O_CREAT))
        try:
            open("missing.csv")
        except OSError as error:
            print(error)
        print([name for name in sys.modules if "cloche" in name or "sitecustom" in name])
        print([entry for entry in sys.path if "bootstrap" in entry], len(sys.path), len(sys.path_importer_cache))
        raise SystemExit(3)
    """)
    project.same(python, "-W", "error", script.name)
    found = project.read()
    assert found.reads == {"train.py", "pkg/__init__.py", "pkg/mod.py", "data/a b.csv"}
    assert found.writes == {"out.txt", "low.bin"}
    assert found.invalid == {}
    assert found.complete
    [process] = found.processes
    asked = subprocess.check_output(
        [python, "-c", "import sys, platform as p; print(p.python_version(), p.python_implementation(), p.machine())"],
        text=True,
    ).split()
    assert [process.version, process.implementation, process.machine] == asked
    assert os.path.samefile(process.executable, python)
    assert process.path
    assert FOLDER not in process.path
    assert process.pid > 0


@EVERY
def test_a_second_run_finds_sources_behind_compiled_code(python: Path, project: Project) -> None:
    put(project.root / "mod.py", "X = 1\n")
    script = project.script("import mod\n")
    project.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for prefix in ("", str(project.root.parent / "compiled")):
        project.environ["PYTHONPYCACHEPREFIX"] = prefix
        for _ in range(2):
            project.start(python, script.name)
        (project.run / "python.jsonl").unlink()
        assert project.start(python, script.name).returncode == 0
        assert project.read().reads == {"train.py", "mod.py"}
        assert project.read().writes == set()
        (project.run / "python.jsonl").unlink()


@EVERY
def test_the_light_client_is_there(python: Path, project: Project) -> None:
    put(project.root / "json.py", "raise SystemError('not this one')\n")
    put(project.root / "re.py", "raise SystemError('not this one')\n")
    script = project.script("""
        import cloche
        print(cloche.params()["train"], cloche.run_id(), cloche.params({"name": 1, "more": {"x": 2}}))
        print(cloche.log(loss=0.5), cloche.log({"val/auc": float("nan")}, step=7), cloche.log(loss=True))
    """)
    variables = {"PYTHONIOENCODING": "utf-8"}
    done = project.start(python, "-W", "error", script.name, extra=variables)
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        "{'lr': 0.1} kkkkkkkk {'name': 'é', 'more': {'x': 2}, 'train': {'lr': 0.1}}",
        "True True True",
    ]
    found = project.read()
    assert found.series["loss"].values == [0.5, 1.0]
    assert found.series["loss"].steps == [0, 1]
    assert found.series["val/auc"].steps == [7]
    assert str(found.metrics["val/auc"]) == "nan"


@EVERY
def test_a_client_that_is_installed_goes_first(python: Path, project: Project) -> None:
    put(project.root / "cloche.py", "print('theirs')\n")
    assert project.start(python, "-c", "import cloche").stdout.split() == [b"theirs"]


@EVERY
@POSIX
def test_files_of_forked_children_and_of_what_they_start(python: Path, project: Project) -> None:
    for name in ("parent.csv", "child.csv", "after.csv", "spawned.csv", "thread.csv"):
        put(project.root / name)
    script = project.script("""
        import multiprocessing, os, subprocess, sys, threading

        def touch(name):
            with open(name):
                pass

        if __name__ == "__main__":
            touch("parent.csv")
            pid = os.fork()
            if not pid:
                touch("parent.csv")
                touch("child.csv")
                os._exit(0)
            os.waitpid(pid, 0)
            threads = [threading.Thread(target=touch, args=("thread.csv",)) for _ in range(8)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            for way in ("fork", "spawn"):
                worker = multiprocessing.get_context(way).Process(target=touch, args=("spawned.csv",))
                worker.start()
                worker.join()
            sys.stdout.flush()
            os.execv(sys.executable, [sys.executable, "-c", "open('after.csv').close()"])
    """)
    done = project.start(python, script.name)
    assert (done.returncode, done.stdout) == (0, b"")
    found = project.read()
    expected = {"parent.csv", "child.csv", "after.csv", "spawned.csv", "thread.csv", "train.py"}
    assert found.reads == expected
    assert found.invalid == {}
    assert len(found.processes) >= 3


@EVERY
def test_the_users_own_hooks_work_as_without_it(python: Path, project: Project) -> None:
    mine = put(project.root / "site/sitecustomize.py", "import sys\nsys.mine = __file__\nprint('customised')\n")
    project.environ["PYTHONPATH"] = str(mine.parent)
    script = project.script("""
        import sys

        class Blocking:
            def find_spec(self, name, path=None, target=None):
                raise ImportError("blocked " + name)

        def audit(event, args):
            if event == "open" and ".cloche" in str(args[0]):
                raise SystemError("seen: " + str(args))
            if event == "open":
                print(event, args[0])

        print(sys.mine, sys.modules["sitecustomize"].__file__)
        sys.addaudithook(audit)
        sys.meta_path.insert(0, Blocking())
        with open("train.py"):
            pass
        with open("other.txt", "w"):
            pass
        try:
            import nothing_like_this
        except ImportError as error:
            print(error)
        raise ValueError("as it was")
    """)
    done = project.same(python, script.name)
    assert b"customised" in done.stdout
    assert b"cloche_inside" not in done.stderr
    assert project.read().writes == {"other.txt"}


@EVERY
@POSIX
def test_odd_circumstances_are_survived_in_silence(python: Path, project: Project) -> None:
    script = project.script("""
        import os, sys
        os.closerange(0, 2000)
        fds = [os.open(os.devnull, os.O_RDWR) for _ in range(1100)]
        open("train.py").close()
        open("late.txt", "w").close()
        with open("result.txt", "w") as out:
            out.write("reached the end")
    """)
    done = project.start(python, script.name)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (project.root / "result.txt").read_text() == "reached the end"
    assert "late.txt" in project.read().writes
    for words in (("-S",), ("-I",), ("-E",), ("-B", "-O"), ("-X", "utf8")):
        done = project.same(python, *words, "-c", "import sys; print(sys.flags, sys.gettrace())")
        assert done.returncode == 0


@EVERY
@pytest.mark.parametrize("state", ["gone", "a file", "read-only", "a full disk"])
@POSIX
def test_a_run_folder_that_takes_nothing(python: Path, project: Project, state: str) -> None:
    variables = project.variables()
    project.run.rmdir()
    if state == "a file":
        project.run.write_text("")
    elif state == "a full disk":
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full")
        project.run.mkdir()
        (project.run / "series.jsonl").symlink_to("/dev/full")
        (project.run / "python.jsonl").symlink_to("/dev/full")
    elif state == "read-only":
        project.run.mkdir(mode=0o500)
    script = project.script("""
        import cloche
        print([cloche.log(a=n) for n in range(3)], open("train.py").readline() == "")
    """)
    done = subprocess.run(
        [python, script.name], cwd=project.root, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    if state != "read-only":  # which root may write to
        assert done.stdout == "[False, False, False] False\n"
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("cloche: metrics cannot be recorded")


@pytest.mark.parametrize(
    "python", old_interpreters() or [None], ids=lambda python: version_of(python) if python else "-"
)
def test_old_interpreters_are_left_alone(python: Path | None, project: Project) -> None:
    if python is None:
        pytest.skip("no old interpreter here")
    mine = put(project.root / "site/sitecustomize.py", "import sys\nsys.mine = 1\n")
    script = project.script("""
        import sys
        print(getattr(sys, "mine", 0), [entry for entry in sys.path if "bootstrap" in entry], "json" in sys.modules)
    """)
    project.same(python, script.name)
    project.environ["PYTHONPATH"] = str(mine.parent)
    assert project.same(python, script.name).stdout.startswith((b"1 ", b"(1, "))
    assert project.read() == Spooled()


@EVERY
def test_zipped_programs_and_environments_inside_the_project(python: Path, project: Project) -> None:
    with zipfile.ZipFile(project.root / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", "print(open('train.py').read())")
    project.script("x = 1")
    put(project.root / ".venv/lib/site-packages/numpy.py")
    put(project.root / ".git/HEAD")
    assert project.same(python, "app.pyz").returncode == 0
    project.start(python, "-c", "open('.venv/lib/site-packages/numpy.py').close(); open('.git/HEAD').close()")
    assert project.read().reads == {"app.pyz", "train.py"}


@POSIX
def test_names_that_are_no_text_and_links_to_the_project(project: Project, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n.csv")
    put(project.root / name)
    (tmp_path / "link").symlink_to(project.root, target_is_directory=True)
    variables = bootstrap_variables(project.run, "k", tmp_path / "link", {}, project.environ)
    code = "import os; [open(f).close() for f in os.listdir('.') if f.endswith('.csv')]"
    for folder in (project.root, tmp_path / "link"):
        subprocess.run([HERE, "-c", code], cwd=folder, env=variables, check=True)
    absolute = f"open({str(tmp_path / 'link')!r} + '/new.txt', 'w').close()"
    subprocess.run([HERE, "-c", absolute], env=variables, check=True)
    assert project.read().reads == {"caf\\xe9\\x0a.csv"}
    assert project.read().writes == {"new.txt"}


def test_signal_handlers_of_the_program_still_raise(project: Project) -> None:
    script = project.script("""
        import signal, sys

        class Late(Exception):
            pass

        def ring(number, frame):
            if armed:
                raise Late

        signal.signal(signal.SIGALRM, ring)
        armed, caught = False, 0
        for n in range(200):
            try:
                armed = True
                # Python itself loses one that comes while a file is finalised: then comes another, soon after.
                signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.03)
                while True:
                    open("nothing-%d" % n, "a").close()
                    open("train.py").close()
            except Late:
                armed = False
                caught += 1
        print(caught)
    """)
    if not hasattr(__import__("signal"), "SIGALRM"):
        pytest.skip("needs SIGALRM")
    done = project.start(HERE, script.name)
    assert (done.stdout.split(), done.stderr) == ([b"200"], b"")


def test_what_it_remembers_is_bounded(project: Project) -> None:
    inside = {"CLOCHE_TEST": "1"}
    code = """
        import sys
        sys.path.insert(0, {folder!r})
        import cloche_inside as inside
        inside.MOST_SEEN, inside.MOST_RECORDED = 50, 100
        spool = inside.Spool({spool!r})
        opened = inside.Opened(spool, [{root!r} + "/"])
        for n in range(1000):
            opened.note(("k", n), {root!r} + "/f%d" % n, "w", 0)
        print(len(opened.seen) <= 50, len(opened.recorded))
    """.format(folder=FOLDER, spool=str(project.run / "python.jsonl"), root=str(project.root))
    script = project.script(code, "bounded.py")
    done = project.start(HERE, script.name, traced=False, extra=inside)
    assert done.stdout.split() == [b"True", b"101"]
    found = project.read()
    assert len(found.writes) == 100
    assert not found.complete


def test_variables_are_untouched_but_for_its_own(project: Project) -> None:
    environ = {"PATH": "/bin", "PYTHONPATH": os.pathsep.join(("a", "", "b"))}
    variables = bootstrap_variables(project.run, "kk", project.root, {"a": 1}, environ)
    assert variables["PYTHONPATH"] == os.pathsep.join((FOLDER, "a", "", "b"))
    assert variables["CLOCHE_PARAMS"] == '{"a":1}'
    again = bootstrap_variables(project.run, "kk", project.root, {"a": 1}, variables)
    assert again == variables
    assert without_bootstrap(variables) == environ
    assert without_bootstrap(bootstrap_variables(project.run, "kk", project.root, {}, {"A": "1"})) == {"A": "1"}


def test_many_parameters_go_through_a_file(project: Project) -> None:
    project.values = {f"key{n}": "x" * 100 for n in range(2000)}
    variables = project.variables()
    assert variables["CLOCHE_PARAMS"] == f"@{project.run / PARAMS_FILE}"
    done = project.start(HERE, "-c", "import cloche; print(len(cloche.params()), cloche.params()['key7'])")
    assert done.stdout.decode().split() == ["2000", "x" * 100]
    with pytest.raises(InputError, match="cannot write"):
        bootstrap_variables(project.root / "gone", "k", project.root, project.values, {})
