"""`cloche import dvc` of what old versions of DVC, people and enemies wrote: each broken thing loses only itself."""

from __future__ import annotations

import json
import os

from by_hand import cached, data_of, listing, lock, md5, reasons, tracked

from cloche.model.settings_text import parse_settings
from shell import Shell


def test_old_stage_files_and_dvcfiles_are_stages_and_runs(bare: Shell) -> None:
    model = cached(bare, b"model", old=True)
    scores = b'{"auc": 0.7}'
    bare.write(
        "src/train.dvc",
        f"md5: 00\ncmd: python train.py\nwdir: ..\ndeps:\n- path: data.csv\nouts:\n- path: m.bin\n  md5: {model}\n",
    )
    bare.write(
        "Dvcfile",
        "cmd: python eval.py\nlocked: true\nouts:\n"
        f"- path: s.json\n  metric: true\n  cache: false\n  md5: {md5(scores)}\n",
    )
    bare.write("s.json", scores)
    bare.commit("dvc 0.9")
    done = bare.facts("import", "dvc")
    stages = parse_settings(bare.read("cloche.toml")).stages
    assert (stages["src.train"].run, stages["src.train"].reads) == ("python train.py", ("data.csv",))
    assert stages["Dvcfile"].writes == ("s.json",)
    assert "no frozen stages" in reasons(done)["Dvcfile"]
    [run] = bare.facts("log")
    assert run["metrics"] == {"auc": 0.7}
    assert bare.cloche("cat", "@", "m.bin").out == "model"


def test_a_lock_without_a_schema_and_without_a_pipeline(bare: Shell) -> None:
    bare.write(
        "dvc.lock", f"train:\n  cmd: echo 1 > o\n  outs:\n  - path: o\n    md5: {cached(bare, b'1', old=True)}\n"
    )
    bare.commit("dvc 1.0")
    assert bare.facts("import", "dvc")["stages"][0]["run"] == "echo 1 > o"
    assert bare.cloche("cat", "@", "o").out == "1"


def test_each_broken_file_loses_only_itself(bare: Shell) -> None:
    tracked(bare, "good.txt", b"good")
    bare.write("conflict.dvc", "<<<<<<< HEAD\nouts:\n- md5: 1\n=======\n")
    bare.write("list.dvc", "- 1\n- 2\n")
    bare.write("binary.dvc", b"\xff\xfe\0")
    bare.write("date.dvc", "outs: 2024-13-45\n")
    bare.write("deep.dvc", "[" * 100_000)
    bare.write(
        "dvc.yaml",
        "stages:\n  good:\n    cmd: 'true'\n  no-cmd:\n    outs: [x]\n  typo:\n    cmd: echo ${nope}\n  list: [1]\n",
    )
    bare.write("dvc.lock", "schema: '2.0'\nstages:\n  good:\n    cmd: 'true'\n  bad: 3\n")
    bare.write("sub/dvc.yaml", "stages: {")
    bare.commit("a mess")
    done = bare.facts("import", "dvc")
    assert data_of(done) == {"good.txt"}
    assert [one["name"] for one in done["stages"]] == ["good"]
    assert len(done["runs"]) == 1
    named = {
        "conflict.dvc",
        "list.dvc",
        "binary.dvc",
        "deep.dvc",
        "dvc.yaml:no-cmd",
        "dvc.yaml:typo",
        "dvc.yaml:list",
        "bad",
        "sub/dvc.yaml",
    }
    assert named <= reasons(done).keys()
    assert reasons(done)["dvc.yaml:typo"] == "`nope` is not defined"


def test_a_key_that_is_there_twice_loses_the_file_and_is_a_warning(bare: Shell) -> None:
    """DVC itself refuses such a file."""
    bare.write("dvc.yaml", "stages:\n  a:\n    cmd: one\n  a:\n    cmd: two\n")
    done = bare.cloche("import", "dvc")
    assert "warning: nothing of dvc.yaml is carried over" in done.err
    assert "duplicate" in done.out
    assert bare.facts("import", "dvc")["stages"] == []


