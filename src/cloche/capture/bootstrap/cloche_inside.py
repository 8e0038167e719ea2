"""The recording inside a Python process of a run: one record of the interpreter, and which project files it opens.

Works from CPython 3.8 on. It imports built-in modules only, so that no file of a project can stand in for one, and
leaves nothing in sys.modules. It prints nothing, draws no random number, and fails in silence: the program that it
watches must not notice it. Records are lines of JSON in RUN/python.jsonl, each appended with one write.

An audit hook sees what Python opens, not what C or Rust readers do: a hint, never proof of completeness.
"""

# ruff: noqa: UP031, UP037 - it must run on Python 3.8
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

try:
    import posix as system
except ImportError:
    import nt as system  # type: ignore[import-not-found,no-redef,unused-ignore]

FILE = "python.jsonl"
MOST_SEEN = 16384
MOST_RECORDED = 100000
HIGH_FD = 1000
WINDOWS = system.__name__ == "nt"
SEPARATOR = "\\" if WINDOWS else "/"
SKIPPED = {".git", ".cloche", ".hg", ".svn", "site-packages", "dist-packages", "node_modules"}
WRITES = system.O_WRONLY | system.O_RDWR | system.O_CREAT | system.O_TRUNC | system.O_APPEND
_FLAGS = system.O_WRONLY | system.O_APPEND | system.O_CREAT | getattr(system, "O_BINARY", 0)
_FLAGS |= getattr(system, "O_CLOEXEC", 0) | getattr(system, "O_NOINHERIT", 0) | getattr(system, "O_NOFOLLOW", 0)
_REGULAR = 0o100000


def start(here: str) -> None:
    """Record this interpreter, watch what it opens, and offer the light client. Outside a run: nothing."""
    folder = variable("CLOCHE_RUN_FOLDER")
    root = variable("CLOCHE_PROJECT")
    if not folder:
        return
    spool = Spool(folder + SEPARATOR + FILE)
    spool.append(dict(facts(), kind="process"))
    sys.meta_path.append(LightClient(here))  # type: ignore[arg-type]
    if root:
        sys.addaudithook(watcher(Opened(spool, roots(root))))


def variable(name: str) -> str:
    """A variable of the environment as text; empty where it is not set."""
    variables: "Mapping[object, object]" = system.environ  # type: ignore[assignment]
    return text_of(variables.get(name if WINDOWS else name.encode(), ""))


def text_of(name: object) -> str:
    """A file name, text or bytes, as text."""
    if isinstance(name, bytes):
        return name.decode(sys.getfilesystemencoding(), "surrogateescape")
    return str(name)


def facts() -> "dict[str, object]":
    """What this interpreter is and where it looks for modules."""
    name = sys.implementation.name
    return {
        "pid": system.getpid(),
        "time": time.time(),
        "executable": sys.executable or "",
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(name, name),
        "version": _version(),
        "build": sys.version.partition(" ")[2].replace("\n", " ").strip(),
        "path": [text_of(entry) for entry in sys.path if isinstance(entry, (str, bytes))],
        "system": _system(),
        "machine": _machine(),
        "libc": _libc(),
    }


def _version() -> str:
    major, minor, micro, level, serial = sys.version_info
    return "%d.%d.%d" % (major, minor, micro) + ("" if level == "final" else "%s%d" % (level, serial))


def _system() -> str:
    return {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}.get(sys.platform, sys.platform)


def _machine() -> str:
    if hasattr(system, "uname"):
        return str(system.uname().machine)
    return variable("PROCESSOR_ARCHITEW6432") or variable("PROCESSOR_ARCHITECTURE")


def _libc() -> str:
    try:
        return str(system.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, OSError, ValueError):
        return "musl" if "musl" in getattr(sys.implementation, "_multiarch", "") else ""


