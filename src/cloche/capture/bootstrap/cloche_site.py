"""sys.path as `site` would have made it, without running anything of the user's. Python 3.8 and later."""

# ruff: noqa: UP037 - it must run on Python 3.8, and `site` deals in text
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def complete_path() -> "list[str]":
    """Add to sys.path what `site` adds, and return every folder in which .pth files or packages may turn up."""
    site = _import_site()
    site.addpackage = lambda folder, name, known: _add_package(site, folder, name, known)  # type: ignore[attr-defined]
    site.execsitecustomize = site.execusercustomize = lambda: None  # type: ignore[attr-defined]
    site.main()
    folders = list(site.getsitepackages())
    if site.ENABLE_USER_SITE is not False:
        folders.append(site.getusersitepackages())
    return folders


def _import_site() -> "ModuleType":
    """The standard library's `site`, whatever the user's PYTHONPATH holds."""
    path = list(sys.path)
    theirs = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    sys.path[:] = [entry for entry in path if os.path.abspath(entry) not in theirs]
    try:
        import site
    finally:
        sys.path[:] = path
    return site


def _add_package(site: "ModuleType", folder: str, name: str, known: "set[str] | None") -> "set[str] | None":
    """The folders that a .pth file names; its lines of code are passed over."""
    reset = known is None
    paths: "set[str]" = site._init_pathinfo() if known is None else known
    try:
        with open(os.path.join(folder, name), encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith(("#", "import ", "import\t")) or not line.strip():
            continue
        try:
            entry, key = site.makepath(folder, line.rstrip())
            if key not in paths and os.path.exists(entry):
                sys.path.append(entry)
                paths.add(key)
        except ValueError:
            continue
    return None if reset else paths
