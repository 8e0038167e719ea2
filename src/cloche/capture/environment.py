"""The environment of a run: which interpreter it uses, what is installed there, and the machine it runs on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cloche.capture.bootstrap import FOLDER
from cloche.capture.bootstrap.cloche_inside import facts
from cloche.capture.cache import Stamp, load, now, save, settled, stamp
from cloche.capture.distributions import read_distributions
from cloche.capture.interpreter import find_python, pinning_files
from cloche.capture.machine import machine_of_here
from cloche.capture.sources import SourceTrees
from cloche.errors import PackageError
from cloche.model.digest import Digest, digest_parts
from cloche.model.environment import Distribution, Environment, Interpreter, Machine, Platform
from cloche.model.paths import encode_path

__all__ = ["Seen", "environment_of", "find_python", "machine_of", "probe", "with_distributions"]

CACHE_FILE = "pythons.json"
PROBE_VERSION = "1"
PROBE_SECONDS = 120
MOST_CACHED = 32
# What decides which folders an interpreter searches.
_PATH_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "HOME")
_PIN_VARIABLES = ("PYENV_VERSION", "PYENV_ROOT", "ASDF_DATA_DIR", "ASDF_PYTHON_VERSION", "MISE_PYTHON_VERSION")
# What would make the probe wait, talk or run something of the user's.
_NOT_FOR_PROBE = ("PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONVERBOSE", "PYTHONPROFILEIMPORTTIME", "PYTHONDUMPREFS")


class Seen(msgspec.Struct, frozen=True):
    """An interpreter as seen from inside, by the probe or by the bootstrap in a process of a run.

    executable: its path, empty where an embedding program hides it. path: its sys.path without the script's own
    folder. sites: folders in which packages or .pth files may turn up. distributions, folders: filled by `probe` and
    `with_distributions`. problem: why it could not be looked into, in words; the version is known even so. pid, time:
    of the process, 0 for a probe.
    """

    version: str
    executable: str = ""
    implementation: str = ""
    build: str = ""
    prefix: str = ""
    base_prefix: str = ""
    path: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    system: str = ""
    machine: str = ""
    libc: str = ""
    distributions: tuple[Distribution, ...] = ()
    problem: str = ""
    pid: int = 0
    time: float = 0.0
    folders: dict[str, Digest] = {}


class _Cached(msgspec.Struct, frozen=True):
    marks: dict[str, Stamp]
    seen: Seen


def probe(
    python: str,
    cache_folder: Path,
    *,
    root: Path | None = None,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Seen:
    """What an interpreter is, and what is installed in it.

    python: its path, or a name on PATH. root: the project. folder: where the run starts (a version manager's shim
    picks the interpreter by it). environ: the variables of the run, without the bootstrap's. The answer is kept in
    `cache_folder` for as long as the executable, pyvenv.cfg, the folders on its path and their .pth files stay as
    they are. Raises PackageError where it cannot be started or does not behave like a Python.
    """
    variables = dict(os.environ if environ is None else environ)
    where = os.path.abspath(folder or root or os.curdir)
    file = cache_folder / CACHE_FILE
    key = digest_parts((PROBE_VERSION, python, where, *(f"{n}={variables.get(n)}" for n in _key_variables())))
    known = load(file, dict[str, _Cached]) or {}
    cached = known.get(key)
    if cached is not None and all(stamp(path) == mark for path, mark in cached.marks.items()):
        return with_distributions(cached.seen, cache_folder, root=root)
    started = now()
    seen = _ask(python, where, variables)
    marks = {path: stamp(path) for path in _watched(python, where, seen, variables)}
    if all(settled(mark, started) for mark in marks.values()):
        living = [(name, item) for name, item in known.items() if os.path.exists(item.seen.executable) and name != key]
        save(file, dict([*living[1 - MOST_CACHED :], (key, _Cached(marks, seen))]))
    return with_distributions(seen, cache_folder, root=root)


def with_distributions(seen: Seen, cache_folder: Path, *, root: Path | None = None) -> Seen:
    """`seen` with what is installed on its path, and the folders of modules there that no package owns. Editable
    sources and such folders outside the project carry a digest."""
    if seen.problem:
        return seen
    trees = SourceTrees(cache_folder, root)
    found: list[Distribution] = []
    listed = read_distributions(seen.path, seen.prefix, cache_folder)
    for item in listed:
        distribution = item.distribution
        if item.tree:
            changes = {"location": trees.location(item.tree), "digest": trees.digest(item.tree)}
            distribution = msgspec.structs.replace(distribution, **changes)
        found.append(distribution)
    loose = trees.loose_folders(seen.path, [item.tree for item in listed if item.tree])
    trees.save()
    return msgspec.structs.replace(seen, distributions=tuple(found), folders=loose)


def environment_of(seen: Seen | None, variables: Mapping[str, str]) -> Environment:
    """The environment of a run. variables: those that `cloche.capture.variables` lets through. seen: None where
    there is no Python; then the platform is that of Cloche's own process."""
    if seen is None or not seen.system:
        here = facts()
        platform = Platform(str(here["system"]), str(here["machine"]), str(here["libc"]))
    else:
        platform = Platform(seen.system, seen.machine, seen.libc)
    if seen is None:
        return Environment(None, (), platform, dict(variables))
    interpreter = Interpreter(seen.implementation or "CPython", seen.version, seen.build)
    return Environment(interpreter, seen.distributions, platform, dict(variables), seen.folders)


