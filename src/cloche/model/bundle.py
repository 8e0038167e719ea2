"""A bundle: the records that one push added to a remote, and the rules that make it safe to take from strangers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

import msgspec

from cloche.errors import ClocheError, Damaged
from cloche.model.digest import Digest
from cloche.model.environment import Environment
from cloche.model.lock import parse_lock
from cloche.model.operation import Fact
from cloche.model.paths import checked, is_reserved
from cloche.model.revision import check_tag
from cloche.model.run import ID_LENGTH, ID_LETTERS, Run, Series
from cloche.model.tree import Located

_ID = re.compile(f"[{ID_LETTERS}]{{{ID_LENGTH}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KINDS = ("f", "x", "l", "d")
_LATEST = 1e11  # seconds: far beyond any clock
_LARGEST = 2**63
_FACTS = ("tag", "note", "removed")


class FactChange(msgspec.Struct, frozen=True):
    """The last change of a fact. key: a tag's name, the id of a removed run, or the mark of a note (`note_mark`).
    value: None where it was taken away. changed: seconds since 1970."""

    fact: Fact
    key: str
    value: str | None
    changed: float

    @property
    def rank(self) -> tuple[float, bool, str]:
        """Of two changes of one fact the one with the higher rank holds, whichever comes first."""
        return self.changed, self.value is None, self.value or ""


class NoteBody(msgspec.Struct, frozen=True):
    """What a note says, without the number that it has in one project. created: seconds since 1970."""

    run: str
    text: str
    created: float = 0.0


class Shared(msgspec.Struct, frozen=True):
    """A run with the series that it logged."""

    run: Run
    series: dict[str, Series] = {}


class PackSize(msgspec.Struct, frozen=True):
    """A pack of the remote. size: bytes."""

    digest: Digest
    size: int


class Bundle(msgspec.Struct, frozen=True):
    """What a push added. created: seconds since 1970. environments: those of the runs. locks: texts of `cloche.lock`
    whose content it brought. packs: all those that hold what the runs and locks name."""

    created: float
    runs: tuple[Shared, ...] = ()
    environments: tuple[Environment, ...] = ()
    facts: tuple[FactChange, ...] = ()
    locks: tuple[str, ...] = ()
    packs: tuple[PackSize, ...] = ()


def note_mark(note: NoteBody) -> str:
    """By what a note is known everywhere: two people may each have a note 1."""
    return f"{note.run} {note.created!r}"


def check_bundle(bundle: Bundle) -> None:
    """Raises Damaged where a bundle says what no push of a sound Cloche can have said."""
    try:
        environments = {one.digest for one in bundle.environments}
        for shared in bundle.runs:
            _check_run(shared.run, environments)
            for series in shared.series.values():
                _require(len(series.steps) == len(series.values) == len(series.times), "an uneven series")
        for change in bundle.facts:
            _check_fact(change)
        for lock in bundle.locks:
            parse_lock(lock)
        for pack in bundle.packs:
            _require(_is_digest(pack.digest) and 0 <= pack.size < _LARGEST, "an impossible pack")
        _require(_is_time(bundle.created), "an impossible time")
    except Damaged:
        raise
    except (ClocheError, ValueError, RecursionError, UnicodeError) as error:
        raise Damaged(f"it names {error}") from error


def _check_run(run: Run, environments: set[str]) -> None:
    _require(_ID.fullmatch(run.id) is not None, f"an impossible run {run.id[:20]!r}")
    _require(run.status != "running", f"run {run.short}, which is not finished")
    _require(run.snapshot.environment in environments, f"run {run.short} without its environment")
    _require(_is_time(run.created) and _is_time(run.ended), f"an impossible time of run {run.short}")
    for path in _paths(run):
        _require(not is_reserved(checked(path)), f"{path!r} in run {run.short}")
    for one in _located(run):
        _require(one.kind in _KINDS and 0 <= one.size < _LARGEST, f"an impossible entry of run {run.short}")
        _require(0 <= getattr(one, "count", 1) < _LARGEST, f"an impossible count in run {run.short}")
    for digest in _digests(run):
        _require(_is_digest(digest), f"an impossible digest in run {run.short}")


def _located(run: Run) -> Iterator[Located]:
    yield from run.snapshot.data.paths
    yield from run.snapshot.config.files
    yield from (*run.outputs, *run.observed)
    for stage in run.stages:
        yield from stage.outputs


def _paths(run: Run) -> Iterator[str]:
    yield from (one.path for one in _located(run))
    if run.folder:
        yield run.folder


def _digests(run: Run) -> Iterable[str]:
    yield from (one.digest for one in _located(run))
    yield from (run.snapshot.code.tree, run.snapshot.environment)
    for stage in run.stages:
        yield from filter(None, (stage.key, *stage.observed.values(), *stage.pythons.values()))
    if run.log:
        yield run.log


def _check_fact(change: FactChange) -> None:
    _require(change.fact in _FACTS and _is_time(change.changed), "an impossible fact")
    if change.fact == "tag":
        check_tag(change.key)
        _require(change.value is None or _ID.fullmatch(change.value) is not None, f"an impossible tag {change.key!r}")
    elif change.fact == "removed":
        _require(_ID.fullmatch(change.key) is not None, "the removal of an impossible run")
    else:
        note = msgspec.json.decode(change.value, type=NoteBody) if change.value is not None else None
        _require(note is None or (note_mark(note) == change.key and _is_time(note.created)), "an impossible note")
        _require(_ID.fullmatch(change.key.partition(" ")[0]) is not None, "a note on an impossible run")


def _is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def _is_time(number: float) -> bool:
    return math.isfinite(number) and 0 <= number < _LATEST


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Damaged(f"it names {what}")
