"""Pipelines: which stage needs which, the order to run them in, and the key that says whether one must run again."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterator, Mapping
from itertools import pairwise

import msgspec

from cloche.errors import NotFound, SettingsError
from cloche.model.digest import Digest, digest_parts
from cloche.model.settings import Stage
from cloche.model.suggestions import closest
from cloche.model.values import Value

Needs = dict[str, dict[str, str]]


def needs(stages: Mapping[str, Stage]) -> Needs:
    """For each stage the stages that it needs, each with the path that joins the two.

    A stage needs another when it reads what the other writes, or something below or above that.
    """
    writers = {path: name for name, stage in stages.items() for path in stage.writes}
    written = sorted(writers)
    found: Needs = {name: {} for name in stages}
    for name, stage in stages.items():
        for read in stage.reads:
            for path in _meeting(read, writers, written):
                found[name].setdefault(writers[path], max(read, path, key=len))
    return found


def _meeting(read: str, writers: Mapping[str, str], written: list[str]) -> Iterator[str]:
    """The written paths that are `read`, lie above it or lie below it."""
    parts = read.split("/")
    yield from (above for above in ("/".join(parts[:end]) for end in range(1, len(parts) + 1)) if above in writers)
    below = read + "/"
    at = bisect.bisect_left(written, below)
    while at < len(written) and written[at].startswith(below):
        yield written[at]
        at += 1


def order(stages: Mapping[str, Stage]) -> tuple[str, ...]:
    """The names of the stages, each after all that it needs; otherwise in the order in which they are declared.

    Raises SettingsError where stages need each other in a circle, and shows the circle.
    """
    place = {name: index for index, name in enumerate(stages)}
    names = list(stages)
    needed = needs(stages)
    users: dict[str, list[str]] = {name: [] for name in stages}
    for name, above in needed.items():
        for other in above:
            users[other].append(name)
    waiting = {name: len(above) for name, above in needed.items()}
    ready = [place[name] for name, count in waiting.items() if not count]
    ordered: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        ordered.append(name)
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, place[user])
    if len(ordered) < len(names):
        raise _circle(needed, {name for name, count in waiting.items() if count})
    return tuple(ordered)


def _circle(needed: Needs, stuck: set[str]) -> SettingsError:
    """The error for stages of which each needs another one of them."""
    seen: dict[str, int] = {}
    name = min(stuck)
    while name not in seen:
        seen[name] = len(seen)
        name = next(other for other in needed[name] if other in stuck)
    around = [one for one, index in seen.items() if index >= seen[name]][::-1]
    around = [name, *(one for one in around if one != name), name]
    links = [f"{writer} writes {needed[reader][writer]}, which {reader} reads" for writer, reader in pairwise(around)]
    return SettingsError(
        f"the stages go in a circle: {' -> '.join(around)} ({'; '.join(links)})",
        hint="take one of these paths out of `reads`, or make one stage of them",
    )


def upstream(stages: Mapping[str, Stage], name: str) -> tuple[str, ...]:
    """The stages that must have run before `name` can, without `name` itself, in the order of `order`.

    Raises NotFound where there is no such stage, SettingsError for a circle.
    """
    if name not in stages:
        near = closest(name, stages)
        hint = f"did you mean `{near}`?" if near else f"the stages are: {', '.join(stages) or 'none'}"
        raise NotFound(f"there is no stage `{name}`", hint=hint)
    needed = needs(stages)
    found: set[str] = set()
    ahead = [name]
    while ahead:
        more = needed[ahead.pop()].keys() - found
        found |= more
        ahead += more
    return tuple(one for one in order(stages) if one in found and one != name)


def stage_key(
    stage: Stage,
    command: str,
    environment: Digest,
    inputs: Mapping[str, Digest],
    params: Mapping[str, Value],
    code: Digest,
) -> Digest:
    """The digest of everything that a stage may depend on: equal keys mean that it need not run again.

    command: what is really run. inputs: what it reads, by path. params: the config values that it declares, by key,
    types included. code: the digest of the code; empty where `inputs` holds all of it. What it writes counts too,
    the name of the stage does not.
    """
    parts = ["cloche-stage-1", command, environment, code]
    parts += _counted(sorted(set(stage.writes)))
    parts += _counted([text for path, digest in sorted(inputs.items()) for text in (path, digest)])
    parts += _counted([text for key in sorted(params) for text in (key, _text(params[key]))])
    return digest_parts(parts)


def _counted(texts: list[str]) -> list[str]:
    return [str(len(texts)), *texts]


def _text(value: Value) -> str:
    """A text that differs for different values: 1, 1.0, "1" and true are four."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(_text(item) for item in value)}]"
    return msgspec.json.encode(value).decode()
