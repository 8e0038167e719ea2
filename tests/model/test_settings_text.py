from __future__ import annotations

import json
import re
import string
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cloche.errors import SettingsError
from cloche.model.settings import Remote, Section, Settings, Stage
from cloche.model.settings_text import parse_settings, template
from cloche.model.toml_lines import key_lines


def refused(text: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    return caught.value


def test_the_template_says_nothing_and_shows_everything() -> None:
    assert parse_settings(template()) == Settings()
    shown = re.sub(r"(?m)^#(?! )", "", template())
    settings = parse_settings(shown)
    assert settings.stages["train"] == Stage("python train.py", ("data/clean",), ("model.joblib",), ("train",))
    document = msgspec.to_builtins(settings)
    for field in msgspec.structs.fields(Settings):
        kind, name = {"stages": (Stage, "train"), "remotes": (Remote, "origin")}.get(field.name, (field.type, ""))
        table = document[field.name][name] if name else document[field.name]
        assert issubclass(kind, Section)
        missing = [key for key in kind.__struct_fields__ if f"{key} = " not in shown or not table[key]]
        assert missing == []


def test_a_whole_file() -> None:
    settings = parse_settings(
        """
        stages.prepare = { run = "python prepare.py", reads = ["./data/raw/"], writes = ["data//clean", "data/clean"] }
        [config]
        files = ["./params.toml"]
        [metrics]
        files = ["./reports/*.json"]
        [code]
        ignore = ["*.tmp", "./build/", "logs/**"]
        [environment]
        python = ".venv/bin/python"
        variables = ["A", "B"]
        [stages."train-2"]
        run = \"\"\"
        python train.py \\
          --fast\"\"\"
        params = ["train.lr"]
        """
    )
    assert settings.stages["prepare"] == Stage("python prepare.py", ("data/raw",), ("data/clean",))
    assert settings.stages["train-2"].params == ("train.lr",)
    assert settings.config_files == ("params.toml",)
    assert settings.metric_patterns == ("reports/*.json",)
    assert settings.code.ignore == ("*.tmp", "/build/", "logs/**")
    assert settings.environment.variables == ("A", "B")


def test_empty_lists_are_not_the_usual_names() -> None:
    settings = parse_settings("[config]\nfiles = []\n[metrics]\nfiles = []")
    assert settings.config_files == settings.metric_patterns == ()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("\n\n[stages.train]\nrnu = 'x'", "line 4: unknown key `rnu` in [stages.train]", "did you mean `run`?"),
        ("[stage.x]\nrun = 'x'", "line 1: unknown key `stage`", "did you mean `stages`?"),
        ("stages.a.run='x'\nstages.a.red=['x']", "line 2: unknown key `red` in [stages.a]", "did you mean `reads`?"),
        ("[config]\nzzzzz = 1", "line 2: unknown key `zzzzz` in [config]", "known are: files"),
        ('[config]\n"na me" = 1', "line 2: unknown key `na me` in [config]", "known are: files"),
        ("stages = 1", "line 1: `stages` must be a table, not a whole number", "write [stages] on a line of its own"),
        ("[[stages]]\nrun='x'", "line 1: `stages` must be a table, not a list", "write [stages] on a line of its own"),
        ("[stages]\nrun = 'x'", "line 2: `run` in [stages] must be a table, not text", "a stage needs a name: write"),
        ("[stages]\na = 1", "line 2: `a` in [stages] must be a table, not a whole number", "write [stages.a]"),
        ("[stages.a]\nreads=['x']", "line 1: [stages.a] has no `run`", 'write run = "python train.py"'),
        ("[stages.a]\nrun = ' '", "line 2: `run` in [stages.a] is empty", 'write run = "python train.py"'),
        ("[stages.a]\nrun = ['x']", "line 2: `run` in [stages.a] must be text, not a list", 'write run = "..."'),
        ("[environment]\npython=2024-01-01", "line 2: `python` in [environment] must be text, not a date", "write"),
        ("[stages.a]\nrun='x'\nreads='d'", "line 3: `reads` in [stages.a] must be a list of texts, not text", '["d"]'),
        ("[code]\nignore=true", "line 2: `ignore` in [code] must be a list of texts, not true or false", "write"),
        ("[code]\nignore=[\n'a',\n1.5]", "line 4: `ignore` in [code] must hold texts only, not a number", "in quotes"),
        ("[config]\nfiles=['/x']", "line 2: `files` in [config]: '/x' is not inside the project", "paths begin at"),
        ("[config]\nfiles=['../x']", "line 2: `files` in [config]: '../x' is not inside", "paths begin at"),
        ("[config]\nfiles=['a/../b']", "line 2: `files` in [config]: 'a/../b' is not inside", "paths begin at"),
        ("[config]\nfiles=['C:/x']", "line 2: `files` in [config]: 'C:/x' is not inside", "paths begin at"),
        ("[config]\nfiles=['~/x']", "line 2: `files` in [config]: '~/x' is not inside", "paths begin at"),
        ("[config]\nfiles=['a\\b']", r"line 2: `files` in [config]: 'a\\b' holds a backslash", "write `/`"),
        ('[config]\nfiles=["a\\nb"]', r"line 2: `files` in [config]: 'a\nb' holds control characters", r"'a\x0ab'"),
        ("[config]\nfiles=['']", "line 2: `files` in [config]: a path in it is empty", "take it out"),
        ("[config]\nfiles=['.']", "line 2: `files` in [config]: '.' is the whole project", "name files or folders"),
        ("[metrics]\nfiles=['!x']", "line 2: `files` in [metrics]: '!x': patterns cannot take", "without `!`"),
        ("[code]\nignore=['/']", "line 2: `ignore` in [code]: '/' would match everything", "write a pattern"),
        ("[code]\nignore=['']", "line 2: `ignore` in [code]: a path in it is empty", "take it out"),
        ("[environment]\nvariables=['A=1']", "line 2: `variables` in [environment]: 'A=1' is not the name", "alone"),
        ("[stages.a]\nrun='x'\nparams=['a..b']", "line 3: `params` in [stages.a]: 'a..b' is not a key", "with dots"),
        ("[stages.a]\nrun='x'\nreads=['s3://b/x']", "line 3: `reads` in [stages.a]: 's3://b/x' is an address", "first"),
        ("[stages.a]\nrun='x'\nwrites=['.cloche/x']", "line 3: `writes` in [stages.a]: '.cloche/x' belongs to", "own"),
        ("[stages.'a/b']\nrun='x'", "line 1: 'a/b' cannot be the name of a stage", "use letters"),
        ("[stages.'']\nrun='x'", "line 1: '' cannot be the name of a stage", "use letters"),
        ("[stages.'a b']\nrun='x'", "line 1: 'a b' cannot be the name of a stage", "use letters"),
        ("[config]\nfiles = [", "line 2: invalid value", "quotes"),
        ("[config]\n\nfiles = x", "line 3: invalid value", "quotes"),
        ("[config]\r\n\r\nfiles = ['a']\r\nfiles = ['b']\r\n", "line 4: cannot overwrite a value", "stands twice"),
        ("\ufeff[config]\nfoo = 1", "line 2: unknown key `foo` in [config]", "known are"),
    ],
)  # fmt: skip
def test_errors_name_the_line_and_what_was_meant(text: str, message: str, hint: str) -> None:
    error = refused(text)
    assert error.message.startswith(f"cloche.toml, {message}")
    assert hint in error.hint


