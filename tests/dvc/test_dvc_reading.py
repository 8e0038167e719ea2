"""Reading what DVC writes: the quick reader says what a whole YAML parser says, templates what DVC says."""

from __future__ import annotations

import contextlib
import io
import json
import random
import subprocess
from typing import Any

import pytest
from dvc_repositories import installed
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cloche.dvc.cache import data_md5s, md5s
from cloche.dvc.lock import LockReader
from cloche.dvc.pipeline import read_pipeline
from cloche.dvc.quick_yaml import Elaborate, quick_table
from cloche.dvc.refs import aliases, experiments
from cloche.dvc.templating import fill
from cloche.dvc.words import Unreadable

ODD = ["no", "1e-3", "010", "0x1f", "2020-01-01", "~", "4e12", "1" * 32, ".5", "+1", "0o7", "=", "<<", "a b " * 40]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.text(alphabet="ab1 :#-'\"e.0_/${}[]\n\té", max_size=100),
    st.sampled_from(ODD),
)
keys = st.one_of(st.sampled_from(["a", "train.lr", "x@1-b", "no", "true", "a b", "cmd"]), st.text(max_size=4))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
lines = st.sampled_from(
    [
        *("a: 1", "b:", "  c: x", "- d", "- e: f", "  - g", "  h: 'i'", "    more text", "   odd: 1", "k: l: m"),
        *("a: b c", "  - x: 1", "    y: 2", "", "- ", "-", "k:  two", " z: 1", "# note", "a: b # c", "'q': 1", "--- "),
    ]
)


def whole(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def assert_agrees(text: str) -> None:
    try:
        quick = quick_table(text)
    except Elaborate:
        return
    assert repr(quick) == repr(whole(text))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, values, min_size=1, max_size=3))
def test_what_is_read_quickly_is_what_a_parser_reads(table: dict[str, Any]) -> None:
    """As DVC writes it: in block style, with long lines folded."""
    writer = YAML()
    writer.default_flow_style = False
    out = io.StringIO()
    writer.dump(table, out)
    assert_agrees(out.getvalue())


@settings(max_examples=500, deadline=None)
@given(st.lists(lines, max_size=8))
def test_what_is_read_quickly_is_what_a_parser_reads_of_odd_texts(text: list[str]) -> None:
    assert_agrees("\n".join(text) + "\n")


LOCK = """\
schema: '2.0'
stages:
  train@1:
    cmd: python src/train.py --data data/clean --out models/1/model.joblib --criterion
      gini --place 0
    deps:
    - path: data
      hash: md5
      md5: 814407001712a90b2d75368a445eb699.dir
      size: 14
      nfiles: 2
    params:
      params.yaml:
        train.lr: 0.001
    outs:
    - path: models/1/model.joblib
      md5: e5ebd4c02cefbe7955977c67ada242b7
      isexec: true
"""


def test_a_lock_is_read_quickly_and_what_was_read_before_not_again() -> None:
    assert quick_table(LOCK) == whole(LOCK)
    reader = LockReader()
    stages, skipped = reader.read("dvc.lock", LOCK.encode())
    stage = stages["train@1"]
    assert not skipped
    assert stage.command[0].endswith("--criterion gini --place 0")
    assert (stage.deps[0].folder, stage.deps[0].legacy, stage.outs[0].legacy) == (True, False, True)
    assert stage.outs[0].executable
    more, _ = reader.read("dvc.lock", (LOCK + "  other:\n    cmd: 'true'\n").encode())
    assert more["train@1"] is stage
    assert more.keys() == {"train@1", "other"}
    crlf, _ = LockReader().read("dvc.lock", LOCK.replace("\n", "\r\n").encode())
    assert crlf == stages
    with pytest.raises(Unreadable):
        reader.read("dvc.lock", b"<<<<<<< HEAD\n" + LOCK.encode())


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=5), scalars, max_size=3))
def test_filling_in_never_breaks_and_leaves_texts_without_templates_alone(text: str, table: dict[str, Any]) -> None:
    if "${" not in text:
        assert fill(text, table) == text
    else:
        with contextlib.suppress(Unreadable):
            fill(text, table)
    assert fill("\\${a}" + text.replace("$", ""), table) == "${a}" + text.replace("$", "")


# Runs in the environment of the real DVC: the stages of many documents, or the name of an error.
THEIRS = """\
import json, sys, types
from dvc.fs import LocalFileSystem
from dvc.parsing import DataResolver
answers = []
for document in json.load(sys.stdin):
    repo = types.SimpleNamespace(fs=LocalFileSystem(), config={})
    try:
        resolver = DataResolver(repo, "", document)
    except Exception as error:
        answers.append("error")
        continue
    found = {}
    for name in resolver.definitions:
        try:
            definition = resolver.definitions[name]
            found[name] = definition.resolve_all() if hasattr(definition, "resolve_all") else definition.resolve()
        except Exception as error:
            found[name] = "error"
    answers.append(found)
json.dump(answers, sys.stdout)
"""
PARAMS = {
    "lr": 0.001, "flag": True, "off": False, "none": None, "name": "it's", "list": [1, "a b", 2.5], "empty": [],
    "table": {"x": 1, "y": {"z": "w"}, "on": True, "seeds": [3, 4]}, "tables": [{"a": 1}, {"a": 2}], "big": 1e20,
}  # fmt: skip
KEYS = ("lr", "flag", "off", "name", "list[1]", "list.0", "table.x", "table.y.z", "table", "tables[1].a", "big", "gone")


