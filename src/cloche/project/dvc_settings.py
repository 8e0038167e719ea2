"""The stages of a DVC repository as `cloche.toml` says them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from cloche.capture.config import read_config
from cloche.dvc.config import Remote
from cloche.dvc.words import Skipped
from cloche.errors import ClocheError
from cloche.model.paths import above
from cloche.model.patterns import matcher
from cloche.model.settings import CONFIG_FILES, ConfigSection, Settings
from cloche.model.settings import Stage as Wanted
from cloche.model.settings_rules import Unfit, tidy_key, tidy_path
from cloche.model.settings_text import parse_settings, template
from cloche.model.wording import some
from cloche.project.dvc_state import Stage, State

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# What a command may hold that would reach into the next one, were they joined by `&&` alone.
_RISKY = re.compile(
    r"[#&\\;(){}`]|<<|\b(?:cd|pushd|export|exit|exec|set|unset|source|trap|umask|alias|shopt)\b|^\s*[.\w]+=|^\."
)
# What a plain POSIX shell has no word for, or takes for another one than bash, in which DVC runs commands for most.
_BASH = re.compile(
    r"""\[\[|(?<!\$)\(\(|[<>]\(|\$\(\s*<|<<<|&>|>&\s*[^\s\d&-]|\|&|;&|\$['"\[]|\[\^|==|=~
    |\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}|\w\+?=\(|\w\+=|\w\[[^\]\s]*\]=
    |\$\{(?:!|\#?\w+(?:\[|/|\^|,|@|:(?![-=+?])))
    |\$\{?(?:S?RANDOM|SECONDS|EPOCH\w+|E?UID|HOSTNAME|OSTYPE|SHLVL|REPLY|PIPESTATUS|BASH\w*)\b
    |(?:^|[;&|({!]|\b(?:then|do|else))\s*(?:source|function|declare|typeset|local|let|select|shopt|pushd|popd|dirs
        |mapfile|readarray|coproc|disown|enable|builtin|time)(?![\w/.-])
    |\b(?:pipefail|errtrace|globstar)\b|\bread\s+-(?:[^r\s]|r\w)|\bprintf\s+(?:-v|\S*%q)|\bexport\s+-
    |\btrap\b.*\b(?:ERR|DEBUG|RETURN)\b|\becho\s+-n?[eE]+n?\s|\becho\s+-n\w|\becho\b.*\\[abcefnrtv0x\\]
    |\bwait\s+-n|\bexec\s+-""",
    re.VERBOSE | re.DOTALL,
)
_KINDS = ("toml", "yaml", "yml", "json")

_SHELL = "it runs in bash, whose words it uses; DVC runs it in the shell of whoever types `dvc repro` ($SHELL)"

HEADER = """\
# The settings of this project for Cloche, as `cloche import dvc` found them.
# Templates of dvc.yaml are filled in with what the parameter files said then.
"""


class ImportedStage(msgspec.Struct, frozen=True):
    """A stage. origin: what it is in DVC. state: `new`, `unchanged`, or `kept`: cloche.toml has one of that name."""

    name: str
    origin: str
    run: str
    state: str


class NewSettings(msgspec.Struct, frozen=True):
    """The text of `cloche.toml` after the import."""

    text: str
    stages: tuple[ImportedStage, ...]
    skipped: tuple[Skipped, ...]


def shell(folder: str, commands: Sequence[str]) -> str:
    """One shell command that does what DVC does with these: one after the other, each in a shell of its own, until one
    fails. Stages run in `/bin/sh`: what only bash understands is given to bash.

    >>> shell("", ["make data"]), shell("src", ["python a.py", "python b.py"])
    ('make data', 'cd src && python a.py && python b.py')
    >>> shell("", ["touch {1..3}"])
    "bash -c 'touch {1..3}'"
    """
    texts = [f"bash -c {shlex.quote(command)}" if needs_bash(command) else command for command in commands]
    risky = any(_RISKY.search(command) for command in commands if not needs_bash(command))
    text = " && ".join(f"(\n{one}\n)" if risky else one for one in texts) if len(texts) > 1 else texts[0]
    return f"cd {shlex.quote(folder)} && {text}" if folder else text


def needs_bash(command: str) -> bool:
    """Whether a command may mean something else to a plain POSIX shell than to bash. A doubt counts as yes: what both
    understand, bash does as well.

    >>> [needs_bash(text) for text in ("a=$(ls) && b > c 2>&1", "echo ${x%.*} $((1+1))", "[[ 1 = 1 ]]", "cp a{,.b} .")]
    [False, False, True, True]
    """
    return _BASH.search(command) is not None


def new_settings(root: Path, state: State, remotes: Iterable[Remote], text: str, ignored: Sequence[str]) -> NewSettings:
    """`text`, a `cloche.toml`, with everything that the repository says beside it. What stands there already stays.

    ignored: patterns of files that are no code. Raises SettingsError where `text` cannot be read.
    """
    before = parse_settings(text)
    fresh = text == template()
    converter = _Converter(root, state, before)
    stages = {stage.name: (stage, converter.stage(stage)) for stage in state.stages}
    lists = {
        ("config", "files"): converter.config,
        ("metrics", "files"): converter.metrics(),
        ("code", "ignore"): _more(before.code.ignore, ignored),
    }
    text = _with_lists(HEADER if fresh else text, lists)
    converter.losses()
    imported: list[ImportedStage] = []
    parts = [text.rstrip("\n") + "\n"]
    for name, (stage, wanted) in stages.items():
        known = before.stages.get(name)
        state_word = "new" if known is None else "unchanged" if known == wanted else "kept"
        imported.append(ImportedStage(name, stage.origin, wanted.run, state_word))
        if known is None:
            parts.append(_table(stage, wanted))
        elif known != wanted:
            converter.skip("stage", stage.origin, f"cloche.toml has a stage {name} that differs; it stays as it is")
    parts.append(_suggested(remotes, text))
    done = "\n".join(filter(None, parts))
    parse_settings(done)
    return NewSettings(done, tuple(imported), tuple(converter.skipped))


class _Converter:
    """Turns stages into those of cloche.toml, and keeps what did not fit."""

    def __init__(self, root: Path, state: State, before: Settings) -> None:
        self.root = root
        self.state = state
        self.skipped: list[Skipped] = []
        self.writers: dict[str, str] = {path: name for name, one in before.stages.items() for path in one.writes}
        self.covered = {one: name for path, name in self.writers.items() for one in above(path)}
        files = list(dict.fromkeys([*self.state.params, *(file for stage in state.stages for file in stage.params)]))
        files.sort(key=lambda file: (file not in CONFIG_FILES, file))
        self.before = before
        self.known = list(before.config.files or (name for name in CONFIG_FILES if (root / name).exists()))
        self.keys: dict[str, dict[str, str]] = {}  # by file: its own keys, and what Cloche calls them
        taken: set[str] = set()
        for file in dict.fromkeys([*self.known, *files]):
            found = self._keys(file)
            if found is not None:
                self.keys[file] = {key: f"{file}:{key}" if key in taken else key for key in found}
                taken |= set(found)

    @property
    def config(self) -> tuple[str, ...] | None:
        """The parameter files to name; None where the usual names say the same."""
        wanted = tuple(dict.fromkeys([*self.known, *self.keys]))
        return None if wanted == tuple(self.known) else wanted

    def skip(self, kind: str, name: str, reason: str) -> None:
        self.skipped.append(Skipped(kind, name, reason))

    def losses(self) -> None:
        """What DVC says and Cloche has no word for."""
        filled = [stage.name for stage in self.state.stages if stage.filled]
        if filled:
            self.skip("templates", some(filled), "values are filled in: change them in cloche.toml, too")
        bash = [stage.name for stage in self.state.stages if any(map(needs_bash, stage.command))]
        if bash:
            self.skip("shell", some(bash), _SHELL)
        plots = [*self.state.plots, *(out.path for stage in self.state.stages for out in stage.outs if out.plot)]
        if plots:
            self.skip("plots", some(list(dict.fromkeys(plots))), "the files are carried over, not how they are drawn")
        for name, path in self.state.artifacts.items():
            self.skip("artifact", name, f"{path} has no name of its own in Cloche; its versions become tags of runs")

    def metrics(self) -> tuple[str, ...] | None:
        """The files of metrics to name; None where the settings do already."""
        named = [*self.state.metrics, *(out.path for stage in self.state.stages for out in stage.outs if out.metric)]
        json_files = [path for path in dict.fromkeys(named) if path.endswith(".json")]
        for path in dict.fromkeys(named):
            if not path.endswith(".json"):
                self.skip("metrics", path, "Cloche reads the metrics of new runs from JSON files; write it as JSON")
        patterns = self.before.metric_patterns
        matches = matcher(patterns, anchored=True)
        if all(matches(path) for path in json_files):
            return None
        return tuple(dict.fromkeys([*(patterns if self.before.metrics.files else ()), *sorted(json_files)]))

    def stage(self, stage: Stage) -> Wanted:
        params: list[str] = []
        reads = [*stage.deps]
        for file, keys in stage.params.items():
            named = None if keys is None else [name for key in keys for name in self._names(stage, file, key)]
            if named is None or file not in self.keys:
                reads.append(file)
            params += named or []
        if stage.frozen:
            self.skip("frozen", stage.origin, "Cloche has no frozen stages: it runs again when what it reads changes")
        if stage.always:
            self.skip("always_changed", stage.origin, "Cloche runs it when what it reads changes, or with --force")
        run = shell(stage.folder, stage.command).replace("\0", "")
        outs = [out.path for out in stage.outs]
        return Wanted(
            run=run,
            reads=tuple(self._tidy(stage, reads)),
            writes=tuple(path for path in self._tidy(stage, outs) if self._free(stage, path)),
            params=tuple(dict.fromkeys(params)),
        )

    def _names(self, stage: Stage, file: str, key: str) -> Iterator[str]:
        """What Cloche calls a key of a parameter file, or what is below it."""
        keys = self.keys.get(file)
        if keys is None:
            return
        leaves = [name for leaf, name in keys.items() if leaf == key or leaf.startswith(f"{key}.")]
        if not leaves:
            self.skip("params", f"{stage.origin}: {key}", f"{file} has no such key")
        elif all(":" not in name for name in leaves):
            yield key
        else:
            yield from leaves

    def _keys(self, file: str) -> list[str] | None:
        """The keys of a parameter file; None where Cloche cannot read it as one."""
        if file.rpartition(".")[2].lower() not in _KINDS:
            self.skip("params", file, "Cloche reads TOML, YAML and JSON as parameters: stages depend on the whole file")
            return None
        try:
            found = read_config(self.root, Settings(config=ConfigSection(files=(file,))))
            return [tidy_key(key) for key in found.values]
        except (ClocheError, Unfit) as error:
            reason = error.message if isinstance(error, ClocheError) else str(error)
            self.skip("params", file, f"it is not read as parameters: {reason}")
            return None

    def _tidy(self, stage: Stage, paths: Iterable[str]) -> Iterator[str]:
        for path in dict.fromkeys(paths):
            try:
                yield tidy_path(path)
            except Unfit as problem:
                self.skip("path", f"{stage.origin}: {path}", str(problem))

    def _free(self, stage: Stage, path: str) -> bool:
        """Whether no other stage writes at, above or below a path."""
        others = (self.writers.get(one) for one in (path, *above(path)))
        other = next((name for name in (*others, self.covered.get(path)) if name not in (None, stage.name)), None)
        if other is not None:
            self.skip("output", f"{stage.origin}: {path}", f"stage {other} writes there, too")
            return False
        self.writers[path] = stage.name
        self.covered |= dict.fromkeys(above(path), stage.name)
        return True


def _more(before: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...] | None:
    more = [one for one in wanted if one not in before]
    return (*before, *more) if more else None


def _with_lists(text: str, lists: dict[tuple[str, str], tuple[str, ...] | None]) -> str:
    """`text` with these lists set, and everything else as it stands."""
    if not any(lists.values()):
        return text
    import tomlkit

    document = tomlkit.parse(text)
    for (section, key), names in lists.items():
        if names is None:
            continue
        if section not in document:
            document[section] = tomlkit.table()
        document[section][key] = list(names)
    return tomlkit.dumps(document)


def _table(stage: Stage, wanted: Wanted) -> str:
    lines = [f"# {line}" for line in stage.description.splitlines() if line.isprintable()]
    key = stage.name if _BARE.fullmatch(stage.name) else quoted(stage.name)
    lines += [f"[stages.{key}]", f"run = {quoted(wanted.run)}"]
    for name in ("reads", "writes", "params"):
        texts = getattr(wanted, name)
        if texts:
            lines.append(f"{name} = [{', '.join(map(quoted, texts))}]")
    return "\n".join(lines) + "\n"


def _suggested(remotes: Iterable[Remote], text: str) -> str:
    """The remotes, as comments."""
    rows = []
    for remote in remotes:
        key = remote.name if _BARE.fullmatch(remote.name) else quoted(remote.name)
        head = f"#[remotes.{key}]"
        if head not in text.splitlines() and f"[remotes.{key}]" not in text.splitlines():
            rows.append(f"{head}\n#url = {quoted(remote.url.rstrip('/') + '/cloche')}\n")
    return (
        "# Remotes of DVC, each with a folder for Cloche beside what DVC keeps there.\n" + "".join(rows) if rows else ""
    )


def quoted(text: str) -> str:
    """A text as TOML writes it on one line."""
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
