"""`dvc.yaml`: stages with templates, foreach and matrix, as the plain stages that they stand for."""

from __future__ import annotations

import itertools
import math
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cloche.dvc.tables import read_table
from cloche.dvc.templating import NO_OPTIONS, Options, Values, copied, fill, is_filled, merge, text_of
from cloche.dvc.words import Definition, Out, Pipeline, Skipped, Unreadable

MOST_STAGES = 100_000
DEFAULT_PARAMS = "params.yaml"

Load = Callable[[str], Values | None]


def read_pipeline(path: str, data: bytes, load: Load, options: Options = NO_OPTIONS) -> Pipeline:
    """The pipeline in a `dvc.yaml`. A stage that cannot be understood loses only itself.

    load: the table in a parameter file, by its path from the file's folder; None where there is none. Raises Unreadable
    where the whole file, or what its templates are filled in from, cannot be understood.
    """
    table = read_table(path, data)
    values = _values(table.get("vars"), load, "vars", default=True)
    skipped: list[Skipped] = []
    stages: list[Definition] = []
    for name, stage in _table(table.get("stages"), "stages").items():
        try:
            stages += _Stage(str(name), stage, values, load, options).stages()
        except Unreadable as error:
            skipped.append(Skipped("stage", str(name), error.message))
        if len(stages) > MOST_STAGES:
            raise Unreadable(f"it stands for more than {MOST_STAGES} stages")
    lists: dict[str, tuple[str, ...]] = {}
    for key in ("metrics", "params", "plots"):
        try:
            lists[key] = tuple(_names(fill(table.get(key) or [], values, tables=True)))
        except Unreadable as error:
            skipped.append(Skipped(key, key, error.message))
    return Pipeline(
        stages=tuple(stages),
        metrics=lists.get("metrics", ()),
        params=lists.get("params", ()),
        plots=lists.get("plots", ()),
        artifacts=_artifacts(table.get("artifacts"), values, skipped),
        skipped=tuple(skipped),
    )


def _artifacts(section: object, values: Values, skipped: list[Skipped]) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        for name, about in _table(section, "artifacts").items():
            filled = fill(about, values, tables=True)
            found[str(fill(name, values))] = str(filled.get("path", "")) if isinstance(filled, dict) else ""
    except Unreadable as error:
        skipped.append(Skipped("artifact", "artifacts", error.message))
    return found


class _Stage:
    """One entry under `stages`, which may stand for many."""

    def __init__(self, name: str, table: object, values: Values, load: Load, options: Options) -> None:
        self.name = name
        self.table = _table(table, "a stage")
        self.values = values
        self.load = load
        self.options = options

    def stages(self) -> list[Definition]:
        if "matrix" in self.table:
            return [self.one(f"{self.name}@{key}", self.table, more) for key, more in self.matrix()]
        if "foreach" in self.table:
            template = _table(self.table.get("do"), "`do`")
            return [self.one(f"{self.name}@{key}", template, more) for key, more in self.each()]
        return [self.one(self.name, self.table, {})]

    def each(self) -> Iterator[tuple[str, Values]]:
        over = fill(self.table["foreach"], self.values, tables=True)
        if isinstance(over, dict):
            yield from ((text_of(key), {"item": item, "key": text_of(key)}) for key, item in over.items())
        elif isinstance(over, list):
            numbered = any(isinstance(item, (dict, list)) for item in over)
            keyed = {text_of(at) if numbered else text_of(item): item for at, item in enumerate(over)}
            yield from ((key, {"item": item}) for key, item in keyed.items())
        else:
            raise Unreadable("`foreach` needs a list or a table")

    def matrix(self) -> Iterator[tuple[str, Values]]:
        axes = fill(_table(self.table["matrix"], "`matrix`"), self.values, tables=True)
        if not all(isinstance(axis, list) for axis in axes.values()):
            raise Unreadable("`matrix` needs a list for each of its names")
        if math.prod(len(axis) for axis in axes.values()) > MOST_STAGES:
            raise Unreadable(f"`matrix` stands for more than {MOST_STAGES} stages")
        found: dict[str, Values] = {}
        for chosen in itertools.product(*(enumerate(axis) for axis in axes.values())):
            named = list(zip(axes, chosen, strict=True))
            parts = [f"{k}{at}" if isinstance(item, (dict, list)) else text_of(item) for k, (at, item) in named]
            key = "-".join(parts)
            found[key] = {"key": key, "item": {str(k): item for k, (_, item) in named}}
        yield from found.items()

    def one(self, name: str, template: Mapping[Any, Any], more: Values) -> Definition:
        values = {**self.values, **more}
        folder = str(fill(template.get("wdir") or "", values))
        if template.get("vars"):
            values = copied(values)
            merge(values, _values(template["vars"], lambda path: self.load(posixpath.join(folder, path)), name), name)
        raw = template.get("cmd")
        filled = {
            key: fill(template.get(key) or [], values, tables=True)
            for key in ("deps", "params", "outs", "metrics", "plots")
        }
        return Definition(
            name=name,
            folder=folder,
            command=commands(fill(raw, values, command=True, options=self.options)),
            deps=tuple(_names(filled["deps"])),
            outs=_outs(filled),
            params=_params(filled["params"]),
            frozen=bool(template.get("frozen")),
            always=bool(template.get("always_changed")),
            description=str(template.get("desc") or ""),
            filled=is_filled(raw),
        )