def encode(value: object) -> str:
    """`value` as JSON in ASCII. Lone surrogates, which file names may hold, are kept."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(_quote(str(key)) + ":" + encode(item) for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(encode(item) for item in value) + "]"
    return _quote(str(value))


def _quote(text: str) -> str:
    return '"' + "".join(map(_letter, text)) + '"'


def _letter(letter: str) -> str:
    code = ord(letter)
    if 32 <= code < 127 and letter not in '"\\':
        return letter
    if code < 0x10000:
        return "\\u%04x" % code
    code -= 0x10000
    return "\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF))


class Spool:
    """A file of records that survives forks, closed descriptors, a full disk and a vanished folder.

    It is opened once, before the user's code runs: opening it later would show in the audit hooks of the program.
    Its descriptor is a high one, so that the program's own keep their numbers.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1
        self.identity = (0, 0)
        self.torn = False
        self.dead = False

    def append(self, record: "dict[str, object]") -> None:
        """Append one record with one write. Gives up in silence."""
        if self.dead:
            return
        line = (("\n" if self.torn else "") + encode(record) + "\n").encode("ascii")
        try:
            self._reach()
            self.torn = system.write(self.fd, line) != len(line)
        except Exception as error:
            if _foreign(error):
                self.torn = True
                raise
            # The disk is full, or the folder is gone: whichever, it is not tried at every open.
            self.dead = True

    def _reach(self) -> None:
        """Make sure that `fd` is still this file: a program may have closed every descriptor and reused them."""
        if self.fd >= 0:
            try:
                there = system.fstat(self.fd)
                if (there.st_dev, there.st_ino) == self.identity:
                    return
            except OSError:
                pass
        self.fd = _high(system.open(self.path, _FLAGS, 0o666))
        there = system.fstat(self.fd)
        self.identity = (there.st_dev, there.st_ino)


def _high(fd: int) -> int:
    """`fd` moved to a high free number where that is possible."""
    try:
        most = min(int(system.sysconf("SC_OPEN_MAX")), HIGH_FD)
    except (AttributeError, OSError, ValueError):
        return fd
    for number in range(most - 2, most - 34, -1):
        try:
            system.fstat(number)
        except OSError:
            try:
                system.dup2(fd, number, False)
            except OSError:
                continue
            system.close(fd)
            return number
    return fd


def roots(root: str) -> "list[str]":
    """The spellings of the project's folder under which its files may be opened."""
    found = [root]
    path = getattr(sys.modules.get("os"), "path", None)
    real = path.realpath(root) if path is not None else root
    if real != root:
        found.append(real)
    return [name.rstrip(SEPARATOR) + SEPARATOR for name in found]


class Opened:
    """Which project files were opened, each once for reading and once for writing, in bounded memory."""

    def __init__(self, spool: Spool, prefixes: "list[str]") -> None:
        self.spool = spool
        self.prefixes = prefixes
        self.environments = [name.rstrip(SEPARATOR) + SEPARATOR for name in {sys.prefix, sys.base_prefix} if name]
        self.seen: "set[object]" = set()
        self.recorded: "set[tuple[str, str]]" = set()
        self.pid = system.getpid()
        if hasattr(system, "register_at_fork"):
            system.register_at_fork(after_in_child=self.forked)

    def forked(self) -> None:
        """A forked child keeps its own account."""
        self.seen.clear()
        self.recorded.clear()
        self.pid = system.getpid()

    def note(self, key: object, path: object, mode: object, flags: int) -> None:
        """A file is about to be opened. key: what to remember so that the same call costs little next time."""
        if not isinstance(path, (str, bytes)):
            return
        if len(self.seen) >= MOST_SEEN:
            self.seen.clear()
        name = source_of(absolute(text_of(path)))
        relative = self.inside(name)
        if not relative:
            self.seen.add(key)
            return
        writes = bool(flags & WRITES) or (isinstance(mode, str) and not {"w", "a", "x", "+"}.isdisjoint(mode))
        emptied = isinstance(mode, str) and mode[:1] in ("w", "a", "x")
        reads = not flags & (system.O_WRONLY | system.O_TRUNC) and not emptied
        if reads and not writes and system.stat(name).st_mode & 0o170000 != _REGULAR:
            return
        self.seen.add(key)
        if reads:
            self.record(relative, "r")
        if writes:
            self.record(relative, "w")

    def inside(self, name: str) -> str:
        """The name relative to the project; empty where it lies outside or is none of the project's own files."""
        for prefix in self.prefixes:
            if name.startswith(prefix):
                break
        else:
            return ""
        relative = name[len(prefix) :].replace("\\", "/") if WINDOWS else name[len(prefix) :]
        if not SKIPPED.isdisjoint(relative.split("/")):
            return ""
        if any(name.startswith(folder) and not prefix.startswith(folder) for folder in self.environments):
            return ""
        return relative

    def record(self, relative: str, mode: str) -> None:
        """Append a record, the first time."""
        if (relative, mode) in self.recorded or len(self.recorded) > MOST_RECORDED:
            return
        self.recorded.add((relative, mode))
        encoding = sys.getfilesystemencoding()
        if encoding != "utf-8":
            relative = relative.encode(encoding, "surrogateescape").decode("utf-8", "surrogateescape")
        if len(self.recorded) > MOST_RECORDED:
            self.spool.append({"kind": "more", "pid": self.pid})
            return
        self.spool.append({"kind": "open", "pid": self.pid, "path": relative, "mode": mode, "time": time.time()})


