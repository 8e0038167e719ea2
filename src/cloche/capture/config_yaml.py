"""Reading YAML 1.2 safely, and changing one value of a YAML text and nothing else."""

from __future__ import annotations

import datetime
import json
import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

from cloche.errors import SettingsError, UsageError
from cloche.model.values import Value
from cloche.model.wording import quoted_line

MOST_EXPANDED = 100_000
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Node:
    """A part of the text. kind: scalar, map, seq or alias. start, end: where it stands. children: keys and values in
    turn for a map, items for a seq; for an alias what it stands for. weight: how many values it expands to."""

    def __init__(self, kind: str, event: Any) -> None:
        self.kind = kind
        self.start: int = event.start_mark.index
        self.end: int = event.end_mark.index
        self.column: int = event.start_mark.column
        self.anchor: str | None = event.anchor
        self.text: str = getattr(event, "value", "")
        self.flow = bool(getattr(event, "flow_style", False))
        self.block = getattr(event, "style", None) in ("|", ">")
        self.children: list[Node] = []
        self.weight = 1


def parse(text: str) -> Any:
    """The value of a YAML text; an empty one is an empty table. Raises SettingsError with the line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if "&" in text and "*" in text:
                # Before anything is built: aliases of aliases can stand for billions of values.
                _tree(text)
            value = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark is not None else ""
        message = " ".join(part for part in (error.context, error.problem) if part)
        hint = quoted_line(text, mark.line + 1 if mark is not None else 0)
        raise SettingsError(f"{where}: {message.splitlines()[0] if message else 'not YAML'}", hint=hint) from error
    except YAMLError as error:
        raise SettingsError(f": {str(error).splitlines()[0]}") from error
    return {} if value is None else value


def edit(text: str, path: tuple[Any, ...], value: Value) -> str:
    """`text` with the value at `path` replaced. Raises UsageError where it is part of something shared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        node = _tree(text)
    for depth, key in enumerate(path):
        if node is None or node.kind != "map":
            raise UsageError(
                f"{'.'.join(map(str, path))} is shared with another part of the file", hint="change it by hand"
            )
        last = depth == len(path) - 1
        found = _child(node, key)
        if found is None and last:
            return _inserted(text, node, key, value)
        if last and found is not None:
            return _replaced(text, *found, node, value)
        node = found[1] if found else None
    raise KeyError(path)


def _tree(text: str) -> Node | None:
    from ruamel.yaml import YAML

    events = iter(YAML(typ="safe", pure=True).parse(text))
    anchors: dict[str, Node] = {}
    for event in events:
        if type(event).__name__ == "DocumentStartEvent":
            return _node(next(events), events, anchors)
    return None


def _node(event: Any, events: Iterator[Any], anchors: dict[str, Node]) -> Node:
    name = type(event).__name__
    if name == "AliasEvent":
        node = Node("alias", event)
        target = anchors.get(event.anchor)
        if target is None:
            raise SettingsError(
                f", line {event.start_mark.line + 1}: *{event.anchor} stands for nothing, or for itself"
            )
        node.weight = target.weight
        return node
    if name == "ScalarEvent":
        node = Node("scalar", event)
    else:
        node = Node("map" if name == "MappingStartEvent" else "seq", event)
        for below in events:
            if type(below).__name__ in ("MappingEndEvent", "SequenceEndEvent"):
                node.end = below.end_mark.index if node.flow else max(node.end, _last(node))
                break
            node.children.append(_node(below, events, anchors))
            node.weight += node.children[-1].weight
            if node.weight > MOST_EXPANDED:
                line = below.start_mark.line + 1
                raise SettingsError(f", line {line}: aliases expand to more than {MOST_EXPANDED} values")
    if node.anchor:
        # Set once it is whole, so that nothing can hold itself.
        anchors[node.anchor] = node
    return node


def _last(node: Node) -> int:
    return node.children[-1].end if node.children else node.end


def _child(node: Node, wanted: object) -> tuple[Node, Node] | None:
    """The key and the value of an entry of a map."""
    for key, value in zip(node.children[::2], node.children[1::2], strict=True):
        if key.kind == "scalar" and _is_key(key.text, wanted):
            return key, value
    return None


def _is_key(text: str, wanted: object) -> bool:
    if wanted is None:
        return text in ("", "~", "null", "Null", "NULL")
    return text == wanted or (not isinstance(wanted, str) and text.lower() == str(wanted).lower())


def _replaced(text: str, key: Node, node: Node, table: Node, value: Value) -> str:
    new = emit(value)
    if node.kind == "scalar" and node.start == node.end:
        # Nothing stands there yet: it goes right behind the colon, if there is one.
        colon = text.startswith(":", key.end)
        at = key.end + 1 if colon else key.end
        return f"{text[:at]}{'' if colon else ':'} {new}{text[at:]}"
    if node.kind in ("map", "seq") and not node.flow and node.column <= table.column:
        new = "  " + new
    if node.anchor and node.kind != "alias":
        new = f"&{node.anchor} {new}"
    if node.block and text[node.start : node.end].endswith("\n"):
        new += "\n"
    return text[: node.start] + new + text[node.end :]


def _inserted(text: str, table: Node, key: object, value: Value) -> str:
    """The key comes from a merge (`<<`): it gets a line of its own, which goes before what is merged."""
    first = table.children[0].start
    gap = ", " if table.flow else "\n" + " " * table.column
    return f"{text[:first]}{emit(str(key))}: {emit(value)}{gap}{text[first:]}"


def emit(value: Value | datetime.date) -> str:
    """A value as YAML on one line.

    >>> emit("gbm"), emit("no"), emit([1, None])
    ('gbm', '"no"', '[1, null]')
    """
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
            return value
        return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))
    if isinstance(value, list):
        return "[" + ", ".join(map(emit, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value)
