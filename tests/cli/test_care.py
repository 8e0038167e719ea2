"""`gc`, `prune` and `verify`: what nobody needs goes, what somebody needs stays, and what is damaged is named."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

import cloche
from cloche.project.project import Project
from shell import BIN, Shell

SIZE = 3_000_000


def noise(shell: Shell, path: str, size: int = SIZE) -> bytes:
    """A file that cannot be compressed."""
    data = os.urandom(size)
    shell.write(path, data)
    return data


def packs(shell: Shell) -> list[Path]:
    return sorted((shell.folder / ".cloche/store/packs").glob("*/*.pack"))


def stored(shell: Shell) -> int:
    return sum(path.stat().st_size for path in packs(shell))


def flip(pack: Path, at: int) -> None:
    """Damage one byte."""
    raw = bytearray(pack.read_bytes())
    raw[min(at, len(raw) - 1)] ^= 1
    pack.write_bytes(raw)


class TestGc:
    def test_what_a_removed_run_alone_needed_goes_when_its_time_is_over(self, plain: Shell) -> None:
        for number in range(3):
            plain.run(command=["sh", "-c", f"head -c {SIZE} /dev/urandom > model{number}.bin"])
        plain.cloche("remove", "@~1")
        assert plain.facts("gc")["unused"] < SIZE  # it can be undone for 14 days
        preview = plain.facts("gc", "--grace", "0", "--dry-run")
        assert preview["unused"] >= SIZE
        assert stored(plain) > 3 * SIZE
        done = plain.facts("gc", "--grace", "0")
        assert (done["unused"], done["kept"]) == (preview["unused"], preview["kept"])
        assert done["deleted"] >= SIZE
        assert 2 * SIZE < stored(plain) < 3 * SIZE
        assert plain.cloche("verify").status == 0
        for name in ("model0.bin", "model2.bin"):
            plain.cloche("checkout", "@" if name == "model2.bin" else "@~1", name)

    def test_a_preview_tells_what_goes_and_that_is_what_goes(self, plain: Shell) -> None:
        for _ in range(4):
            noise(plain, "data/a.bin", 300_000)
            plain.cloche("add", "data")
            plain.run(command=["true"])
        plain.cloche("prune", "--keep-last", "2")
        preview, before = plain.facts("gc", "--grace", "0", "--dry-run"), stored(plain)
        done = plain.facts("gc", "--grace", "0")
        assert preview["deleted"] == done["deleted"]
        assert 600_000 <= done["deleted"] < 700_000
        assert abs(before - stored(plain) - done["deleted"]) < 5_000

    def test_quarantine_gives_back_whatever_is_missed(self, plain: Shell) -> None:
        data = noise(plain, "data/a.bin")
        plain.cloche("add", "data")
        tracked = plain.read("cloche.lock")
        plain.cloche("untrack", "data")
        early = time.time() - 30 * 86_400
        with Project.find(plain.folder).catalog as catalog, catalog.transaction():
            catalog.database.change("UPDATE operation SET created = :early", {"early": early})
        assert plain.facts("gc")["quarantine"] >= SIZE
        assert stored(plain) < SIZE
        plain.write("cloche.lock", tracked)
        plain.write("data/a.bin", b"other")
        plain.cloche("revert", "--lock")
        assert plain.data("data/a.bin") == data
        assert stored(plain) >= SIZE
        assert plain.facts("gc")["quarantine"] < SIZE

    def test_adding_what_lies_in_quarantine_stores_nothing_again(self, plain: Shell) -> None:
        noise(plain, "data/a.bin")
        plain.cloche("add", "data")
        plain.cloche("undo")
        assert plain.facts("gc", "--grace", "0.0000001")["quarantine"] >= SIZE
        plain.cloche("add", "data")
        assert SIZE <= stored(plain) < 2 * SIZE
        assert plain.facts("gc", "--grace", "0")["deleted"] < SIZE
        assert plain.cloche("verify").status == 0

    def test_every_version_that_git_can_check_out_is_kept(self, project: Shell) -> None:
        for branch in ("one", "two", "three"):
            project("git", "checkout", "-q", "-b", branch)
            noise(project, "data/a.bin")
            project.cloche("add", "data")
            project.commit(branch)
        noise(project, "data/a.bin")
        project.cloche("add", "data")
        project("git", "stash", "-q")
        project("git", "branch", "-q", "-D", "one")
        done = project.facts("gc", "--grace", "0")
        assert (done["unused"] < SIZE, done["kept"] > 4 * SIZE) == (True, True)
        done = project.facts("gc", "--grace", "0", "--tips-only")
        assert done["deleted"] >= 3 * SIZE
        assert SIZE <= stored(project) < 2 * SIZE

    @pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink", "reflink"])
    def test_what_links_lead_to_stays_for_as_long_as_it_is_needed(self, project: Shell, mode: str) -> None:
        """Whole files of the store count as packs do, whether or not a link leads to them still."""
        project.write("cloche.toml", f'[data]\ncheckout = "{mode}"\n')
        first = noise(project, "data/a.bin", 300_000)
        project.cloche("add", "data", status=None)
        if "data" not in project.read("cloche.lock"):
            pytest.skip(f"the file system here has no {mode}")
        project.commit("first")
        project.run(command=["true"])
        assert project.facts("gc")["files"] == 0
        (project.folder / "data/a.bin").unlink()
        noise(project, "data/a.bin", 300_000)
        project.cloche("add")
        for _ in range(2):
            done = project.facts("gc", "--grace", "0")
            assert (done["missing"], done["files"]) == (0, 0)
        assert project.cloche("verify").status == 0
        project.cloche("revert", "@")
        assert project.data("data/a.bin") == first

    def test_what_was_given_up_is_not_missed(self, plain: Shell) -> None:
        plain.cloche("gc", "--grace", "0")
        assert plain.facts("gc")["missing"] == 0
        for text in ("1", "2"):
            plain.write("data.txt", text)
            plain.cloche("add", "data.txt")
        plain.cloche("gc", "--grace", "0")
        assert plain.facts("gc")["missing"] == 0
        refused = plain.cloche("undo", status=5)
        assert "does not hold all that was there before and after it" in refused.err
        assert "`cloche gc` deletes that after its grace time" in refused.err

    def test_what_a_remote_holds_is_not_missed(self, project: Shell) -> None:
        noise(project, "data/a.bin", 100_000)
        project.cloche("add", "data")
        project.cloche("remote", "add", "origin", str(project.folder.parent / "remote"))
        project.commit("data")
        project.cloche("push")
        project("git", "clone", "-q", ".", "../clone")
        clone = Shell(project.folder.parent / "clone", project.variables)
        clone.cloche("fetch", "--no-data")
        assert clone.facts("gc", "--grace", "0")["missing"] == 0
        clone.cloche("pull")
        assert clone.files() == project.files()

    def test_a_prune_that_is_undone_too_late_says_so(self, plain: Shell) -> None:
        for number in range(3):
            plain.run(command=["sh", "-c", f"echo {number} > out.txt"])
        plain.cloche("prune", "--keep-last", "1")
        assert plain.facts("undo", "--dry-run")["incomplete"] == []
        plain.cloche("gc", "--grace", "0")
        done = plain.cloche("undo", "--json").json
        assert len(done["incomplete"]) == 2
        assert len(plain.facts("log")) == 3

    def test_many_small_packs_become_one(self, plain: Shell) -> None:
        for number in range(12):
            plain.write("note.txt", f"{number}\n")
            plain.run(command=["true"])
        before = len(packs(plain))
        assert before > 12
        assert plain.facts("gc")["rewritten"] > 8
        assert len(packs(plain)) < 4
        assert plain.cloche("verify").status == 0
        plain.cloche("revert", "@~11", "--only", "code")
        assert plain.read("note.txt") == "0\n"

    @pytest.mark.parametrize("damaged", [0, 1])
    def test_of_two_copies_the_one_that_can_be_read_stays(self, plain: Shell, damaged: int) -> None:
        """Two writers that did not know of each other stored the same; one of the copies went bad."""
        data = noise(plain, "data/a.bin", 50_000)
        with Project.find(plain.folder).store.writer() as one, Project.find(plain.folder).store.writer() as other:
            for number, writer in enumerate((one, other)):
                writer.add_bytes(data)
                writer.add_bytes(b"makes the packs differ" * (number + 1))
        two = [pack for pack in packs(plain) if pack.stat().st_size > 50_000]
        assert len(two) == 2
        plain.cloche("add", "data")
        flip(two[damaged], 1000)
        plain.cloche("gc", "--grace", "0", status=None)
        (plain.folder / "data/a.bin").unlink()
        plain.cloche("revert", "--lock")
        assert plain.data("data/a.bin") == data

    def test_without_a_catalog_nothing_is_known_and_nothing_goes(self, plain: Shell) -> None:
        plain.run(command=["true"])
        (plain.folder / ".cloche/catalog.db").unlink()
        before = stored(plain)
        assert "catalog is empty" in plain.cloche("gc", "--grace", "0", status=6).err
        assert stored(plain) == before

    def test_a_git_that_cannot_tell_its_history_stops_it(self, project: Shell) -> None:
        project.run(command=["true"])
        project.commit()
        (project.folder / ".git/refs/heads/broken").write_text("1" * 40 + "\n")
        assert "Git cannot tell" in project.cloche("gc", status=None).err

    def test_a_tree_that_cannot_be_read_stops_it(self, plain: Shell) -> None:
        plain.run(command=["true"])
        for pack in packs(plain):
            flip(pack, 60)
        done = plain.cloche("gc", status=None)
        assert done.status != 0
        assert "cloche" in done.err

    def test_it_waits_for_those_who_write_and_they_for_it(self, plain: Shell) -> None:
        """The interleaving is forced: the lock is held on the other side while each of them tries."""
        project = Project.find(plain.folder)
        plain.write("data/a.csv", "1\n")
        for hold, words in ((project.storing(), ("gc",)), (project.collecting(), ("add", "data"))):
            with hold:
                process = subprocess.Popen([BIN / "cloche", *words], cwd=plain.folder, env=plain.variables)
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(1.5)
            assert process.wait(30) == 0

    def test_an_hour_long_run_is_not_in_its_way(self, plain: Shell) -> None:
        process = subprocess.Popen(
            [BIN / "cloche", "run", "--", "sh", "-c", "touch began; while [ ! -e end ]; do sleep 0.05; done"],
            cwd=plain.folder,
            env=plain.variables,
        )
        while not (plain.folder / "began").exists():
            time.sleep(0.02)
        assert "still going" in plain.cloche("gc", "--grace", "0", status=None).err
        plain.cloche("gc")
        plain.write("end", "")
        assert process.wait(30) == 0
        assert plain.cloche("verify").status == 0

    def test_a_gc_that_races_writers_loses_nothing(self, plain: Shell) -> None:
        stop = threading.Event()

        def collect() -> None:
            while not stop.is_set():
                plain.cloche("gc", "--grace", "0.0000001")

        collector = threading.Thread(target=collect)
        collector.start()
        try:
            for number in range(8):
                plain.write("data/a.bin", os.urandom(200_000) if number % 2 else b"0" * 300_000)
                plain.cloche("add", "data")
                plain.run(command=["cp", "data/a.bin", "out.bin"])
        finally:
            stop.set()
            collector.join()
        assert plain.cloche("verify").status == 0
        assert plain.cloche("doctor").status == 0


class TestPrune:
    @pytest.fixture
    def six(self, plain: Shell) -> Shell:
        for number, value in enumerate((0.5, 0.9, 0.7, 0.6, 0.8, 0.1)):
            plain.write("metrics.json", f'{{"auc": {value}}}')
            plain.run("-m", str(number), command=["touch", "metrics.json"])
        return plain

    @staticmethod
    def messages(shell: Shell) -> str:
        return "".join(reversed([row["message"] for row in shell.facts("log")]))

    @pytest.mark.parametrize(
        ("words", "left"),
        [
            (("--keep-last", "2"), "45"),
            (("--keep-best", "auc:2"), "14"),
            (("--keep-best", "metrics.auc:2"), "14"),
            (("--keep-lowest", "auc"), "5"),
            (("--keep-last", "1", "--keep-best", "auc"), "15"),
            (("--keep-within", "1"), "012345"),
            (("--keep-last", "0", "--where", "metrics.auc < 0.65"), "124"),
        ],
    )
    def test_a_run_that_any_rule_keeps_stays(self, six: Shell, words: tuple[str, ...], left: str) -> None:
        preview = six.facts("prune", *words, "--dry-run")
        assert self.messages(six) == "012345"
        done = six.facts("prune", *words)
        assert done["removed"] == preview["removed"]
        assert self.messages(six) == left
        if done["removed"]:
            six.cloche("undo")
            assert self.messages(six) == "012345"

    def test_tagged_runs_and_those_with_a_note_stay(self, six: Shell) -> None:
        six.cloche("tag", "first", "@~5")
        six.cloche("note", "look at this", "--run", "@~3")
        done = six.facts("prune", "--keep-last", "1")
        assert self.messages(six) == "025"
        assert sorted(reason for kept in done["kept"] for reason in kept["reasons"]) == [
            "among the last",
            "has a note",
            "tagged",
        ]

    def test_a_rule_is_needed_and_a_metric_has_to_exist(self, six: Shell) -> None:
        assert "no rule" in six.cloche("prune", status=2).err
        assert "did you mean `auc`" in six.cloche("prune", "--keep-best", "acu", status=None).err
        assert "METRIC:N" in six.cloche("prune", "--keep-best", "auc:x", status=2).err
        assert self.messages(six) == "012345"


class TestVerify:
    @pytest.fixture
    def project(self, plain: Shell) -> Shell:
        noise(plain, "data/big.bin")
        plain.write("data/a.csv", "a,b\n1,2\n")
        plain.cloche("add", "data")
        plain.run(command=["cp", "data/a.csv", "out.csv"])
        return plain

    def test_all_is_well(self, project: Shell) -> None:
        found = project.facts("verify")
        assert found["sound"]
        assert found["packs"] == found["of"] == len(packs(project))
        assert "every byte is what it was" in project.cloche("verify").err

    @staticmethod
    def places(pack: Path) -> Iterator[int]:
        size = pack.stat().st_size
        return iter({0, 5, 14, 20, 50, 60, size // 2, size - 1} & set(range(size)))

    def test_every_flipped_byte_is_found_named_and_repaired_from_the_work_tree(self, project: Shell) -> None:
        """Of every pack at the places that matter: magic, header, payload, end."""
        for pack in packs(project):
            for at in self.places(pack):
                good = {path: path.read_bytes() for path in packs(project)}
                flip(pack, at)
                with cloche.open(project.folder) as opened:
                    assert opened.verify().damaged == (pack.name.partition(".")[0],), (pack, at)
                for path, data in good.items():
                    path.write_bytes(data)
        big = max(packs(project), key=lambda path: path.stat().st_size)
        flip(big, big.stat().st_size // 2)
        found = project.cloche("verify", "--json", status=1).json
        assert {part for one in found["affected"] for part in one["parts"]} == {"data/big.bin"}
        assert {one["record"] for one in found["affected"]} == {
            "cloche.lock",
            *(row["id"] for row in project.facts("log")),
        }
        repaired = project.cloche("verify", "--repair", "--json").json
        assert repaired["sound"]
        assert project.facts("verify")["sound"]
        assert list((project.folder / ".cloche/store/damaged").iterdir())

    def test_a_truncated_pack_keeps_what_is_still_good(self, project: Shell) -> None:
        big = max(packs(project), key=lambda path: path.stat().st_size)
        os.truncate(big, big.stat().st_size - 100_000)
        project.write("data/big.bin", b"no help")
        found = project.cloche("verify", "--repair", "--json", status=1).json
        assert not found["sound"]
        assert {part for one in found["affected"] for part in one["parts"]} == {"data"}
        assert project.cloche("cat", "@", "out.csv").out == "a,b\n1,2\n"

    def test_a_pack_that_is_gone_is_missed(self, project: Shell) -> None:
        max(packs(project), key=lambda path: path.stat().st_size).unlink()
        found = project.cloche("verify", "--json", status=1).json
        assert len(found["affected"]) == 2
        assert project.cloche("verify", "--repair", "--json").json["sound"]

    def test_only_what_is_new_or_a_share_is_read_when_asked(self, project: Shell) -> None:
        project.cloche("verify")
        assert project.facts("verify", "--since-last")["packs"] == 0
        project.write("data/more.csv", "1\n")
        project.cloche("add")
        assert project.facts("verify", "--since-last")["packs"] in range(1, 5)
        # Packs are drawn until there is a tenth of all bytes: the largest one may be drawn last.
        drawn = [project.facts("verify", "--sample", "10%")["packs"] for _ in range(4)]
        assert 0 < min(drawn) < len(packs(project))
        flip(max(packs(project), key=lambda path: path.stat().st_size), 1000)
        project.cloche("verify", status=1)
        for again in (("--since-last",), ("--sample", "1%"), ("--since-last", "--sample", "1%")):
            found = project.cloche("verify", *again, "--json", status=1).json  # what was damaged is not forgotten
            assert (len(found["damaged"]), found["sound"]) == (1, False)
        project.cloche("verify", "--repair")
        assert project.facts("verify", "--since-last")["sound"]
        assert "neither a number" in project.cloche("verify", "--sample", "some", status=2).err
        assert "more than nothing" in project.cloche("verify", "--sample", "0%", status=2).err

    def test_damaged_indexes_are_made_anew_and_named(self, project: Shell) -> None:
        damaged = sorted((project.folder / ".cloche/store/packs").glob("*/*.index"))[:2]
        for file in damaged:
            file.chmod(0o644)
            flip(file, file.stat().st_size // 2)
        found = project.facts("verify")
        assert found["sound"]
        assert found["indexes"] == [file.stem for file in damaged]
        assert project.facts("verify")["indexes"] == []

    def test_every_file_that_is_lost_is_named(self, project: Shell) -> None:
        lost = {f"data/deep/{number:02}.bin": os.urandom(1000) for number in range(12)}
        for path, data in lost.items():
            project.write(path, data)
        project.write("data/deep/sound.bin", os.urandom(1000))
        project.cloche("add")
        project.run(command=["true"])
        store = Project.find(project.folder).store
        for data in lost.values():
            [place] = store.packs.places(blake3(data).digest())
            flip(Path(store.packs.path(store.packs.order[place.pack])), place.end - 1)
        found = project.cloche("verify", "--json", status=1).json
        assert {tuple(one["parts"]) for one in found["affected"]} == {tuple(lost)}
        shown = project.cloche("verify", status=1)
        assert "data/deep/09.bin" in shown.out
        assert "and 2 more: `cloche verify --json` names all" in shown.out
        assert (
            "data/deep/00.bin, data/deep/01.bin, data/deep/02.bin and 9 more" in project.cloche("doctor", status=1).out
        )

    def test_a_merge_with_conflicts_hides_nothing(self, project: Shell) -> None:
        lock = project.read("cloche.lock")
        first, *rest = lock.splitlines()
        project.write("cloche.lock", "\n".join([first, "<<<<<<< ours", *rest, "=======", ">>>>>>> theirs", ""]))
        assert project.facts("verify")["sound"]
        max(packs(project), key=lambda path: path.stat().st_size).unlink()
        found = project.cloche("verify", "--json", status=1).json
        assert "cloche.lock" in {one["record"] for one in found["affected"]}

    def test_what_a_remote_has_is_brought_back(self, project: Shell) -> None:
        """Trees, small files, chunks and lists of chunks, with nothing of it left in the work tree."""
        noise(project, "data/huge.bin", 40_000_000)
        project.cloche("add")
        project.run(command=["true"])
        project.cloche("remote", "add", "origin", str(project.folder.parent / "remote"))
        project.cloche("push")
        before = project.files()
        for pack in packs(project):
            pack.unlink()
        for name in ("huge.bin", "big.bin", "a.csv"):
            (project.folder / "data" / name).unlink()
        done = project.cloche("verify", "--repair", "--json", status=None).json
        assert (done["sound"], done["problems"]) == (True, []), done
        project.cloche("revert", "--lock")
        assert project.files() == before

    def test_a_remote_that_cannot_be_reached_is_named(self, project: Shell) -> None:
        project.cloche("remote", "add", "origin", str(project.folder.parent / "remote"))
        project.cloche("push")
        (project.folder.parent / "remote").rename(project.folder.parent / "moved")
        max(packs(project), key=lambda path: path.stat().st_size).unlink()
        project.write("data/big.bin", b"no help")
        done = project.cloche("verify", "--repair", status=1)
        assert "warning: origin: " in done.err
        assert project.cloche("verify", "--repair", "--remote", "origin", status=None).status not in (0, 1)
