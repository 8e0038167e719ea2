from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
from capture_helpers import interpreters, old_interpreters, put, run_git, version_of

from cloche.capture import environment as environment_module
from cloche.capture.cache import settled, stamp
from cloche.capture.distributions import normalise, path_of, read_distributions, without_credentials
from cloche.capture.environment import Seen, environment_of, machine_of, probe, with_distributions
from cloche.capture.machine import machine_of_here, usable_cpus
from cloche.errors import PackageError
from cloche.model.environment import Distribution, Interpreter


def dist_info(site: Path, name: str, version: str, installer: str = "pip", **files: str) -> Path:
    folder = site / f"{name}-{version}.dist-info"
    put(folder / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: not this one\n")
    put(folder / "INSTALLER", installer + "\n")
    for file, text in files.items():
        put(folder / file.replace("__", "."), text)
    return folder


def read(cache: Path, *path: Path, prefix: str = "") -> dict[str, Distribution]:
    found = read_distributions(map(str, path), prefix, cache)
    return {item.distribution.name: item.distribution for item in found}


def aged(*paths: Path) -> None:
    """As if nothing had been written there for a while."""
    deadline = time.time() + 5
    while time.time() < deadline and not all(settled(stamp(str(path)), time.time_ns()) for path in paths):
        time.sleep(0.02)


@pytest.fixture(scope="module")
def made_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "env"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return folder


@pytest.fixture
def environment_folder(made_environment: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "env"
    shutil.copytree(made_environment, copy, symlinks=True)
    return copy


def python_in(folder: Path) -> str:
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def site_of(folder: Path) -> Path:
    return next(folder.glob("[Ll]ib/**/site-packages"))


@pytest.mark.parametrize("python", interpreters(), ids=version_of)
def test_the_probe_sees_what_the_interpreter_itself_sees(python: Path, tmp_path: Path) -> None:
    put(tmp_path / "mine/module.py")
    environ = dict(os.environ, PYTHONPATH=str(tmp_path / "mine"))
    code = (
        "import sys, json, platform as p, importlib.metadata as m;"
        "names = [d.metadata['Name'] for d in m.distributions()];"
        "print(json.dumps([p.python_version(), p.python_implementation(), sys.prefix, sys.path, names]))"
    )
    done = subprocess.run([python, "-c", code], env=environ, capture_output=True, check=True)
    version, implementation, prefix, path, names = json.loads(done.stdout)
    seen = probe(str(python), tmp_path / "cache", environ=environ)
    assert (seen.version, seen.implementation, seen.prefix) == (version, implementation, prefix)
    assert list(seen.path) == [entry for entry in path if entry]
    assert {item.name for item in seen.distributions} == {normalise(name) for name in names}
    assert seen.problem == ""
    assert seen.system
    assert seen.build.startswith("(")


def test_nothing_of_the_users_runs_in_the_probe(environment_folder: Path, tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    spy = f"open({str(flag)!r}, 'w').close()\n"
    site = site_of(environment_folder)
    for name in ("site", "json", "sitecustomize", "usercustomize", "os", "time"):
        put(tmp_path / "mine" / f"{name}.py", spy)
    put(site / "sitecustomize.py", spy)
    put(tmp_path / "extra/module.py")
    put(site / "spy.pth", f"import sys; {spy}{tmp_path / 'extra'}\n# comment\n/nowhere\n")
    environ = dict(os.environ, PYTHONPATH=str(tmp_path / "mine"), PYTHONSTARTUP=str(tmp_path / "mine/os.py"))
    environ |= {"PYTHONINSPECT": "1", "PYTHONVERBOSE": "1"}
    seen = probe(python_in(environment_folder), tmp_path / "cache", environ=environ)
    assert not flag.exists()
    assert str(tmp_path / "extra") in seen.path
    assert str(tmp_path / "mine") in seen.path
    assert str(site) in seen.path


def test_a_warm_probe_starts_nothing_and_notices_every_change(
    environment_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = environment_module._ask

    def counted(python: str, where: str, variables: dict[str, str]) -> Seen:
        asked.append(python)
        return real(python, where, variables)

    monkeypatch.setattr(environment_module, "_ask", counted)
    python, site = python_in(environment_folder), site_of(environment_folder)
    cache = tmp_path / "cache"
    put(site / "extra.pth", "\n")
    aged(site, site / "extra.pth", environment_folder / "pyvenv.cfg")
    first = probe(python, cache)
    assert probe(python, cache) == first
    assert len(asked) == 1
    dist_info(site, "New_Package", "1.0")
    assert "new-package" in {item.name for item in probe(python, cache).distributions}
    assert len(asked) == 2
    put(tmp_path / "extra/x.py")
    put(site / "extra.pth", str(tmp_path / "extra"))
    assert str(tmp_path / "extra") in probe(python, cache).path
    assert len(asked) == 3
    assert str(tmp_path) in probe(python, cache, environ=dict(os.environ, PYTHONPATH=str(tmp_path))).path
    (cache / "pythons.json").write_text("not JSON")
    assert str(tmp_path / "extra") in probe(python, cache).path


@pytest.mark.skipif(os.name == "nt", reason="a shim is a shell script")
def test_a_version_managers_shim_follows_its_pin_files(tmp_path: Path) -> None:
    shim = put(tmp_path / "shims/python", f'#!/bin/sh\n[ -f .python-version ] && exit 9\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    (tmp_path / "a").mkdir()
    aged(shim, tmp_path / "shims")
    probe(str(shim), tmp_path / "cache", folder=tmp_path / "a")
    put(tmp_path / "a/.python-version", "3.12")
    with pytest.raises(PackageError):
        probe(str(shim), tmp_path / "cache", folder=tmp_path / "a")


@pytest.mark.parametrize("python", old_interpreters() or [None], ids=lambda path: version_of(path) if path else "-")
def test_old_interpreters_are_named_but_not_looked_into(python: Path | None, tmp_path: Path) -> None:
    if python is None:
        pytest.skip("no old interpreter here")
    seen = probe(str(python), tmp_path)
    assert seen.problem.startswith(f"Python {version_of(python)} is too old")
    found = environment_of(seen, {})
    assert found.interpreter == Interpreter("CPython", version_of(python))
    assert found.platform.system


@pytest.mark.skipif(os.name == "nt", reason="shell scripts")
def test_what_is_no_python_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="cannot be looked into: No such file") as caught:
        probe(str(tmp_path / "gone"), tmp_path)
    assert "cloche.toml" in caught.value.hint
    talker = put(tmp_path / "talker", "#!/bin/sh\necho hello\necho what is this >&2\n")
    talker.chmod(0o755)
    with pytest.raises(PackageError, match="what is this"):
        probe(str(talker), tmp_path)


def test_distributions_of_every_source(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    dist_info(site, "Plain_Name", "1.0")
    dist_info(site, "conda.one", "2", "conda")
    dist_info(site, "bare", "3", "")
    git_url = {"url": "https://me:pw@git.example/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    dist_info(site, "fromgit", "1", direct_url__json=json.dumps(git_url | {"subdirectory": "sub"}))
    wheel = {"url": "https://example.org/w.whl?token=secret", "archive_info": {}}
    dist_info(site, "fromurl", "1", direct_url__json=json.dumps(wheel))
    dist_info(site, "broken", "1", direct_url__json="{")
    put(site / "old-1.5.egg-info/PKG-INFO", "Name: old\nVersion: 1.5\n")
    put(site / "single-2-py3.11.egg-info", "Name: single\nVersion: 2\n")
    put(site / "nometa-4.0.dist-info/RECORD", "")
    (site / "leftover-1.dist-info").mkdir()
    dist_info(site, "~umpy", "1")
    late = put(
        site / "late-7.dist-info/METADATA",
        "Metadata-Version: 2.1\nSummary: " + "x" * 20000 + "\nName: late\nVersion: 7\n",
    )
    assert late.exists()
    found = read(tmp_path / "cache", site, tmp_path / "gone", site / "single-2-py3.11.egg-info")
    assert found == {
        "plain-name": Distribution("plain-name", "1.0", "index", installer="pip"),
        "conda-one": Distribution("conda-one", "2", "unknown", installer="conda"),
        "bare": Distribution("bare", "3", "unknown"),
        "fromgit": Distribution(
            "fromgit", "1", "git", "git+https://git.example/x.git@abc#subdirectory=sub", installer="pip"
        ),
        "fromurl": Distribution("fromurl", "1", "url", "https://example.org/w.whl", installer="pip"),
        "broken": Distribution("broken", "1", "unknown", installer="pip"),
        "old": Distribution("old", "1.5", "unknown"),
        "single": Distribution("single", "2", "unknown"),
        "nometa": Distribution("nometa", "4.0", "unknown"),
        "late": Distribution("late", "7", "unknown"),
    }


def test_the_first_on_the_path_wins(tmp_path: Path) -> None:
    dist_info(tmp_path / "a", "same", "1")
    dist_info(tmp_path / "b", "Same", "2")
    assert read(tmp_path / "cache", tmp_path / "a", tmp_path / "b")["same"].version == "1"
    assert read(tmp_path / "cache", tmp_path / "b", tmp_path / "a")["same"].version == "2"


def test_conda_packages_without_python_metadata(tmp_path: Path) -> None:
    meta = tmp_path / "env/conda-meta"
    record = {"name": "cudatoolkit", "version": "11.8", "channel": "https://t:x@conda.example/forge", "build": "h1_0"}
    put(meta / "cudatoolkit-11.8-h1_0.json", json.dumps(record))
    put(meta / "numpy-1.json", json.dumps(record | {"name": "numpy", "version": "1", "channel": "forge"}))
    put(meta / "history", "")
    put(meta / "damaged.json", "{")
    site = tmp_path / "env/site-packages"
    dist_info(site, "numpy", "1", "conda")
    found = read(tmp_path / "cache", site, prefix=str(tmp_path / "env"))
    assert found["cudatoolkit"].location == "https://conda.example/forge h1_0"
    assert found["numpy"] == Distribution("numpy", "1", "unknown", "forge h1_0", installer="conda")
    assert set(found) == {"cudatoolkit", "numpy"}


def seen_with(site: Path) -> Seen:
    return Seen(version="3.11.0", path=(str(site),), system="Linux")


def editable(site: Path, name: str, source: Path) -> None:
    direct = {"url": source.as_uri(), "dir_info": {"editable": True}}
    dist_info(site, name, "1", direct_url__json=json.dumps(direct))


def test_an_edit_in_an_editable_source_is_noticed(tmp_path: Path, repository: Path) -> None:
    site, library, cache = tmp_path / "site-packages", tmp_path / "my lib", tmp_path / "cache"
    put(library / "lib.py", "x = 1")
    put(library / "__pycache__/lib.pyc", "1")
    editable(site, "lib", library)

    def digest() -> str:
        [found] = with_distributions(seen_with(site), cache, root=repository).distributions
        assert (found.source, found.location) == ("editable", str(library))
        return found.digest

    first = digest()
    assert first
    put(library / "__pycache__/lib.pyc", "2")
    put(library / ".venv/pyvenv.cfg")
    assert digest() == first
    put(library / "lib.py", "x = 2")
    second = digest()
    put(library / "lib.py", "x = 1")
    assert (second != first, digest()) == (True, first)
    run_git(library, "init", "-q", ".")
    put(library / ".gitignore", "*.log\n.gitignore\n.venv\n")
    put(library / "x.log", "1")
    assert digest() == first
    shutil.rmtree(library)
    assert digest() == ""


def test_the_project_itself_is_code_already(tmp_path: Path, repository: Path) -> None:
    site = tmp_path / "site-packages"
    put(repository / "packages/part/part.py", "1")
    editable(site, "whole", repository)
    editable(site, "part", repository / "packages/part")
    found = with_distributions(seen_with(site), tmp_path / "cache", root=repository).distributions
    assert [(item.name, item.location, item.digest) for item in found] == [
        ("part", "packages/part", ""),
        ("whole", ".", ""),
    ]


def test_a_project_within_an_editable_source_is_not_counted_twice(tmp_path: Path) -> None:
    site, source = tmp_path / "site-packages", tmp_path / "mono"
    project = source / "experiments/one"
    put(source / "lib.py", "1")
    put(project / "train.py", "1")
    editable(site, "mono", source)
    [before] = with_distributions(seen_with(site), tmp_path / "cache", root=project).distributions
    put(project / "train.py", "2")
    [after] = with_distributions(seen_with(site), tmp_path / "cache", root=project).distributions
    assert before == after
    assert before.digest


def test_a_local_install_counts_by_what_it_installed(tmp_path: Path) -> None:
    site, source = tmp_path / "site-packages", tmp_path / "source"
    put(source / "lib.py", "1")
    direct = json.dumps({"url": source.as_uri(), "dir_info": {}})
    record = "lib.py,sha256=abc,1\nlib-1.dist-info/RECORD,,\n../../../bin/lib,sha256={},5\n"

    def digest(text: str) -> str:
        shutil.rmtree(site, ignore_errors=True)
        dist_info(site, "lib", "1", direct_url__json=direct, RECORD=text)
        [found] = with_distributions(seen_with(site), tmp_path / "cache", root=tmp_path / "home").distributions
        assert (found.source, found.location) == ("local", str(source))
        return found.digest

    first = digest(record.format("one"))
    assert digest(record.format("another shebang")) == first
    put(source / "lib.py", "not installed yet")
    assert digest(record.format("one")) == first
    assert digest(record.replace("abc", "abd")) != first


def test_legacy_editable_installs(tmp_path: Path) -> None:
    site, source = tmp_path / "site-packages", tmp_path / "src"
    put(source / "lib_x.egg-info/PKG-INFO", "Name: Lib_X\nVersion: 3\n")
    put(source / "lib_x.py", "1")
    put(site / "Lib-X.egg-link", f"{source}\n.")
    put(site / "gone.egg-link", "/nowhere\n.")
    [found] = with_distributions(seen_with(site), tmp_path / "cache", root=tmp_path / "home").distributions
    assert (found.name, found.version, found.source, found.location) == ("lib-x", "3", "editable", str(source))
    assert found.digest


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a.whl", "https://example.org/a.whl"),
        ("https://user:pw@example.org:8080/a?sig=x", "https://example.org:8080/a"),
        ("https://token@example.org/a", "https://example.org/a"),
        ("ssh://git@example.org/a.git", "ssh://git@example.org/a.git"),
        ("ssh://git:pw@example.org/a.git", "ssh://example.org/a.git"),
        ("https://[broken", ""),
    ],
)
def test_urls_lose_their_credentials(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
def test_file_urls_become_paths(tmp_path: Path) -> None:
    for name in ("a b", "ü%20", "x#y"):
        assert path_of((tmp_path / name).as_uri()) == str(tmp_path / name)
    assert path_of("file:///a/b/") == "/a/b"
    assert path_of("file:///") == "/"


def test_without_any_python_the_platform_is_known() -> None:
    found = environment_of(None, {"TZ": "UTC"})
    assert found.interpreter is None
    assert found.distributions == ()
    assert found.platform.system in ("Linux", "Darwin", "Windows")
    assert found.variables == {"TZ": "UTC"}


def test_the_place_of_an_interpreter_is_no_part_of_the_environment() -> None:
    here = Seen(version="3.12.1", executable="/a/python", prefix="/a", path=("/a/lib",), system="Linux")
    there = Seen(version="3.12.1", executable="/b/python", prefix="/b", path=("/b/lib",), system="Linux")
    assert environment_of(here, {}).digest == environment_of(there, {}).digest
    assert machine_of(here).python == "/a/python"


def test_the_machine() -> None:
    machine = machine_of_here({"OMP_NUM_THREADS": "3,2", "MKL_NUM_THREADS": "x", "OPENBLAS_NUM_THREADS": "5"}, "p")
    assert machine.cpus == usable_cpus() >= 1
    assert machine.memory > 2**20
    assert machine.system
    assert machine.python == "p"
    assert machine.threads["omp"] == machine.threads["mkl"] == 3
    assert machine.threads["openblas"] == 5
    assert machine.threads["polars"] == machine.cpus


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    put(tmp_path / "cache", "a file where the folder should be")
    site = tmp_path / "site-packages"
    dist_info(site, "one", "1")
    aged(site)
    assert "one" in read(tmp_path / "cache", site)


def test_a_file_that_may_still_change_unnoticed_is_not_believed() -> None:
    now = 1_700_000_000_123_456_789
    assert settled("", now)
    assert settled(f"1:2:{now - 60_000_000}:{now - 60_000_000}", now)
    assert not settled(f"1:2:{now - 60_000_000}:{now - 10_000_000}", now)
    assert not settled("1:2:1700000000000000000:1699999999000000000", now)
    assert not settled(f"1:2:{now + 10**12}:5", now)
