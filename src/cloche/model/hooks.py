"""The hooks of Git that Cloche offers: what each does, and the lines of shell that call it.

What Cloche puts into a hook stands between two marks, behind the first line of the file, so that it runs whatever the
rest of the file does, and so that taking it out gives back every byte that was there.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

import msgspec

from cloche.model.paths import encode_path

SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "ash")
MADE = b"#!/bin/sh\n# This file was made by `cloche install`, for the lines below.\n"
KEPT = ".before-cloche"
ATTRIBUTE = b"cloche.lock merge=cloche"
UNION = b".gitignore merge=union"
DRIVER = "merge-driver"


class Hook(msgspec.Struct, frozen=True):
    """One hook. does: what, in one line, for the user."""

    name: str
    does: str


HOOKS = (
    Hook("post-checkout", "after git checkout, switch, worktree add and bisect: data follows cloche.lock"),
    Hook("post-merge", "after git merge and pull: data follows cloche.lock"),
    Hook("post-rewrite", "after git rebase and commit --amend: data follows cloche.lock"),
    Hook("post-index-change", "after git stash, reset --hard and rebase --abort: data follows cloche.lock"),
    Hook("pre-commit", "before a commit: says where data changed and cloche.lock did not"),
)
STRICT = "before a commit: stops it where data changed and cloche.lock did not"
NAMES = (*(hook.name for hook in HOOKS), DRIVER)


def block(name: str, place: str, program: str, *, strict: bool = False) -> bytes:
    """The lines for a hook. place: the project within the work tree, `.` for its top. program: where cloche is when it
    is not on PATH; empty for nowhere. strict: an unrecorded change of data stops the commit."""
    does = STRICT if strict else next(hook.does for hook in HOOKS if hook.name == name)
    begin, end = marks(place)
    condition = '[ "$1" = 1 ] || exit 0; ' if name == "post-index-change" else ""
    unchanged = "" if name == "pre-commit" else "  cmp -s cloche.lock .cloche/cache/followed && exit 0\n"
    other = f" || cloche={shlex.quote(program)}" if program else " || cloche="
    words = f"{name} --strict" if strict else name
    text = (
        f"{begin}\n# {does[:1].upper()}{does[1:]}.\n"
        "# CLOCHE_HOOKS=0 switches it off; `cloche install --remove` takes these lines out again.\n"
        '( [ "${CLOCHE_HOOKS:-1}" != 0 ] || exit 0; ' + condition + "\n"
        f"  cd {shlex.quote(place)} 2>/dev/null && [ -f cloche.toml ] || exit 0\n"
        "  [ -f cloche.lock ] || [ -s .cloche/cache/followed ] || exit 0\n"
        f"{unchanged}"
        f"  cloche=$(command -v cloche){other}\n"
        '  [ -x "$cloche" ] || { echo "cloche: not found on PATH, so nothing was done about data" >&2; exit 0; }\n'
        f'  CLOCHE_HOOKS=0 exec "$cloche" hook {words} "$@" </dev/null\n'
        f") || {'exit 1' if strict else ':'}\n{end}\n"
    )
    return text.replace("; \n", "\n").encode("utf-8", "surrogateescape")


def marks(place: str) -> tuple[str, str]:
    """The first and the last line of what belongs to the project at `place`."""
    shown = encode_path(place)
    return f"# >>> cloche: {shown} >>>", f"# <<< cloche: {shown} <<<"


def wrapper(name: str, lines: bytes) -> bytes:
    """A hook that does `lines`, and then becomes the hook that stood there and could not take them up."""
    begin, end = marks("the hook that was here before")
    call = f'kept="$(dirname "$0")/{name}{KEPT}"\n[ ! -x "$kept" ] || exec "$kept" "$@"\n'
    return MADE + lines + f"{begin}\n{call}{end}\n".encode()


def is_only_wrapper(name: str, text: bytes) -> bool:
    """Whether a hook does nothing but to call the one that stood there before."""
    return text == wrapper(name, b"")


def takes_lines(text: bytes) -> bool:
    """Whether lines of shell can stand behind the first line of a hook: it is a script of a shell."""
    first, end, _ = text.partition(b"\n")
    words = first.removeprefix(b"#!").decode("utf-8", "replace").split()
    if not first.startswith(b"#!") or b"\r" in first or not words or not end:
        return False
    name = words[-1] if words[0].endswith("/env") else words[0]
    return name.rpartition("/")[2] in SHELLS


def with_block(text: bytes, place: str, lines: bytes) -> bytes:
    """A hook with `lines` in it: in the place of older ones, or behind the first line."""
    found = _span(text, place)
    if found is not None:
        return text[: found[0]] + lines + text[found[1] :]
    head, end, rest = text.partition(b"\n")
    return head + end + lines + rest


def without_block(text: bytes, place: str) -> bytes:
    """A hook as it was before `with_block`."""
    found = _span(text, place)
    return text if found is None else text[: found[0]] + text[found[1] :]


def has_block(text: bytes, place: str) -> bool:
    """Whether a hook holds the lines of the project at `place`."""
    return _span(text, place) is not None


def is_strict(text: bytes, place: str) -> bool:
    """Whether the lines of the project at `place` stop a commit."""
    found = _span(text, place)
    return found is not None and b" hook pre-commit --strict " in text[found[0] : found[1]]


def _span(text: bytes, place: str) -> tuple[int, int] | None:
    begin, end = (f"{mark}\n".encode() for mark in marks(place))
    start = text.find(begin)
    stop = text.find(end, start)
    return None if start < 0 or stop < 0 else (start, stop + len(end))


def driver(program: str) -> str:
    """The command of the merge driver, as Git's config holds it. Without cloche, Git's own merge by lines."""
    other = shlex.quote(program).replace("%", "%%") if program else "''"
    return (
        f'cloche=$(command -v cloche || echo {other}); if [ -x "$cloche" ]; then "$cloche" merge-lock %O %A %B %P; '
        "else git merge-file -L ours -L base -L theirs %A %O %B; fi"
    )


def with_attribute(text: bytes) -> bytes:
    """`.gitattributes` with the lines for `cloche.lock` and for the `.gitignore` files that hide data: of these, a
    merge keeps the lines of both sides. Neither comes where one is there that says how that file is merged."""
    for line in (ATTRIBUTE, UNION):
        if not any(b"merge" in there for there in _lines_for(text, line.split()[0])):
            text += (b"" if not text or text.endswith(b"\n") else b"\n") + line + b"\n"
    return text


def without_attribute(text: bytes) -> bytes:
    """`.gitattributes` without our lines."""
    lines = text.splitlines(keepends=True)
    return b"".join(line for line in lines if line.rstrip(b"\r\n") not in (ATTRIBUTE, UNION))


def has_attribute(text: bytes) -> bool:
    """Whether `.gitattributes` sends `cloche.lock` to our driver."""
    return any(b"merge=cloche" in line.split() for line in _lines_for(text, b"cloche.lock"))


def _lines_for(text: bytes, name: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.split()[:1] in ([name], [b"/" + name])]


def chosen(names: tuple[str, ...], unknown: Callable[[str], Exception]) -> tuple[str, ...]:
    """The hooks with these names, in their order; all without any. Raises what `unknown` makes of a strange name."""
    for name in names:
        if name not in NAMES:
            raise unknown(name)
    return tuple(name for name in NAMES if not names or name in names)