def documents(seed: int, count: int) -> list[dict[str, Any]]:
    """Random `dvc.yaml` with templates, foreach and matrix."""
    dice = random.Random(seed)

    def text(*more: str) -> str:
        parts = [dice.choice([" ", "-", "\\${kept}", "a", f"${{{dice.choice((*KEYS, *more))}}}"]) for _ in range(3)]
        return "echo" + "".join(parts)

    def stage() -> dict[str, Any]:
        kind = dice.randrange(4)
        if kind == 0:
            over: Any = dice.choice(
                ["${list}", "${table}", "${tables}", [1, 2.5, True], {"k": {"a": 1}, "l": 2}, ["x"]]
            )
            return {"foreach": over, "do": {"cmd": text("item", "item.a"), "outs": ["o-${item}"]}}
        if kind == 1:
            axes = {"m": dice.choice(["${list}", [1, 2]]), "n": dice.choice(["${tables}", ["x", False]])}
            return {"matrix": axes, "cmd": text("item.m", "key", "item"), "deps": ["d-${key}"]}
        more = {"vars": [{"own": 5}], "params": ["lr", {"other.json": ["a", "b"]}]} if kind == 2 else {}
        return {"cmd": [text(), text("own")] if dice.random() < 0.3 else text("own"), "outs": ["${name}"], **more}

    return [{"vars": [{"extra": {"e": 1}}], "stages": {f"s{n}": stage() for n in range(3)}} for _ in range(count)]


def test_templates_say_what_dvc_says(tmp_path: Any) -> None:
    """Three hundred random pipelines, resolved by DVC itself and by us."""
    asked = documents(7, 300)
    (tmp_path / "params.yaml").write_text(json.dumps(PARAMS))
    python = installed("dvc3") / "python"
    done = subprocess.run(
        [python, "-c", THEIRS], input=json.dumps(asked), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    resolved = 0
    for document, theirs in zip(asked, json.loads(done.stdout), strict=True):
        ours = read_pipeline("dvc.yaml", json.dumps(document).encode(), lambda _: PARAMS)
        failed = {one.name for one in ours.skipped}
        by_name = {stage.name: stage for stage in ours.stages}
        for name, found in theirs.items():
            if found == "error" or not all(isinstance(one["cmd"], str | list) for one in found.values()):
                assert name in failed, (document["stages"][name], found)
                continue
            assert name not in failed, (document["stages"][name], found)
            assert {one for one in by_name if one.partition("@")[0] == name} == found.keys()
            for stage, said in found.items():
                command = said["cmd"] if isinstance(said["cmd"], list) else [said["cmd"]]
                assert by_name[stage].command == tuple(line.strip() for line in command), stage
                assert [str(out) for out in said.get("outs", [])] == [out.path for out in by_name[stage].outs]
                assert said.get("deps", []) == list(by_name[stage].deps)
                resolved += 1
    assert resolved > 300


def test_names_in_refs() -> None:
    commit = "ab" + "c" * 38
    refs = {
        f"refs/exps/{commit[:2]}/{commit[2:]}/brave-mole": "1",
        f"refs/exps/{commit[:2]}/{commit[2:]}": "2",
        "refs/exps/exec/EXEC_HEAD": "3",
        "refs/exps/stash": "4",
        "refs/exps/ab/short/name": "5",
    }
    assert [(one.name, one.baseline) for one in experiments(refs)] == [("brave-mole", commit)]
    tags = [
        ("a@v1.0.0", "1", 1.0),
        ("a#prod#2", "2", 2.0),
        ("a#prod#1", "1", 1.0),
        ("d/e=b@v2.0.0", "3", 1.0),
        ("v1", "4", 1.0),
    ]
    assert aliases(tags) == {"a@v1.0.0": "1", "a#prod": "2", "d/e=b@v2.0.0": "3"}
    assert aliases([*tags, ("a#prod!#3", "2", 3.0), ("a@v1.0.0!#4", "1", 4.0)]) == {"d/e=b@v2.0.0": "3"}


@pytest.mark.parametrize("data", [b"", b"a\r\nb\r\n", b"\0\r\n", b"\xff" * 400 + b"\r\n", b"x" * (1 << 20) + b"\r\n"])
def test_the_md5_of_dvc_2_counts_crlf_as_lf_in_texts_only(tmp_path: Any, data: bytes) -> None:
    place = tmp_path / "file"
    place.write_bytes(data)
    assert md5s(place, legacy=True) == data_md5s(data, legacy=True)
    is_text = data[:1] not in (b"\0", b"\xff")
    assert (data_md5s(data, legacy=True)[-1] == data_md5s(data.replace(b"\r\n", b"\n"), legacy=False)[0]) == is_text
    assert len(data_md5s(data, legacy=False)) == 1
