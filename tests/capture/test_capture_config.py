from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from capture_helpers import put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.capture import config_yaml
from cloche.capture.config import apply_overrides, read_config
from cloche.errors import ClocheError, InputError, NotFound, SettingsError, UsageError
from cloche.model.settings import ConfigSection, Settings
from cloche.model.values import Value, flatten

USUAL = Settings()


def named(*files: str) -> Settings:
    return Settings(config=ConfigSection(files=files))


def values(root: Path, name: str, text: str) -> dict[str, Value]:
    put(root / name, text)
    return read_config(root, named(name)).values


def test_values_keep_their_types(tmp_path: Path) -> None:
    text = 'seed = 1\nlr = 1e-3\nflip = true\nname = "x"\nday = 2024-01-02\n[train]\nlayers = [8, 4]\n"a.b" = 2\n'
    found = values(tmp_path, "params.toml", text)
    expected = {"seed": 1, "lr": 0.001, "flip": True, "name": "x", "day": "2024-01-02"}
    assert found == expected | {"train.layers": [8, 4], "train.a.b": 2}
    assert [type(value) for value in found.values()] == [int, float, bool, str, str, list, int]


def test_yaml_is_1_2(tmp_path: Path) -> None:
    text = "no: no\nlr: 1e-3\nocto: 010\nempty:\ntime: 12:30:45\ntrue: yes\n2: two\n"
    found = values(tmp_path, "params.yaml", text)
    assert found == {"no": "no", "lr": 0.001, "octo": 10, "empty": None, "time": "12:30:45", "True": "yes", "2": "two"}


def test_usual_names_may_be_missing_and_declared_ones_may_not(tmp_path: Path) -> None:
    assert read_config(tmp_path, USUAL) == ({}, [])
    put(tmp_path / "params.yaml", "a: 1")
    put(tmp_path / "params.json", '{"b": 2}')
    assert read_config(tmp_path, USUAL) == ({"a": 1, "b": 2}, ["params.yaml", "params.json"])
    with pytest.raises(SettingsError, match=r"conf/x\.toml, named under \[config\]"):
        read_config(tmp_path, named("conf/x.toml"))
    with pytest.raises(SettingsError, match="of no known kind"):
        read_config(tmp_path, named("params.ini"))
    with pytest.raises(InputError):
        read_config(tmp_path, named("../params.toml"))


