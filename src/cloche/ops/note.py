"""`cloche note`: attach a text to a run."""

from __future__ import annotations

import msgspec

from cloche.errors import NotFound, UsageError
from cloche.model.operation import FactEffect
from cloche.model.paths import legible
from cloche.project.journal import perform
from cloche.project.notes import Note, all_notes, notes_of
from cloche.project.project import Project
from cloche.project.revisions import find_id


def notes(project: Project, revision: str = "") -> list[Note]:
    """The notes of a run, or of all runs; oldest first."""
    return list(notes_of(project, find_id(project, revision))) if revision else all_notes(project)


def note(project: Project, text: str, revision: str = "@") -> Note:
    """Attach a note. Raises UsageError for an empty text."""
    if not text.strip():
        raise UsageError("the note is empty", hint='type `cloche note "what you saw"`')
    with project.naming():
        run = find_id(project, revision)
        taken = [int(key) for key in project.catalog.facts("note")]
        new = Note(max(taken, default=0) + 1, run, project.clock(), legible(text.strip()))
        effect = FactEffect("note", str(new.number), None, msgspec.json.encode(new).decode())
        perform(project, "note", f"noted on {run[:8]}: {_short(new.text)}", effects=[effect])
    return new


def unnote(project: Project, number: int) -> Note:
    """Delete a note by its number. Raises NotFound."""
    with project.naming():
        before = project.catalog.fact("note", str(number))
        if before is None:
            raise NotFound(f"there is no note {number}", hint="type `cloche note` to see the notes")
        perform(project, "note", f"deleted note {number}", effects=[FactEffect("note", str(number), before, None)])
    return msgspec.json.decode(before, type=Note)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 50 else line[:49] + "…"