def test_other_files_are_called_by_their_name() -> None:
    with pytest.raises(SettingsError, match=r"^sub/cloche\.toml, line 1: unknown key"):
        parse_settings("x = 1", "sub/cloche.toml")


@pytest.mark.parametrize("text", ["x = " + "[" * 50_000, "x = " + "9" * 10_000, "a." * 5_000 + "b = 1"])
def test_absurd_files_are_errors_too(text: str) -> None:
    assert refused(text).hint


def test_two_stages_never_write_the_same_path() -> None:
    text = """
        [stages.a]
        run = "x"
        writes = ["out/model"]
        [stages.b]
        run = "x"
        writes = [
            "other", "other",  # twice is once
            "WRITES",
        ]
    """
    same = refused(text.replace("WRITES", "./out/model/"))
    assert same.message == "cloche.toml, line 9: stages a and b both write out/model"
    for path in ("out", "out/model/weights"):
        message = refused(text.replace("WRITES", path)).message
        assert message.startswith(f"cloche.toml, line 9: stage a writes out/model, and stage b writes {path}: one lies")
    assert parse_settings(text.replace("WRITES", "out/model2")).stages["b"].writes == ("other", "out/model2")


def test_one_stage_may_write_a_folder_and_a_file_in_it() -> None:
    assert parse_settings("[stages.a]\nrun='x'\nwrites=['out', 'out/m']").stages["a"].writes == ("out", "out/m")


# Generated files, with one wrong key at a known line.

