"""Reading `cloche.toml`: from text to `Settings`, with errors that name the line and say what was meant."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from cloche.errors import SettingsError
from cloche.model.settings import CHECKOUT_MODES, FILE_NAME, Remote, Section, Settings, Stage
from cloche.model.settings_rules import Unfit, tidy_of, tidy_path, tidy_path_pattern
from cloche.model.suggestions import closest
from cloche.model.toml_lines import Path, key_lines

_TWICE = re.compile(r"Cannot declare \(([^)]*)\)")  # as tomllib says it
_WORD = re.compile(r"'([^']*)'")
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NAMED: dict[Path, tuple[type[Section], str]] = {("stages",): (Stage, "stage"), ("remotes",): (Remote, "remote")}
_TABLE_NAME = re.compile(r"(?![-.])[^\s/\\\x00-\x1f\x7f\"'`]+")
_LISTS = (tuple[str, ...], tuple[str, ...] | None)
_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list"}
_EXAMPLE_NAMES = {"stage": "train", "remote": "origin"}
_EXAMPLES = {
    "url": 'write url = "s3://bucket/folder", or a folder',
    "run": 'write run = "python train.py", or whatever starts it',
}


def parse_settings(text: str, name: str = FILE_NAME) -> Settings:
    """The settings that `text` holds; paths in them come back tidy (`./data/` as `data`).

    name: what errors call the file. Raises SettingsError, with the line wherever it can be told, for TOML that
    cannot be read, unknown keys (with the one that was meant), values of the wrong type, paths outside the project,
    stage names that cannot be typed, and two stages that write the same path.
    """
    text = text.removeprefix("\ufeff")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _syntax(error, text, name) from None
    return _Reader(document, text, name).settings()


def _syntax(error: Exception, text: str, name: str) -> SettingsError:
    if isinstance(error, RecursionError):
        return SettingsError(f"{name}: lists or tables are nested too deep", hint="take the outer brackets away")
    message = str(error)
    found = _PLACE.search(message)
    hint = 'texts stand in quotes and lists in brackets: key = "value", keys = ["one", "two"]'
    if found is None:
        return SettingsError(f"{name}: {message}", hint=hint)
    if "overwrite" in message or "twice" in message:
        hint = "it stands twice: take one of the two out"
    line = int(found[1]) if found[1] else text.rstrip("\n").count("\n") + 1
    what = _TWICE.sub(
        lambda keys: f"the table [{'.'.join(re.findall(_WORD, keys[1]))}] stands", message[: found.start()]
    )
    return SettingsError(f"{name}, line {line}: {what[:1].lower()}{what[1:]}", hint=hint)


class _Reader:
    """Checks a document piece by piece, so that each error knows the path of what is wrong."""

    def __init__(self, document: dict[str, Any], text: str, name: str) -> None:
        self.document = document
        self.text = text
        self.name = name

    def settings(self) -> Settings:
        settings = msgspec.convert(self.section(self.document, Settings, ()), Settings)
        self.check_writes(settings)
        return settings

    def section(self, table: object, kind: type[Section], at: Path) -> dict[str, Any]:
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        content = self.table(table, at)
        for key in content:
            if key not in fields:
                self.unknown((*at, key), list(fields))
        for key, field in fields.items():
            if field.required and key not in content:
                self.fail(at, f"{_table(at)} has no `{key}`", _EXAMPLES.get(key, ""))
        return {key: self.field(value, fields[key].type, (*at, key)) for key, value in content.items()}

    def field(self, value: object, kind: Any, at: Path) -> object:
        if isinstance(kind, type) and issubclass(kind, Section):
            return self.section(value, kind, at)
        if at in _NAMED:
            return {name: self.named(one, at, name) for name, one in self.table(value, at).items()}
        if at == ("data", "keys"):
            return dict(self.columns(name, columns) for name, columns in self.table(value, at).items())
        if at == ("data", "external"):
            return dict(self.external(name, place) for name, place in self.table(value, at).items())
        if at == ("data", "checkout"):
            return self.choice(value, CHECKOUT_MODES, at)
        if kind is str:
            return self.string(value, at)
        if kind in _LISTS:
            items = enumerate(self.items(value, at))
            return tuple(dict.fromkeys(self.item(one, (*at, index)) for index, one in items))
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self.fail(at, f"{_key(at)}: {error}", "")

    def named(self, table: object, among: Path, name: str) -> dict[str, Any]:
        """One of many tables of a kind, such as `[stages.train]`."""
        kind, noun = _NAMED[among]
        at = (*among, name)
        if not isinstance(table, dict):
            hint = f"write [{'.'.join(map(_quoted, at))}] on a line of its own, and its keys below"
            if name in kind.__struct_fields__:
                hint = f"a {noun} needs a name: write [{among[0]}.{_EXAMPLE_NAMES[noun]}], and `{name}` below it"
            self.fail(at, f"{_key(at)} must be a table, not {_found(table)}", hint)
        if not _TABLE_NAME.fullmatch(name):
            hint = "use letters, digits, `-` and `_`, without spaces"
            self.fail(at, f"{name!r} cannot be the name of a {noun}", hint)
        return self.section(table, kind, at)

    def columns(self, name: str, columns: object) -> tuple[str, tuple[str, ...]]:
        """One line of `[data.keys]`: the tables, and the columns that identify a row of them."""
        at = ("data", "keys", name)
        try:
            pattern = tidy_path_pattern(name)
        except Unfit as problem:
            self.fail(at, f"{_key(at)}: {problem}", problem.hint)
        listed = self.items(columns, at)
        return pattern, tuple(dict.fromkeys(self.item(one, (*at, index)) for index, one in enumerate(listed)))

    def external(self, name: str, place: object) -> tuple[str, str]:
        """One line of `[data.external]`: the path by which it is called, and where it is."""
        at = ("data", "external", name)
        try:
            path = tidy_path(name)
        except Unfit as problem:
            self.fail(at, f"{_key(at)}: {problem}", problem.hint)
        text = self.string(place, at)
        if not (text.startswith("/") or re.match(r"[a-z][a-z0-9+.-]*://.", text)):
            self.fail(at, f"{_key(at)}: {text!r} is neither an absolute path nor an address", "such as /mnt/data")
        return path, text

    def choice(self, value: object, known: Sequence[str], at: Path) -> str:
        text = self.string(value, at)
        if text not in known:
            near = closest(text, known)
            hint = f"did you mean `{near}`?" if near else f"known are: {', '.join(known)}"
            self.fail(at, f"{_key(at)}: unknown value {text!r}", hint)
        return text

    def table(self, value: object, at: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(
                at, f"{_key(at)} must be a table, not {_found(value)}", f"write {_table(at)} on a line of its own"
            )
        return value

    def string(self, value: object, at: Path) -> str:
        if not isinstance(value, str):
            self.fail(at, f"{_key(at)} must be text, not {_found(value)}", f'write {at[-1]} = "..."')
        if at[-1] == "run" and not value.strip():
            self.fail(at, f"{_key(at)} is empty", _EXAMPLES["run"])
        if "\0" in value:
            self.fail(at, f"{_key(at)} holds a NUL character", "take it out")
        return value

    def items(self, value: object, at: Path) -> list[object]:
        if not isinstance(value, list):
            example = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else '"..."'
            self.fail(at, f"{_key(at)} must be a list of texts, not {_found(value)}", f"write {at[-1]} = [{example}]")
        return value

    def item(self, value: object, at: Path) -> str:
        """One text of a list, checked and tidied as its key asks."""
        key = at[:-1]
        if not isinstance(value, str):
            self.fail(at, f"{_key(key)} must hold texts only, not {_found(value)}", "put it in quotes")
        try:
            return tidy_of(str(key[0]), str(key[-1]))(value)
        except Unfit as problem:
            self.fail(at, f"{_key(key)}: {problem}", problem.hint)

    def check_writes(self, settings: Settings) -> None:
        """Each path is written by one stage only: otherwise what is there depends on which of them ran last."""
        covered: dict[str, tuple[str, str]] = {}  # every written path and every folder above one: who writes there
        written: dict[str, str] = {}
        for name, stage in settings.stages.items():
            for path in stage.writes:
                above = _above(path)
                outer = next((one for one in above if written.get(one, name) != name), "")
                if outer:
                    self.clash(name, path, written[outer], outer)
                if covered.get(path, (name,))[0] != name:
                    self.clash(name, path, *covered[path])
            for path in stage.writes:
                written[path] = name
                covered |= {one: (name, path) for one in _above(path) if one not in covered}

    def clash(self, name: str, path: str, other: str, theirs: str) -> NoReturn:
        what = f"stages {other} and {name} both write {path}"
        if path != theirs:
            what = f"stage {other} writes {theirs}, and stage {name} writes {path}: one lies inside the other"
        texts = self.document["stages"][name]["writes"]
        index = next(at for at, text in enumerate(texts) if tidy_of("stages", "writes")(text) == path)
        self.fail(("stages", name, "writes", index), what, "let each stage write files or folders of its own")

    def unknown(self, at: Path, known: list[str]) -> NoReturn:
        near = closest(str(at[-1]), known)
        hint = f"did you mean `{near}`?" if near else f"known are: {', '.join(known)}"
        self.fail(at, f"unknown key {_key(at)}", hint)

    def fail(self, at: Path, message: str, hint: str) -> NoReturn:
        line = key_lines(self.text).get(at)
        place = f"{self.name}, line {line}" if line else self.name
        raise SettingsError(f"{place}: {message}", hint=hint)


def _above(path: str) -> list[str]:
    """The path and all folders above it."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _quoted(key: str | int) -> str:
    text = str(key)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _table(at: Path) -> str:
    return f"[{'.'.join(map(_quoted, at))}]"


