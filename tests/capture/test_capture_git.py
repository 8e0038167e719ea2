from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from capture_helpers import put, run_git

from cloche.capture import git as git_module
from cloche.capture.git import GitRepository
from cloche.errors import InputError
from cloche.model.paths import encode_path


def commit(root: Path, message: str = "x") -> str:
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", message)
    return run_git(root, "rev-parse", "HEAD")


def discovered(root: Path) -> GitRepository:
    found = GitRepository.discover(root)
    assert found is not None
    return found


def test_outside_a_repository_there_is_none(tmp_path: Path) -> None:
    assert GitRepository.discover(tmp_path) is None


def test_without_a_git_binary_a_repository_is_refused(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(InputError, match="no `git` to read it"):
        GitRepository.discover(repository)
    assert GitRepository.files_below(repository) is None


def test_a_bare_repository_is_none(tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q", "--bare", "bare.git")
    (tmp_path / "bare.git" / ".git").write_text("gitdir: .\n")
    assert GitRepository.discover(tmp_path / "bare.git") is None


def test_before_the_first_commit(repository: Path) -> None:
    put(repository / "train.py", "1")
    found = discovered(repository)
    assert found.head() == ("", "main")
    assert found.candidates() == ["train.py"]
    assert found.tracked() == set()
    assert found.matches_head(["train.py"]) == set()
    assert found.dirty()
    assert found.resolve("HEAD") is None


def test_commit_branch_and_revisions(repository: Path) -> None:
    put(repository / "a.py", "1")
    first = commit(repository)
    run_git(repository, "tag", "v1")
    put(repository / "a.py", "2")
    second = commit(repository)
    found = discovered(repository)
    assert found.head() == (second, "main")
    assert found.resolve("v1") == first
    assert found.resolve(second[:8]) == second
    assert found.resolve("main~1") == first
    assert found.resolve("nothing") is None
    assert found.resolve("--all") is None
    assert found.resolve("HEAD:a.py") is None
    assert not found.dirty()


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    put(repository / "a.py", "1")
    first = commit(repository)
    run_git(repository, "checkout", "-q", "--detach")
    assert discovered(repository).head() == (first, "")


def test_candidates_and_what_matches_head(repository: Path) -> None:
    for name in ("same.py", "edited.py", "deleted.py", "staged.py", "executable.sh", "deep/a b.py"):
        put(repository / name, name)
    put(repository / ".gitignore", "*.log\nmodels/\n")
    commit(repository)
    put(repository / "edited.py", "other")
    (repository / "deleted.py").unlink()
    put(repository / "staged.py", "staged")
    run_git(repository, "add", "staged.py")
    (repository / "executable.sh").chmod(0o755)
    put(repository / "new.py", "new")
    put(repository / "x.log", "ignored")
    put(repository / "models/m.bin", "ignored")
    found = discovered(repository)
    everything = {".gitignore", "deep/a b.py", "deleted.py", "edited.py", "executable.sh", "same.py", "staged.py"}
    assert found.candidates() == sorted({*everything, "new.py"})
    assert found.tracked() == everything
    assert found.changed() == {"deleted.py", "edited.py", "executable.sh", "staged.py", "new.py"}
    assert found.matches_head(["same.py", "edited.py", "new.py", "x.log"]) == {"same.py"}
    assert found.ignored(["x.log", "models/m.bin", "new.py", "same.py"]) == {"x.log", "models/m.bin"}
    assert found.dirty(["same.py", "new.py"])
    assert not found.dirty(["same.py", "deep/a b.py"])


def test_two_processes_are_enough(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(repository / "a.py", "1")
    commit(repository)
    calls: list[tuple[str, ...]] = []
    real = git_module.ask_git

    def counted(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes] | None:
        calls.append(arguments)
        return real(folder, *arguments, stdin=stdin)

    monkeypatch.setattr(git_module, "ask_git", counted)
    found = discovered(repository)
    assert (found.head()[1], found.candidates(), found.tracked(), found.dirty()) == ("main", ["a.py"], {"a.py"}, False)
    assert len(calls) == 2


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not have")
def test_names_of_every_kind(repository: Path) -> None:
    raw = [b"a b", b"two\nlines", b"caf\xe9", "naïve".encode(), b"back\\slash", b'quo"te', b"-dash", b":(glob)x"]
    for name in raw:
        (repository / os.fsdecode(name)).write_bytes(name)
    texts = {encode_path(os.fsdecode(name)) for name in raw}
    assert set(discovered(repository).candidates()) == texts
    commit(repository)
    found = discovered(repository)
    assert found.tracked() == texts
    assert found.matches_head(texts) == texts
    (repository / os.fsdecode(b"caf\xe9")).write_bytes(b"other")
    assert discovered(repository).changed() == {"caf\\xe9"}


def test_a_project_in_a_subfolder_sees_only_itself(repository: Path) -> None:
    put(repository / "top.py")
    put(repository / "sub dir/a.py", "1")
    put(repository / "sub dir/b.py", "1")
    head = commit(repository)
    put(repository / "top.py", "changed")
    put(repository / "sub dir/b.py", "changed")
    put(repository / "sub dir/new.py")
    found = discovered(repository / "sub dir")
    assert found.head() == (head, "main")
    assert found.candidates() == ["a.py", "b.py", "new.py"]
    assert found.changed() == {"b.py", "new.py"}
    assert found.matches_head({"a.py", "b.py"}) == {"a.py"}


def test_a_folder_that_the_repository_ignores_has_no_git(repository: Path) -> None:
    put(repository / ".gitignore", "scratch/\n")
    put(repository / "scratch/project/a.py")
    commit(repository)
    assert GitRepository.discover(repository / "scratch" / "project") is None
    assert GitRepository.files_below(repository / "scratch" / "project") is None


def test_a_worktree_and_a_linked_folder(repository: Path, tmp_path: Path) -> None:
    put(repository / "a.py", "1")
    head = commit(repository)
    run_git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    assert discovered(tmp_path / "tree").head() == (head, "side")
    (tmp_path / "link").symlink_to(repository / "..", target_is_directory=True)
    put(repository / "sub/b.py")
    assert discovered(tmp_path / "link" / "project" / "sub").candidates() == ["b.py"]


def test_files_of_submodules_and_nested_repositories(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    run_git(library, "init", "-q", "-b", "main", ".")
    put(library / "lib.py", "1")
    commit(library)
    put(repository / "a.py", "1")
    run_git(repository, "submodule", "add", "-q", str(library), "vendor")
    commit(repository)
    run_git(repository, "clone", "-q", str(library), "cloned")
    found = discovered(repository)
    assert found.candidates() == [".gitmodules", "a.py", "cloned/lib.py", "vendor/lib.py"]
    assert "vendor/lib.py" in found.tracked()
    assert not found.dirty(["a.py", "vendor/lib.py"])
    put(repository / "vendor/lib.py", "changed")
    put(repository / "vendor/new.py", "new")
    found = discovered(repository)
    assert found.matches_head(["a.py", "vendor/lib.py"]) == {"a.py"}
    assert "vendor/new.py" in found.candidates()
    shutil.rmtree(repository / "vendor")
    (repository / "vendor").mkdir()
    assert "vendor/lib.py" not in discovered(repository).candidates()


def test_changes_that_git_was_told_to_overlook_never_match(repository: Path) -> None:
    put(repository / "a.py", "1")
    put(repository / "b.py", "1")
    commit(repository)
    run_git(repository, "update-index", "--assume-unchanged", "a.py")
    run_git(repository, "update-index", "--skip-worktree", "b.py")
    put(repository / "a.py", "2")
    found = discovered(repository)
    assert found.matches_head(["a.py", "b.py"]) == set()
    assert found.dirty(["a.py"])


def test_nothing_of_the_repository_runs_and_its_index_stays(repository: Path) -> None:
    put(repository / "a.py", "1")
    commit(repository)
    spy = put(repository / ".git/spy", "#!/bin/sh\ntouch ran\n")
    spy.chmod(0o755)
    run_git(repository, "config", "core.fsmonitor", str(spy))
    hook = put(repository / ".git/hooks/post-index-change", "#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    os.utime(repository / "a.py", (1, 1))
    index = (repository / ".git/index").read_bytes()
    assert discovered(repository).candidates() == ["a.py"]
    assert not (repository / "ran").exists()
    assert (repository / ".git/index").read_bytes() == index


def test_the_variables_of_a_hook_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(repository / "a.py", "1")
    commit(repository)
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "-q", ".")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    assert discovered(repository).candidates() == ["a.py"]


def test_a_repository_of_somebody_else_is_refused_with_advice(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(repository / "a.py", "1")
    commit(repository)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(InputError, match="belongs to another user") as caught:
        GitRepository.discover(repository)
    assert caught.value.hint.startswith("git config --global --add safe.directory")


def test_a_damaged_index_is_an_error_that_says_so(repository: Path) -> None:
    put(repository / "a.py", "1")
    commit(repository)
    (repository / ".git/index").write_bytes(b"not an index at all, but long enough to be read")
    with pytest.raises(InputError, match="Git cannot read the repository"):
        GitRepository.discover(repository)


def test_files_below_lists_what_git_would_track(repository: Path) -> None:
    put(repository / ".gitignore", "*.log\n")
    put(repository / "pkg/a.py")
    put(repository / "pkg/x.log")
    assert GitRepository.files_below(repository / "pkg") == ["a.py"]