def machine_of(seen: Seen | None, environ: Mapping[str, str] | None = None) -> Machine:
    """The machine that Cloche runs on, with the interpreter that was seen. environ: the variables of the run, which
    set the sizes of thread pools."""
    python = encode_path(seen.executable) if seen is not None else ""
    return machine_of_here(os.environ if environ is None else environ, python)


def seen_from(record: Mapping[str, object]) -> Seen:
    """A record of `cloche_inside.facts` as a value. Raises msgspec.ValidationError where it is none."""
    return msgspec.convert(record, Seen)


def _key_variables() -> tuple[str, ...]:
    return _PATH_VARIABLES + _PIN_VARIABLES


def _ask(python: str, where: str, variables: dict[str, str]) -> Seen:
    quiet = {name: value for name, value in variables.items() if name not in _NOT_FOR_PROBE}
    hint = "name another one under [environment] python in cloche.toml"
    command = [python, "-S", "-B", os.path.join(FOLDER, "cloche_probe.py")]
    try:
        done = subprocess.run(
            command,
            cwd=where,
            env=quiet,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
        seen = seen_from(json.loads(done.stdout))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else _last_line(done.stderr)
        raise PackageError(f"the interpreter {python} cannot be looked into: {reason}", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise PackageError(f"the interpreter {python} did not answer in {PROBE_SECONDS} s", hint=hint) from error
    if seen.path:
        return seen
    problem = f"Python {seen.version} is too old to be looked into: its packages are not recorded"
    return msgspec.structs.replace(seen, executable=python, problem=problem)


def _last_line(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it does not behave like a Python"


def _watched(python: str, where: str, seen: Seen, variables: Mapping[str, str]) -> set[str]:
    """The files and folders that decide what the probe answers."""
    program = os.path.join(where, python)
    watched = {program, seen.executable or program, os.path.join(FOLDER, "cloche_inside.py")}
    for executable in (program, seen.executable):
        binaries = os.path.dirname(executable)
        watched |= {os.path.join(binaries, "pyvenv.cfg"), os.path.join(os.path.dirname(binaries), "pyvenv.cfg")}
    folders = {entry for entry in (*seen.path, *seen.sites) if entry}
    watched |= folders
    for folder in folders:
        watched |= _pth_files(folder)
    return watched | set(pinning_files(program, where, variables))


def _pth_files(folder: str) -> set[str]:
    try:
        return {os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".pth")}
    except OSError:
        return set()
