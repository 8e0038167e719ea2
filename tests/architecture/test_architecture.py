"""The house keeps its shape: layers, cycles, sizes, and what may touch the outside world."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "cloche"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
# Files that run in the user's interpreter and keep to what is safe there.
FOREIGN = {"client.py", "sitecustomize.py"}


def ids(file: Path) -> str:
    return str(file.relative_to(SOURCE))


def test_layers_and_independence_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_there_are_no_import_cycles() -> None:
    graph = grimp.build_graph("cloche", cache_dir=None)
    seen: dict[str, int] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"import cycle: {' -> '.join((*path[path.index(module) :], module))}"
        if seen.get(module):
            return
        for below in sorted(graph.find_modules_directly_imported_by(module)):
            visit(below, (*path, module))
        seen[module] = 1

    assert len(graph.modules) > 50
    for module in sorted(graph.modules):
        visit(module, ())


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_files_and_functions_stay_small(file: Path) -> None:
    text = file.read_text("utf-8")
    assert text.count("\n") <= LONGEST_FILE, f"{file} wants splitting"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{file}:{node.lineno} {node.name} wants splitting"


@pytest.mark.parametrize("file", [file for file in FILES if file.parent.name in ("model", "analysis")], ids=ids)
def test_words_and_engines_touch_nothing_outside(file: Path) -> None:
    imported = {name for node in ast.walk(ast.parse(file.read_text("utf-8"))) for name in imports(node)}
    forbidden = {"time", "random", "sqlite3", "subprocess", "socket", "secrets", "uuid", "pathlib", "shutil", "io"}
    assert not imported & forbidden
    if "os" in imported:
        calls = set(re.findall(r"\bos\.(\w+)", file.read_text("utf-8")))
        assert calls <= {"fsencode", "fsdecode", "name"}, "only how names are encoded, which is a pure function"


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


@pytest.mark.parametrize("file", [file for file in FILES if file.parent.name != "catalog"], ids=ids)
def test_only_the_catalog_talks_to_its_database(file: Path) -> None:
    imported = {name for node in ast.walk(ast.parse(file.read_text("utf-8"))) for name in imports(node)}
    assert "sqlite3" not in imported


DEFERRED_ALLOWED = ("cli", "__init__.py")


@pytest.mark.parametrize("file", [file for file in FILES if ids(file).split("/")[0] not in DEFERRED_ALLOWED], ids=ids)
def test_own_modules_are_imported_at_the_top(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    platform = [node for one in tree.body if isinstance(one, ast.If) for node in (*one.body, *one.orelse)]
    top = {*tree.body, *platform}
    late = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in top and "cloche" in imports(node)
    ]
    assert not [f"{file}:{node.lineno}" for node in late]


REGISTRY_HOSTS = ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "deb.debian" + ".org")


def test_nothing_committed_names_a_registry_or_a_private_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        for host in (*REGISTRY_HOSTS, "/root/" + ".pyenv", "/work/" + "main"):
            assert host.encode() not in data, f"{name} names {host}"


def test_every_public_name_says_what_it_is() -> None:
    bare = []
    for file in FILES:
        tree = ast.parse(file.read_text("utf-8"))
        if not ast.get_docstring(tree) and file.name not in FOREIGN:
            bare.append(ids(file))
    assert not bare