def _values(section: object, load: Load, where: str, *, default: bool = False) -> Values:
    """The values that templates are filled in from: those of `params.yaml`, and what `vars` names or says."""
    values: Values = {}
    whole: set[str] = set()
    if default and (table := load(DEFAULT_PARAMS)) is not None:
        merge(values, table, DEFAULT_PARAMS)
        whole.add(DEFAULT_PARAMS)
    for item in _list(section, "vars"):
        if isinstance(item, dict):
            merge(values, item, where)
            continue
        path, _, keys = str(item).partition(":")
        path = posixpath.normpath(path)
        if path in whole and not keys:
            continue
        found = load(path)
        if found is None:
            raise Unreadable(f"{path}, which `{where}` names, does not exist")
        chosen = [key for key in keys.split(",") if key]
        if any(key not in found for key in chosen):
            raise Unreadable(f"{path} has not all of the keys {keys}")
        merge(values, {key: found[key] for key in chosen} if chosen else found, path)
        if not chosen:
            whole.add(path)
    return values


def commands(value: object) -> tuple[str, ...]:
    """The commands of a stage, one after the other: DVC runs each line in a shell of its own."""
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        found = tuple(text for item in value if (text := text_of(item).strip()))
    elif isinstance(value, (str, int, float)):
        found = tuple(line.strip() for line in text_of(value).splitlines() if line.strip())
    else:
        found = ()
    if not found:
        raise Unreadable("it has no command")
    return found


def _outs(filled: Mapping[str, Any]) -> tuple[Out, ...]:
    found: dict[str, Out] = {}
    for key in ("outs", "metrics", "plots"):
        for path, flags in _flagged(filled[key]):
            remote = flags.get("remote")
            found[path] = Out(
                path=path,
                metric=key == "metrics",
                plot=key == "plots",
                cached=flags.get("cache") is not False,
                remote=remote if isinstance(remote, str) else "",
            )
    return tuple(found.values())


def _flagged(value: object) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Paths with what is said of each."""
    for item in _list(value, "a list of paths"):
        if isinstance(item, dict):
            for path, flags in item.items():
                yield str(path), flags if isinstance(flags, dict) else {}
        else:
            yield str(item), {}


def _params(value: object) -> dict[str, tuple[str, ...] | None]:
    found: dict[str, tuple[str, ...] | None] = {}

    def add(path: str, keys: tuple[str, ...] | None) -> None:
        before = found.get(path, ())
        found[path] = None if keys is None or before is None else (*before, *keys)

    for item in _list(value, "params"):
        if isinstance(item, dict):
            for path, keys in item.items():
                add(str(path), tuple(map(text_of, keys)) if isinstance(keys, list) and keys else None)
        else:
            add(DEFAULT_PARAMS, (text_of(item),))
    return found


def _names(value: object) -> Iterator[str]:
    """Texts of a list, and the keys of tables in it. A table alone counts as a list of its keys."""
    for item in _list(list(value) if isinstance(value, dict) else value, "a list"):
        if isinstance(item, dict):
            yield from map(str, item)
        elif isinstance(item, (str, int, float)):
            yield str(item)


def _list(value: object, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"{what} must be a list")
    return value


def _table(value: object, what: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{what} must be a table")
    return value