def test_stages_of_a_pipeline_that_cannot_be_read_are_those_of_its_lock(bare: Shell) -> None:
    bare.write("p/dvc.yaml", ": : [")
    bare.write("p/dvc.lock", "schema: '2.0'\nstages:\n  s:\n    cmd: echo 1\n")
    done = bare.cloche("import", "dvc")
    assert "warning: p/dvc.yaml cannot be read" in done.err
    assert "nothing of" not in done.err
    assert '[stages."p.s"]' in bare.read("cloche.toml")


def test_a_remote_that_was_not_read_says_why(bare: Shell) -> None:
    bare.write("../plain/a", "a")
    bare.write(
        ".dvc/config",
        "['remote \"none\"']\nurl = ../../none\n['remote \"plain\"']\nurl = ../../plain\nworktree = true\n"
        "['remote \"cloud\"']\nurl = s3://bucket/x\n",
    )
    why = reasons(bare.facts("import", "dvc"))
    assert why["none"] == "there is no folder ../none: where its disk is mounted, import again"
    assert why["plain"].startswith("../plain was not read, it holds plain files and no objects: type `dvc fetch")
    assert why["cloud"].startswith("s3://bucket/x was not read, only folders are: type `dvc fetch")


def test_going_back_to_a_run_whose_data_was_not_to_be_had_says_so(bare: Shell) -> None:
    bare.write("gone.dvc", f"outs:\n- md5: {md5(b'gone')}\n  hash: md5\n  path: gone\n")
    bare.commit("gone")
    bare.cloche("import", "dvc")
    for words in (("--dry-run",), ()):
        done = bare.cloche("revert", "@", *words)
        assert "not put back: DVC's cache does not hold gone" in done.out + done.err
        assert "dvc fetch --all-commits" in done.out + done.err


def test_yaml_is_1_2(bare: Shell) -> None:
    bare.write("params.yaml", "answer: no\nsmall: 1e-3\neight: 010\nswitch: on\nyes: true\n")
    bare.write("dvc.yaml", "stages:\n  a:\n    cmd: echo ${answer} ${small} ${eight} ${switch} ${yes}\n")
    assert bare.facts("import", "dvc")["stages"][0]["run"] == "echo no 0.001 10 on true"


def test_several_commands_run_one_after_the_other_each_on_its_own(bare: Shell) -> None:
    commands = ["cd /tmp  # away", "A=1", "echo \\${A}here > o || true"]
    bare.write("dvc.yaml", json.dumps({"stages": {"a": {"cmd": commands, "outs": ["o"]}}}))
    bare.facts("import", "dvc")
    assert bare.run(command=())["status"] == "finished"
    assert bare.read("o") == "here\n"


def test_parameters_of_python_files_and_missing_keys(bare: Shell) -> None:
    bare.write("params.py", "LR = 0.1\nclass Train:\n    depth = 3\n")
    bare.write("params.yaml", "known: 1\n")
    stage = {"cmd": "echo ${LR} ${Train.depth}", "params": ["known", "gone", {"params.py": ["LR"]}]}
    bare.write("dvc.yaml", json.dumps({"vars": ["params.py"], "stages": {"a": stage}}))
    done = bare.facts("import", "dvc")
    made = parse_settings(bare.read("cloche.toml")).stages["a"]
    assert (made.run, made.params, made.reads) == ("echo 0.1 3", ("known",), ("params.py",))
    assert reasons(done)["dvc.yaml:a: gone"] == "params.yaml has no such key"


def test_parameters_that_differ_from_those_in_git_are_those_of_the_lock(bare: Shell) -> None:
    bare.write("params.yaml", "lr: 0.1\nother: 1\n")
    more = "    params:\n      params.yaml:\n        lr: 0.5\n"
    bare.write("dvc.lock", lock(("o", cached(bare, b"o")), more=more))
    bare.write("dvc.yaml", "stages:\n  a:\n    cmd: x\n    params: [lr]\n    outs: [o]\n")
    bare.commit("forgot to commit")
    bare.cloche("import", "dvc")
    config = bare.facts("show")["run"]["snapshot"]["config"]
    assert config["values"] == {"lr": 0.5, "other": 1}
    assert config["overrides"] == {"lr": 0.5}


