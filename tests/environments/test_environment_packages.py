"""Packages go up, down, in and out, with uv and with pip; or nothing changes at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from environment_bench import Bench, copy_environment, isolate, make_source, make_wheel

from cloche.environments import apply_packages, installer, packages
from cloche.environments.backup import FOLDER, Backup
from cloche.errors import DiskFull, PackageError
from cloche.model.changes import PackageChange
from cloche.model.environment import Distribution, Environment


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An environment for each installer, to be copied."""
    folder = tmp_path_factory.mktemp("environments")
    subprocess.run([sys.executable, "-m", "venv", folder / "pip"], check=True, capture_output=True)
    uv = installer.find_uv()
    if uv:
        words = [*uv, "venv", "--no-config", "--offline", "--python", sys.executable, str(folder / "uv")]
        subprocess.run(words, check=True, capture_output=True, cwd=folder)
        (folder / "uv" / "uv-made").touch()
    return {name: folder / name for name in ("pip", "uv")}


@pytest.fixture
def bench(tmp_path: Path, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An environment that is changed with uv."""
    isolate(monkeypatch, tmp_path)
    if not made["uv"].exists():
        pytest.skip("no uv")
    return Bench(tmp_path, copy_environment(made["uv"], tmp_path / ".venv"))


@pytest.fixture(params=["uv", "pip"])
def each(
    request: pytest.FixtureRequest, tmp_path: Path, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """One environment for each installer. pip takes seconds."""
    isolate(monkeypatch, tmp_path)
    if request.param == "pip":
        monkeypatch.setattr(installer, "find_uv", lambda: ())
    elif not made["uv"].exists():
        pytest.skip("no uv")
    return Bench(tmp_path, copy_environment(made[request.param], tmp_path / ".venv"))


def test_there_and_back(each: Bench) -> None:
    for name, version in (
        ("up", "1.0"),
        ("up", "1.10"),
        ("down", "2.0"),
        ("down", "2.0rc1"),
        ("out", "1"),
        ("in", "3"),
    ):
        each.wheel(name, version)
    each.install("up==1.0", "down==2.0", "out==1")
    first = each.read()
    each.install("up==1.10", "down==2.0rc1", "in==3")
    subprocess.run([each.python, "-I", "-c", "import up, down"], check=True)
    second = each.read()

    changes = each.go_to(first)
    directions = {change.name: change.direction for change in changes}
    assert directions == {"up": "downgraded", "down": "upgraded", "in": "removed"}
    assert each.packages == {"up": "1.0", "down": "2.0", "out": "1"}
    assert each.run("import up, down; print(up.version, down.version)") == "1.0 2.0"

    each.go_to(second)
    assert each.packages == {"up": "1.10", "down": "2.0rc1", "out": "1", "in": "3"}
    assert not (each.prefix / FOLDER).exists()
    assert each.plan(second) == ((), ())


def test_dependencies_are_not_followed(bench: Bench) -> None:
    for version in ("1", "2"):
        make_wheel(bench.wheels, "needy", version, requires="not-there")
    bench.install("needy==1")
    wanted = bench.read()
    bench.install("needy==2")
    bench.go_to(wanted)
    assert bench.packages == {"needy": "1"}


def test_two_packages_with_the_same_file(bench: Bench) -> None:
    shared = {"shared.py": "owner = 'plain'\n"}
    bench.wheel("vision", "1", shared)
    bench.wheel("vision-headless", "1", {"shared.py": "owner = 'headless'\n"})
    bench.install("vision==1")
    wanted = bench.read()
    apply_packages(
        bench.python,
        [
            PackageChange("vision", bench.distributions["vision"], None, "removed"),
            PackageChange("vision-headless", None, Distribution("vision-headless", "1"), "added"),
        ],
        bench.read,
        bench.root,
    )
    assert bench.run("import shared; print(shared.owner)") == "headless"
    bench.go_to(wanted)
    assert bench.run("import shared; print(shared.owner)") == "plain"


def test_an_unknown_version_changes_nothing(each: Bench) -> None:
    each.wheel("tool", "1")
    each.wheel("other", "1")
    each.install("tool==1", "other==1")
    current, before = each.read(), each.listing()
    kept = tuple(one for one in current.distributions if one.name not in ("tool", "other"))
    wanted = msgspec.structs.replace(current, distributions=(*kept, Distribution("tool", "9.9")))
    changes, problems = each.plan(wanted)
    assert problems == ()
    assert [change.name for change in changes] == ["other", "tool"]
    with pytest.raises(PackageError, match=r"tool==9\.9"):
        apply_packages(each.python, changes, each.read, each.root)
    assert each.listing() == before
    assert each.read() == current
    assert each.run("import tool, other; print(tool.version)") == "1"


def test_a_failure_half_way_is_put_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.wheel("tool", "1")
    bench.install("tool==1")
    wanted, before = bench.read(), bench.listing()
    bench.wheel("tool", "2")
    bench.install("tool==2")
    (bench.prefix / "share").mkdir()
    newer = bench.listing()

    def read() -> Environment:
        assert bench.run("import tool; print(tool.version)") == "1"
        raise KeyboardInterrupt

    changes, _ = bench.plan(wanted)
    with pytest.raises(KeyboardInterrupt):
        apply_packages(bench.python, changes, read, bench.root)
    assert bench.listing() == newer
    assert bench.listing() != before
    assert bench.packages == {"tool": "2"}
    assert not (bench.prefix / FOLDER).exists()


def test_what_is_there_afterwards_decides(bench: Bench) -> None:
    bench.wheel("tool", "1")
    bench.wheel("tool", "2")
    bench.install("tool==2")
    current, before = bench.read(), bench.listing()
    old = Distribution("tool", "1")
    changes = [PackageChange("tool", bench.distributions["tool"], old, "downgraded")]
    with pytest.raises(PackageError, match="tool 2 is there instead of tool 1"):
        apply_packages(bench.python, changes, lambda: current, bench.root)
    assert bench.listing() == before


def test_killed_half_way_is_put_back_by_the_next(bench: Bench) -> None:
    bench.wheel("tool", "1")
    bench.wheel("tool", "2")
    bench.install("tool==2")
    before = bench.listing()
    backup = Backup(bench.prefix)
    backup.make()
    module = next(bench.prefix.rglob("tool.py"))
    module.unlink()
    (bench.prefix / "new").mkdir()
    (module.parent / "half-installed").write_text("")
    wanted = msgspec.structs.replace(bench.read(), distributions=(Distribution("tool", "1"),))
    changes = [PackageChange("tool", Distribution("tool", "2"), Distribution("tool", "1"), "downgraded")]
    apply_packages(bench.python, changes, bench.read, bench.root)
    assert bench.packages == {"tool": "1"}
    assert wanted.distributions[0].version == bench.run("import tool; print(tool.version)")
    assert set(bench.listing()) - set(before) == {
        str(path.relative_to(bench.prefix)) for path in [*bench.prefix.rglob("tool-1.dist-info"), *_below(bench.prefix)]
    }


def _below(prefix: Path) -> list[Path]:
    return [path for folder in prefix.rglob("tool-1.dist-info") for path in folder.rglob("*")]


def test_editable_there_and_back(each: Bench) -> None:
    source = make_source(each.root / "libs" / "own", "own", "1.0")
    outside = make_source(each.root.parent / "elsewhere", "far", "1.0")
    each.wheel("own", "5.0")
    each.install("--editable", str(source), "--editable", str(outside))
    wanted = each.read()
    assert each.distributions["own"].location == "libs/own"
    each.install("own==5.0")
    (source / "own.py").write_text("version = 'edited'\n")
    assert each.run("import own; print(own.version)") == "5.0"
    each.go_to(wanted)
    assert each.distributions["own"].source == "editable"
    assert each.run("import own, far; print(own.version, far.version)") == "edited 1.0"


def test_a_source_outside_the_project_that_was_edited(bench: Bench) -> None:
    outside = make_source(bench.root.parent / "elsewhere", "far", "1.0")
    bench.install("--editable", str(outside))
    wanted = bench.read()
    (outside / "far.py").write_text("version = 'edited'\n")
    _, problems = bench.plan(wanted)
    assert problems == (f"the source of far at {outside} is not as it was, and Cloche holds no copy of it",)


def test_a_source_that_is_gone(bench: Bench) -> None:
    outside = make_source(bench.root.parent / "elsewhere", "far", "1.0")
    bench.wheel("far", "2")
    bench.install("--editable", str(outside))
    wanted = bench.read()
    bench.install("far==2")
    shutil.rmtree(outside)
    _, problems = bench.plan(wanted)
    assert problems == (f"far 1.0 was installed from {outside}, which is gone",)


def test_local_folders_and_wheels(bench: Bench) -> None:
    source = make_source(bench.root.parent / "with space", "local", "1.0")
    wheel = make_wheel(bench.root.parent / "elsewhere", "single", "1.0")
    bench.install(str(source), str(wheel))
    wanted = bench.read()
    assert {one.name: one.source for one in wanted.distributions if one.name in ("local", "single")} == {
        "local": "local",
        "single": "url",
    }
    bench.wheel("local", "2")
    bench.wheel("single", "1.0", {"single.py": "version = 'other'\n"})
    bench.install("local==2")
    bench.install("--reinstall", "single==1.0")
    bench.go_to(wanted)
    assert bench.run("import local, single; print(local.version, single.version)") == "1.0 1.0"
    assert bench.plan(wanted) == ((), ())


def test_a_local_folder_that_moved_on(bench: Bench) -> None:
    source = make_source(bench.root.parent / "elsewhere", "local", "1.0", "version = 'first'\n")
    bench.install(str(source))
    wanted = bench.read()
    bench.wheel("local", "2")
    bench.install("local==2")
    before = bench.listing()
    (source / "local.py").write_text("version = 'second'\n")
    (source / "pyproject.toml").touch()
    changes, problems = bench.plan(wanted)
    assert problems == ()
    with pytest.raises(PackageError, match="other content"):
        apply_packages(bench.python, changes, bench.read, bench.root)
    assert bench.listing() == before


def test_from_a_git_repository(each: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")
    source = make_source(each.root.parent / "repository", "tracked", "1.0", "version = 'first'\n")

    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *words], cwd=source, check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    each.install(f"git+{source.as_uri()}")
    wanted = each.read()
    (source / "tracked.py").write_text("version = 'second'\n")
    git("commit", "-q", "-a", "-m", "second")
    each.wheel("tracked", "1.0")
    each.install("--reinstall" if (each.prefix / "uv-made").exists() else "--force-reinstall", "tracked==1.0")
    assert each.run("import tracked; print(tracked.version)") == "1.0"
    each.go_to(wanted)
    assert each.run("import tracked; print(tracked.version)") == "first"


def test_no_room_for_the_copy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    bench.wheel("tool", "1")
    bench.install("tool==1")
    before = bench.listing()

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", link)
    changes = [PackageChange("tool", bench.distributions["tool"], None, "removed")]
    with pytest.raises(DiskFull):
        apply_packages(bench.python, changes, bench.read, bench.root)
    monkeypatch.undo()
    assert bench.listing() == before


def test_the_copy_works_without_hard_links(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    bench.wheel("tool", "1")
    bench.install("tool==1")
    before = bench.listing()

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    backup = Backup(bench.prefix)
    backup.make()
    next(bench.prefix.rglob("tool.py")).unlink()
    backup.put_back()
    assert bench.listing() == before


def test_putting_back_may_be_cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after any of its renames, a second try completes it."""
    bench.wheel("tool", "1")
    bench.install("tool==1")
    before = bench.listing()
    rename = Path.replace
    for allowed in range(12):
        backup = Backup(bench.prefix)
        backup.make()
        next(bench.prefix.rglob("tool.py")).unlink()
        (bench.prefix / "extra").mkdir()
        left = [allowed]

        def replace(self: Path, target: Path, left: list[int] = left) -> Path:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "replace", replace)
        try:
            backup.put_back()
        except KeyboardInterrupt:
            monkeypatch.setattr(Path, "replace", rename)
            assert Backup(bench.prefix).there
            Backup(bench.prefix).put_back()
        monkeypatch.setattr(Path, "replace", rename)
        assert bench.listing() == before


def test_other_interpreters_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Environment:
        raise AssertionError("called")

    monkeypatch.setattr(packages, "Installer", never)
    python = os.path.realpath(sys.executable)
    changes = [PackageChange("tool", None, Distribution("tool", "1"), "added")]
    with pytest.raises(PackageError, match="not in a virtual environment"):
        apply_packages(python, changes, never, tmp_path)


def test_no_installer(tmp_path: Path, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    if not made["uv"].exists():
        pytest.skip("no environment without pip")
    monkeypatch.setattr(installer, "find_uv", lambda: ())
    bench = Bench(tmp_path, copy_environment(made["uv"], tmp_path / ".venv"))
    changes = [PackageChange("tool", None, Distribution("tool", "1"), "added")]
    with pytest.raises(PackageError, match="neither uv nor the pip"):
        apply_packages(bench.python, changes, bench.read, bench.root)


def test_what_an_installer_says_holds_no_credentials() -> None:
    said = "error: failed to fetch https://me:secret@example.org/simple/tool/\n"
    error = installer.failed(subprocess.CompletedProcess([], 1, "", said))
    assert "secret" not in error.message
    assert "https://example.org/simple/tool/" in error.message
