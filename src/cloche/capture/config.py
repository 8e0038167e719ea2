"""Parameter files: TOML, YAML 1.2 and JSON, read into typed values and changed in place.

Reading is strict: a key that stands twice, a number that no record could hold, a file that points out of the project
are errors with the file and, where it is known, the line.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cloche.capture import config_json, config_toml, config_yaml
from cloche.errors import ClocheError, InputError, NotFound, SettingsError, UsageError
from cloche.model.paths import checked, decode_path
from cloche.model.settings import Settings
from cloche.model.suggestions import closest_key
from cloche.model.values import Value, flatten
from cloche.model.wording import quoted_line

MOST_BYTES = 4 * 1024 * 1024
MOST_VALUES = 100_000
MOST_DEPTH = 64
LEAST_INT, MOST_INT = -(2**63), 2**63 - 1

Table = dict[Any, Any]
KeyPath = tuple[Any, ...]


class ConfigRead(NamedTuple):
    """values: by dotted key, overrides applied; a key that a later file repeats is `FILE:KEY`. files: the parameter
    files that were read, as path texts, in their order."""

    values: dict[str, Value]
    files: list[str]


class _File(NamedTuple):
    path: str
    text: str
    bom: bool
    table: Table


def read_config(root: Path, settings: Settings, overrides: Mapping[str, Value] | None = None) -> ConfigRead:
    """The config of a project. overrides: values by key, which must exist.

    Files named in cloche.toml must be there; the usual ones may. Raises SettingsError for a file that cannot be
    understood, NotFound for an override of a key that no file has.
    """
    files = [_read(root, path) for path in _names(root, settings, must_exist=True)]
    values: dict[str, Value] = {}
    for file in files:
        for key, value in _values_of(file).items():
            values[f"{file.path}:{key}" if key in values else key] = value
    _check_overrides(values, overrides or {})
    values.update(overrides or {})
    return ConfigRead(values, [file.path for file in files])


def config_files(root: Path, settings: Settings) -> list[str]:
    """The parameter files that are there, as path texts, unread. Raises SettingsError for a name of no known kind."""
    return list(_names(root, settings, must_exist=False))


def apply_overrides(root: Path, files: Sequence[str], overrides: Mapping[str, Value]) -> dict[str, bytes]:
    """The bytes of the parameter files after the overrides, for those that change; writes nothing.

    Comments and layout stay; only the values themselves are replaced, with the type that the override has. Raises
    NotFound for a key that no file has, and UsageError where the format cannot hold the value or a value cannot be
    changed by itself (YAML that shares it through an anchor).
    """
    if not overrides:
        return {}
    read = [_read(root, path) for path in files]
    places: dict[str, tuple[_File, KeyPath]] = {}
    for file in read:
        for key, path in _key_paths(file.table):
            places[f"{file.path}:{key}" if key in places else key] = (file, path)
    _check_overrides(places, overrides)
    changed: dict[str, bytes] = {}
    for file in read:
        wanted = {key: (places[key][1], value) for key, value in overrides.items() if places[key][0] is file}
        text = _edited(file, wanted)
        if text != file.text:
            changed[file.path] = text.encode("utf-8-sig" if file.bom else "utf-8")
    return changed


def _edited(file: _File, wanted: Mapping[str, tuple[KeyPath, Value]]) -> str:
    parse, edit = _FORMATS[file.path.rpartition(".")[2].lower()]
    text, expected = file.text, file.table
    for key, (path, wish) in wanted.items():
        value = _dated(f"{key} in {file.path}", _at(expected, path), wish)
        expected = _replaced(expected, path, value)
        try:
            text = edit(text, path, value)
            fits = _shape(parse(text)) == _shape(expected)
        except ClocheError:
            raise
        except Exception as error:
            raise UsageError(f"{key} in {file.path} cannot be set to {value!r}: {error}") from error
        if not fits:
            raise UsageError(
                f"{key} in {file.path} cannot be changed without changing other values with it",
                hint=f"change it in {file.path} by hand",
            )
    return text


def _at(table: Table, path: KeyPath) -> object:
    return table[path[0]] if len(path) == 1 else _at(table[path[0]], path[1:])


def _dated(name: str, was: object, value: Value) -> Any:
    """The date or time that a text names, where there was one: these formats have a type for it, JSON has none."""
    if not isinstance(was, (datetime.date, datetime.time)) or not isinstance(value, str):
        return value
    try:
        return type(was).fromisoformat(value)
    except ValueError:
        kind = type(was).__name__
        raise UsageError(
            f"{name} is a {kind}, and {value!r} is none", hint=f"write it like {was.isoformat()}"
        ) from None


def _shape(value: object) -> object:
    """A value such that equal ones are of the same types, too (1 is not True), whatever a parser calls UTC."""
    if isinstance(value, Mapping):
        return [(repr(key), _shape(below)) for key, below in value.items()]
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return (type(value).__name__, value.isoformat()) if isinstance(value, datetime.datetime) else repr(value)


def _replaced(table: Table, path: KeyPath, value: object) -> Table:
    below = value if len(path) == 1 else _replaced(table[path[0]], path[1:], value)
    return {key: below if key is path[0] or key == path[0] else item for key, item in table.items()}


def _names(root: Path, settings: Settings, *, must_exist: bool) -> Iterator[str]:
    must_exist = must_exist and settings.config.files is not None
    for name in dict.fromkeys(settings.config_files):
        path = checked(name.removeprefix("./"))
        if path.rpartition(".")[2].lower() not in _FORMATS:
            raise SettingsError(
                f"{path}, named under [config] in cloche.toml, is of no known kind",
                hint="parameter files end in .toml, .yaml, .yml or .json",
            )
        if os.path.lexists(root / decode_path(path)):
            yield path
        elif must_exist:
            raise SettingsError(
                f"{path}, named under [config] in cloche.toml, does not exist", hint="create it or take its name out"
            )


def _read(root: Path, path: str) -> _File:
    raw = _bytes_of(root, path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}, line {line}: not UTF-8", hint="save the file as UTF-8") from error
    return _File(path, text, raw.startswith(b"\xef\xbb\xbf"), _parse(path, text))


def _bytes_of(root: Path, path: str) -> bytes:
    file = root / decode_path(path)
    real = Path(os.path.realpath(file))
    if not real.is_relative_to(os.path.realpath(root)):
        raise SettingsError(
            f"{path} is a link that leads out of the project", hint="put the file itself in the project"
        )
    try:
        state = real.stat()
        if not stat.S_ISREG(state.st_mode):
            raise SettingsError(
                f"{path} is not a file", hint="move it away, or name the parameter files under [config] in cloche.toml"
            )
        if state.st_size > MOST_BYTES:
            raise SettingsError(
                f"{path} is too large for a parameter file ({state.st_size} bytes)",
                hint="record it as data instead: cloche add " + path,
            )
        return real.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _parse(path: str, text: str) -> Table:
    parse = _FORMATS[path.rpartition(".")[2].lower()][0]
    try:
        table: object = parse(text)
    except ClocheError as error:
        raise SettingsError(f"{path}{error.message}", hint=error.hint) from error
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        where, message = (f", line {place[1]}", str(error)[: place.start()]) if place else ("", str(error))
        raise SettingsError(
            f"{path}{where}: {message}", hint=quoted_line(text, int(place[1]) if place else 0)
        ) from error
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{path}, line {error.lineno}: {error.msg}", hint=quoted_line(text, error.lineno)
        ) from error
    except RecursionError as error:
        raise SettingsError(f"{path}: tables are nested too deeply", hint="use fewer levels") from error
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error
    if not isinstance(table, dict):
        raise SettingsError(
            f"{path}: the file holds no table of keys and values but one {type(table).__name__}",
            hint="parameters are written as key and value",
        )
    _check_values(path, table)
    return table


def _values_of(file: _File) -> dict[str, Value]:
    values = flatten(file.table)
    seen: set[str] = set()
    for key, _ in _key_paths(file.table):
        if key in seen:
            raise SettingsError(
                f"{file.path}: the key {key} stands twice", hint="a dot in a key is a step into a table"
            )
        seen.add(key)
    return values


def _key_paths(table: Mapping[Any, Any], above: KeyPath = ()) -> Iterator[tuple[str, KeyPath]]:
    """The dotted key, as `flatten` writes it, and the keys themselves of every value."""
    for key, value in table.items():
        path = (*above, key)
        if isinstance(value, Mapping):
            yield from _key_paths(value, path)
        else:
            yield ".".join(_part(part) for part in path), path


def _part(key: object) -> str:
    """A key as `flatten` writes it: halves of surrogate pairs are written out."""
    return str(key).encode("utf-8", "backslashreplace").decode()


def _check_values(path: str, table: Table) -> None:
    """Refuses what a record could not hold. Walks without recursion, and never more than MOST_VALUES values."""
    waiting: list[tuple[object, str, int]] = [(table, "", 0)]
    count = 0
    while waiting:
        value, key, depth = waiting.pop()
        count += 1
        if count > MOST_VALUES or depth > MOST_DEPTH:
            raise SettingsError(
                f"{path}: more than {MOST_VALUES} values, or tables nested deeper than {MOST_DEPTH}",
                hint=f"record it as data instead: cloche add {path}",
            )
        if isinstance(value, Mapping):
            for name, below in value.items():
                waiting.append((below, f"{key}.{name}" if key else str(name), depth + 1))
        elif isinstance(value, (list, tuple, set)):
            waiting += [(below, key, depth + 1) for below in value]
        else:
            _check_value(path, key, value)


def _check_value(path: str, key: str, value: object) -> None:
    if isinstance(value, int) and not LEAST_INT <= value <= MOST_INT:
        raise SettingsError(f"{path}: the value of {key} does not fit into 64 bits", hint="write it as text, in quotes")


def _check_overrides(known: Mapping[str, object], overrides: Mapping[str, Value]) -> None:
    for key in overrides:
        if key in known:
            continue
        below = [name for name in known if name.startswith(key + ".")]
        if below:
            raise UsageError(f"{key} is a table, not a value", hint=f"name one of its keys, such as {below[0]}")
        if not known:
            raise NotFound(
                f"there is no parameter {key}: the project has no parameter files", hint="see [config] in cloche.toml"
            )
        raise NotFound(f"there is no parameter {key}", hint=_did_you_mean(key, known))


def _did_you_mean(key: str, known: Mapping[str, object]) -> str:
    near = closest_key(key, list(known))
    return f"did you mean {near}?" if near else "known: " + ", ".join(sorted(known)[:10])


_Parse = Callable[[str], Any]
_Edit = Callable[[str, KeyPath, Value], str]
_FORMATS: dict[str, tuple[_Parse, _Edit]] = {
    "toml": (tomllib.loads, config_toml.edit),
    "yaml": (config_yaml.parse, config_yaml.edit),
    "yml": (config_yaml.parse, config_yaml.edit),
    "json": (config_json.parse, config_json.edit),
}