def test_a_key_that_a_later_file_repeats_is_named_with_the_file(tmp_path: Path) -> None:
    put(tmp_path / "a.toml", "lr = 1\n")
    put(tmp_path / "b.yaml", "lr: 2\nextra: 3\n")
    settings_ = named("a.toml", "b.yaml")
    assert read_config(tmp_path, settings_).values == {"lr": 1, "b.yaml:lr": 2, "extra": 3}
    changed = apply_overrides(tmp_path, ["a.toml", "b.yaml"], {"b.yaml:lr": 5})
    assert changed == {"b.yaml": b"lr: 5\nextra: 3\n"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.toml", "a = 1\nb = \n", "p.toml, line 2: Invalid value"),
        ("p.toml", "a = 1\na = 2\n", "p.toml, line 2: Cannot overwrite a value"),
        ("p.yaml", "a: 1\nb: [1\n", "p.yaml, line "),
        ("p.yaml", "a: 1\na: 2\n", "p.yaml, line 2: "),
        ("p.yaml", "a: !!python/object:os.system x\n", "p.yaml, line 1: "),
        ("p.yaml", "a: 1\n---\nb: 2\n", "p.yaml, line "),
        ("p.yaml", "a: &a [*a]\n", "p.yaml, line 1: *a stands for nothing, or for itself"),
        ("p.yaml", "- 1\n- 2\n", "p.yaml: the file holds no table of keys and values but one list"),
        ("p.json", '{"a": 1,\n "a": 2}', "p.json: the key a stands twice in one table"),
        ("p.json", '{\n"a": }', "p.json, line 2: Expecting value"),
        ("p.json", "", "p.json, line 1: Expecting value"),
        ("p.json", "3", "p.json: the file holds no table of keys and values but one int"),
        ("p.json", '{"a": ' + "[" * 5000 + "]" * 5000 + "}", "p.json: "),
        ("p.json", '{"a": ' + "9" * 5000 + "}", "p.json: "),
        ("p.json", '{"seed": 99999999999999999999}', "p.json: the value of seed does not fit into 64 bits"),
        ("p.toml", "a.b = 1\n'a.b' = 2\n", "p.toml: the key a.b stands twice"),
    ],
)
def test_what_cannot_be_understood_names_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        values(tmp_path, name, text)
    assert caught.value.message.startswith(message)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(SettingsError, match=r"p\.toml, line 2: not UTF-8"):
        read_config(tmp_path, named("p.toml"))
    (tmp_path / "q.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_config(tmp_path, named("q.json")).values == {"a": 1}
    assert apply_overrides(tmp_path, ["q.json"], {"a": 2}) == {"q.json": b'\xef\xbb\xbf{"a": 2}'}


def test_aliases_of_aliases_are_bounded(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(SettingsError, match="aliases expand to more than"):
        values(tmp_path, "p.yaml", "\n".join(lines))
    merges = ["m0: &m0 {k: 1}"] + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    with pytest.raises(SettingsError, match="aliases expand to more than"):
        values(tmp_path, "p.yaml", "\n".join(merges))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")
def test_links_out_of_the_project_and_things_that_are_no_files(tmp_path: Path) -> None:
    root = tmp_path / "project"
    put(root / "real.toml", "a = 1\n")
    put(tmp_path / "outside.toml", "a = 1\n")
    (root / "inner.toml").symlink_to("real.toml")
    (root / "outer.toml").symlink_to("../outside.toml")
    (root / "dangling.toml").symlink_to("nothing.toml")
    (root / "folder.toml").mkdir()
    os.mkfifo(root / "pipe.toml")
    assert read_config(root, named("inner.toml")).values == {"a": 1}
    for name in ("outer.toml", "folder.toml", "pipe.toml", "dangling.toml"):
        with pytest.raises(ClocheError, match=name.replace(".", r"\.")):
            read_config(root, named(name))


def test_overrides_are_checked_and_win(tmp_path: Path) -> None:
    put(tmp_path / "params.toml", "[train]\nlr = 0.1\nseed = 1\n")
    assert read_config(tmp_path, USUAL, {"train.lr": 1}).values == {"train.lr": 1, "train.seed": 1}
    with pytest.raises(NotFound) as caught:
        read_config(tmp_path, USUAL, {"train.lrr": 1})
    assert caught.value.hint == "did you mean train.lr?"
    with pytest.raises(NotFound) as caught:
        apply_overrides(tmp_path, ["params.toml"], {"lr": 1})
    assert caught.value.hint == "did you mean train.lr?"
    with pytest.raises(UsageError, match="train is a table"):
        read_config(tmp_path, USUAL, {"train": 1})
    with pytest.raises(NotFound, match="no parameter files"):
        read_config(tmp_path / "home", USUAL, {"a": 1})


TOML = """\
# the model
seed = 1   # fixed

[train]    # how
lr   =  0.1  # fast
layers = [
  8,  # wide
  4,
]
opts = { a = 1, b = "x" }
[train.deep.er]
name = 'old'
"""


def test_toml_keeps_comments_and_layout(tmp_path: Path) -> None:
    put(tmp_path / "params.toml", TOML)
    overrides: dict[str, Value] = {"train.lr": 0.25, "seed": "two", "train.deep.er.name": 3, "train.opts.b": True}
    changed = apply_overrides(tmp_path, ["params.toml"], overrides)["params.toml"].decode()
    expected = TOML.replace("seed = 1 ", 'seed = "two" ').replace("0.1", "0.25").replace("'old'", "3")
    assert changed == expected.replace('b = "x"', "b = true")
    whole = apply_overrides(tmp_path, ["params.toml"], {"train.layers": [1, 2]})["params.toml"].decode()
    assert "# fast" in whole
    assert tomllib.loads(whole)["train"]["layers"] == [1, 2]
    with pytest.raises(UsageError, match="no null"):
        apply_overrides(tmp_path, ["params.toml"], {"seed": None})


YAML = """\
%YAML 1.2
---
# the model
seed:   1   # fixed
name: 'old name'   # quoted

train:
    lr: &lr 0.1      # four spaces
    layers:
    - 8   # same column
    - 4
    flow: {a: 1, b: [x, y]}
    text: |
        several
        lines
    empty:
    last: plain words   # end
eval:
    lr: *lr
"""


@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("seed", 2.5, "seed:   1 ", "seed:   2.5 "),
        ("name", "no", "'old name'", '"no"'),
        ("name", "a: b # c", "'old name'", '"a: b # c"'),
        ("train.flow.a", None, "a: 1", "a: null"),
        ("train.flow.b", ["x", 1], "[x, y]", "[x, 1]"),
        ("train.empty", 5, "empty:\n", "empty: 5\n"),
        ("train.last", "gbm", "plain words ", "gbm "),
        ("eval.lr", 0.5, "*lr", "0.5"),
        ("train.text", "one", "|\n        several\n        lines\n", "one\n"),
        ("train.layers", [2, 1], "    - 8   # same column\n    - 4\n", "      [2, 1]\n"),
    ],
)
def test_yaml_keeps_comments_and_layout(tmp_path: Path, key: str, value: Value, before: str, after: str) -> None:
    put(tmp_path / "params.yaml", YAML)
    changed = apply_overrides(tmp_path, ["params.yaml"], {key: value})["params.yaml"].decode()
    assert changed == YAML.replace(before, after, 1)
    put(tmp_path / "params.yaml", changed)
    assert read_config(tmp_path, USUAL).values[key] == value


