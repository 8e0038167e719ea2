"""What DVC's files say, as structs. Paths are as DVC wrote them until `cloche.dvc.paths` has judged them."""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.errors import ClocheError


class Unreadable(ClocheError):
    """A file of DVC's, or a part of one, cannot be understood. Only this part is lost."""


class Skipped(msgspec.Struct, frozen=True):
    """Something that is not carried over. kind: such as `stage`, `data`, `remote`. name: what it is called there."""

    kind: str
    name: str
    reason: str


class Item(msgspec.Struct, frozen=True):
    """A file or folder with its recorded content: an output, or what was read.

    md5: 32 digits, empty where DVC recorded none. folder: whether it is a `.dir` object. legacy: recorded by DVC 2 or
    older, which counted CR LF as LF in text files. files: the listing of a folder where it stands in the file itself.
    cached: whether DVC keeps it (otherwise Git does). remote: the one that it was pushed to, where it names one.
    """

    path: str
    md5: str = ""
    folder: bool = False
    legacy: bool = True
    size: int | None = None
    executable: bool = False
    cached: bool = True
    metric: bool = False
    remote: str = ""
    files: tuple[FileOf, ...] = ()


class FileOf(msgspec.Struct, frozen=True):
    """A file of a folder. relpath: below it."""

    relpath: str
    md5: str
    isexec: bool = False
    size: int | None = None


class Locked(msgspec.Struct, frozen=True):
    """What `dvc.lock` says of a stage. params: by file, then by key."""

    command: tuple[str, ...]
    deps: tuple[Item, ...] = ()
    outs: tuple[Item, ...] = ()
    params: dict[str, dict[str, Any]] = {}


class StageFile(msgspec.Struct, frozen=True):
    """A `.dvc` file or an old stage file. command: empty for data. source: where data was imported from."""

    folder: str
    command: tuple[str, ...] = ()
    deps: tuple[Item, ...] = ()
    outs: tuple[Item, ...] = ()
    frozen: bool = False
    always: bool = False
    description: str = ""
    source: str = ""


class Out(msgspec.Struct, frozen=True):
    """What a stage of `dvc.yaml` writes."""

    path: str
    metric: bool = False
    plot: bool = False
    cached: bool = True
    remote: str = ""


class Definition(msgspec.Struct, frozen=True):
    """A stage of `dvc.yaml`, its templates filled in. folder: where its paths start, relative to the file's folder.
    params: by file; None for all of it. filled: whether values were written into its command."""

    name: str
    folder: str
    command: tuple[str, ...]
    deps: tuple[str, ...] = ()
    outs: tuple[Out, ...] = ()
    params: dict[str, tuple[str, ...] | None] = {}
    frozen: bool = False
    always: bool = False
    description: str = ""
    filled: bool = False


class Pipeline(msgspec.Struct, frozen=True):
    """A `dvc.yaml`. skipped: stages and sections that could not be understood."""

    stages: tuple[Definition, ...] = ()
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()
    artifacts: dict[str, str] = {}
    skipped: tuple[Skipped, ...] = ()
