"""Reading `--only code,data`."""

from __future__ import annotations

from cloche.errors import UsageError
from cloche.model.changes import PARTS, Part


def parse_parts(text: str) -> tuple[Part, ...]:
    """The inputs that a comma-separated list names; none for an empty text. Raises UsageError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PARTS:
            from cloche.model.suggestions import closest

            near = closest(name, PARTS)
            hint = f"did you mean `{near}`?" if near else f"choose among {', '.join(PARTS)}"
            raise UsageError(f"--only knows no {name!r}", hint=hint)
    return tuple(part for part in PARTS if part in names)
