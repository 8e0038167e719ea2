"""What changed inside of the files of data: rows of tables, elements of arrays, images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from cloche.model.changes import PathChange
from cloche.model.content import ArrayChange, ImageChange, ImageFacts, TableChange
from cloche.model.paths import decode_path, inside
from cloche.model.patterns import matcher
from cloche.model.tree import Entry
from cloche.project.project import Project
from cloche.project.sides import Side
from cloche.tables.arrays import compare_arrays, is_array
from cloche.tables.compare import compare_tables, is_table
from cloche.tables.images import image_facts, is_image

Say = Callable[[str], None]
TABLES_SHOWN = 30
ARRAYS_SHOWN = 30
IMAGES_SHOWN = 100


class Inside(NamedTuple):
    """What changed inside of files. uncompared: paths of files that were not looked into, since there were too
    many; unstored: of those whose content was tracked in place and never stored; lost: of others whose content the
    store does not hold, since it was changed through a link, for instance."""

    tables: tuple[TableChange, ...] = ()
    arrays: tuple[ArrayChange, ...] = ()
    images: tuple[ImageChange, ...] = ()
    uncompared: tuple[str, ...] = ()
    unstored: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def look_inside(
    project: Project,
    sides: tuple[Side, Side],
    changes: Sequence[PathChange],
    keys: Callable[[str], Sequence[str]],
    say: Say | None = None,
) -> Inside:
    """Look into those of `changes` whose content differs. keys: the columns that identify a row of a table."""
    differ = [change for change in changes if _content_differs(change)]
    lacking = {
        change.path
        for change in differ
        if not all(_is_held(project, change.path, *one) for one in _both(sides, change))
    }
    places = {path for one in sides for path in one.snapshot.data.in_place}
    in_place = {path for path in lacking if any(inside(path, one) for one in places)}
    differ = [change for change in differ if change.path not in lacking]
    kinds = [[one for one in differ if fits(one.path)] for fits in (is_table, is_array, is_image)]
    most = (TABLES_SHOWN, ARRAYS_SHOWN, IMAGES_SHOWN)
    uncompared = tuple(one.path for kind, count in zip(kinds, most, strict=True) for one in kind[count:])
    tables, arrays, images = (kind[:count] for kind, count in zip(kinds, most, strict=True))

    def both(change: PathChange) -> tuple[Path | None, Path | None]:
        if say is not None:
            say(f"comparing {change.path}")
        return (
            _materialise(project, sides[0], change.path, change.before, Path(folder, "before")),
            _materialise(project, sides[1], change.path, change.after, Path(folder, "after")),
        )

    own = project.folder / "tmp"
    with tempfile.TemporaryDirectory(dir=own if os.access(own, os.W_OK) else None) as folder:
        return Inside(
            tuple(compare_tables(*both(one), one.path, keys(one.path)) for one in tables),
            tuple(compare_arrays(*both(one), one.path) for one in arrays),
            tuple(_image(one, *both(one)) for one in images),
            uncompared,
            tuple(sorted(in_place)),
            tuple(sorted(lacking - in_place)),
        )


def keys_of(settings: Mapping[str, Sequence[str]], given: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """Tells the columns that identify a row of a table: those that were given, or else those of the first pattern in
    `[data] keys` that fits its path."""
    rules = [(matcher([pattern], anchored=True), columns) for pattern, columns in settings.items()]
    return lambda path: given or next((columns for fits, columns in rules if fits(path)), ())


def _image(change: PathChange, before: Path | None, after: Path | None) -> ImageChange:
    return ImageChange(change.path, _facts(change.before, before), _facts(change.after, after))


def _facts(entry: Entry | None, file: Path | None) -> ImageFacts | None:
    return replace(image_facts(file), digest=entry.digest) if entry is not None and file is not None else None


def _content_differs(change: PathChange) -> bool:
    """Not where a link is, or only the permission to execute changed."""
    sides = [one for one in (change.before, change.after) if one is not None]
    return all(one.kind in ("f", "x") for one in sides) and len({one.digest for one in sides}) == len(sides)


def _both(sides: tuple[Side, Side], change: PathChange) -> Iterator[tuple[Side, Entry | None]]:
    return zip(sides, (change.before, change.after), strict=True)


def _is_held(project: Project, path: str, of: Side, entry: Entry | None) -> bool:
    """Whether content can be read: of what is tracked in place, the past cannot."""
    if entry is None or of.taken is None:
        return entry is None or project.store.has(entry.digest)
    return os.path.exists(project.root / decode_path(path))


def _materialise(project: Project, of: Side, path: str, entry: Entry | None, place: Path) -> Path | None:
    """A file with this content: the one of the work tree, or a copy out of the store, which the next one replaces."""
    if entry is None or entry.kind in ("d", "l"):
        return None
    if of.taken is not None:
        return project.root / decode_path(path)
    with open(place, "wb") as file:
        for piece in project.store.stream(entry.digest):
            file.write(piece)
    return place
