"""Writing remotes into `cloche.toml`, or where Git does not see them; comments and order stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from cloche.errors import ClocheError, SettingsError
from cloche.model.changes import PathChange
from cloche.model.settings import FILE_NAME, Remote
from cloche.model.settings_text import parse_settings
from cloche.model.tree import Entry
from cloche.project.journal import perform, text_change
from cloche.project.project import Project
from cloche.project.remotes import LOCAL_FILE, all_remotes, default_name, local_remotes, merged
from cloche.store.filesystem import FileSystem, disk_error


def write_remotes(project: Project, changes: Mapping[str, Remote | None], *, local: bool, summary: str) -> None:
    """Set or (None) take away remotes. `cloche.toml` is changed as an operation, which `undo` reverses."""
    file = project.folder / LOCAL_FILE if local else project.root / FILE_NAME
    new = file.read_text("utf-8") if file.exists() else ""
    for name, remote in changes.items():
        new = _edited(new, name, remote)
    parse_settings(new, file.name)
    if not local:
        perform(project, "remote", summary, [text_change(project, FILE_NAME, new)])
        return
    try:
        FileSystem().replace_file(str(file), new.encode())
    except OSError as error:
        raise disk_error(error, f"write {file.name}") from error


def remotes_to_keep(project: Project, changes: Iterable[PathChange]) -> dict[str, Remote]:
    """What this copy of the project has to note on its own for its remotes to stay, while changes bring another
    `cloche.toml`, which was written before they were named."""
    change = next((one for one in changes if one.path == FILE_NAME), None)
    if change is None:
        return {}
    then, now, local = _named_in(project, change.after), all_remotes(project), local_remotes(project)
    kept = {name: one for name, one in now.items() if name not in local and then.get(name) != one}
    chosen = default_name(now)
    if chosen and default_name(merged(then, {**local, **kept})) != chosen:
        kept[chosen] = replace(now[chosen], default=True)
    return kept


def _named_in(project: Project, file: Entry | None) -> dict[str, Remote]:
    if file is None or file.kind not in ("f", "x"):
        return {}
    try:
        return parse_settings(project.store.read(file.digest).decode("utf-8", "replace"), FILE_NAME).remotes
    except SettingsError:
        return {}


def forget_doubled(project: Project) -> None:
    """Forget what this copy of the project notes of remotes on its own, where `cloche.toml` says just that again. Where
    there is none any more, or one that cannot be read, nothing is forgotten."""
    noted = local_remotes(project)
    try:
        shared = project.settings.remotes if noted else {}
    except ClocheError:
        return
    doubled = [name for name, one in noted.items() if shared.get(name) == one]
    if doubled:
        write_remotes(project, dict.fromkeys(doubled), local=True, summary="")


def _edited(text: str, name: str, remote: Remote | None) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text)
    if remote is None:
        del document["remotes"][name]
        if not document["remotes"]:
            del document["remotes"]
        return tomlkit.dumps(document).rstrip("\n") + "\n"
    if "remotes" not in document:
        document["remotes"] = tomlkit.table(is_super_table=True)
    table = document["remotes"].get(name)
    if table is None:
        table = tomlkit.table()
        document["remotes"][name] = table
    for key in Remote.__struct_fields__:
        value = getattr(remote, key)
        if value:
            table[key] = value
        else:
            table.pop(key, None)
    return tomlkit.dumps(document)