def _key(at: Path) -> str:
    return f"`{at[-1]}` in {_table(at[:-1])}" if at[:-1] else f"`{at[-1]}`"


def _found(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    return _WORDS.get(type(value).__name__, "a date or time")


def template() -> str:
    """The `cloche.toml` that `cloche init` writes: every key explained and commented out, so it says `Settings()`."""
    return _TEMPLATE


_TEMPLATE = """\
# The settings of this project for Cloche. None is needed: each line that begins with a bare # is an example.

# Parameter files (TOML, YAML or JSON). Left out: params.toml, params.yaml, params.yml, params.json, where they exist.
#[config]
#files = ["params.toml"]

# JSON files that hold metrics after a run. Left out: metrics.json and metrics/*.json.
#[metrics]
#files = ["reports/metrics.json"]

# Files that are no part of the code, beside those that .gitignore names.
#[code]
#ignore = ["notebooks/scratch/**"]

# Columns that identify a row of a table, for `cloche diff`. Left out: a column that is named like an id and is one.
# How data lies in the work tree: auto (copies), reflink, hardlink or symlink (links into the store, read-only). Paths
# of which only digests are recorded, since they are too big to hold twice, and where those lie that lie elsewhere.
#[data]
#checkout = "hardlink"
#in_place = ["data/huge"]
#external = { "data/imagenet" = "/mnt/imagenet" }
#keys = { "data/flights.csv" = ["flight_id"], "data/daily/*.csv" = ["station", "day"] }

# Files that a run may write without their becoming its outputs.
#[outputs]
#ignore = ["*.tmp", "logs/**"]

# The Python of the project, where it cannot be told from the command, and further variables to record.
#[environment]
#python = ".venv/bin/python"
#variables = ["MY_SETTING"]

# Steps that `cloche run` takes in order. One whose inputs did not change is taken from an earlier run.
# params names keys of the parameter files; "train" stands for all below it.
#[stages.train]
#run = "python train.py"
#reads = ["data/clean"]
#writes = ["model.joblib"]
#params = ["train"]

# Copies of the store elsewhere: `cloche remote add` writes these. Credentials never stand here.
#[remotes.origin]
#url = "s3://bucket/folder"
#default = true
#endpoint = "https://s3.example.org"
#region = "eu-central-1"
#single_writer = true
"""
