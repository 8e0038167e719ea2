"""A snapshot: the four inputs of a run, pinned."""

from __future__ import annotations

import msgspec

from cloche.model.digest import Digest, digest_parts
from cloche.model.tree import Kind
from cloche.model.values import Value


class LeftOut(msgspec.Struct, frozen=True):
    """A file of the project that was deliberately not recorded, and why."""

    path: str
    reason: str


class Code(msgspec.Struct, frozen=True):
    """The files that Git would track, uncommitted ones included, without config files, data and outputs.

    tree: digest of the tree. commit, branch: where Git stood, empty without Git. dirty: whether the code,
    the config or `cloche.lock` differed from that commit.
    """

    tree: Digest
    files: int
    size: int
    commit: str = ""
    branch: str = ""
    dirty: bool = False
    left_out: tuple[LeftOut, ...] = ()


class Tracked(msgspec.Struct, frozen=True):
    """A tracked data path with the digest of what is there. size: bytes. count: files."""

    path: str
    kind: Kind
    digest: Digest
    size: int
    count: int


class Data(msgspec.Struct, frozen=True):
    """The tracked data paths, sorted by path. in_place: those of which only the digests were recorded."""

    paths: tuple[Tracked, ...] = ()
    in_place: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of all paths and their content."""
        return digest_parts(part for item in self.paths for part in (item.path, item.kind, item.digest))


class ConfigFile(msgspec.Struct, frozen=True):
    """A parameter file with the digest of its bytes."""

    path: str
    kind: Kind
    digest: Digest
    size: int


class Config(msgspec.Struct, frozen=True):
    """Parameter files, and what they say after the overrides.

    values: by dotted key, with their types; a key that a second file repeats is written `FILE:KEY`.
    overrides: those given with `-P`, which `values` already contains.
    """

    files: tuple[ConfigFile, ...] = ()
    values: dict[str, Value] = {}
    overrides: dict[str, Value] = {}

    @property
    def digest(self) -> Digest:
        """The digest of the files' bytes and of the overrides."""
        files = (part for item in self.files for part in (item.path, item.digest))
        return digest_parts((*files, msgspec.json.encode(self.overrides, order="deterministic").decode()))


class Snapshot(msgspec.Struct, frozen=True):
    """The four inputs. environment: digest of an `Environment`, which the catalog holds once."""

    code: Code
    data: Data
    config: Config
    environment: Digest

    @property
    def digest(self) -> Digest:
        """The digest of the four inputs: equal for two runs that were given the same."""
        return digest_parts((self.code.tree, self.data.digest, self.config.digest, self.environment))