words = st.text(string.ascii_lowercase, min_size=1, max_size=6)
tricky = st.sampled_from(
    ['"""', "# no comment", "[stages.x]", "wrong_key = 1", "'", '"', "\\", "a\nwrong_key = 2\nb", "é", "]", "}", ","]
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """A text that hides things, and the text itself, as TOML."""
    text = "".join(draw(st.lists(tricky | words, min_size=1, max_size=4)))
    ways = [json.dumps(text, ensure_ascii=False)]
    if '"""' not in text and not text.endswith('"') and "\\" not in text:
        ways.append(f'"""\n{text}"""')
    if "'" not in text and "\n" not in text:
        ways.append(f"'{text}'")
    if "'''" not in text and not text.endswith("'"):
        ways.append(f"'''\n{text}'''")
    return text, draw(st.sampled_from(ways))


def quoted(draw: st.DrawFn, key: str) -> str:
    return draw(st.sampled_from([key, f'"{key}"', f"'{key}'"]))


@st.composite
def settings_with_a_wrong_key(draw: st.DrawFn) -> tuple[str, str, int]:
    """Text, the wrong key, its line."""
    names = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    culprit, wrong = draw(st.sampled_from(names)), "wrong_key"
    lines: list[str] = []
    found = 0
    dotted = draw(st.booleans())
    for name in names:
        pairs = [("run", draw(texts())[1])]
        if draw(st.booleans()):
            rows = ",\n".join(f"  {draw(texts())[1]}" for _ in range(draw(st.integers(0, 3))))
            pairs.append(("params", f"[ # list\n{rows}\n]" if rows else "[]"))
        if name == culprit:
            value = draw(
                st.sampled_from(["1", "{ run = 'x' }", "[[1], [\n2]]", "2024-01-01 10:00:00"])
                | texts().map(lambda pair: pair[1])
            )
            pairs.insert(draw(st.integers(0, len(pairs))), (wrong, value))
        if not dotted:
            lines.append(f"[stages . {quoted(draw, name)}] # [stages.wrong_key]")
        for key, value in pairs:
            lines += draw(st.lists(st.sampled_from(["", "# wrong_key = 3", "   # ''' \"\"\""]), max_size=2))
            if key == wrong:
                found = "\n".join(lines).count("\n") + 2 if lines else 1
            start = f"stages.{quoted(draw, name)}." if dotted else draw(st.sampled_from(["", "  "]))
            lines.append(f"{start}{quoted(draw, key)} = {value}")
    text = "\n".join(lines)
    return draw(st.sampled_from([text, text + "\n", text.replace("\n", "\r\n")])), wrong, found


@given(settings_with_a_wrong_key())
def test_the_line_of_a_wrong_key_is_right(case: tuple[str, str, int]) -> None:
    text, wrong, line = case
    assert refused(text).message.startswith(f"cloche.toml, line {line}: unknown key `{wrong}` in [stages.")


def test_inline_tables_and_arrays_of_tables() -> None:
    lines = key_lines(
        "a = { b.c = [1, { d = 2 }], e = '' }\n[[t]]\nx = 1\n[[t]]\n[t.y]\nz = '''\n\n'''\n[[t.w]]\nv = 1"
    )
    assert lines["a", "b", "c", 1, "d"] == 1
    assert lines["t", 0, "x"] == 3
    assert lines["t", 1] == 4
    assert lines["t", 1, "y", "z"] == 6
    assert lines["t", 1, "w", 0, "v"] == 10


@given(st.text(st.sampled_from(list("ab.=[]{}'\"\\#,\n \t1")), max_size=40))
def test_any_text_is_followed_wholly_or_not_at_all(text: str) -> None:
    lines = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Settings as they could be, as plain values."""
    path = st.lists(words, min_size=1, max_size=3).map("/".join)
    stages = {
        name: {"run": draw(texts())[0], "reads": draw(st.lists(path, max_size=2)), "writes": [f"out-{name}/x"]}
        for name in draw(st.lists(words, max_size=3, unique=True))
    }
    return {"config": {"files": draw(st.lists(path, max_size=2, unique=True))}, "stages": stages}


@given(documents())
def test_what_is_written_is_what_is_read(document: dict[str, Any]) -> None:
    rows = [f"config.files = {json.dumps(document['config']['files'])}"]
    for name, stage in document["stages"].items():
        rows += [f"stages.{name}.{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in stage.items()]
    assume(all(stage["run"].strip() for stage in document["stages"].values()))
    settings = parse_settings("\n".join(rows))
    assert settings.config_files == tuple(document["config"]["files"])
    assert {name: stage.run for name, stage in settings.stages.items()} == {
        name: stage["run"] for name, stage in document["stages"].items()
    }
    assert all(
        stage.reads == tuple(dict.fromkeys(document["stages"][name]["reads"]))
        for name, stage in settings.stages.items()
    )


def test_a_table_that_stands_twice_is_named_as_it_is_written() -> None:
    error = refused("[stages.a]\nrun = 'x'\n[stages.a]\nrun = 'y'\n")
    assert error.message == "cloche.toml, line 3: the table [stages.a] stands twice"