def test_code_that_is_not_what_the_stage_ran_is_a_finding(bare: Shell) -> None:
    bare.write("a.py", "new\n")
    bare.write("dvc.lock", lock(deps=(("a.py", md5(b"old")),)))
    bare.commit("later code")
    bare.cloche("import", "dvc")
    run = bare.facts("show")["run"]
    assert [one["check"] for one in run["findings"]] == ["imported-from-dvc", "code-differs"]
    assert run["snapshot"]["code"]["dirty"]


def test_what_git_keeps_is_compared_with_what_the_lock_says(bare: Shell) -> None:
    bare.write("metrics.json", '{"auc": 0.1}')
    bare.write("dvc.yaml", "stages:\n  a:\n    cmd: x\n    metrics:\n    - metrics.json:\n        cache: false\n")
    bare.write("dvc.lock", lock(("metrics.json", md5(b"other"))))
    bare.commit("a mismatch")
    bare.cloche("import", "dvc")
    run = bare.facts("show")["run"]
    assert (run["metrics"], run["outputs"]) == ({}, [])


def test_experiments_are_those_refs_and_no_others(bare: Shell) -> None:
    bare.write("dvc.lock", "schema: '2.0'\nstages:\n  a:\n    cmd: 'true'\n")
    base = bare.commit("base")
    bare.write("dvc.lock", "schema: '2.0'\nstages:\n  a:\n    cmd: 'false'\n")
    tip = bare.commit("exp")
    bare("git", "reset", "--quiet", "--hard", base)
    for ref in (
        f"refs/exps/{base[:2]}/{base[2:]}/brave-mole",
        "refs/exps/exec/EXEC_HEAD",
        "refs/exps/stash",
        "refs/exps/celery/stash",
    ):
        bare("git", "update-ref", ref, tip)
    bare("git", "tag", "sub=other@v1.0.0")
    bare("git", "tag", "sub=other@v1.0.0!#9", base)
    bare("git", "tag", "m#dev#1")
    bare("git", "tag", "m#dev#2", tip)
    bare("git", "tag", "m@v2.0.0-rc.1")
    bare("git", "tag", "release-1")
    done = bare.facts("import", "dvc")
    assert [one["experiment"] for one in done["runs"]] == ["", "brave-mole"]
    assert done["tags"].keys() == {"brave-mole", "m#dev", "m@v2.0.0-rc.1"}
    assert done["tags"]["m#dev"] == done["tags"]["brave-mole"]


def test_a_merge_without_results_of_its_own_is_no_run(bare: Shell) -> None:
    def lock(command: str) -> None:
        bare.write("dvc.lock", f"schema: '2.0'\nstages:\n  a:\n    cmd: {command}\n")

    lock("one")
    bare.commit("one")
    bare("git", "checkout", "--quiet", "-b", "side")
    lock("two")
    bare.commit("two")
    bare("git", "checkout", "--quiet", "main")
    bare.write("x.py", "1")
    bare.commit("code")
    bare("git", "merge", "--quiet", "--no-ff", "-m", "merged", "side")
    done = bare.facts("import", "dvc")
    assert [one["message"] for one in done["runs"]] == ["one", "two"]


def test_an_own_remote_of_an_output_counts(bare: Shell) -> None:
    bare.write(
        ".dvc/config",
        "['remote \"far\"']\n    url = ../../far\n['remote \"cloud\"']\n    url = https://me:pw@example.org/d?token=1\n",
    )
    name = md5(b"far away")
    bare.write(f"../far/files/md5/{name[:2]}/{name[2:]}", b"far away")
    bare.write("a.dvc", f"outs:\n- md5: {name}\n  hash: md5\n  path: a\n  remote: far\n")
    bare.write("b.dvc", f"outs:\n- md5: {md5(b'b')}\n  hash: md5\n  path: b\n  remote: cloud\n")
    done = bare.facts("import", "dvc")
    assert data_of(done) == {"a"}
    assert reasons(done)["b"] == "it is not in the cache; its own remote cloud was not read"
    assert "pw" not in json.dumps(done)
    assert "token" not in json.dumps(done)


