"""Reading `--only code,data`."""

from __future__ import annotations

from cloche.model.changes import Part, checked_parts


def parse_parts(text: str) -> tuple[Part, ...]:
    """The inputs that a comma-separated list names; none for an empty text. Raises UsageError."""
    return checked_parts(name.strip() for name in text.split(",") if name.strip())
