"""A remote that is damaged: what is wrong is named, and one command, where the runs are, makes it whole."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from msgspec.structs import replace

import cloche
from cloche.api import OpenProject
from cloche.errors import ClocheError, Conflict, RemoteError
from cloche.ops.push import Pushed
from cloche.remotes.folder import FolderBackend
from cloche.store.filesystem import FileSystem
from cloche.store.objects import Store
from cloche.store.transfer import outgoing, plan
from shell import Shell, variables


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory, a_model: Shell) -> Path:
    """A project with two runs on two versions of the data, and beside it the remote that it was pushed to."""
    folder = tmp_path_factory.mktemp("repair")
    (folder / "home").mkdir()
    shell = Shell(folder / "ada", variables(folder / "home"))
    a_model.copied_to(shell)
    with cloche.open(shell.folder) as project:
        project.remote_add("origin", os.fspath(folder / "remote"))
        for seed in (1, 2):
            shell.write("data/large.bin", random.Random(seed).randbytes(150_000))
            project.add("data")
            project.run(["cp", "data/points.csv", "out.csv"])
            project.push()
    return folder


@pytest.fixture
def place(pushed: Path, tmp_path: Path) -> Path:
    """A copy of both, to be damaged: `ada` and `remote`."""
    shutil.copytree(pushed / "remote", tmp_path / "remote")
    shutil.copytree(pushed / "ada", tmp_path / "ada", symlinks=True)
    return tmp_path


@pytest.fixture
def ada(place: Path) -> Iterator[OpenProject]:
    with cloche.open(place / "ada") as project:
        project.remote_remove("origin")
        project.remote_add("origin", os.fspath(place / "remote"))
        project.remote_test()
        yield project


@pytest.fixture
def at(place: Path, pushed: Path) -> Callable[[str], Shell]:
    """Somebody at a shell, in a folder of that name."""
    return lambda name: Shell(place / name, variables(pushed / "home"))


def largest(place: Path, ending: str) -> Path:
    return max((place / "remote").rglob(f"*.{ending}"), key=lambda path: path.stat().st_size)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def assert_whole(place: Path, ada: OpenProject) -> None:
    """Nothing is wrong with the remote, and whoever takes all of it has all of it."""
    found = ada.remote_test(data=True)
    assert found.problems == ()
    with cloche.init(place / "bob") as bob:
        bob.remote_add("origin", os.fspath(place / "remote"))
        fetched = bob.fetch()
        assert (fetched.problems, fetched.elsewhere) == ((), 0)
        assert {run.id for run in bob.log()} >= {run.id for run in ada.log()}
        assert bob.verify().sound


def assert_same(preview: Pushed, done: Pushed) -> None:
    """A dry run has said what was then done; but for the names of new bundles, which hold the time."""
    assert preview.dry_run
    assert replace(preview, dry_run=False) == done


DAMAGE = [("pack", flip), ("pack", cut), ("pack", Path.unlink), ("index", flip), ("index", Path.unlink)]
DAMAGE += [("bundle", flip), ("bundle", cut), ("bundle", Path.unlink)]


@pytest.mark.parametrize(
    ("ending", "damage", "cached"),
    [
        pytest.param(
            *one, cached, id=f"{one[0]}-{one[1].__name__}-{'known here' if cached else 'unknown'}", marks=marks
        )
        for number, one in enumerate(DAMAGE)
        for cached, marks in ((number % 2 == 0, ()), (number % 2 == 1, pytest.mark.slow))
    ],
)
def test_whatever_is_damaged_is_named_and_mended(
    place: Path, ada: OpenProject, ending: str, damage: Callable[[Path], object], cached: bool
) -> None:
    if not cached:
        shutil.rmtree(place / "ada/.cloche/cache")
    file = largest(place, ending)
    damage(file)
    problems = " ".join(ada.remote_test(data=True).problems)
    assert file.stem[:12] in problems
    before = sorted((place / "remote").rglob("*"))
    preview = ada.push(repair=True, dry_run=True)
    assert sorted((place / "remote").rglob("*")) == before
    done = ada.push(repair=True)
    assert done.mended or done.runs
    assert done.problems == ()
    assert_same(preview, done)
    assert_whole(place, ada)


def test_a_pack_that_cannot_be_made_as_it_was_is_sent_anew_and_taken_away(place: Path, ada: OpenProject) -> None:
    """Nobody knows where in it what lay, and all that was stored here is cut anew."""
    file = largest(place, "pack")
    cut(file)
    file.with_suffix(".index").write_bytes(b"")
    kept = {*(place / "remote").rglob("*.bundle")}
    shutil.rmtree(place / "ada/.cloche/cache")
    packs = [*(place / "ada/.cloche/store/packs").rglob("*.pack")]
    repacked(place / "ada/.cloche/store")
    assert not [pack for pack in packs if pack.exists() and pack.stat().st_size > 1000]
    preview = ada.push(repair=True, dry_run=True)
    assert preview.runs
    assert file.exists()
    done = ada.push(repair=True)
    assert done.problems == ()
    assert_same(preview, done)
    assert not file.exists()
    assert kept - {*(place / "remote").rglob("*.bundle")}
    assert_whole(place, ada)


def repacked(folder: Path) -> None:
    """Put everything in a store into one other pack."""
    store = Store(folder)
    everything = {one.digest for _, places in store.packs.contents() for one in places}
    what = plan(store, everything)[0]
    picked = {name: places[::-1] for name, places in what.picked.items()}
    made = [*outgoing(store, what._replace(picked=picked))]
    store.close()
    shutil.rmtree(folder / "packs")
    for pack in made:
        shard = folder / "packs" / pack.digest[:2]
        shard.mkdir(parents=True, exist_ok=True)
        (shard / f"{pack.digest}.pack").write_bytes(pack.data)


def test_a_damaged_pack_is_not_what_new_runs_rest_on_after_a_repair(place: Path, ada: OpenProject) -> None:
    flip(largest(place, "pack"))
    ada.run(["cp", "data/large.bin", "copy.bin"])
    assert len(ada.push().runs) == 1
    ada.push(repair=True)
    assert_whole(place, ada)


@pytest.mark.usefixtures("ada")
def test_the_hints_work_when_typed(place: Path, at: Callable[[str], Shell]) -> None:
    flip(largest(place, "pack"))
    told = at(".").cloche("clone", "remote", "bob", status=9).err
    assert "cloche push --repair" in told
    assert "cloche.lock" not in told
    bob, shell = at("bob"), at("ada")
    assert (bob.folder / "data/points.csv").exists() or "does not hold all of data" in told
    assert "damaged" in shell.cloche("remote", "test", "--data", status=9).out
    assert "mended: pack" in shell.cloche("push", "--repair", "--remote", "origin").err
    assert "and is sound" in shell.cloche("push", "--repair").err
    with cloche.open(place / "bob") as project:
        project.fetch()
        project.revert("@", only=["data"])
    assert bob.data("data/large.bin") == shell.data("data/large.bin")


def test_what_others_alone_have_is_left_to_them(place: Path, ada: OpenProject, at: Callable[[str], Shell]) -> None:
    """Neither the bundle nor what is left of its packs goes; what is said names the run."""
    at(".").cloche("clone", "remote", "bob")
    with cloche.open(place / "bob") as bob:
        (place / "bob/data/own.bin").write_bytes(os.urandom(90_000))
        bob.add("data")
        run = bob.run(["true"])
        packs = {*(place / "remote").rglob("*.pack")}
        bob.push()
        [own] = {*(place / "remote").rglob("*.pack")} - packs
        own.write_bytes(own.read_bytes()[: own.stat().st_size // 2])
        preview = ada.push(repair=True, dry_run=True)
        done = ada.push(repair=True)
        assert run.short in " ".join(done.problems)
        assert_same(preview, done)
        at("ada").cloche("push", "--repair", "--dry-run", status=9)
        assert own.exists()
        ada.fetch(data=False)
        assert ada.push().runs == ()
        assert run.short in " ".join(ada.push(repair=True).problems)
        assert bob.push(repair=True).problems == ()
    assert ada.remote_test(data=True).problems == ()


def test_a_dry_run_tells_of_what_no_bundle_names_and_of_the_inventory(
    place: Path, ada: OpenProject, at: Callable[[str], Shell]
) -> None:
    stray = place / f"remote/packs/ab/{'ab' * 32}.pack"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"no pack")
    cut(place / "remote/inventory")
    told = at("ada").cloche("push", "--repair", "--dry-run").err
    assert "would take away pack abab" in told
    assert "would mend: the inventory" in told
    assert "sound" not in told
    preview = ada.push(repair=True, dry_run=True)
    assert stray.exists()
    assert_same(preview, ada.push(repair=True))
    assert not stray.exists()
    cut(place / "remote/inventory")
    assert_same(ada.push(dry_run=True), ada.push())
    assert_whole(place, ada)


@pytest.mark.parametrize("ending", ["pack", "index", "bundle"])
def test_what_lies_where_nothing_looks_for_it_is_named_and_put_away(place: Path, ada: OpenProject, ending: str) -> None:
    file = largest(place, ending)
    copy, moved = (place / f"remote/packs/43/{name}.{ending}" for name in ("ab" * 32, file.stem))
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(file, copy)
    (copy.parent / "notes.txt").touch()
    file.rename(moved)
    shutil.rmtree(place / "ada/.cloche/cache")
    problems = " ".join(ada.remote_test().problems)
    for one in (copy, moved):
        assert f"packs/43/{one.name} lies where nothing looks for it" in problems
    preview, done = ada.push(repair=True, dry_run=True), ada.push(repair=True)
    assert_same(preview, done)
    assert file.exists()
    assert [*copy.parent.glob("*")] == [copy.parent / "notes.txt"]
    assert (done.runs, done.problems) == ((), ())
    assert_whole(place, ada)


@pytest.mark.parametrize("how", ["renamed", "a copy", "swapped", "over a lost one"])
@pytest.mark.parametrize("ending", ["pack", "bundle"])
def test_what_is_whole_under_another_name_is_put_back_also_by_who_cannot_send_it(
    place: Path, ada: OpenProject, ending: str, how: str
) -> None:
    before = {file: file.read_bytes() for file in (place / "remote").rglob("*") if file.is_file()}
    file, other = sorted((place / "remote").rglob(f"*.{ending}"), key=lambda one: one.stat().st_size)[-1:-3:-1]
    unknown = other.with_stem("ab" * 32)
    if ending == "pack":
        unknown = place / f"remote/packs/ab/{unknown.name}"
        unknown.parent.mkdir(exist_ok=True)
    if how == "swapped":
        file.rename(place / "aside")
        other.rename(file)
        (place / "aside").rename(other)
    elif how == "a copy":
        shutil.copyfile(file, unknown)
    else:
        file.rename(other if how == "over a lost one" else unknown)
    with cloche.init(place / "carl") as carl:  # knows nothing, and never read this remote before
        carl.remote_add("origin", os.fspath(place / "remote"))
        assert_same(carl.push(repair=True, dry_run=True), done := carl.push(repair=True))
    assert (f"{ending} {file.stem[:12]}, which had another name" in done.mended) == (how != "a copy")
    if how == "over a lost one":
        assert ada.push(repair=True).problems == ()
    else:
        assert {file: file.read_bytes() for file in (place / "remote").rglob("*") if file.is_file()} == before
        assert done.problems == ()
    assert_whole(place, ada)


@pytest.mark.parametrize("to", ["ab", "43"])
def test_what_is_left_of_a_lost_pack_stays_until_the_pack_is_there_again(
    place: Path, ada: OpenProject, to: str
) -> None:
    file = largest(place, "pack")
    flip(file)
    left = place / f"remote/packs/{to}/{'ab' * 32}.pack"
    left.parent.mkdir(exist_ok=True)
    file.rename(left)
    with cloche.init(place / "carl") as carl:
        carl.remote_add("origin", os.fspath(place / "remote"))
        assert_same(carl.push(repair=True, dry_run=True), done := carl.push(repair=True))
    assert (done.mended, left.exists()) == ((), True)
    assert file.stem[:12] in " ".join(done.problems)
    assert_same(ada.push(repair=True, dry_run=True), done := ada.push(repair=True))
    assert (done.problems, left.exists()) == ((), False)
    assert_whole(place, ada)


# Bundles that are gone


@pytest.fixture
def bob(place: Path, ada: OpenProject) -> Iterator[OpenProject]:
    with cloche.init(place / "bob") as project:
        project.remote_add("origin", os.fspath(place / "remote"))
        project.fetch(data=False)
        yield project


@pytest.fixture
def lost(place: Path, bob: OpenProject) -> Path:
    """A bundle with a run that only Bob has, and that somebody deletes."""
    before = {*(place / "remote/bundles").iterdir()}
    (place / "bob/own.csv").write_bytes(b"own\n")
    bob.run(["true"])
    bob.push()
    [bundle] = {*(place / "remote/bundles").iterdir()} - before
    return bundle


def test_a_bundle_that_is_gone_is_named_to_everybody_until_it_is_made_again(
    place: Path, ada: OpenProject, bob: OpenProject, at: Callable[[str], Shell], lost: Path
) -> None:
    lost.unlink()
    ada.run(["true"])
    gone = f"warning: bundle {lost.stem[:12]} is gone: the inventory names it"
    assert gone in at("ada").cloche("push").err  # with something to send
    assert gone in (told := at("ada").cloche("push").err)  # and without
    assert "hint: `cloche push --repair --remote origin`" in told
    preview = ada.push(repair=True, dry_run=True)
    told = at("ada").cloche("push", "--repair", status=9).err
    assert gone in told
    assert "sound" not in told
    assert_same(preview, ada.push(repair=True))
    assert lost.stem[:12] in " ".join(ada.remote_test().problems)
    assert f"bundle {lost.stem[:12]}" in " ".join(bob.push(repair=True).mended)
    assert lost.exists()
    assert ada.push(repair=True).problems == ()
    assert ada.remote_test(data=True).problems == ()


def test_who_has_only_the_records_does_not_let_a_bundle_go_and_who_has_the_runs_sends_them_anew(
    place: Path, ada: OpenProject, bob: OpenProject, lost: Path
) -> None:
    ada.fetch(data=False)
    run = bob.log()[0]
    lost.unlink()
    for pack in (place / "remote/packs").rglob("*"):  # so that it cannot come back as it was
        if pack.is_file() and pack.stat().st_mtime >= (place / "bob/own.csv").stat().st_mtime:
            pack.unlink()
    assert run.short in " ".join(ada.push(repair=True).problems)
    shutil.rmtree(place / "ada/.cloche/cache")
    assert lost.stem[:12] in " ".join(ada.push(repair=True).problems)
    shutil.rmtree(place / "bob/.cloche/cache")
    done = bob.push(repair=True)
    assert (done.runs, done.problems) == ((run.id,), ())
    assert ada.remote_test(data=True).problems == ()


def test_a_damaged_bundle_of_others_is_taken_away_but_not_forgotten(
    ada: OpenProject, bob: OpenProject, lost: Path
) -> None:
    flip(lost)
    assert_same(ada.push(repair=True, dry_run=True), done := ada.push(repair=True))
    assert f"took away bundle {lost.stem[:12]}" in done.mended
    for push in (done, ada.push(), ada.push(repair=True)):
        assert lost.stem[:12] in " ".join(push.problems)
    assert bob.push(repair=True).problems == ()
    assert ada.remote_test(data=True).problems == ()


def test_who_fetches_is_told_of_bundles_whose_runs_never_came(
    place: Path, ada: OpenProject, at: Callable[[str], Shell]
) -> None:
    bundles = sorted((place / "remote/bundles").iterdir())
    bundles[0].unlink()
    told = at(".").cloche("clone", "remote", "some", status=9).err
    assert f"warning: origin has lost bundle {bundles[0].stem[:12]}" in told
    for verb in ("fetch", "pull"):
        assert "cloche push --repair" in at("some").cloche(verb, status=9).err
    bundles[1].unlink()
    assert "no run yet" not in at(".").cloche("clone", "remote", "none", status=9).err
    assert ada.fetch().problems == ()  # all of them are here
    ada.push(repair=True)
    assert "warning" not in at("some").cloche("fetch").err


@pytest.mark.parametrize("odd", ["gone", "short", "pipe"])
def test_who_clones_is_told_where_nobody_can_tell_what_is_lost(
    place: Path, ada: OpenProject, at: Callable[[str], Shell], odd: str
) -> None:
    inventory = place / "remote/inventory"
    first, *_ = (place / "remote/bundles").iterdir()
    first.unlink()
    lines = inventory.read_text().splitlines(keepends=True)
    inventory.unlink()
    if odd == "short":
        inventory.write_text("".join(lines[:-1]))
    elif odd == "pipe":
        os.mkfifo(inventory)
    told = at(".").cloche("clone", "remote", "some", status=9).err
    assert "inventory, so that nobody can tell which bundles it has lost: `cloche push --repair`" in told
    if odd == "pipe":
        inventory.unlink()
    assert "the inventory, which those who read by the web need" in ada.push(repair=True).mended
    assert "warning" not in at("some").cloche("fetch").err


def device(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "notes.txt").touch()


def huge(file: Path) -> None:
    os.truncate(file, 1 << 40)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and devices in the file system")
@pytest.mark.parametrize(
    ("put_there", "ending"),
    [(device, "pack"), (device, "bundle"), (pipe, "inventory"), (pipe, "format"), (pipe, "index")]
    + [(put_there, ending) for put_there in (folder, huge) for ending in ("pack", "index", "bundle")],
)
def test_what_cannot_be_an_object_is_never_read_and_counts_as_damaged(
    place: Path, ada: OpenProject, ending: str, put_there: Callable[[Path], None]
) -> None:
    """Nobody waits for a pipe or runs out of memory, and a folder that is in the way is not deleted."""
    file = place / "remote" / ending if ending in ("inventory", "format") else largest(place, ending)
    good = file.read_bytes()
    put_there(file)
    if ending == "format":
        with pytest.raises(RemoteError, match="`format` is damaged"):
            ada.push()
    else:
        assert ada.remote_test(data=True).problems
        with cloche.init(place / "carl") as carl:
            carl.remote_add("origin", os.fspath(place / "remote"))
            assert carl.fetch().problems or ending == "inventory"
    assert_same(ada.push(repair=True, dry_run=True), done := ada.push(repair=True))
    assert (done.runs, done.problems) == ((), ())
    assert (file.read_bytes() == good or ending == "format", file.is_symlink()) == (True, False)
    assert len([*(place / "remote").rglob("notes.txt")]) == (put_there is folder)
    assert_whole(place, ada)


def test_of_a_remote_that_lost_some_content_every_run_comes_that_is_whole_there(
    place: Path, ada: OpenProject, at: Callable[[str], Shell]
) -> None:
    """Also the folders that they have in common with runs that are not, and nothing promises what is not there."""
    packs = {*(place / "remote").rglob("*.pack")}
    (place / "ada/data/deep/deeper").mkdir(parents=True)
    (place / "ada/data/deep/deeper/new.bin").write_bytes(os.urandom(50_000))
    ada.add("data")
    run = ada.run(["true"])
    ada.push()
    for new in {*(place / "remote").rglob("*.pack")} - packs:
        new.write_bytes(b"")
    told = at(".").cloche("clone", "remote", "bob", status=9).err
    assert "is only there" not in told
    assert f"does not hold all of run {run.short}:" in told
    (place / "remote").rename(place / "away")
    with cloche.open(place / "bob") as bob:
        assert bob.verify().sound
        for one in bob.log()[1:]:
            bob.revert(one.id)
    (place / "away").rename(place / "remote")
    ada.push(repair=True)
    with cloche.open(place / "bob") as bob:
        assert (bob.fetch().problems, bob.fetch().elsewhere) == ((), 0)
        bob.revert(run.id)
        assert (place / "bob/data/deep/deeper/new.bin").exists()


def test_what_never_was_a_bundle_is_taken_away_and_forgotten(
    place: Path, ada: OpenProject, at: Callable[[str], Shell]
) -> None:
    inventory = place / "remote/inventory"
    good = inventory.read_bytes()
    junk = place / f"remote/bundles/{'ab' * 32}.bundle"
    junk.write_bytes(random.Random(3).randbytes(3000))
    ada.push()
    assert "abababababab" in " ".join(ada.remote_test().problems)
    assert_same(ada.push(repair=True, dry_run=True), done := ada.push(repair=True))
    assert ("took away bundle abababababab" in done.mended, done.problems) == (True, ())
    assert ada.remote_test(data=True).problems == ()
    assert inventory.read_bytes() == good
    inventory.write_bytes(good.replace(b"end 2", b"ab" * 32 + b"\nend 3"))  # as an older Cloche would have written it
    assert "delete the file `inventory`" in at("ada").cloche("push", "--repair", status=9).err
    inventory.unlink()
    at("ada").cloche("push")
    assert ada.remote_test(data=True).problems == ()


def test_without_the_inventory_nobody_looks_for_what_is_gone(place: Path, ada: OpenProject, lost: Path) -> None:
    lost.unlink()
    (place / "remote/inventory").unlink()
    done = ada.push()
    assert ("inventory" in " ".join(done.mended), done.problems) == (True, ())
    assert ada.remote_test(data=True).problems == ()


# The inventory


@pytest.fixture
def web(place: Path) -> Iterator[str]:
    """The remote behind a plain web server."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - it is called that
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=os.fspath(place / "remote")))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("how", ["gone", "cut", "a line less", "stale"])
def test_an_inventory_that_is_wrong_is_named_and_written_anew_by_any_push(
    place: Path, ada: OpenProject, web: str, how: str
) -> None:
    file = place / "remote/inventory"
    good = file.read_bytes()
    lines = good.splitlines(keepends=True)
    stale = b"".join([*lines[:2], b"end 1\n"])
    wrong = {"gone": b"", "cut": good[:-30], "a line less": b"".join(lines[:-1]), "stale": stale}[how]
    if wrong:
        file.write_bytes(wrong)
    else:
        file.unlink()
    assert "inventory" in " ".join(ada.remote_test().problems)
    if how != "stale":
        with pytest.raises(RemoteError, match="inventory") as caught:
            cloche.clone(web, os.fspath(place / "bob"))
        assert "cloche push" in caught.value.hint
        assert not (place / "bob").exists()
    assert "inventory" in " ".join(ada.push().mended)
    assert file.read_bytes() == good
    assert ada.remote_test().problems == ()
    with cloche.clone(web, os.fspath(place / "bob")) as bob:
        assert len(bob.log()) == 2