def absolute(name: str) -> str:
    """`name` as an absolute path without `.`, `..` and doubled separators. Links are not resolved."""
    if WINDOWS:
        path = getattr(sys.modules.get("os"), "path", None)
        return str(path.abspath(name)) if path is not None else name
    if not name.startswith("/"):
        name = system.getcwd() + "/" + name
    if "//" not in name and "/." not in name and not name.endswith("/"):
        return name
    parts: "list[str]" = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def source_of(name: str) -> str:
    """The source file behind compiled code; empty for compiled code that is only being written."""
    folder, _, leaf = name.rpartition(SEPARATOR)
    if ".pyc" not in leaf:
        return name
    if not leaf.endswith(".pyc"):
        return ""
    source = leaf.partition(".")[0] + ".py"
    prefix = sys.pycache_prefix
    if prefix and folder.startswith(prefix):
        return folder[len(prefix) :].rstrip(SEPARATOR) + SEPARATOR + source
    above, _, cache = folder.rpartition(SEPARATOR)
    return above + SEPARATOR + source if cache == "__pycache__" else name


def watcher(opened: Opened) -> "Callable[[str, tuple[object, ...]], None]":
    """The audit hook. What it sees for the second time costs one look into a set."""
    seen = opened.seen
    note = opened.note
    getcwd = system.getcwd
    first = ("/", b"/") if not WINDOWS else ()

    def hook(event: str, args: "tuple[object, ...]") -> None:
        if event != "open":
            if event == "import" and len(args) > 1 and args[1]:
                _guarded(note, args[1], args[1], "r", 0)
            elif event == "os.rename" and len(args) > 1:  # how a file is written all at once
                _guarded(note, ("rename", args[1]), args[1], "w", system.O_WRONLY)
            return
        try:
            path, mode, flags = args
            known = type(path) in (str, bytes) and path[:1] in first  # type: ignore[index]
            key = (path, flags, "" if known else getcwd())
            if key in seen:
                return
        except Exception as error:
            if _foreign(error):
                raise
            return
        _guarded(note, key, path, mode, flags)

    return hook


def _guarded(note: "Callable[..., None]", *args: object) -> None:
    try:
        note(*args)
    except Exception as error:
        if _foreign(error):
            raise


def _foreign(error: BaseException) -> bool:
    """Whether an error comes from a signal handler of the user, which happened to run here: theirs to have."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals is not globals()


class LightClient:
    """The last of the import system's finders: `import cloche` works where it is not installed."""

    def __init__(self, here: str) -> None:
        above = here
        for _ in range(2):
            above = above[: max(above.rfind("/"), above.rfind("\\"))]
        self.file = above + SEPARATOR + "client.py"

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """The light client, for the name `cloche` alone."""
        if name != "cloche":
            return None
        external = sys.modules.get("_frozen_importlib_external")
        return external.spec_from_file_location(name, self.file) if external is not None else None
