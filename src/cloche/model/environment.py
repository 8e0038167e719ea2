"""The environment of a run: what of interpreter, packages, platform and variables can change a result."""

from __future__ import annotations

from typing import Literal

import msgspec

from cloche.model.digest import Digest, digest_parts

Source = Literal["index", "editable", "local", "git", "url", "unknown"]


class Interpreter(msgspec.Struct, frozen=True):
    """The Python that ran. build: compiler and build date as `sys.version` gives them."""

    implementation: str
    version: str
    build: str = ""


class Distribution(msgspec.Struct, frozen=True):
    """An installed package. name: normalised (PEP 503). source: where it was installed from. location: the URL or
    path of anything that did not come from an index, without credentials. digest: content of an editable or local
    source tree, so that an edit inside it is noticed."""

    name: str
    version: str
    source: Source = "index"
    location: str = ""
    digest: Digest = ""
    installer: str = ""


class Platform(msgspec.Struct, frozen=True):
    """Operating system, processor architecture and C library: what decides which binary packages are used."""

    system: str
    machine: str
    libc: str = ""


class Environment(msgspec.Struct, frozen=True):
    """Everything about the environment that can change a result and that another machine could have too.

    interpreter is None where no Python could be found. variables: allowlisted ones only (see
    `cloche.capture.variables`). folders: those outside the project that modules are imported from although no package
    was installed there (PYTHONPATH, .pth files), with the digest of their modules.
    """

    interpreter: Interpreter | None
    distributions: tuple[Distribution, ...]
    platform: Platform
    variables: dict[str, str] = {}
    folders: dict[str, Digest] = {}

    @property
    def is_known(self) -> bool:
        """Whether anything is on record: what another tool ran has none that could be told."""
        return bool(self.platform.system) or self.interpreter is not None

    @property
    def digest(self) -> Digest:
        """The digest of all of it, but for which tool installed a package.

        Where the interpreter lies, and on which machine, is not part of it. A field that is added later goes in only
        where it holds something, so that the digests of old records stay true.
        """
        python, where = self.interpreter, self.platform
        parts = ["no python"] if python is None else ["python", python.implementation, python.version, python.build]
        parts += ["platform", where.system, where.machine, where.libc]
        for one in self.distributions:
            parts += ["package", one.name, one.version, one.source, one.location, one.digest]
        for name in sorted(self.variables):
            parts += ["variable", name, self.variables[name]]
        for folder, digest in self.folders.items():
            parts += ["folder", folder, digest]
        return digest_parts(parts)


class Machine(msgspec.Struct, frozen=True):
    """Facts of the machine on which a run happened; recorded, but no part of its identity.

    threads: sizes of the thread pools, by name. memory: bytes. python: path of the interpreter that ran.
    """

    system: str = ""
    cpu: str = ""
    cpus: int = 0
    memory: int = 0
    threads: dict[str, int] = {}
    python: str = ""