def test_a_folder_comes_with_its_files_and_needs_all_of_them(bare: Shell) -> None:
    one, two = cached(bare, b"one"), cached(bare, b"two")
    whole = cached(bare, listing(("a/x", one), ("y", two)), folder=True)
    part = cached(bare, listing(("a/x", one), ("z", md5(b"gone"))), folder=True)
    empty = cached(bare, b"[]", folder=True)
    for name, digest in (("whole", whole), ("part", part), ("empty", empty), ("gone", md5(b"listing"))):
        bare.write(f"{name}.dvc", f"outs:\n- md5: {digest}.dir\n  hash: md5\n  path: {name}\n")
    done = bare.facts("import", "dvc")
    assert data_of(done) == {"whole", "empty"}
    assert reasons(done)["part"] == "1 of its 2 files are not in the cache, such as z"
    assert reasons(done)["gone"] == "it is not in the cache"
    bare.cloche("revert", "--lock")
    assert (bare.data("whole/a/x"), bare.data("whole/y")) == (b"one", b"two")
    assert (bare.folder / "empty").is_dir()


def test_damaged_files_of_a_folder_are_not_called_missing(bare: Shell) -> None:
    names = {name: cached(bare, name.encode()) for name in ("good", "bad")}
    whole = cached(bare, listing(*names.items(), ("gone", md5(b"gone"))), folder=True)
    bare.write("d.dvc", f"outs:\n- md5: {whole}.dir\n  hash: md5\n  path: d\n")
    bare.write(f".dvc/cache/files/md5/{names['bad'][:2]}/{names['bad'][2:]}", b"b4d")
    why = reasons(bare.facts("import", "dvc"))["d"]
    assert "1 of its 3 files are damaged in the cache, such as bad" in why
    assert "1 of its 3 files are not in the cache, such as gone" in why


def test_a_damaged_object_is_not_taken(bare: Shell) -> None:
    tracked(bare, "a.txt", b"as it was")
    name = md5(b"as it was")
    bare.write(f".dvc/cache/files/md5/{name[:2]}/{name[2:]}", b"as it is now")
    done = bare.facts("import", "dvc")
    assert done["data"] == []
    assert reasons(done)["a.txt"] == "its object in the cache is damaged: it has another md5"
    bare.write("a.txt", b"as it was")
    assert data_of(bare.facts("import", "dvc")) == {"a.txt"}


OUTSIDE = (
    *(
        "../outside",
        "/etc/hostname",
        "a/../../outside",
        "~/x",
        "C:\\x",
        "\\\\host\\x",
        "s3://bucket/x",
        "..",
        ".",
        "s/../..",
    ),
    *(".git/hooks/post-checkout", ".GIT/config", "x/.git/hooks/y", ".cloche/catalog.db", ".dvc/config", "nul\0"),
)


def test_no_path_leads_out_of_the_project(bare: Shell) -> None:
    bare.write("../outside", "keep")
    digest = cached(bare, b"evil")
    inner = cached(bare, listing(("a", digest)), folder=True)
    names = [json.dumps(path) for path in OUTSIDE]
    for number, name in enumerate(names):
        outs = (f"- md5: {md5}\n  hash: md5\n  path: {name}\n" for md5 in (digest, f"{inner}.dir"))
        bare.write(f"{number}.dvc", "outs:\n" + "".join(outs))
    paths = "".join(f"    - {name}\n" for name in names)
    text = f"stages:\n  a:\n    cmd: x\n    deps:\n{paths}    outs:\n{paths}"
    text += "".join(f"  w{n}:\n    cmd: x\n    wdir: {name}\n    deps:\n    - x\n" for n, name in enumerate(names[:8]))
    bare.write("dvc.yaml", text)
    bare.write("dvc.lock", lock(*((name, digest) for name in names)))
    bare.commit("evil")
    done = bare.facts("import", "dvc")
    assert done["data"] == []
    stages = parse_settings(bare.read("cloche.toml")).stages
    assert stages.keys() == {"a"}
    assert (stages["a"].reads, stages["a"].writes) == ((), ())
    assert bare.facts("show")["run"]["outputs"] == []
    assert not (bare.folder / "cloche.lock").exists()
    assert bare.read("../outside") == "keep"


