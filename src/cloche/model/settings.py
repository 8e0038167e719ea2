"""What `cloche.toml` says, as structs. Reading and checking the text is `cloche.model.settings_text`."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

FILE_NAME = "cloche.toml"
CONFIG_FILES = ("params.toml", "params.yaml", "params.yml", "params.json")
METRIC_FILES = ("metrics.json", "metrics/*.json")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every table of `cloche.toml`: an unknown key is an error, never ignored."""


class ConfigSection(Section, frozen=True):
    """`[config]`. files: parameter files, TOML, YAML or JSON, relative to the project. None: the usual names."""

    files: tuple[str, ...] | None = None


class MetricsSection(Section, frozen=True):
    """`[metrics]`. files: JSON files (patterns allowed) that hold metrics after a run. None: the usual names."""

    files: tuple[str, ...] | None = None


class CodeSection(Section, frozen=True):
    """`[code]`. ignore: patterns of files that are neither code nor worth recording."""

    ignore: tuple[str, ...] = ()


CheckoutMode = Literal["auto", "copy", "reflink", "hardlink", "symlink"]
CHECKOUT_MODES: tuple[CheckoutMode, ...] = get_args(CheckoutMode)


class DataSection(Section, frozen=True):
    """`[data]`. keys: by a path or pattern of tables, the columns that identify a row of them.

    checkout: how data lies in the work tree. `auto` and `copy` are files of their own, `auto` by clones where it can;
    `reflink` has the store keep clones too; `hardlink` and `symlink` are links into the store. in_place: paths of which
    only digests are recorded. external: of those, the ones that lie elsewhere, and where.
    """

    keys: dict[str, tuple[str, ...]] = {}
    checkout: CheckoutMode = "auto"
    in_place: tuple[str, ...] = ()
    external: dict[str, str] = {}

    @property
    def places(self) -> tuple[str, ...]:
        """The paths that are tracked in place, wherever they lie."""
        return (*self.in_place, *self.external)


def is_address(place: str) -> bool:
    """Whether a place is an address, and no folder of this machine."""
    return "://" in place


class OutputsSection(Section, frozen=True):
    """`[outputs]`. ignore: patterns of files that a run may write without their becoming its outputs."""

    ignore: tuple[str, ...] = ()


class EnvironmentSection(Section, frozen=True):
    """`[environment]`. python: the interpreter of the project where it cannot be guessed from the command.
    variables: further variables to record, beside the built-in list."""

    python: str = ""
    variables: tuple[str, ...] = ()


class Stage(Section, frozen=True):
    """`[stages.NAME]`: a command with what it reads and writes.

    run: a shell command. reads, writes: paths below the project. params: keys of the config (a key stands for all
    below it). A stage that names neither reads nor params depends on the whole snapshot.
    """

    run: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


class Remote(Section, frozen=True):
    """`[remotes.NAME]`: a copy of the store elsewhere.

    url: where. default: the one that is meant where none is named. single_writer: only one person pushes there, so that
    pushing is fine although the place cannot refuse to overwrite. endpoint, region: of a server that speaks S3.
    """

    url: str
    default: bool = False
    single_writer: bool = False
    endpoint: str = ""
    region: str = ""


class Settings(Section, frozen=True):
    """The whole of `cloche.toml`."""

    config: ConfigSection = ConfigSection()
    metrics: MetricsSection = MetricsSection()
    code: CodeSection = CodeSection()
    data: DataSection = DataSection()
    outputs: OutputsSection = OutputsSection()
    environment: EnvironmentSection = EnvironmentSection()
    stages: dict[str, Stage] = {}
    remotes: dict[str, Remote] = {}

    @property
    def config_files(self) -> tuple[str, ...]:
        """The names of parameter files to look for. Declared ones must exist; the usual ones may."""
        return CONFIG_FILES if self.config.files is None else self.config.files

    @property
    def metric_patterns(self) -> tuple[str, ...]:
        """Patterns of JSON files that hold metrics."""
        return METRIC_FILES if self.metrics.files is None else self.metrics.files
