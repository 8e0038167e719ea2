"""Data that is tracked where it lies: digests are recorded, contents are not."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from shell import Shell, growing

BIG = os.urandom(90_000)


@pytest.fixture
def huge(project: Shell) -> Shell:
    project.write("data/huge/a.bin", BIG)
    project.write("data/huge/t.csv", "id,x\n1,2\n")
    project.write("data/small.txt", "small\n")
    return project


def packed(shell: Shell) -> int:
    return sum(file.stat().st_size for file in (shell.folder / ".cloche/store/packs").rglob("*.pack"))


def test_digests_are_recorded_and_contents_are_not(huge: Shell) -> None:
    copied = huge.facts("add", "-n", "data/huge")["paths"][0]["tracked"]
    huge.write("cloche.toml", "# mine\n[data]\nkeys = {}  # none yet\n")
    done = huge.facts("add", "--in-place", "data/huge")
    assert done["paths"][0]["tracked"] == copied  # the line of cloche.lock is the same as for a copy
    assert done["settings"]
    assert huge.read("cloche.toml") == '# mine\n[data]\nkeys = {}  # none yet\nin_place = ["data/huge"]\n'
    huge.run(command=["true"])
    assert packed(huge) < 10_000
    assert huge.facts("status")["clean"]
    huge.commit()
    assert huge("git", "status", "--short").out == ""
    assert "in place" in huge.cloche("add").err  # and it stays so
    assert packed(huge) < 10_000


def test_nothing_counts_as_lost(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("add", "data/small.txt")
    huge.run(command=["true"])
    assert huge.facts("gc", "--grace", "0")["missing"] == 0
    assert huge.facts("verify")["sound"]
    assert "1 in the store, 1 in place" in huge.cloche("doctor", status=None).out
    assert {one["state"] for one in huge.facts("doctor") if one["name"] in ("content", "data")} == {"ok"}
    huge.cloche("verify", "--repair")
    assert packed(huge) < 10_000


def test_what_changed_is_seen(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.run(command=["true"])
    huge.write("data/huge/t.csv", "id,x\n1,3\n")
    [state] = huge.facts("status")["data"]
    assert (state["lock"], state["in_place"]) == ("changed", True)
    assert [one["path"] for one in state["since"]] == ["data/huge/t.csv"]
    assert "revert --lock" not in huge.cloche("status").out
    [change] = huge.facts("diff")["data"]
    assert change["unstored"] == ["data/huge/t.csv"]
    assert "was never stored" in huge.cloche("diff").out
    run = huge.run(command=["true"])
    assert run["snapshot"]["data"]["in_place"] == ["data/huge"]


def test_revert_names_what_it_cannot_bring_back_and_leaves_it(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("add", "data/small.txt")
    first = huge.run(command=["true"])["id"]
    huge.write("data/huge/t.csv", "changed\n")
    huge.write("data/small.txt", "changed\n")
    assert "not as it was" in huge.cloche("revert", first, "-n").out
    said = huge.cloche("revert", first).err
    assert "not put back: data/huge is tracked in place and not as it was: data/huge/t.csv" in said
    assert (huge.read("data/small.txt"), huge.read("data/huge/t.csv")) == ("small\n", "changed\n")
    huge.write("data/small.txt", "changed\n")
    done = huge.cloche("revert", "--lock")
    assert huge.read("data/small.txt") == "small\n"
    assert "data/huge, which is tracked in place and not as cloche.lock names it" in done.err
    huge.write("data/huge/t.csv", "id,x\n1,2\n")  # put back by hand: now all is as it was
    huge.write("data/small.txt", "changed\n")
    huge.cloche("revert", first)
    assert huge.facts("status")["clean"]


def test_revert_to_before_never_deletes_what_lies_here_alone(huge: Shell) -> None:
    first = huge.run(command=["true"])["id"]
    huge.cloche("add", "--in-place", "data/huge")
    error = huge.cloche("revert", first, status=None)
    assert "move it out of the project" in error.err
    assert huge.data("data/huge/a.bin") == BIG
    assert packed(huge) < 120_000  # `run` stored it once as code, before it was tracked


def test_git_checkout_never_deletes_what_lies_here_alone(huge: Shell) -> None:
    huge.cloche("install")
    huge("git", "add", "cloche.toml")
    huge("git", "commit", "-qm", "nothing is tracked yet")
    huge("git", "checkout", "-q", "-b", "with")
    huge.cloche("add", "--in-place", "data/huge")
    huge.commit()
    huge("git", "checkout", "-q", "main")
    assert huge.data("data/huge/a.bin") == BIG
    huge("git", "checkout", "-q", "with")
    assert huge.facts("status")["data"][0]["lock"] == "same"


def test_single_files_are_said_to_be_unstored(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.run(command=["true"])
    assert [one["path"] for one in huge.facts("ls", "@", "data/huge")] == ["data/huge/a.bin", "data/huge/t.csv"]
    for words in (["cat", "@", "data/huge/t.csv"], ["checkout", "@", "data/huge/t.csv"]):
        huge.write("data/huge/t.csv", "changed\n")
        error = huge.cloche(*words, status=None)
        assert error.status != 0
        assert "tracked in place" in error.err


def test_copy_turns_it_back_and_undo_does_too(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("undo")
    assert "in_place" not in huge.read("cloche.toml").replace("#in_place", "")
    huge.cloche("add", "--in-place", "data/huge")
    done = huge.facts("add", "--copy", "data/huge")
    assert not done["paths"][0]["in_place"]
    assert packed(huge) > len(BIG)
    huge.run(command=["true"])
    (huge.folder / "data/huge/a.bin").unlink()
    huge.cloche("revert", "@")
    assert huge.data("data/huge/a.bin") == BIG


def test_what_is_gone_is_named_with_what_to_do(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/small.txt")
    (huge.folder / "data/small.txt").unlink()
    assert "only you can put it back" in huge.cloche("run", "--", "true", status=None).err
    assert "only you can put it back" in huge.cloche("status").out


def test_what_is_gone_keeps_nothing_else_from_being_recorded_or_put_back(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("add", "data/small.txt")
    huge.run(command=["true"])
    shutil.rmtree(huge.folder / "data/huge")
    (huge.folder / "data/small.txt").unlink()
    hint = (
        "data/huge: it is tracked in place, and only you can put it back; data/small.txt: `cloche revert --lock` brings"
    )
    for words in (["run", "--", "true"], ["add"]):
        assert hint in huge.cloche(*words, status=8).err
    assert "not put back: data/huge was tracked in place, and is not there" in huge.cloche("revert", "@").err
    assert huge.read("data/small.txt") == "small\n"
    huge.write("data/small.txt", "new\n")
    done = huge.facts("add")
    assert [one["tracked"]["path"] for one in done["paths"]] == ["data/small.txt"]
    assert [*done["absent"]] == ["data/huge"]
    assert "data/huge" in huge.read("cloche.lock")


def test_outputs_written_there_are_not_stored_either(huge: Shell) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.write("cloche.toml", huge.read("cloche.toml") + '[stages.make]\nrun = "cp data/huge/a.bin data/huge/b.bin"\n')
    huge.write("data/huge/a.bin", os.urandom(90_000))
    huge.run(command=())
    assert packed(huge) < 20_000
    assert huge.facts("verify")["sound"]


def test_push_says_what_stays_and_copying_it_later_sends_it(huge: Shell, tmp_path: Path) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("add", "data/small.txt")
    huge.run(command=["true"])
    huge.cloche("remote", "add", "origin", str(tmp_path / "remote"))
    huge.commit()
    assert "not pushed: data/huge, tracked in place" in huge.cloche("push").err
    huge("git", "clone", "-q", str(huge.folder), str(tmp_path / "second"))
    second = Shell(tmp_path / "second", huge.variables)
    second.cloche("pull", status=None)
    assert second.read("data/small.txt") == "small\n"
    assert len(second.facts("log")) == 1
    assert "only you can put it back" in second.cloche("status").out
    huge.cloche("add", "--copy", "data/huge")
    huge.commit()
    huge.cloche("push")
    second("git", "pull", "-q")
    second.cloche("pull")
    assert second.data("data/huge/a.bin") == BIG


def test_pull_and_clone_name_what_they_cannot_bring(huge: Shell, tmp_path: Path) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("add", "data/small.txt")
    huge.cloche("remote", "add", "origin", str(tmp_path / "remote"))
    huge.commit()
    huge.cloche("push")
    gone = "not put back: data/huge, which is tracked in place and not there: only you can put it back"
    done = Shell(tmp_path, huge.variables).cloche("clone", str(huge.folder), "second")
    assert "brought 1 file of data" in done.err
    assert gone in done.err
    second = Shell(tmp_path / "second", huge.variables)
    for words in (["pull"], ["pull", "--dry-run"]):
        said = second.cloche(*words).err
        assert gone in said
        assert "the data here is as" not in said
    huge("git", "clone", "--quiet", ".", "../third")
    third = Shell(tmp_path / "third", huge.variables)
    third.write("data/huge/a.bin", "other\n")
    said = third.cloche("pull").err
    assert "brought 1 file to cloche.lock" in said
    assert "not put back: data/huge, which is tracked in place and not as cloche.lock names it" in said
    assert third.facts("pull")["plan"]["notes"]
    assert "the data here is as cloche.lock names it" in huge.cloche("pull").err


def test_a_git_revision_without_content_is_named_by_path_with_the_way_to_it(huge: Shell, tmp_path: Path) -> None:
    huge.write("other/o.txt", "o\n")
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("add", "data/small.txt", "other")
    huge.commit()
    huge("git", "clone", "--quiet", ".", "../second")
    second = Shell(tmp_path / "second", huge.variables)
    commit = second("git", "rev-parse", "HEAD").out[:12]
    assert second.cloche("cat", "HEAD", "other/o.txt", status=5).err == (
        f"cloche: the store here does not hold other of commit {commit}\n"
        "hint: with that commit checked out, `cloche pull` fetches it from a remote; "
        "else `cloche verify --repair` brings back what it can\n"
    )
    assert f"data/small.txt of commit {commit}" in second.cloche("cat", "@", "data/small.txt", status=5).err
    said = second.cloche("cat", "@", "data/huge/t.csv", status=5).err
    assert "does not hold the list of data/huge, which was tracked in place" in said
    assert "`cloche pull` fetches it" in said
    assert huge.cloche("cat", "HEAD", "data/huge/t.csv").out == "id,x\n1,2\n"


def test_a_clone_of_the_remote_alone_brings_all_else(huge: Shell, tmp_path: Path) -> None:
    huge.cloche("add", "--in-place", "data/huge")
    huge.cloche("add", "data/small.txt")
    huge.cloche("remote", "add", "origin", str(tmp_path / "remote"))
    huge.run(command=["true"])
    huge.cloche("push")
    done = Shell(tmp_path, huge.variables).cloche("clone", "remote", "alone")
    assert "not brought: data/huge, tracked in place: only its digests are recorded" in done.err
    alone = Shell(tmp_path / "alone", huge.variables)
    assert alone.read("data/small.txt") == "small\n"
    assert alone.facts("status")["forgotten"] == ["data/huge"]


# Elsewhere on the disk


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    place = tmp_path / "mnt" / "image net"
    place.mkdir(parents=True)
    (place / "a.bin").write_bytes(BIG)
    (place / "deep").mkdir()
    (place / "deep/b.txt").write_text("b\n")
    return place


def test_data_elsewhere_has_a_link_and_is_recorded_through_it(project: Shell, elsewhere: Path) -> None:
    done = project.facts("add", "--in-place", str(elsewhere), "--as", "data/net")
    assert (done["paths"][0]["tracked"]["count"], done["paths"][0]["state"]) == (2, "new")
    assert f'"data/net" = "{elsewhere}"' in project.read("cloche.toml")
    assert os.readlink(project.folder / "data/net") == str(elsewhere)
    project.run(command=["cat", "data/net/deep/b.txt"])
    assert packed(project) < 10_000
    project.commit()
    assert project("git", "status", "--short").out == ""
    assert project.facts("status")["clean"]
    (elsewhere / "deep/b.txt").write_text("changed\n")
    [state] = project.facts("status")["data"]
    assert [one["path"] for one in state["since"]] == ["data/net/deep/b.txt"]
    assert [one["path"] for one in project.facts("ls", "@", "data/net")] == ["data/net/a.bin", "data/net/deep/b.txt"]
    assert "not as it was: data/net/deep/b.txt" in project.cloche("revert", "@").err
    assert (elsewhere / "deep/b.txt").read_text() == "changed\n"


def test_a_single_file_elsewhere(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere / "a.bin"))
    assert project.data("data/a.bin") == BIG
    project.run(command=["true"])
    assert project.facts("status")["clean"]
    assert packed(project) < 10_000


def test_the_link_is_made_again_where_it_is_missing(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    (project.folder / "data/net").unlink()
    assert project.facts("status")["data"][0]["lock"] == "missing"
    project.run(command=["true"])
    assert os.readlink(project.folder / "data/net") == str(elsewhere)
    (project.folder / "data/net").unlink()
    project.cloche("revert", "--lock")
    assert os.readlink(project.folder / "data/net") == str(elsewhere)


def test_hooks_make_the_link_again_and_name_what_is_not_as_the_lock_names_it(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    project.write("data/small.txt", "small\n")
    project.cloche("add", "--in-place", "data/small.txt")
    project.cloche("install")
    project.commit("with")
    said = project("git", "worktree", "add", "../second").err
    second = Shell(project.folder.parent / "second", project.variables)
    assert second.data("data/net/a.bin") == BIG
    assert "cloche: made the link data/net, which was missing\n" in said
    gone = "data/small.txt, which is tracked in place and not there: only you can put it back"
    assert f"cloche: not put back: {gone}\n" in said
    project("git", "switch", "--quiet", "--create", "without")
    project.cloche("untrack", "data/net")
    project.write("data/small.txt", "other\n")
    project.cloche("add")
    project.commit("without")
    said = project("git", "switch", "main").err
    assert os.readlink(project.folder / "data/net") == str(elsewhere)
    assert "made the link data/net, which was missing" in said
    assert "not put back: data/small.txt, which is tracked in place and not as cloche.lock names it" in said
    assert project.read("data/small.txt") == "other\n"
    assert "data/net is tracked no more, and was removed" in project("git", "switch", "without").err
    assert not os.path.lexists(project.folder / "data/net")
    assert (elsewhere / "a.bin").read_bytes() == BIG
    project("git", "switch", "--quiet", "main")
    assert project.data("data/net/a.bin") == BIG


def test_a_hook_makes_no_link_over_anything_and_asks_no_object_store(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    project.write("cloche.toml", project.read("cloche.toml") + '"far" = "s3://bucket/set"\n"share" = "//127.0.0.1/x"\n')
    more = "".join(f"{'1' * 64} d 1 1 {path}\n" for path in ("far", "share"))
    project.write("cloche.lock", project.read("cloche.lock") + more)
    (project.folder / "data/net").unlink()
    project.write("data/net/mine.txt", "mine\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        endpoint = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}", "AWS_ALLOW_HTTP": "true"}
        said = Shell(project.folder, {**project.variables, **endpoint}).cloche("hook", "post-checkout").err
        with pytest.raises(TimeoutError):
            server.accept()
    assert said == f"cloche: not put back: data/net is not the link to {elsewhere} that cloche.toml names\n"
    assert project.read("data/net/mine.txt") == "mine\n"


def test_a_commit_says_what_changed_elsewhere_and_no_more(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    project.cloche("add", "--in-place", str(elsewhere / "a.bin"), "--as", "data/one")
    project.cloche("install", "pre-commit", "--strict")
    project("git", "add", "--all")
    assert "cloche" not in project("git", "commit", "-m", "all of it").err
    (elsewhere / "deep/b.txt").write_text("changed\n")
    said = project("git", "commit", "--allow-empty", "-m", "x", status=1).err
    assert "not committed: data/net changed, and cloche.lock does not say so" in said
    elsewhere.rename(elsewhere.parent / "away")  # what is missing differs not
    project("git", "commit", "--allow-empty", "-m", "x")


def test_that_a_link_is_made_again_is_said(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    (project.folder / "data/net").unlink()
    assert "`cloche revert --lock` makes the link again" in project.cloche("status").out
    assert "create    data/net, the link" in project.cloche("revert", "--lock", "-n").out
    assert project.cloche("revert", "--lock").err == "cloche: made the link data/net, which was missing\n"
    assert "nothing to do" in project.cloche("revert", "--lock").err


@pytest.mark.parametrize("words", [["run", "--", "true"], ["add"]])
def test_a_place_that_is_not_mounted_is_named(project: Shell, elsewhere: Path, words: list[str]) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    elsewhere.rename(elsewhere.parent / "away")
    assert f"make {elsewhere} available" in project.cloche(*words, status=8).err


def test_what_lies_there_unchanged_can_be_read_and_need_not_be_taken(project: Shell, elsewhere: Path) -> None:
    """By the paths that `ls` prints, although they lie behind a link that leads out of the project."""
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    project.run(command=["true"])
    assert project.cloche("cat", "@", "data/net/deep/b.txt").out == "b\n"
    assert "nothing to do" in project.cloche("checkout", "@", "data/net").err
    (elsewhere / "a.bin").write_bytes(BIG[::-1])
    assert "which was tracked in place" in project.cloche("cat", "@", "data/net/a.bin", status=5).err
    assert f"data/net/a.bin is not as it was in {elsewhere}" in project.cloche("checkout", "@", "data", status=5).err
    assert "nothing to do" in project.cloche("checkout", "@", "data/net/deep").err
    assert (elsewhere / "a.bin").read_bytes() == BIG[::-1]


def test_an_object_store_out_of_reach_is_named_and_all_else_is_compared(project: Shell) -> None:
    pytest.importorskip("obstore")
    project.write("data/x", "1")
    project.cloche("add", "data")
    project.run(command=["true"])
    project.write("cloche.toml", '[data.external]\n"far" = "s3://bucket/set"\n')
    project.write("cloche.lock", project.read("cloche.lock") + f"{'1' * 64} d 1 1 far\n")
    project.write("data/x", "2")
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "x", "AWS_ALLOW_HTTP": "true"}
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = Shell(project.folder, {**project.variables, **nowhere, **keys}).cloche("status", "--json")
    data, far = done.json["data"]
    assert (data["lock"], far["lock"], far["since"]) == ("changed", "unknown", [])
    [(path, why)] = done.json["unreadable"]
    assert (path, "cannot be reached" in why) == ("far", True)


def test_something_else_in_its_place_is_refused(project: Shell, elsewhere: Path) -> None:
    project.write("data/net/mine.txt", "mine\n")
    error = project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net", status=None)
    assert "data/net is there already" in error.err
    assert project.read("data/net/mine.txt") == "mine\n"


def test_untrack_takes_link_and_setting_away_and_undo_brings_both_back(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "data/net")
    project.cloche("untrack", "data/net")
    assert not os.path.lexists(project.folder / "data/net")
    assert "data/net" not in project.read("cloche.toml")
    assert (elsewhere / "a.bin").read_bytes() == BIG
    project.cloche("undo")
    assert project.data("data/net/a.bin") == BIG
    project.cloche("undo", "1", status=None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--in-place"], "no path given"),
        (["--in-place", "--copy", "data"], "opposites"),
        (["--as", "data/x", "data/small.txt"], "--as names"),
        (["--in-place", "data/small.txt", "--as", "data/x"], "leave --as out"),
        (["--in-place", "/nowhere/at/all"], "does not exist"),
        (["--in-place", "ftp://host/prefix", "--as", "data/x"], "is no object store"),
        (["--in-place", "/usr", "--as", "../x"], "outside the project"),
        (["--in-place", "/usr", "--as", ".git/x"], "no one may track"),
    ],
)
def test_wrong_words_are_explained(huge: Shell, words: list[str], said: str) -> None:
    before = huge.files()
    error = huge.cloche("add", *words, status=None)
    assert error.status != 0
    assert said in error.err
    assert huge.files() == before


def test_a_refused_command_makes_no_link_and_others_say_that_they_do(project: Shell, elsewhere: Path) -> None:
    other = elsewhere.parent / "raw.bin"
    other.write_bytes(BIG)
    project.cloche("add", "--in-place", str(elsewhere), "--as", "deep/er/net")
    project.cloche("add", "--in-place", str(other))
    project.run(command=["true"])
    other.rename(elsewhere.parent / "away")
    shutil.rmtree(project.folder / "deep")
    assert "tracked data is missing: data/raw.bin" in project.cloche("run", "--", "true", status=8).err
    assert not (project.folder / "deep").exists()
    (elsewhere.parent / "away").rename(other)
    said = "cloche: made the link deep/er/net, which was missing\n"
    link = project.folder / "deep/er/net"
    assert "unchanged" in project.cloche("add", "-n").err
    assert not link.is_symlink()
    for words in (["add"], ["run", "--", "true"], ["checkout", "@", "deep/er/net/a.bin"], ["revert", "--lock"]):
        assert said in project.cloche(*words).err
        link.unlink()
    assert "create    deep/er/net, the link" in project.cloche("checkout", "@", "deep", "-n").out


def test_what_is_not_the_link_to_data_elsewhere_is_named_as_such(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "net")
    project.cloche("install", "pre-commit")
    project.commit()
    (project.folder / "net").unlink()
    for target in ("", os.sep):
        if target:
            os.symlink(target, project.folder / "net")
        else:
            project.write("net/own.txt", "own\n")
        [state] = project.facts("status")["data"]
        assert (state["lock"], state["files"]) == ("missing", 0)
        assert f"net: move away what is there, which is not the link to {elsewhere}" in project.cloche("status").out
        assert "cloche add" not in project("git", "commit", "--allow-empty", "-m", "x").err
        assert "is not the link to" in project.cloche("add", status=6).err
        if not target:
            shutil.rmtree(project.folder / "net")
    project.write("full/mine.txt", "mine\n")
    error = project.cloche("add", "--in-place", str(elsewhere), "--as", "full", status=6).err
    assert "full is there already" in error
    assert "cloche.toml names" not in error


def test_untrack_says_that_the_link_goes(project: Shell, elsewhere: Path) -> None:
    project.cloche("add", "--in-place", str(elsewhere), "--as", "net")
    assert f"the link would go, and the files stay in {elsewhere}" in project.cloche("untrack", "-n", "net").err
    assert f"the link is gone, and the files stay in {elsewhere}" in project.cloche("untrack", "net").err


def test_what_keeps_changing_elsewhere_is_named_as_it_is_called_there(project: Shell, elsewhere: Path) -> None:
    file = elsewhere / "growing.bin"
    file.write_bytes(b"0" * 30_000_000)
    with growing(file):
        error = project.cloche("add", "--in-place", str(elsewhere), status=8).err
    assert f"{file} kept changing while it was read" in error


def test_the_settings_are_as_they_were_once_nothing_lies_elsewhere(project: Shell, elsewhere: Path) -> None:
    before = project.read("cloche.toml")
    project.cloche("add", "--in-place", str(elsewhere))
    once = project.read("cloche.toml")
    project.cloche("add", "--in-place", str(elsewhere / "a.bin"), "--as", "one")
    assert project.read("cloche.toml") == f'{once}one = "{elsewhere}/a.bin"\n'
    project.cloche("untrack", "one")
    assert project.read("cloche.toml") == once
    project.cloche("untrack", "data/image net")
    assert project.read("cloche.toml") == before
    assert "--as needs a path" in project.cloche("add", "--in-place", str(elsewhere), "--as", "", status=2).err