@pytest.mark.parametrize("left", [None, 0, 10, 15, 30])
def test_a_remote_that_lost_by_what_it_is_known_says_so_and_gets_it_back(
    place: Path, ada: OpenProject, left: int | None
) -> None:
    file = place / "remote/format"
    (place / "ada/data/new.csv").write_bytes(b"new\n")
    ada.add("data")
    ada.push()
    good = file.read_bytes()
    file.unlink()
    if left is not None:
        file.write_bytes(good[:left])
    word = "lost" if left is None else "damaged"
    with cloche.init(place / "other") as other:
        for refused in (
            ada.push,
            ada.remote_test,
            partial(other.remote_add, "origin", os.fspath(place / "remote")),
            partial(cloche.clone, os.fspath(place / "remote"), os.fspath(place / "bob")),
        ):
            with pytest.raises(RemoteError, match=f"`format` is {word}") as caught:
                refused()
            assert "cloche push --repair" in caught.value.hint
    assert "format" in ada.push(repair=True, dry_run=True).mended[0]
    assert not file.exists() or len(file.read_bytes()) == left
    assert "format" in ada.push(repair=True).mended[0]
    assert file.read_bytes() == good
    shutil.rmtree(place / "ada/.cloche/cache")
    file.unlink()
    ada.push(repair=True)
    assert len(file.read_bytes()) == len(good)
    assert_whole(place, ada)