def test_no_file_of_a_folder_leads_out_of_it(bare: Shell) -> None:
    digest = cached(bare, b"evil")
    for number, path in enumerate(["../x", "/x", "a/../../x", "a//x", "", ".", ".git/config", "a\0b"]):
        inner = cached(bare, listing((path, digest)), folder=True)
        bare.write(f"d{number}.dvc", f"outs:\n- md5: {inner}.dir\n  hash: md5\n  path: d{number}\n")
    done = bare.facts("import", "dvc")
    assert done["data"] == []
    assert len(done["skipped"]) == 8
    assert all("which is not in it" in one["reason"] for one in done["skipped"])


def test_a_folder_whose_file_is_a_folder_too(bare: Shell) -> None:
    digest = cached(bare, b"x")
    inner = cached(bare, listing(("a", digest), ("a/b", digest)), folder=True)
    bare.write("d.dvc", f"outs:\n- md5: {inner}.dir\n  hash: md5\n  path: d\n")
    assert "both a file and a folder" in reasons(bare.facts("import", "dvc"))["d"]


def test_bombs_are_refused(bare: Shell) -> None:
    aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    aliases += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    bare.write("bomb.dvc", aliases)
    bare.write("params.yaml", "big: [" + ", ".join(map(str, range(200))) + "]\n")
    bare.write(
        "dvc.yaml",
        "stages:\n  a:\n    matrix:\n"
        + "".join(f"      k{n}: ${{big}}\n" for n in range(8))
        + "    cmd: echo\n  b:\n    cmd: 'true'\n",
    )
    done = bare.facts("import", "dvc")
    assert "expand" in reasons(done)["bomb.dvc"]
    assert "more than 100000 stages" in reasons(done)["dvc.yaml:a"]
    assert [one["name"] for one in done["stages"]] == ["b"]


def test_links_are_not_followed(bare: Shell) -> None:
    secret = bare.write("../secret", "top secret")
    digest = md5(b"top secret")
    place = bare.folder / f".dvc/cache/files/md5/{digest[:2]}"
    place.mkdir(parents=True)
    os.symlink(secret, place / digest[2:])
    os.symlink(secret, bare.folder / "a")
    os.symlink(secret.parent, bare.folder / "d")
    bare.write("../x.dvc", f"outs:\n- md5: {cached(bare, b'x')}\n  hash: md5\n  path: x\n")
    os.symlink("../x.dvc", bare.folder / "x.dvc")
    bare.write(
        "a.dvc", f"outs:\n- md5: {digest}\n  hash: md5\n  path: a\n- md5: {digest}\n  hash: md5\n  path: d/secret\n"
    )
    bare.commit("links")
    done = bare.facts("import", "dvc")
    assert done["data"] == []
    assert {"a", "d/secret"} <= reasons(done).keys()


def test_names_of_any_kind(bare: Shell) -> None:
    for number, name in enumerate(
        ["with space.txt", "ümlaut.txt", "two\nlines", "#hash", "a'b\"c", "tab\there", "back\\slash"]
    ):
        text = json.dumps(name)
        data = str(number).encode()
        bare.write(f"f{number}.dvc", f"outs:\n- md5: {cached(bare, data)}\n  hash: md5\n  path: {text}\n")
    each = {"foreach": ["data/x.csv", "-y"], "do": {"cmd": "echo ${item}"}}
    bare.write("dvc.yaml", json.dumps({"stages": {"odd/na me": {"cmd": "true"}, "fe": each}}))
    done = bare.facts("import", "dvc")
    assert len(done["data"]) == 7
    assert [one["name"] for one in done["stages"]] == ["odd-na-me", "fe@data-x.csv", "fe@-y"]
    bare.cloche("revert", "--lock")
    assert bare.read("two\nlines") == "2"
    assert bare.cloche("status").status == 0


