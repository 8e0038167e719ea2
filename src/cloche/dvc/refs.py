"""What DVC keeps in the names of Git refs: experiments, and versions and stages of artifacts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

EXPERIMENTS = "refs/exps/"
_EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38}(?:[0-9a-f]{24})?)/([^/]+)")
_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?"
_ARTIFACT = re.compile(
    rf"(?P<artifact>(?:[a-zA-Z0-9-_./]+=)?{_NAME})"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>v\d+\.\d+\.\d+[0-9A-Za-z.+-]*))(?P<cancel>!?)|@(?:deprecated|created))"
    r"(?:#(?P<number>\d+))?"
)


class Experiment(msgspec.Struct, frozen=True):
    """An experiment. baseline: the commit that it started from. commit: what it became."""

    name: str
    baseline: str
    commit: str


def experiments(refs: Mapping[str, str]) -> list[Experiment]:
    """The experiments among these refs, each with its commit. What DVC keeps beside them (stashes, queues) is none."""
    found = ((_EXPERIMENT.fullmatch(ref), commit) for ref, commit in refs.items())
    return [Experiment(ref[3], ref[1] + ref[2], commit) for ref, commit in found if ref]


def aliases(tags: Iterable[tuple[str, str, float]]) -> dict[str, str]:
    """Names of artifact versions and stages, each with the commit that it stands for now.

    tags: name, commit and time of Git tags: `model@v1.0.0` a version, `sub=model#prod#3` a stage (the number counts
    up), with `!` the end of either. The names keep Git's spelling, which has `=` for the `:` of DVC's.
    """
    found: dict[str, str] = {}
    parsed = [(_ARTIFACT.fullmatch(name), commit, time) for name, commit, time in tags]
    for tag, commit, _ in sorted(
        ((tag, commit, time) for tag, commit, time in parsed if tag),
        key=lambda one: (int(one[0]["number"] or 0), one[2]),
    ):
        alias = f"{tag['artifact']}#{tag['stage']}" if tag["stage"] else f"{tag['artifact']}@{tag['version']}"
        if tag["cancel"]:
            found.pop(alias, None)
        elif tag["stage"] or tag["version"]:
            found[alias] = commit
    return found