def test_only_a_newer_mark_is_taken_for_a_newer_remote(place: Path, ada: OpenProject) -> None:
    (place / "remote/format").write_bytes(b"cloche-remote-2\n" + b"0" * 32 + b"\n")
    for push in (ada.push, partial(ada.push, repair=True)):
        with pytest.raises(RemoteError, match="newer Cloche"):
            push()


# What is left over, and who takes away what


def test_what_killed_pushes_have_left_is_named_and_taken_away_when_it_is_old(place: Path, ada: OpenProject) -> None:
    pack = largest(place, "pack")
    old, new, other = (pack.with_name(f"{pack.name}.{one}") for one in ("0" * 16 + ".tmp", "1" * 16 + ".tmp", "tmp"))
    for file in (old, new, other):
        file.write_bytes(b"x" * 1000)
    then = time.time() - 4000
    for file in (old, other):
        os.utime(file, (then, then))
    found = ada.remote_test()
    assert (found.left, found.left_size, found.problems) == (2, 2000, ())
    assert "1 left-over" in " ".join(ada.push().mended)
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_trying_a_place_out_leaves_nothing_there(place: Path, ada: OpenProject) -> None:
    ada.remote_test()
    assert sorted(os.listdir(place / "remote")) == ["bundles", "format", "inventory", "packs"]