def test_what_overlaps_or_belongs_to_git_is_listed(bare: Shell) -> None:
    bare.write("in-git.txt", "git's")
    tracked(bare, "in-git.txt", b"git's")
    bare.write(
        "dvc.yaml", "stages:\n  a:\n    cmd: x\n    outs:\n    - o\n  b:\n    cmd: x\n    outs:\n    - o/inner\n"
    )
    bare.commit("both")
    done = bare.facts("import", "dvc")
    assert reasons(done)["in-git.txt"] == "it overlaps in-git.txt, which Git tracks"
    assert reasons(done)["dvc.yaml:b: o/inner"] == "stage a writes there, too"


def test_without_git_and_without_commits(folder: Shell) -> None:
    folder.write(".dvc/config", "")
    tracked(folder, "a.txt", b"a")
    folder.write("dvc.yaml", "stages:\n  a:\n    cmd: cp a.txt b.txt\n    deps: [a.txt]\n    outs: [b.txt]\n")
    done = folder.facts("import", "dvc")
    assert (data_of(done), len(done["stages"]), done["runs"]) == ({"a.txt"}, 1, [])
    folder.cloche("revert", "--lock")
    assert folder.run(command=())["status"] == "finished"


def test_where_there_is_no_repository_or_more_than_one(folder: Shell) -> None:
    assert "is not in a DVC repository" in folder.cloche("import", "dvc", status=5).err
    assert "name the folder" in folder.cloche("import", "dvc", "nowhere", status=8).err
    folder.write("one/.dvc/config", "")
    folder.write("two/.dvc/config", "")
    assert "one, two" in folder.cloche("import", "dvc", status=5).err
    assert folder.facts("import", "dvc", "one")["root"].endswith("/one")
    assert "there is no folder" in folder.cloche("import", "dvc", "one", "--cache", "nope", status=8).err
    assert "Carry over what another tool" in folder.cloche("import", status=2).err
    inner = Shell(folder.folder / "two" / "inner", folder.variables)
    inner.folder.mkdir()
    inner.cloche("init")
    assert "only a part of the DVC repository" in inner.cloche("import", "dvc", status=6).err


def test_a_repository_within_a_repository_is_left_to_itself(bare: Shell) -> None:
    bare.write("inner/.dvc/config", "")
    tracked(Shell(bare.folder / "inner", bare.variables), "x.txt", b"x")
    tracked(bare, "y.txt", b"y")
    bare.commit("two")
    done = bare.facts("import", "dvc")
    assert data_of(done) == {"y.txt"}
    assert "of its own" in reasons(done)["inner"]


def test_a_clone_that_holds_a_part_of_the_history_loses_only_what_it_lacks(bare: Shell) -> None:
    for step in ("one", "two"):
        bare.write("code.py", step)
        bare.write("dvc.lock", lock(("o", cached(bare, step.encode()))))
        bare.commit(step)
    bare("git", "config", "uploadpack.allowFilter", "true")
    place = bare.folder.parent / "clone"
    bare("git", "clone", "--quiet", "--filter=blob:none", f"file://{bare.folder}", str(place))
    clone = Shell(place, bare.variables)
    done = clone.facts("import", "dvc", "--cache", str(bare.folder / ".dvc" / "cache"))
    assert [one["message"] for one in done["runs"]] == ["two"]
    assert clone.cloche("cat", "@", "o").out == "two"


def test_a_cloche_toml_that_cannot_be_read_stops_it(bare: Shell) -> None:
    for text in (b"\xff", b"stages = ["):
        bare.write("cloche.toml", text)
        for words in ((), ("--dry-run",)):
            assert "cloche.toml" in bare.cloche("import", "dvc", *words, status=4).err
        assert bare.data("cloche.toml") == text
