"""Whatever the store and the journal write passes through `FileSystem`, where tests can record it and make it fail."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cloche
from shell import Shell

SOURCE = Path(cloche.__file__).parent
WRITING = {
    "write",
    "pwrite",
    "writev",
    "truncate",
    "ftruncate",
    "replace",
    "rename",
    "renames",
    "link",
    "symlink",
    "unlink",
    "remove",
    "removedirs",
    "mkdir",
    "makedirs",
    "rmdir",
    "chmod",
    "fchmod",
    "chown",
    "utime",
    "mkfifo",
    "copy_file_range",
    "sendfile",
    "fsync",
    "fdatasync",
    "sync",
}
OF_PATHS = {"write_bytes", "write_text", "touch", "hardlink_to", "symlink_to"}
FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}
MODULES = [path for path in sorted((SOURCE / "store").glob("*.py")) if path.name != "filesystem.py"]
MODULES += [SOURCE / "project/journal.py", SOURCE / "project/collecting.py", SOURCE / "project/fetching.py"]

READING = {"which", "disk_usage"}  # of shutil

# What else writes files by itself, and why that is no matter of the store.
OTHERS = {
    "ops/add.py": "a link in tmp/, to look at data that lies elsewhere",
    "ops/clone.py": "the folder of a clone that failed goes",
    "ops/install.py": "the hooks for new repositories, outside of any project",
    "ops/merge_lock.py": "the file that Git gave it to merge",
    "ops/revert.py": "an environment that was made a moment ago, and could not be filled",
    "capture/cache.py": "a cache",
    "capture/bootstrap/": "runs in the user's own program, and writes into the folder of its run",
    "execution/outlets.py": "what the command prints: to the terminal and the log of the run that is going",
    "execution/terminal.py": "a terminal",
    "environments/": "packages, which their installer writes; what it replaces is kept beside",
    "tables/engine.py": "a temporary folder of DuckDB's",
    "cli/app.py": "nothing, to /dev/null",
    "cli/start.py": "a terminal",
    "client.py": "lines that a program logs, in the folder of its run",
    "project/cloning.py": "a note in .cloche/ before there is anything else in it",
    "project/comparing.py": "copies for DuckDB to read, in tmp/",
    "project/hook_files.py": "Git's hooks, which are Git's",
    "project/sharing.py": "makes .cloche/ before there is anything in it",
    "project/recovery.py": "removes the folder of a run whose record is complete",
    "project/going.py": "the folder of a run that is going: its log and spool are the program's",
    "project/placed.py": "a cache",
    "project/elsewhere.py": "a temporary folder of the system",
    "project/probing.py": "a cache of what a remote can do",
    "project/sending.py": "packs on their way to a remote, in tmp/",
    "project/listing.py": "a cache of a remote's lists",
    "project/executing.py": "the folder of a run that is going",
}


def writes(path: Path) -> Iterator[str]:
    """Calls that write to a disk by themselves."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and _writes(node):
            yield f"{path.relative_to(SOURCE).as_posix()}:{node.lineno} {ast.unparse(node.func)}"


def _writes(node: ast.Call) -> bool:
    if isinstance(node.func, ast.Name):
        return node.func.id == "open" and _opens_for_writing(node, 1)
    if not isinstance(node.func, ast.Attribute):
        return False
    owner, name = ast.unparse(node.func.value), node.func.attr
    if owner == "os":
        return name in WRITING or (name == "open" and any(flag in ast.unparse(node) for flag in FLAGS))
    if owner == "shutil" and name in READING:
        return False
    return owner in ("shutil", "tempfile") or name in OF_PATHS or (name == "open" and _opens_for_writing(node, 0))


def _opens_for_writing(node: ast.Call, at: int) -> bool:
    named = next((one.value for one in node.keywords if one.arg == "mode"), None)
    given = named or (node.args[at] if len(node.args) > at else None)
    mode = given.value if isinstance(given, ast.Constant) else "r"
    return isinstance(mode, str) and len(mode) < 4 and not set(mode).isdisjoint("wax+")


def test_the_store_writes_through_its_file_system_alone() -> None:
    assert [one for path in MODULES if path.exists() for one in writes(path)] == []


def test_what_else_writes_has_a_reason() -> None:
    rest = [path for path in SOURCE.rglob("*.py") if path.parent.name != "store"]
    found = {one.partition(":")[0] for path in rest for one in writes(path)}
    assert [one for one in found if not one.startswith(tuple(OTHERS))] == []


def test_this_very_check_sees_a_write() -> None:
    lines = ["os.replace(a, b)", "os.open(a, os.O_WRONLY)", "open(a, 'wb')", "p.write_bytes(b'')", "p.open('a')"]
    for line in [*lines, "shutil.rmtree(a)"]:
        assert _writes(call(line)), line
    for line in ["os.open(a, _READ)", "open(a, 'rb')", "open(a)", "fs.replace_file(a, b)", "os.read(fd, 1)"]:
        assert not _writes(call(line)), line


def call(line: str) -> ast.Call:
    node = ast.parse(line, mode="eval").body
    assert isinstance(node, ast.Call)
    return node


# The same, seen from below: Python tells of every file that is opened, renamed or removed, and who asked for it.
WATCHED = """\
import os, sys
SOURCE = sys.argv[1]
ALLOWED = tuple(os.path.join(SOURCE, one) for one in sys.argv[2].split(","))
EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}
TWO = {"os.rename", "os.link"}
WITH_FOLDER = {"os.rename", "os.remove", "os.rmdir", "os.link"}
WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def hook(event, arguments):
    if event not in EVENTS and not (event == "open" and arguments[2] & WRITE):
        return
    frame = sys._getframe(1)
    while frame is not None and not frame.f_code.co_filename.startswith(SOURCE):
        frame = frame.f_back
    folders = [one for one in arguments[1:] if isinstance(one, int) and one > 0] if event in WITH_FOLDER else []
    given = [os.fsdecode(one) for one in arguments[: 2 if event in TWO else 1] if isinstance(one, (str, bytes))]
    at = os.readlink("/proc/self/fd/%d" % folders[-1]) if folders else os.getcwd()
    paths = [os.path.join(at, one) for one in given]
    if frame is None or not any(path.startswith(os.getcwd()) for path in paths):
        return
    path = " ".join(paths)
    file = frame.f_code.co_filename
    if not file.endswith(os.path.join("store", "filesystem.py")) and not file.startswith(ALLOWED):
        print(event, path, file, frame.f_lineno)

import cloche
sys.addaudithook(hook)
project = cloche.open(".")
project.add("data")
project.run(["cp", "data/points.csv", "out.csv"])
open("data/points.csv", "a").write("more\\n")
project.revert("@")
project.undo()
project.remove("@")
project.gc(grace=0)
project.remote_add("here", "../remote", local=True)
project.push()
project.fetch()
project.verify(repair=True)
"""


def test_no_write_to_store_or_work_tree_goes_another_way(model: Shell) -> None:
    done = model(sys.executable, "-c", WATCHED, str(SOURCE), ",".join(OTHERS), status=None)
    assert (done.status, done.out, done.err) == (0, "", "")


def test_the_watcher_sees_a_write(model: Shell) -> None:
    script = WATCHED.split("import cloche\n", maxsplit=1)[0] + "sys.addaudithook(hook)\nimport cloche.x"
    package = model.folder / "cloche"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "x.py").write_text("import os\nos.mkdir(os.path.join(os.getcwd(), 'seen'))\n")
    done = subprocess.run(
        [sys.executable, "-c", script, str(package), "none"],
        cwd=model.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "os.mkdir" in done.stdout
