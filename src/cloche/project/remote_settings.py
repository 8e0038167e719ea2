"""Writing remotes into `cloche.toml`, or where Git does not see them; comments and order stay."""

from __future__ import annotations

from typing import Any

from cloche.model.settings import FILE_NAME, Remote
from cloche.model.settings_text import parse_settings
from cloche.project.journal import perform, text_change
from cloche.project.project import Project
from cloche.project.remotes import LOCAL_FILE
from cloche.store.filesystem import FileSystem, disk_error


def write_remote(project: Project, name: str, remote: Remote | None, *, local: bool, summary: str) -> None:
    """Set or (None) take away a remote. `cloche.toml` is changed as an operation, which `undo` reverses."""
    file = project.folder / LOCAL_FILE if local else project.root / FILE_NAME
    text = file.read_text("utf-8") if file.exists() else ""
    new = _edited(text, name, remote)
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