def test_yaml_that_shares_a_value_is_not_changed_behind_ones_back(tmp_path: Path) -> None:
    put(tmp_path / "params.yaml", YAML)
    with pytest.raises(UsageError, match=r"train\.lr in params\.yaml cannot be changed without"):
        apply_overrides(tmp_path, ["params.yaml"], {"train.lr": 0.9})
    put(tmp_path / "params.yaml", "a: &a {x: 1}\nb: *a\n")
    with pytest.raises(UsageError, match="shared"):
        apply_overrides(tmp_path, ["params.yaml"], {"b.x": 2})


def test_a_merged_yaml_key_gets_a_line_of_its_own(tmp_path: Path) -> None:
    text = "base: &base\n  lr: 0.1\n  seed: 1\ntrain:\n  <<: *base\n  depth: 3\nflow: {<<: *base}\n"
    put(tmp_path / "params.yaml", text)
    changed = apply_overrides(tmp_path, ["params.yaml"], {"train.lr": 0.2, "flow.seed": 9})["params.yaml"].decode()
    assert changed == text.replace("  <<", "  lr: 0.2\n  <<").replace("{<<", "{seed: 9, <<")


def test_json_keeps_its_layout(tmp_path: Path) -> None:
    text = '{\n\t"seed": 1,\n\t"a\\u00e9": {"lr" :0.1, "l": [1,\n 2]},\n\t"z": null\n}\n'
    put(tmp_path / "params.json", text)
    overrides: dict[str, Value] = {"aé.lr": "x\né", "z": [True], "seed": -1}
    changed = apply_overrides(tmp_path, ["params.json"], overrides)["params.json"].decode()
    assert changed == text.replace("0.1", '"x\\né"').replace("null", "[true]").replace(": 1", ": -1")


def test_windows_line_ends_stay(tmp_path: Path) -> None:
    for name, text in (
        ("p.toml", "a = 1\r\nb = 2\r\n"),
        ("p.yaml", "a: 1\r\nb: 2\r\n"),
        ("p.json", '{"a": 1,\r\n"b": 2}'),
    ):
        (tmp_path / name).write_bytes(text.encode())
        changed = apply_overrides(tmp_path, [name], {"a": 7})[name].decode()
        assert changed == text.replace("1", "7", 1)


SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(st.characters(codec="utf-8"), max_size=12),
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=6)
TABLES = st.recursive(
    st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=3), min_size=1, max_size=4),
    lambda below: st.dictionaries(NAMES, SCALARS | below, min_size=1, max_size=4),
    max_leaves=8,
)


def written(name: str, table: dict[str, Any]) -> str:
    if name == "p.json":
        return json.dumps(table, indent=2)
    if name == "p.toml":
        import tomlkit

        return tomlkit.dumps(table)
    return "\n".join(yaml_lines(table)) + "\n"


def yaml_lines(table: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines += [f"{indent}{config_yaml.emit(key)}: # table", *yaml_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{config_yaml.emit(key)}: {config_yaml.emit(value)}   # {len(lines)}")
    return lines


@pytest.mark.parametrize("name", ["p.toml", "p.yaml", "p.json"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLES, value=SCALARS | st.lists(SCALARS, max_size=3), data=st.data())
def test_an_override_changes_its_value_and_nothing_else(
    tmp_path: Path, name: str, table: dict[str, Any], value: Value, data: st.DataObject
) -> None:
    (tmp_path / name).write_bytes(written(name, table).encode())
    before = read_config(tmp_path, named(name)).values
    key = data.draw(st.sampled_from(sorted(before)))
    for path, raw in apply_overrides(tmp_path, [name], {key: value}).items():
        (tmp_path / path).write_bytes(raw)
    after = read_config(tmp_path, named(name)).values
    assert after == before | {key: flatten({"v": value})["v"]}
    assert type(after[key]) is type(value)
    assert after == read_config(tmp_path, named(name), {key: value}).values
