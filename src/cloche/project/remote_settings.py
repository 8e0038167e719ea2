"""Writing remotes into `cloche.toml`, or where Git does not see them; comments and order stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloche.model.settings import FILE_NAME, Remote
from cloche.model.settings_text import parse_settings
from cloche.project.journal import perform, text_change
from cloche.project.project import Project
from cloche.project.remotes import LOCAL_FILE
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
