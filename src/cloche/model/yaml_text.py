"""Reading YAML 1.2 as text from anywhere: safely, strictly, and with the line of what is wrong."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

from cloche.errors import SettingsError
from cloche.model.wording import quoted_line

MOST_EXPANDED = 100_000
DEEPEST = 100
_MAY_BE_DEEP = re.compile(r"(?:- ){50}| {100}")
_BRACKET = re.compile(r"[\[\]{}]")


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
            _refuse_deep(text)
            if "&" in text and "*" in text:
                # Before anything is built: aliases of aliases can stand for billions of values.
                tree(text)
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


def _refuse_deep(text: str) -> None:
    """Raise SettingsError where lists and tables are nested so deep that parsing alone takes minutes."""
    from ruamel.yaml import YAML

    depth = deepest = 0
    for bracket in _BRACKET.finditer(text):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    if deepest <= DEEPEST and not _MAY_BE_DEEP.search(text):
        return
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += type(event).__name__.endswith(("SequenceStartEvent", "MappingStartEvent"))
        depth -= type(event).__name__.endswith(("SequenceEndEvent", "MappingEndEvent"))
        if depth > DEEPEST:
            raise SettingsError(f", line {event.start_mark.line + 1}: nested deeper than {DEEPEST} levels")


def tree(text: str) -> Node | None:
    """The parts of a YAML text, with where each stands. Raises SettingsError where aliases stand for too much."""
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