def test_a_pack_that_vanishes_while_a_push_relies_on_it_is_never_referred_to(
    place: Path, ada: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes there between the first look and the last: the bundle is not written."""
    ada.run(["cp", "data/large.bin", "copy.bin"])
    bundles = {*(place / "remote").rglob("*.bundle")}
    monkeypatch.setattr(FolderBackend, "put", _before_first(FolderBackend.put, lambda: largest(place, "pack").unlink()))
    with pytest.raises(RemoteError, match="does not list"):
        ada.push()
    assert {*(place / "remote").rglob("*.bundle")} == bundles
    monkeypatch.undo()
    ada.push()
    ada.push(repair=True)
    assert_whole(place, ada)


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_remote_whose_disk_fails_at_any_step_of_a_push_shows_nothing_by_halves(
    place: Path, ada: OpenProject, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    """Full or broken: the push says so and writes no bundle, and the same push later goes on."""
    (place / "ada/data/more.bin").write_bytes(random.Random(9).randbytes(90_000))
    ada.add("data")
    ada.run(["true"])
    before = shutil.copytree(place / "remote", place / "before")
    at, failed = 1 - stride, 1
    hints: list[str] = []
    while failed:
        at, failed = at + stride, 0
        shutil.rmtree(place / "remote")
        shutil.copytree(before, place / "remote")
        with monkeypatch.context() as patch:
            steps = _fail(patch, place / "remote", at, (errno.ENOSPC, errno.EIO)[at % 2])
            try:
                ada.push()
            except ClocheError as refused:
                failed = 1
                hints.append(refused.hint)
            failed = failed or len(steps) >= at  # some steps may fail unseen, such as taking something away
        assert not [*(place / "remote").rglob("*.tmp")] or steps[at - 1] in ("unlink", "discard")
        found = ada.remote_test(data=True)
        assert found.problems == () or "inventory" in found.problems[0]
        ada.push()
        assert ada.remote_test(data=True).problems == ()
    assert len(hints) > 12 // stride
    assert all(hints)


def _fail(patch: pytest.MonkeyPatch, folder: Path, at: int, error: int) -> list[str]:
    """Let the step of that number below a folder fail; the steps that are taken."""
    steps: list[str] = []

    def failing(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(self: FileSystem, path: str, *arguments: object, **options: object) -> object:
            if path.startswith(os.fspath(folder)):
                steps.append(name)
                if len(steps) == at:
                    raise OSError(error, os.strerror(error))
            return real(self, path, *arguments, **options)

        return call

    for name in ("create", "sync_folder", "rename", "link", "unlink", "mkdir"):
        patch.setattr(FileSystem, name, failing(name, getattr(FileSystem, name)))
    return steps


def _before_first(real: Callable[..., bool], act: Callable[[], None]) -> Callable[..., bool]:
    """A step before which, the first time, something else happens."""
    pending = [act]

    def call(*arguments: object, **options: object) -> bool:
        if pending and ".pack" in str(arguments[1]):
            pending.pop()()
        return real(*arguments, **options)

    return call


# Whose remote it is


def test_a_push_of_another_project_is_refused_until_it_has_fetched(place: Path, ada: OpenProject) -> None:
    with cloche.init(place / "other") as other:
        other.run(["true"])
        other.remote_add("origin", os.fspath(place / "remote"))
        before = sorted((place / "remote").rglob("*"))
        with pytest.raises(Conflict, match="none is of this project") as caught:
            other.push()
        assert sorted((place / "remote").rglob("*")) == before
        assert "cloche fetch --no-data --remote origin" in caught.value.hint
        other.fetch(data=False)
        assert len(other.push().runs) == 1
    assert ada.remote_test().runs == 3


def test_a_new_clone_of_the_same_git_repository_may_push_at_once(place: Path, at: Callable[[str], Shell]) -> None:
    at(".")("git", "clone", "--quiet", "ada", "bob")
    with cloche.open(place / "bob") as bob:
        bob.remote_add("there", os.fspath(place / "remote"), local=True)
        (place / "bob/data").mkdir()
        (place / "bob/data/own.csv").write_bytes(b"id\n1\n")
        bob.add("data")
        bob.run(["true"])
        assert len(bob.push(remote="there").runs) == 1
