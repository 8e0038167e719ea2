"""Notes: texts that people attach to runs. Separate records: the run itself never changes."""

from __future__ import annotations

import msgspec

from cloche.project.project import Project


class Note(msgspec.Struct, frozen=True):
    """A note. number: counted over the whole project. created: seconds since 1970."""

    number: int
    run: str
    created: float
    text: str


def all_notes(project: Project) -> list[Note]:
    """Every note, oldest first."""
    found = [msgspec.json.decode(value, type=Note) for value in project.catalog.facts("note").values()]
    return sorted(found, key=lambda note: note.number)


def notes_of(project: Project, run: str) -> tuple[Note, ...]:
    """The notes of one run, oldest first."""
    return tuple(note for note in all_notes(project) if note.run == run)
